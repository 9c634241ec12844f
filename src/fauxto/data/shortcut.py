"""The shortcut test: can the class be told without looking at the picture?

Reals are JPEG and fakes PNG, or qualities and sizes differ by class: a detector trained on such data learns
the format. So a small classifier is trained on the files' outside alone, cross-validated; on sound data it is
at chance, an AUROC of about 0.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fauxto.data.splits import split
from fauxto.errors import MissingExtraError

WARNING_LEVEL = 0.6
"""AUROC above which the data give the class away."""

MIN_IMAGES = 10
"""Images of each class below which the test says nothing."""

FEATURES = ("file size", "width", "height", "JPEG quality", "format")
_FOLDS = 5
_MAX_IMAGES = 20_000


@dataclass(frozen=True)
class ShortcutReport:
    """How well the files' outside tells the class.

    Attributes:
        auroc: mean over the folds, from all features together; 0.5 is chance.
        low: lower end of its 95 % interval.
        high: upper end.
        without_file_size: the same from all features but the file size, which also depends on how much
            detail the picture holds.
        alone: name of each feature to the AUROC from it alone.
        images: how many images took part (at most 20,000, chosen by content hash).
        shortcut: whether `auroc` lies above the warning level.
    """

    auroc: float
    low: float
    high: float
    without_file_size: float
    alone: dict[str, float]
    images: int
    shortcut: bool


def require_classifier() -> None:
    """Check, before hours of reading, that the test can run.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    try:
        import sklearn  # noqa: F401
    except ImportError:
        raise MissingExtraError("the shortcut test", "evaluate") from None


def shortcut_test(
    features: NDArray[np.float64], labels: NDArray[np.int8], hashes: Sequence[str], *, seed: int = 0
) -> ShortcutReport | None:
    """Train gradient-boosted trees on the files' outside and see how well they tell the class.

    Trees, because a shortcut need not be monotone (one class at quality 75 and 95, the other at 85). Byte-
    identical images stay in one fold. The interval is that of Hanley and McNeil (1982).

    Args:
        features: shape (N, 5), columns as in `FEATURES`; NaN where a feature does not apply. `format` is
            a number for each format.
        labels: shape (N,), 1 for AI-generated.
        hashes: content hash of each image.
        seed: of the folds and the trees.

    Returns:
        The report, or None where a class has fewer than `MIN_IMAGES` images.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    require_classifier()
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    if min(np.sum(labels == 0), np.sum(labels == 1)) < MIN_IMAGES:
        return None
    chosen = _sample(labels, hashes, seed)
    features, labels = features[chosen], labels[chosen]
    even = {str(fold): 1 / _FOLDS for fold in range(_FOLDS)}
    folds = list(split(labels, [hashes[row] for row in chosen], even, seed).values())
    # The trees are tiny: beside another busy process, threads that wait for each other take ten times longer.
    with threadpool_limits(1):
        auroc = _cross_validated(features, labels, folds, seed)
        without_file_size = _cross_validated(features[:, 1:], labels, folds, seed)
        alone = {
            name: _cross_validated(features[:, [column]], labels, folds, seed)
            for column, name in enumerate(FEATURES)
        }
    margin = 1.96 * _standard_error(auroc, labels)
    return ShortcutReport(
        auroc=auroc,
        low=max(auroc - margin, 0.0),
        high=min(auroc + margin, 1.0),
        without_file_size=without_file_size,
        alone=alone,
        images=len(labels),
        shortcut=auroc > WARNING_LEVEL,
    )


def _sample(labels: NDArray[np.int8], hashes: Sequence[str], seed: int) -> NDArray[np.int64]:
    if len(labels) <= _MAX_IMAGES:
        return np.arange(len(labels))
    share = _MAX_IMAGES / len(labels)
    return split(labels, hashes, {"used": share, "rest": 1 - share}, seed)["used"]


def _cross_validated(
    features: NDArray[np.float64], labels: NDArray[np.int8], folds: list[NDArray[np.int64]], seed: int
) -> float:
    """Give the mean AUROC over the folds that hold both classes; a constant feature is at chance."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score

    scores: list[float] = []
    for fold in folds:
        rest = np.setdiff1d(np.arange(len(labels)), fold)
        if len(set(labels[fold])) < 2 or len(set(labels[rest])) < 2:
            continue
        known = np.isfinite(features[rest]).any(axis=0)
        if not known.any():  # no JPEG here, say; the trees fail on a column without a value
            scores.append(0.5)
            continue
        trees = HistGradientBoostingClassifier(
            max_iter=40,
            max_leaf_nodes=8,
            min_samples_leaf=int(np.clip(len(rest) // 20, 2, 20)),
            early_stopping=False,
            random_state=seed,
        )
        trees.fit(features[np.ix_(rest, known)], labels[rest])
        found = trees.predict_proba(features[np.ix_(fold, known)])[:, 1]
        scores.append(float(roc_auc_score(labels[fold], found)))
    return float(np.mean(scores)) if scores else 0.5


def _standard_error(auroc: float, labels: NDArray[np.int8]) -> float:
    """Standard error of an AUROC after Hanley and McNeil, Radiology 143 (1982), equation 1."""
    positives, negatives = int(np.sum(labels == 1)), int(np.sum(labels == 0))
    one, two = auroc / (2 - auroc), 2 * auroc**2 / (1 + auroc)
    spread = (
        auroc * (1 - auroc) + (positives - 1) * (one - auroc**2) + (negatives - 1) * (two - auroc**2)
    )  # fmt: skip
    return float(np.sqrt(max(spread, 0.0) / (positives * negatives)))
