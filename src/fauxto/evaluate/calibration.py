"""Calibration of scores and choice of the verdict's thresholds. Needs numpy only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]


def fit_platt(logits: Scores, labels: NDArray[np.int64], steps: int = 100) -> tuple[float, float]:
    """Platt scaling by Newton's method on the log loss with Platt's smoothed targets (Platt 1999, eq. 2-3).

    Args:
        logits: raw outputs, shape (N,).
        labels: AI-generated = 1, shape (N,), both classes present.
        steps: at most.

    Returns:
        Slope and intercept of score = sigmoid(slope * logit + intercept).
    """
    positives = int((labels == 1).sum())
    negatives = len(labels) - positives
    targets = np.where(labels == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    # Standard units: Newton's steps below would overshoot on outputs of another scale.
    centre, scale = float(logits.mean()), float(logits.std()) or 1.0
    design = np.stack([(logits - centre) / scale, np.ones_like(logits)], axis=1)
    weights = np.array([1.0, 0.0])
    for _ in range(steps):
        scores = 0.5 * (1 + np.tanh(0.5 * design @ weights))
        gradient = design.T @ (scores - targets)
        hessian = (design * (scores * (1 - scores))[:, None]).T @ design + 1e-9 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        weights = weights - np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < 1e-10:
            break
    slope = float(weights[0]) / scale
    return slope, float(weights[1]) - slope * centre


def threshold_allowing(real_scores: Scores, allowed: int) -> float:
    """The least threshold at which at most `allowed` of these images score at or above it.

    Args:
        real_scores: scores of images that are not AI-generated, in [0, 1], shape (N,).
        allowed: 0 or more.

    Returns:
        In [0, 1]; where more than `allowed` images score exactly 1 no threshold does it, and this is 1.
    """
    ordered = np.sort(real_scores)[::-1]
    if allowed >= len(ordered):
        return 0.0
    # Just above the first score that must not be flagged.
    return float(min(1.0, np.nextafter(ordered[allowed], 2.0)))


def threshold_for_fpr(real_scores: Scores, max_fpr: float) -> float:
    """The least threshold at which at most `max_fpr` of these images score at or above it.

    Args:
        real_scores: scores of images that are not AI-generated, in [0, 1], shape (N,).
        max_fpr: share in [0, 1].
    """
    return threshold_allowing(real_scores, int(np.floor(max_fpr * len(real_scores))))


def threshold_for_fpr_of_groups(
    real_scores: Scores, groups: NDArray[np.str_], max_fpr: float, *, resamples: int = 1000, seed: int = 0
) -> float:
    """The least threshold whose false-positive rate has an upper bound over groups of at most `max_fpr`.

    Images of one group resemble each other, so a rate over all of them says little about the next group. The
    bound is the 95 % quantile of the rate over samples of whole groups with replacement (cluster bootstrap:
    Davison and Hinkley 1997, section 3.8). With few groups it is too low somewhat more often than in 5 % of
    cases.

    Args:
        real_scores: scores of images that are not AI-generated, in [0, 1], shape (N,).
        groups: the group of each, shape (N,).
        max_fpr: share in [0, 1].
        resamples: samples of groups.
        seed: of the samples.
    """
    names, index = np.unique(groups, return_inverse=True)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), resamples)
    images = drawn @ np.bincount(index, minlength=len(names))

    def bound(threshold: float) -> float:
        flagged = np.bincount(index[real_scores >= threshold], minlength=len(names))
        return float(np.quantile(drawn @ flagged / images, 0.95))

    candidates = np.unique(np.concatenate([[0.0], np.minimum(1.0, np.nextafter(real_scores, 2.0)), [1.0]]))
    # The bound falls with the threshold, so the least that fits is found by halving.
    low, high = 0, len(candidates) - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if bound(float(candidates[middle])) <= max_fpr else (middle + 1, high)
    return float(candidates[low])


def threshold_missing(ai_scores: Scores, missed: int) -> float:
    """The greatest threshold below which at most `missed` of these AI-generated images score.

    Args:
        ai_scores: in [0, 1], shape (N,), at least one.
        missed: 0 or more.
    """
    return float(np.sort(ai_scores)[min(missed, len(ai_scores) - 1)])


def choose_thresholds(
    real_kinds: Sequence[tuple[Scores, NDArray[np.str_] | None]],
    ai_scores: Scores,
    max_fpr: float,
    max_miss: float,
) -> tuple[float, float]:
    """The verdict's two thresholds.

    `ai` keeps the false-positive rate of *every* kind at or below `max_fpr`, where its groups are known the
    upper bound over them; `no_sign` is the greatest threshold below which at most `max_miss` of the AI images
    fall, never above `ai`.

    Returns:
        ai and no_sign, both in [0, 1].
    """
    ai = max(
        threshold_for_fpr(scores, max_fpr)
        if groups is None
        else threshold_for_fpr_of_groups(scores, groups, max_fpr)
        for scores, groups in real_kinds
    )
    no_sign = threshold_missing(ai_scores, int(np.floor(max_miss * len(ai_scores))))
    return ai, min(no_sign, ai)
