"""What a model's logit gains: a linear function of its features that only ever adds.

A logistic regression with the model's own log-odds as offset, under a strong L2 penalty: few images move it
only where the model is wrong. Negative values are cut off, so that what the model knew before stays known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PENALTIES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
FOLDS = 5
_NEWTON_STEPS = 50

Features = NDArray[np.float64]  # (N, D)
Numbers = NDArray[np.float64]  # (N,)
Labels = NDArray[np.int64]  # (N,), AI-generated = 1


@dataclass(frozen=True)
class Addition:
    """max(0, features . weights + bias), in log-odds."""

    weights: NDArray[np.float64]
    bias: float

    def of(self, features: Features) -> Numbers:
        """What is added to the log-odds of each, shape (N,), never below 0."""
        return np.maximum(features @ self.weights + self.bias, 0.0)

    def moved(self, slope: float, shift: float) -> Addition:
        """slope * what is inside the maximum + shift."""
        return Addition(self.weights * slope, self.bias * slope + shift)


def fit(features: Features, offsets: Numbers, labels: Labels, penalty: float) -> Addition:
    """Logistic regression with offsets, both classes weighing alike, by Newton's method.

    Solved in the span of the images: with far fewer of them than features that is the same solution.

    Args:
        features: (N, D), any scale; they are standardised here.
        offsets: the model's own log-odds, (N,).
        labels: (N,), both classes present.
        penalty: of the squared length of the weights on standardised features, divided by D.
    """
    mean, scale = features.mean(0), features.std(0)
    scale = np.where(scale > 1e-6 * max(scale.max(), 1e-12), scale, np.inf)  # constant features say nothing
    standard = (features - mean) / scale / np.sqrt(features.shape[1])
    left, singular, right = np.linalg.svd(standard, full_matrices=False)
    design = np.concatenate([left * singular, np.ones((len(labels), 1))], axis=1)
    ridge = np.full(design.shape[1], penalty)
    ridge[-1] = 1e-6
    weight = np.where(labels == 1, 0.5 / (labels == 1).sum(), 0.5 / (labels == 0).sum())
    solution = np.zeros(design.shape[1])
    for _ in range(_NEWTON_STEPS):
        scores = 0.5 * (1 + np.tanh(0.5 * (design @ solution + offsets)))
        gradient = design.T @ (weight * (scores - labels)) + ridge * solution
        curvature = weight * np.maximum(scores * (1 - scores), 1e-6)
        hessian = (design * curvature[:, None]).T @ design + np.diag(ridge)
        step = np.linalg.solve(hessian, gradient)
        solution -= step * min(1.0, 5.0 / float(np.abs(step).max() + 1e-12))
        if np.abs(step).max() < 1e-8:
            break
    slopes = (solution[:-1] @ right) / scale / np.sqrt(features.shape[1])
    return Addition(slopes, float(solution[-1] - mean @ slopes))


def folds_of(labels: Labels, groups: Sequence[str], seed: int = 0) -> NDArray[np.int64]:
    """A fold for each image; the classes are spread evenly, and a group (a pair, say) stays in one fold."""
    rng = np.random.default_rng(seed)
    folds = np.full(len(labels), -1)
    by_group: dict[str, list[int]] = {}
    for row, group in enumerate(groups):
        by_group.setdefault(group, []).append(row)
    counts = np.zeros((FOLDS, 2))
    for members in sorted(by_group.values(), key=lambda rows: (-len(rows), rng.random())):
        size = np.bincount(labels[members], minlength=2)
        fold = int(np.argmin((counts * size).sum(1) + rng.random(FOLDS) * 1e-3))
        folds[members] = fold
        counts[fold] += size
    return folds


def held_out(
    features: Features, offsets: Numbers, labels: Labels, folds: NDArray[np.int64], penalty: float
) -> Numbers:
    """What an addition gives to images that it was not fitted on, (N,), before negative values are cut."""
    found = np.zeros(len(labels))
    for fold in np.unique(folds):
        out = folds == fold
        one = fit(features[~out], offsets[~out], labels[~out], penalty)
        found[out] = features[out] @ one.weights + one.bias
    return found


def choose_penalty(features: Features, offsets: Numbers, labels: Labels, folds: NDArray[np.int64]) -> float:
    """The penalty with the least log loss on images that were left out, both classes weighing alike."""
    losses = []
    for penalty in PENALTIES:
        log_odds = offsets + held_out(features, offsets, labels, folds, penalty)
        each = np.logaddexp(0, np.where(labels == 1, -log_odds, log_odds))
        losses.append(each[labels == 1].mean() + each[labels == 0].mean())
    return PENALTIES[int(np.argmin(losses))]


def rescaling(added: Numbers, offsets: Numbers, labels: Labels) -> tuple[float, float]:
    """Platt scaling of what an addition gives to images that it was not fitted on.

    The penalty shrinks an addition; this finds out by how much, from the images that were left out. Platt's
    smoothed targets (Platt 1999) keep the slope finite where they are told apart without an error.

    Returns:
        Slope (0 where the addition is of no use) and shift of slope * added + shift.
    """
    positives, negatives = int((labels == 1).sum()), int((labels == 0).sum())
    targets = np.where(labels == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    weight = np.where(labels == 1, 0.5 / positives, 0.5 / negatives)
    scale = float(added.std()) or 1.0
    design = np.stack([added / scale, np.ones_like(added)], axis=1)
    solution = np.zeros(2)
    for _ in range(_NEWTON_STEPS):
        scores = 0.5 * (1 + np.tanh(0.5 * (design @ solution + offsets)))
        gradient = design.T @ (weight * (scores - targets))
        curvature = weight * np.maximum(scores * (1 - scores), 1e-6)
        step = np.linalg.solve((design * curvature[:, None]).T @ design + 1e-9 * np.eye(2), gradient)
        solution -= np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < 1e-8:
            break
    slope = float(solution[0]) / scale
    return (slope, float(solution[1])) if slope > 0 else (0.0, 0.0)


def lowering(added: Numbers, offsets: Numbers, threshold: float, allowed: int) -> float:
    """By how much an addition must be lowered so that few photographs are newly accused by it.

    Args:
        added: what it gives to photographs that it was not fitted on, (N,).
        offsets: their log-odds before.
        threshold: the log-odds from which on the verdict is `ai`.
        allowed: how many photographs may newly reach it.

    Returns:
        0 or more; another `allowed` + 1 photographs stay just below the threshold.
    """
    excess = np.sort((offsets + added - threshold)[offsets < threshold])[::-1]
    if allowed >= len(excess):
        return 0.0
    return max(0.0, float(excess[allowed]) + 1e-6)
