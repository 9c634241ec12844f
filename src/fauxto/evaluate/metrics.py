"""Metrics of a binary detector. The positive class is AI-generated = 1.

Figures come from scikit-learn; their intervals from the same figures on weighted images, for many bootstrap
resamples at once (`FigureResampler`), which the tests hold against scikit-learn on the resamples themselves.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]
Floats = NDArray[np.float64]

CALIBRATION_BINS = 15
RARE_FPR_REALS = 1000
"""Images that are not AI-generated below which a true-positive rate at 0.1 % FPR means nothing."""


def binary_metrics(labels: Labels, scores: Floats, threshold: float = 0.5) -> dict[str, Any]:
    """Accuracy, precision, recall, F1, AUROC, average precision and TPR at 1 % FPR.

    Args:
        labels: shape (N,), both classes present.
        scores: P(AI-generated) in [0, 1], shape (N,).
        threshold: for the figures that need a decision.
    """
    from sklearn import metrics

    called = scores >= threshold
    return {
        "images": len(labels),
        "ai": int((labels == 1).sum()),
        "threshold": threshold,
        "accuracy": float(metrics.accuracy_score(labels, called)),
        "balanced_accuracy": float(metrics.balanced_accuracy_score(labels, called)),
        "precision": float(metrics.precision_score(labels, called, zero_division=0.0)),
        "recall": float(metrics.recall_score(labels, called)),
        "f1": float(metrics.f1_score(labels, called)),
        "auroc": float(metrics.roc_auc_score(labels, scores)),
        "average_precision": float(metrics.average_precision_score(labels, scores)),
        "tpr_at_1_percent_fpr": tpr_at_fpr(labels, scores, 0.01),
    }


def tpr_at_fpr(labels: Labels, scores: Floats, max_fpr: float) -> float:
    """The greatest true-positive rate of any threshold whose false-positive rate is at most `max_fpr`.

    Args:
        labels: shape (N,), both classes present.
        scores: shape (N,).
        max_fpr: in [0, 1].
    """
    from sklearn.metrics import roc_curve

    fpr, tpr, _ = roc_curve(labels, scores, drop_intermediate=False)
    return float(tpr[fpr <= max_fpr + 1e-12].max())


def calibration_bins(scores: Floats, bins: int = CALIBRATION_BINS) -> Labels:
    """The equal-width bin of each score, 0 to `bins` - 1, shape (N,); the last one holds 1."""
    return np.minimum((scores * bins).astype(np.int64), bins - 1)


def expected_calibration_error(labels: Labels, scores: Floats, bins: int = CALIBRATION_BINS) -> float:
    """Mean distance of score and share of AI-generated images over equal-width bins, weighted by images.

    The positive class's version of Guo et al. 2017, equation 3: bins on P(AI-generated) itself.

    Args:
        labels: shape (N,), N at least 1.
        scores: in [0, 1], shape (N,).
        bins: how many.
    """
    gaps = np.bincount(calibration_bins(scores, bins), weights=scores - labels, minlength=bins)
    return float(np.abs(gaps).sum() / len(scores))


class FigureResampler:
    """The figures of `binary_metrics`, and the calibration error, of resampled images.

    Args:
        labels: shape (N,).
        scores: in [0, 1], shape (N,).
        threshold: for the figures that need a decision.
    """

    def __init__(self, labels: Labels, scores: Floats, threshold: float = 0.5) -> None:
        self._order = np.argsort(-scores, kind="stable")
        ranked = scores[self._order]
        # Images with the same score stand or fall together at every threshold.
        self._ties = (
            np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]]) if len(scores) else np.empty(0, int)
        )
        self._positive = (labels[self._order] == 1).astype(np.float64)
        called = (scores >= threshold).astype(np.float64)
        self._decisions = np.stack([called * labels, called * (1 - labels), labels, 1 - labels], axis=1)
        in_bin = np.eye(CALIBRATION_BINS)[calibration_bins(scores)]
        self._gaps = in_bin * (scores - labels)[:, None]

    def figures(self, counts: Floats) -> dict[str, Floats]:
        """The figures of each resample.

        Args:
            counts: how often each image was drawn, shape (B, N).

        Returns:
            Name to values, shape (B,), NaN where a resample lacks a class.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            return (
                self._decided(counts)
                | self._ranked(counts)
                | {"calibration_error": self._calibration(counts)}
            )

    def auroc_and_accuracy(self, counts: Floats) -> dict[str, Floats]:
        """Two of `figures`, for where these are enough."""
        with np.errstate(divide="ignore", invalid="ignore"):
            caught, false, positives, negatives = (counts @ self._decisions).T
            hits, alarms = self._cumulated(counts)
            accuracy = (caught + negatives - false) / (positives + negatives)
            return {"auroc": _area(hits, alarms), "accuracy": accuracy}

    def _decided(self, counts: Floats) -> dict[str, Floats]:
        caught, false, positives, negatives = (counts @ self._decisions).T
        recall, specificity = caught / positives, 1 - false / negatives
        # As scikit-learn with zero_division=0: a model that never says AI has precision 0.
        precision = np.where(caught + false > 0, caught / (caught + false), 0.0)
        return {
            "accuracy": (caught + negatives - false) / (positives + negatives),
            "balanced_accuracy": (recall + specificity) / 2,
            "precision": precision,
            "recall": recall,
            "f1": 2 * caught / (caught + false + positives),
        }

    def _ranked(self, counts: Floats) -> dict[str, Floats]:
        hits, alarms = self._cumulated(counts)
        gained = np.diff(hits, axis=1, prepend=0.0)
        precision = np.where(hits + alarms > 0, hits / (hits + alarms), 0.0)
        return {
            "auroc": _area(hits, alarms),
            "average_precision": (gained * precision).sum(axis=1) / hits[:, -1],
            "tpr_at_1_percent_fpr": _best_tpr(hits, alarms, 0.01),
            "tpr_at_0_1_percent_fpr": _best_tpr(hits, alarms, 0.001),
        }

    def _cumulated(self, counts: Floats) -> tuple[Floats, Floats]:
        """True and false positives at each distinct threshold, from the highest, each (B, thresholds)."""
        ranked = counts[:, self._order]
        hits = np.add.reduceat(ranked * self._positive, self._ties, axis=1)
        drawn = np.add.reduceat(ranked, self._ties, axis=1)
        return np.cumsum(hits, axis=1), np.cumsum(drawn - hits, axis=1)

    def _calibration(self, counts: Floats) -> Floats:
        return np.asarray(np.abs(counts @ self._gaps).sum(axis=1) / counts.sum(axis=1))


def _area(hits: Floats, alarms: Floats) -> Floats:
    """Area under the ROC curve by trapezia, shape (B,)."""
    widths = np.diff(alarms, axis=1, prepend=0.0)
    heights = hits - np.diff(hits, axis=1, prepend=0.0) / 2
    return np.asarray((widths * heights).sum(axis=1) / (hits[:, -1] * alarms[:, -1]))


def _best_tpr(hits: Floats, alarms: Floats, max_fpr: float) -> Floats:
    within = alarms <= max_fpr * alarms[:, -1:] + 1e-9
    return np.asarray((hits * within).max(axis=1, initial=0.0) / hits[:, -1])
