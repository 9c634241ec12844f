"""The figures: by hand where a hand can, by scikit-learn elsewhere, and the same on resamples."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from fauxto.evaluate.metrics import (
    FigureResampler,
    binary_metrics,
    calibration_bins,
    expected_calibration_error,
    tpr_at_fpr,
)

LABELS = np.array([0, 0, 1, 1])
SCORES = np.array([0.1, 0.6, 0.4, 0.9])


def drawn_scores(seed: int, ties: bool) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    labels = np.r_[np.zeros(60, np.int64), np.ones(40, np.int64)]
    scores = np.clip(rng.normal(0.35 + 0.3 * labels, 0.2), 0, 1)
    return labels, np.round(scores, 1) if ties else scores


def test_figures_of_four_images_by_hand() -> None:
    found = binary_metrics(LABELS, SCORES)
    assert found["accuracy"] == 0.5
    assert (found["precision"], found["recall"], found["f1"]) == (0.5, 0.5, 0.5)
    assert found["auroc"] == 0.75
    assert found["average_precision"] == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert found["tpr_at_1_percent_fpr"] == 0.5
    assert (found["images"], found["ai"]) == (4, 2)


def test_a_score_at_the_threshold_counts_as_ai() -> None:
    assert binary_metrics(np.array([0, 1]), np.array([0.2, 0.5]))["recall"] == 1.0


def test_a_model_that_never_says_ai_has_precision_0() -> None:
    assert binary_metrics(np.array([0, 1]), np.array([0.1, 0.2]))["precision"] == 0.0


def test_true_positives_are_counted_up_to_the_last_allowed_false_positive() -> None:
    labels = np.r_[np.zeros(100, np.int64), np.ones(4, np.int64)]
    scores = np.r_[np.linspace(0, 0.5, 99), 0.8, [0.9, 0.7, 0.6, 0.1]]
    assert tpr_at_fpr(labels, scores, 0.01) == 0.75
    assert tpr_at_fpr(labels, scores, 0.001) == 0.25


def test_calibration_error_by_hand() -> None:
    # Bin 13 holds 0.9 twice with half AI-generated, bin 1 holds 0.1 once with none.
    labels, scores = np.array([1, 0, 0]), np.array([0.9, 0.9, 0.1])
    assert expected_calibration_error(labels, scores) == pytest.approx((2 * 0.4 + 0.1) / 3)


def test_bins_are_of_equal_width_and_the_last_one_holds_1() -> None:
    scores = np.array([0.0, 1 / 15 - 1e-9, 1 / 15 + 1e-9, 0.999, 1.0])
    assert calibration_bins(scores).tolist() == [0, 0, 1, 14, 14]


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_resampled_figures_are_scikit_learns_on_the_resample(seed: int, ties: bool) -> None:
    labels, scores = drawn_scores(seed, ties)
    rng = np.random.default_rng(seed + 100)
    draws = [rng.integers(0, len(labels), len(labels)) for _ in range(3)] + [np.arange(len(labels))]
    counts = np.stack([np.bincount(rows, minlength=len(labels)) for rows in draws]).astype(np.float64)
    resampler = FigureResampler(labels, scores)
    found, two = resampler.figures(counts), resampler.auroc_and_accuracy(counts)
    for index, rows in enumerate(draws):
        expected = binary_metrics(labels[rows], scores[rows])
        expected["calibration_error"] = expected_calibration_error(labels[rows], scores[rows])
        expected["tpr_at_0_1_percent_fpr"] = tpr_at_fpr(labels[rows], scores[rows], 0.001)
        for name, values in found.items():
            assert values[index] == pytest.approx(expected[name], abs=1e-12), name
        for name, values in two.items():
            assert values[index] == pytest.approx(expected[name], abs=1e-12), name


def test_a_resample_without_a_class_gives_no_auroc() -> None:
    found = FigureResampler(LABELS, SCORES).figures(np.array([[2.0, 2.0, 0.0, 0.0]]))
    assert np.isnan(found["auroc"][0])
    assert found["accuracy"][0] == 0.5
