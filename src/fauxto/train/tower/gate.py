"""The gate: a second head on the same features that turns away what is no photograph."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

from fauxto.errors import DataError, UsageError
from fauxto.images import decode
from fauxto.train.tower.clip import Tower
from fauxto.train.tower.features import Views, compute_views
from fauxto.train.tower.heads import Head, fit_heads, held_out_heads, held_out_logits
from fauxto.train.tower.pictures import Pictures, group_folds
from fauxto.train.tower.recipe import GateSection, TowerRecipe
from fauxto.train.tower.views import Pixels


@dataclass(frozen=True)
class Others:
    """Pictures that are no photographs: their kinds, which of them are for the test, and their features."""

    kinds: NDArray[np.str_]
    test: NDArray[np.bool_]
    views: Views


@dataclass(frozen=True)
class Kind:
    """Test pictures of one kind: how many, and the detector's logits of those that the gate lets through."""

    pictures: int
    passed: NDArray[np.float64]


@dataclass(frozen=True)
class Gate:
    """The second head and what was measured with it.

    Attributes:
        head: gives the logit of *a photograph*.
        threshold: the logit below which a picture is turned away.
        photographs: by view, logits of all N pictures that should pass, by gates that never saw their group.
        kinds: by view and kind, test pictures that should not.
    """

    head: Head
    threshold: float
    photographs: dict[str, NDArray[np.float64]]
    kinds: dict[str, dict[str, Kind]]

    @property
    def away(self) -> dict[str, NDArray[np.bool_]]:
        """By view, which of the pictures that should pass are turned away, (N,)."""
        return {view: logits < self.threshold for view, logits in self.photographs.items()}


def fit_gate(
    recipe: TowerRecipe,
    tower: Tower,
    pictures: Pictures,
    views: Views,
    others: Path | None,
    cache: Path,
    kind: torch.dtype,
    head: Head,
) -> Gate | None:
    """The gate of a recipe, or None where it asks for none.

    It is fitted on the views that the detector's head is fitted on: a gate that saw sound pictures only takes
    a recompressed photograph for none.

    Args:
        recipe: its `gate` section says how many photographs may be turned away.
        tower: for features of `others`.
        pictures: photographs and AI-generated pictures that look like them; none should be turned away.
        views: theirs.
        others: a parquet file with `image`, `kind` and `split` (train or test).
        cache: folder for features.
        kind: what they are computed in.
        head: the detector's, to count what it would call AI-generated among `others`.

    Raises:
        UsageError: no such file is given.
        DataError: it lacks a column.
    """
    if recipe.gate is None:
        return None
    if others is None:
        raise UsageError(
            "this recipe has a gate; give pictures that are no photographs with --others FILE.parquet "
            "(python -m fauxto.train.nonphotos draws some)"
        )
    found = load_others(recipe, tower, others, cache, kind)
    return _fitted(recipe.gate, pictures, views, found, head)


def load_others(recipe: TowerRecipe, tower: Tower, file: Path, cache: Path, kind: torch.dtype) -> Others:
    """Kinds, parts and features of pictures that are no photographs."""
    table = pq.read_table(file)
    missing = {"image", "kind", "split"} - set(table.column_names)
    if missing:
        raise DataError(f"{file}: lacks the column {', '.join(sorted(missing))}")
    images = table.column("image").combine_chunks().field("bytes")

    def pixels() -> Iterator[Pixels]:
        return (decode(images[row].as_py(), name=f"{file}#{row}").pixels for row in range(len(images)))

    mark = f"others-{file.stat().st_size}"
    views = compute_views(recipe, tower, pixels, mark, cache, kind, rungs=False)
    kinds = np.array(table.column("kind").to_pylist())
    return Others(kinds, np.array(table.column("split").to_pylist()) == "test", views)


def _fitted(section: GateSection, pictures: Pictures, views: Views, others: Others, head: Head) -> Gate:
    taught = ~others.test
    number, wrong = len(pictures), int(taught.sum())
    pairs = zip(views.fitted, others.views.fitted, strict=True)
    training = [np.concatenate([found, no_photographs[taught]]) for found, no_photographs in pairs]
    labels = np.concatenate([np.ones(number, np.int64), np.zeros(wrong, np.int64)])
    weights = np.where(labels == 1, 0.5 / number, 0.5 / max(1, wrong)).astype(np.float32)
    # Folds of whole groups, so that no photograph is judged by a gate that saw its origin.
    folds = np.array([f"fold {fold}" for fold in group_folds(pictures.groups)])
    named = np.concatenate([folds, np.full(wrong, "")])
    heads = held_out_heads(training, labels, weights, named, l2=section.l2)
    photographs = {view: held_out_logits(heads, found, folds) for view, found in views.measured.items()}
    real, share = pictures.labels == 0, section.max_turned_away
    threshold = min(float(np.quantile(one[real], share, method="lower")) for one in photographs.values())
    gate = fit_heads(training, labels, weights[:, None], l2=section.l2)[0]
    return Gate(gate, threshold, photographs, _kinds(gate, threshold, others, head))


def _kinds(gate: Head, threshold: float, others: Others, head: Head) -> dict[str, dict[str, Kind]]:
    found: dict[str, dict[str, Kind]] = {}
    for view, features in others.views.measured.items():
        passed, logits = gate.logits(features) >= threshold, head.logits(features)
        rows = {
            str(kind): others.test & (others.kinds == kind) for kind in np.unique(others.kinds[others.test])
        }
        found[view] = {
            kind: Kind(int(chosen.sum()), logits[chosen & passed]) for kind, chosen in rows.items()
        }
    return found
