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


def threshold_missing(ai_scores: Scores, missed: int) -> float:
    """The greatest threshold below which at most `missed` of these AI-generated images score.

    Args:
        ai_scores: in [0, 1], shape (N,), at least one.
        missed: 0 or more.
    """
    return float(np.sort(ai_scores)[min(missed, len(ai_scores) - 1)])


def choose_thresholds(
    real_groups: Sequence[Scores], ai_scores: Scores, max_fpr: float, max_miss: float
) -> tuple[float, float]:
    """The verdict's two thresholds.

    `ai` keeps the false-positive rate of *every* group at or below `max_fpr`; `no_sign` is the greatest
    threshold below which at most `max_miss` of the AI images fall, never above `ai`.

    Returns:
        ai and no_sign, both in [0, 1].
    """
    ai = max(threshold_for_fpr(group, max_fpr) for group in real_groups)
    no_sign = threshold_missing(ai_scores, int(np.floor(max_miss * len(ai_scores))))
    return ai, min(no_sign, ai)
