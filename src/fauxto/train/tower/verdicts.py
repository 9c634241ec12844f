"""Thresholds, and what they say of pictures whose origin neither head nor gate saw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fauxto.evaluate.calibration import threshold_allowing, threshold_for_fpr, threshold_missing
from fauxto.evaluate.intervals import upper_bound
from fauxto.models.bundle import sigmoid
from fauxto.models.config import BundleConfig
from fauxto.train.tower.gate import Gate, Kind
from fauxto.train.tower.pictures import Pictures, group_folds
from fauxto.train.tower.recipe import TowerRecipe

Rows = NDArray[np.bool_]


@dataclass(frozen=True)
class Judged:
    """A run's N pictures as seen by heads, and gates, that never saw their origin.

    Attributes:
        pictures: N of them.
        scores: by view, calibrated, (N,).
        away: by view, whom the gate turns away, (N,); all False where there is none.
    """

    pictures: Pictures
    scores: dict[str, NDArray[np.float64]]
    away: dict[str, Rows]

    def verdicts(self, view: str, ai: float, no_sign: float) -> NDArray[np.int64]:
        """0 for *no-sign*, 1 for *uncertain* (what is turned away, too), 2 for *ai*, (N,)."""
        found = np.digitize(self.scores[view], [no_sign, ai])
        found[self.away[view]] = 1
        return found


def choose_thresholds(
    recipe: TowerRecipe, pictures: Pictures, scores: dict[str, NDArray[np.float64]], rows: Rows | None = None
) -> tuple[float, float]:
    """The verdict's thresholds, ai and no_sign, from scores of each view, on all pictures or on `rows`.

    `ai` holds in every promised view. Below `no_sign` lie at most `max_miss` of the AI-generated pictures as
    they are and loosely cropped; degraded ones may fall below it, since that verdict claims nothing.
    """
    rows = np.ones(len(pictures), dtype=bool) if rows is None else rows
    promised = [view for view in recipe.promised if view in scores]
    ai = max(_ai_threshold(recipe, pictures, scores[view], rows) for view in promised)
    positive = rows & (pictures.labels == 1)
    generated = [found[positive] for view, found in scores.items() if view in ("clean", "loose")]
    allowed = int(np.floor(recipe.bundle.max_miss * len(generated[0])))
    return ai, min(ai, *(threshold_missing(found, allowed) for found in generated))


def _ai_threshold(recipe: TowerRecipe, pictures: Pictures, scores: NDArray[np.float64], rows: Rows) -> float:
    """Flags at most `max_fpr` of all photographs, and less than `max_group_fpr` of every large part of them.

    A part is a source or a collection.
    """
    real = rows & (pictures.labels == 0)
    ai = threshold_for_fpr(scores[real], recipe.bundle.max_fpr)
    for names in (pictures.sources, pictures.collections):
        for name in np.unique(names[real]):
            part = scores[real & (names == name)]
            if len(part) >= recipe.group_size:
                allowed = max(0, math.ceil(recipe.max_group_fpr * len(part)) - 1)
                ai = max(ai, threshold_allowing(part, allowed))
    return ai


def verdict_figures(recipe: TowerRecipe, judged: Judged, ai: float, no_sign: float) -> dict[str, Any]:
    """Shares of the verdicts, and how they flip between views."""
    pictures = judged.pictures
    real = pictures.labels == 0
    found = {view: judged.verdicts(view, ai, no_sign) for view in judged.scores}
    clean = found["clean"]
    degraded = {view: verdicts for view, verdicts in found.items() if view != "clean"}
    return {
        "verdicts": {
            "photographs": int(real.sum()),
            "photographs called ai": float((clean[real] == 2).mean()),
            "ai-generated images": int((~real).sum()),
            "ai-generated called ai": float((clean[~real] == 2).mean()),
            "uncertain": float((clean == 1).mean()),
        },
        "verdicts by thresholds of other origins": _cross_fitted(recipe, judged),
        "verdicts that flip": {view: float((one != clean).mean()) for view, one in degraded.items()},
    }


def _cross_fitted(recipe: TowerRecipe, judged: Judged) -> dict[str, Any]:
    """Verdicts by thresholds that were chosen without the picture's origin: what to expect of a new one."""
    pictures = judged.pictures
    verdicts = {view: np.empty(len(pictures), np.int64) for view in judged.scores}
    folds = group_folds(pictures.groups)
    for fold in np.unique(folds):
        rows = folds == fold
        chosen = choose_thresholds(recipe, pictures, judged.scores, ~rows)
        for view, found in verdicts.items():
            found[rows] = judged.verdicts(view, *chosen)[rows]
    real, clean = pictures.labels == 0, verdicts["clean"]
    return {
        "photographs": _bounded(clean[real] == 2),
        "ai-generated called ai": float((clean[~real] == 2).mean()),
        "photographs, by view": {
            view: _bounded(found[real] == 2) for view, found in verdicts.items() if view != "clean"
        },
        "photographs, by collection": {
            str(name): _bounded(clean[real & (pictures.collections == name)] == 2)
            for name in np.unique(pictures.collections[real])
        },
    }


def _bounded(called: Rows) -> dict[str, Any]:
    """Photographs, how many are called AI-generated, and the share's exact one-sided 95 % upper bound."""
    count, total = int(called.sum()), len(called)
    return {"photographs": total, "called ai": count, "upper bound": round(upper_bound(count, total), 5)}


def gate_figures(judged: Judged, gate: Gate, config: BundleConfig) -> dict[str, Any]:
    """By view, whom the gate turns away, and what is called AI-generated among what it lets through."""
    real, calibration = judged.pictures.labels == 0, config.calibration

    def row(kind: Kind) -> dict[str, Any]:
        scores = sigmoid(calibration.slope * kind.passed + calibration.intercept)
        return let_through(kind.pictures, scores, config.thresholds.ai)

    return {
        "photographs turned away": {view: float(away[real].mean()) for view, away in judged.away.items()},
        "ai-generated turned away": {view: float(away[~real].mean()) for view, away in judged.away.items()},
        "kinds": {
            view: {name: row(kind) for name, kind in kinds.items()} for view, kinds in gate.kinds.items()
        },
    }


def let_through(pictures: int, scores: NDArray[np.float64], ai: float) -> dict[str, Any]:
    """Of so many `pictures` what a gate let through, with these `scores`, and what is called AI-generated.

    With the latter's exact one-sided 95 % upper bound.
    """
    called = int((scores >= ai).sum())
    return {
        "pictures": pictures,
        "let through": len(scores) / pictures,
        "called ai": called / pictures,
        "upper bound": round(upper_bound(called, pictures), 5),
    }


def remake_rows(pictures: Pictures, named: Sequence[str]) -> Rows:
    """Pictures of groups in which a generator re-rendered the photograph: paired by the data, or `named`."""
    paired = {
        group for item, group in zip(pictures.items, pictures.groups.tolist(), strict=True) if item.pair
    }
    return np.isin(pictures.groups, sorted(paired | set(named)))
