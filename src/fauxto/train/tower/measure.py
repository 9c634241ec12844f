"""What scores on origins that training never saw are worth."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from fauxto.evaluate.calibration import threshold_for_fpr
from fauxto.models.bundle import sigmoid
from fauxto.train.tower.pictures import Pictures


@dataclass(frozen=True)
class Yardstick:
    """Figures over the groups that hold both classes, each scored by a head that never saw the group.

    Attributes:
        pooled: AUROC of all scores together.
        mean: mean of the groups' AUROCs.
        recall_at_1_percent: share of AI-generated images at or above the threshold that 1 % of the
            photographs reach.
        images: how many.
        groups: how many.
    """

    pooled: float
    mean: float
    recall_at_1_percent: float
    images: int
    groups: int


def group_aurocs(pictures: Pictures, logits: NDArray[np.float64]) -> dict[str, float]:
    """AUROC of every group that holds both classes."""
    found = {}
    for group in np.unique(pictures.groups[pictures.matched]):
        rows = pictures.groups == group
        found[str(group)] = float(roc_auc_score(pictures.labels[rows], logits[rows]))
    return found


def large_groups(pictures: Pictures, least: int = 20) -> list[str]:
    """Groups that hold at least so many pictures of each class."""
    names, place = np.unique(pictures.groups, return_inverse=True)
    counts = [np.bincount(place[pictures.labels == label], minlength=len(names)) for label in (0, 1)]
    return [str(name) for name, few in zip(names, np.minimum(*counts), strict=True) if few >= least]


def yardstick(
    pictures: Pictures, logits: NDArray[np.float64], rows: NDArray[np.bool_], by_group: dict[str, float]
) -> Yardstick:
    """The figures over `rows`, those without both classes in their group left out; `by_group` has AUROCs."""
    rows = rows & pictures.matched
    labels, scores = pictures.labels[rows], logits[rows]
    groups = np.unique(pictures.groups[rows])
    # A probability, because thresholds are; the order of the scores is what counts.
    chances = sigmoid(scores)
    threshold = threshold_for_fpr(chances[labels == 0], 0.01)
    return Yardstick(
        float(roc_auc_score(labels, scores)),
        float(np.mean([by_group[str(group)] for group in groups])),
        float((chances[labels == 1] >= threshold).mean()),
        int(rows.sum()),
        len(groups),
    )


def shape_aurocs(pictures: Pictures, logits: NDArray[np.float64]) -> dict[str, float]:
    """AUROC among square and among other pictures of the groups that hold both classes.

    Generated pictures are square more often; what is left among pictures of one shape is no such thing.
    """
    square = np.array([pixels.shape[0] == pixels.shape[1] for pixels in pictures.pixels()])
    found = {}
    for name, rows in (("square", pictures.matched & square), ("other", pictures.matched & ~square)):
        if len(np.unique(pictures.labels[rows])) == 2:
            found[name] = float(roc_auc_score(pictures.labels[rows], logits[rows]))
    return found


def figures(
    pictures: Pictures, logits: NDArray[np.float64], remakes: NDArray[np.bool_]
) -> dict[str, dict[str, Any]]:
    """The yardstick over all matched groups and, where there are remakes, without and over them."""
    parts = {"all": np.ones(len(pictures), dtype=bool)}
    if remakes.any():
        parts |= {"no remakes": ~remakes, "remakes": remakes}
    by_group = group_aurocs(pictures, logits)
    return {
        name: asdict(yardstick(pictures, logits, rows, by_group))
        for name, rows in parts.items()
        if (rows & pictures.matched).any()
    }
