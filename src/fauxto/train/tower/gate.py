"""The gate: a second head on the same features that turns away what is no photograph."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

from fauxto.errors import DataError, UsageError
from fauxto.images import decode, printable
from fauxto.train.tower.clip import Tower
from fauxto.train.tower.features import Views, compute_views
from fauxto.train.tower.heads import Head, Judge, leave_out
from fauxto.train.tower.pictures import Pictures, group_folds
from fauxto.train.tower.recipe import TowerRecipe
from fauxto.train.tower.views import Pixels


@dataclass(frozen=True)
class Others:
    """Pictures that are no photographs.

    Attributes:
        name: of their file.
        images: encoded, (N,).
        kinds: screenshot, chart and so on, (N,).
        test: which of them are for the test, (N,).
        mark: tells this file from others in the names of features.
    """

    name: str
    images: tuple[bytes, ...]
    kinds: NDArray[np.str_]
    test: NDArray[np.bool_]
    mark: str

    def pixels(self) -> Iterator[Pixels]:
        """Every picture decoded, (H, W, 3), one at a time.

        Raises:
            InputError: one cannot be decoded.
        """
        return (decode(image, name=f"{self.name}#{row}").pixels for row, image in enumerate(self.images))


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


def read_others(recipe: TowerRecipe, file: Path | None) -> Others | None:
    """Pictures for the gate of a recipe, or None where it has none.

    Args:
        recipe: of the run.
        file: a parquet file with `image`, `kind` and `split` (train or test).

    Raises:
        UsageError: a gate and no file.
        DataError: it cannot be read, lacks a column, or holds no pictures to learn from.
    """
    if recipe.gate is None:
        return None
    if file is None:
        raise UsageError(
            "this recipe has a gate; give pictures that are no photographs with --others FILE.parquet "
            "(python -m fauxto.train.nonphotos draws some)"
        )
    name = printable(str(file))
    try:
        table = pq.read_table(file)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{name}: cannot be read as parquet ({type(error).__name__})") from error
    missing = {"image", "kind", "split"} - set(table.column_names)
    if missing:
        raise DataError(f"{name}: lacks the column {', '.join(sorted(missing))}")
    rows = table.column("image").to_pylist()
    if not all(isinstance(row, dict) and isinstance(row.get("bytes"), bytes) for row in rows):
        raise DataError(f"{name}: its column image must hold encoded files, each as `bytes` of a struct")
    images = tuple(row["bytes"] for row in rows)
    kinds, splits = (np.array(table.column(column).to_pylist()) for column in ("kind", "split"))
    if not (splits == "train").any():
        raise DataError(f"{name}: no picture has the split `train`, so the gate could not learn")
    return Others(name, images, kinds, splits == "test", f"others-{file.stat().st_size}")


def fit_gate(
    recipe: TowerRecipe,
    tower: Tower,
    pictures: Pictures,
    views: Views,
    others: Others,
    cache: Path,
    kind: torch.dtype,
    head: Judge,
) -> Gate:
    """The gate of a recipe.

    It is fitted on the views that the detector's head is fitted on: a gate that saw sound pictures only takes
    a recompressed photograph for none.

    Args:
        recipe: its `gate` section says how many photographs may be turned away.
        tower: for features of `others`.
        pictures: photographs and AI-generated pictures that look like them; none should be turned away.
        views: theirs.
        others: what should be turned away.
        cache: folder for features.
        kind: what they are computed in.
        head: the detector's, to count what it would call AI-generated among `others`.
    """
    section = recipe.gate
    assert section is not None, "others are read for a gate only"
    theirs = compute_views(recipe, tower, others.pixels, others.mark, cache, kind, rungs=False)
    taught = ~others.test
    number, wrong = len(pictures), int(taught.sum())
    pairs = zip(views.fitted, theirs.fitted, strict=True)
    training = [np.concatenate([found, no_photographs[taught]]) for found, no_photographs in pairs]
    labels = np.concatenate([np.ones(number, np.int64), np.zeros(wrong, np.int64)])
    weights = np.where(labels == 1, 0.5 / number, 0.5 / wrong).astype(np.float32)
    # Folds of whole groups, so that no photograph is judged by a gate that saw its origin.
    folds = np.array([f"fold {fold}" for fold in group_folds(pictures.groups)])
    named = np.concatenate([folds, np.full(wrong, "")])
    heads = leave_out(training, labels, weights, named, l2=section.l2)
    photographs = {view: heads.logits(found, folds) for view, found in views.measured.items()}
    real, share = pictures.labels == 0, section.max_turned_away
    threshold = min(float(np.quantile(one[real], share, method="lower")) for one in photographs.values())
    kinds = _kinds(heads.whole, threshold, others, theirs, head)
    return Gate(heads.whole, threshold, photographs, kinds)


def _kinds(
    gate: Head, threshold: float, others: Others, views: Views, head: Judge
) -> dict[str, dict[str, Kind]]:
    found: dict[str, dict[str, Kind]] = {}
    for view, features in views.measured.items():
        passed, logits = gate.logits(features) >= threshold, head.logits(features)
        rows = {
            str(kind): others.test & (others.kinds == kind) for kind in np.unique(others.kinds[others.test])
        }
        found[view] = {
            kind: Kind(int(chosen.sum()), logits[chosen & passed]) for kind, chosen in rows.items()
        }
    return found
