"""Paired tests against published figures and against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from fauxto.evaluate.paired import delong, mcnemar

# Albumin, total protein, K-G score, benefit from surgery of the 43 complete patients in DeLong, DeLong and
# Clarke-Pearson, Biometrics 44 (1988); SAS/STAT prints its analysis as the ROC example of PROC LOGISTIC.
PATIENTS = np.fromstring(
    """
    3.0 5.8 10 0  3.2 6.3 5 1  3.9 6.8 3 1  2.8 4.8 6 0  3.2 5.8 3 1  0.9 4.0 5 0  2.5 5.7 8 0  1.6 5.6 5 1
    3.8 5.7 5 1   3.7 6.7 6 1  3.2 5.4 4 1  3.8 6.6 6 1  4.1 6.6 5 1  3.6 5.7 5 1  4.3 7.0 4 1  3.6 6.7 4 0
    2.3 4.4 6 1   4.2 7.6 4 0  4.0 6.6 6 0  3.5 5.8 6 1  3.8 6.8 7 1  3.0 4.7 8 0  4.5 7.4 5 1  3.7 7.4 5 1
    3.1 6.6 6 1   4.1 8.2 6 1  4.3 7.0 5 1  4.3 6.5 4 1  3.2 5.1 5 1  2.6 4.7 6 1  3.3 6.8 6 0  1.7 4.0 7 0
    3.7 6.1 5 1   3.3 6.3 7 1  4.2 7.7 6 1  3.5 6.2 5 1  2.9 5.7 9 0  2.1 4.8 7 1  2.8 6.2 8 0  4.0 7.0 7 1
    3.3 5.7 6 1   3.7 6.9 5 1  3.6 6.6 5 1
    """,
    sep=" ",
).reshape(-1, 4)
ALBUMIN, PROTEIN, K_G = PATIENTS[:, 0], PATIENTS[:, 1], 10 - PATIENTS[:, 2]
BENEFIT = PATIENTS[:, 3].astype(np.int64)


def test_delong_gives_the_published_contrast_of_total_protein_and_k_g_score() -> None:
    found = delong(BENEFIT, PROTEIN, K_G)
    assert found.first == pytest.approx(0.6478, abs=5e-5)
    assert found.second == pytest.approx(0.7258, abs=5e-5)
    assert found.difference == pytest.approx(-0.0780, abs=5e-5)
    assert found.standard_error == pytest.approx(0.1046, abs=5e-5)
    assert found.z is not None
    assert found.z**2 == pytest.approx(0.5554, abs=5e-5)
    assert found.p_value == pytest.approx(0.4561, abs=5e-5)


def delong_by_definition(
    labels: NDArray[np.int64], first: NDArray[np.float64], second: NDArray[np.float64]
) -> float:
    """The standard error of the difference from all pairs of images, as the paper of 1988 writes it."""
    by_positives, by_negatives = [], []
    for scores in (first, second):
        above, below = scores[labels == 1][:, None], scores[labels == 0][None, :]
        wins = (above > below) + 0.5 * (above == below)
        by_positives.append(wins.mean(axis=1))
        by_negatives.append(wins.mean(axis=0))
    spread = np.cov(by_positives) / (labels == 1).sum() + np.cov(by_negatives) / (labels == 0).sum()
    return float(np.sqrt(spread[0, 0] + spread[1, 1] - 2 * spread[0, 1]))


def test_delong_on_the_third_marker_equals_its_definition() -> None:
    found = delong(BENEFIT, ALBUMIN, K_G)
    assert found.standard_error == pytest.approx(delong_by_definition(BENEFIT, ALBUMIN, K_G), abs=1e-12)


@pytest.mark.parametrize("digits", [1, 12])
@pytest.mark.parametrize("seed", range(4))
def test_fast_delong_equals_its_definition_with_and_without_ties(seed: int, digits: int) -> None:
    rng = np.random.default_rng(seed)
    labels = (rng.random(80) < 0.4).astype(np.int64)
    first = np.round(rng.normal(labels, 1), digits)
    second = np.round(0.5 * first + rng.normal(labels, 1), digits)
    found = delong(labels, first, second)
    assert found.first == pytest.approx(roc_auc_score(labels, first), abs=1e-12)
    assert found.second == pytest.approx(roc_auc_score(labels, second), abs=1e-12)
    assert found.standard_error == pytest.approx(delong_by_definition(labels, first, second), abs=1e-12)
    assert found.low < found.difference < found.high


def test_a_model_does_not_differ_from_itself() -> None:
    found = delong(BENEFIT, ALBUMIN, ALBUMIN)
    assert (found.difference, found.z, found.p_value) == (0.0, None, 1.0)


def test_equal_models_are_as_rarely_called_different_as_the_level_says() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 60)
    p_values = [delong(labels, rng.normal(labels, 1), rng.normal(labels, 1)).p_value for _ in range(400)]
    assert 0.02 < np.mean(np.array(p_values) < 0.05) < 0.09


def rights(both: int, only_first: int, only_second: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    first = np.repeat([True, True, False], [both, only_first, only_second])
    second = np.repeat([True, False, True], [both, only_first, only_second])
    return first, second


def test_mcnemar_of_11_against_1_by_hand() -> None:
    found = mcnemar(*rights(9959, 11, 1))
    assert (found.only_first, found.only_second) == (11, 1)
    assert found.p_value == pytest.approx(2 * (1 + 12) / 2**12)  # 0.00634765625


def test_mcnemar_gives_the_published_p_values() -> None:
    # Fagerland, Lydersen and Laake, BMC Medical Research Methodology 13:91 (2013): the exact conditional test
    # of airway hyper-responsiveness before and after stem cell transplantation (Bentur et al. 2009): 0.070.
    assert mcnemar(*rights(1, 1, 7)).p_value == pytest.approx(0.070, abs=5e-4)


@pytest.mark.parametrize(("only_first", "only_second"), [(121, 59), (86, 150), (28, 35), (3, 3)])
def test_mcnemar_is_the_exact_binomial_test_of_the_disagreements(only_first: int, only_second: int) -> None:
    expected = binomtest(only_first, only_first + only_second, 0.5).pvalue
    assert mcnemar(*rights(10, only_first, only_second)).p_value == pytest.approx(expected)


def test_models_that_never_disagree_do_not_differ() -> None:
    assert mcnemar(*rights(10, 0, 0)).p_value == 1.0
