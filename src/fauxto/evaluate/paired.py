"""Are two detectors different, or was it luck? Paired tests on the same images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]
Floats = NDArray[np.float64]
_NORMAL_95 = 1.959963984540054


@dataclass(frozen=True)
class McNemar:
    """McNemar's exact test (1947) of whether two models are right equally often.

    Attributes:
        only_first: images that only the first model gets right.
        only_second: images that only the second model gets right.
        p_value: two-sided, of so uneven a division if each such image were a toss of a coin.
    """

    only_first: int
    only_second: int
    p_value: float


@dataclass(frozen=True)
class DeLong:
    """DeLong's test (1988) of whether two models' AUROCs are equal.

    Attributes:
        first: AUROC of the first model.
        second: AUROC of the second model.
        difference: first minus second.
        standard_error: of the difference.
        low: lower end of the difference's 95 % interval.
        high: upper end.
        z: difference over standard error; None where that is 0, as between equal models.
        p_value: two-sided, by the normal distribution.
    """

    first: float
    second: float
    difference: float
    standard_error: float
    low: float
    high: float
    z: float | None
    p_value: float


def mcnemar(first_right: NDArray[np.bool_], second_right: NDArray[np.bool_]) -> McNemar:
    """Compare what two models get right on the same images.

    Args:
        first_right: whether the first model judged each image rightly, shape (N,).
        second_right: the same of the second model.
    """
    from scipy.stats import binom

    only_first = int((first_right & ~second_right).sum())
    only_second = int((second_right & ~first_right).sum())
    fewer = min(only_first, only_second)
    p_value = min(1.0, 2 * float(binom.cdf(fewer, only_first + only_second, 0.5)))
    return McNemar(only_first, only_second, p_value)


def delong(labels: Labels, first: Floats, second: Floats) -> DeLong:
    """Compare the AUROCs of two models on the same images.

    DeLong, DeLong and Clarke-Pearson 1988, in the O(N log N) way of Sun and Xu 2014 (IEEE Signal Processing
    Letters 21): the structural components are differences of mid-ranks.

    Args:
        labels: AI-generated = 1, shape (N,), at least two images of each class.
        first: the first model's scores, shape (N,).
        second: the second model's scores, shape (N,).
    """
    from scipy.special import ndtr

    positive = labels == 1
    parts = [_components(scores[positive], scores[~positive]) for scores in (first, second)]
    area, other = (float(of_positives.mean()) for of_positives, _ in parts)
    contrast = np.array([1.0, -1.0])
    by_positives = np.cov(np.stack([part[0] for part in parts])) / positive.sum()
    by_negatives = np.cov(np.stack([part[1] for part in parts])) / (~positive).sum()
    # Rounding can leave a variance of two equal models a hair below zero.
    error = float(np.sqrt(max(0.0, contrast @ (by_positives + by_negatives) @ contrast)))
    difference = area - other
    margin = _NORMAL_95 * error
    z: float | None = None
    p_value = float(abs(difference) < 1e-12)
    if error > 1e-12:
        z = difference / error
        p_value = 2 * float(ndtr(-abs(z)))
    return DeLong(area, other, difference, error, difference - margin, difference + margin, z, p_value)


def _components(positives: Floats, negatives: Floats) -> tuple[Floats, Floats]:
    """Share of negatives below each positive, and of positives above each negative; ties count half."""
    from scipy.stats import rankdata

    joint = rankdata(np.concatenate([positives, negatives]))
    above = (joint[: len(positives)] - rankdata(positives)) / len(negatives)
    below = 1 - (joint[len(positives) :] - rankdata(negatives)) / len(positives)
    return above, below
