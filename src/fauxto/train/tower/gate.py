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
from fauxto.train.tower.features import cached_features
from fauxto.train.tower.heads import Features, Head, fit_heads, held_out_heads, held_out_logits
from fauxto.train.tower.pictures import Pictures
from fauxto.train.tower.recipe import GateSection, TowerRecipe
from fauxto.train.tower.views import Pixels

_FOLDS = 5


@dataclass(frozen=True)
class Others:
    """Pictures that are no photographs: their kinds, which of them are for the test, and their features."""

    kinds: NDArray[np.str_]
    test: NDArray[np.bool_]
    features: Features


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
        photographs: logits of all pictures that should pass, by gates that never saw their group, (N,).
        kinds: test pictures that should not.
    """

    head: Head
    threshold: float
    photographs: NDArray[np.float64]
    kinds: dict[str, Kind]


def fit_gate(
    recipe: TowerRecipe,
    tower: Tower,
    pictures: Pictures,
    features: Features,
    others: Path | None,
    cache: Path,
    kind: torch.dtype,
    head: Head,
) -> Gate | None:
    """The gate of a recipe, or None where it asks for none.

    Args:
        recipe: its `gate` section says how many photographs may be turned away.
        tower: for features of `others`.
        pictures: photographs and AI-generated pictures that look like them; none should be turned away.
        features: theirs, (N, D).
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
    return _fitted(recipe.gate, pictures, features, found, head)


def load_others(recipe: TowerRecipe, tower: Tower, file: Path, cache: Path, kind: torch.dtype) -> Others:
    """Kinds, parts and features of pictures that are no photographs."""
    table = pq.read_table(file)
    missing = {"image", "kind", "split"} - set(table.column_names)
    if missing:
        raise DataError(f"{file}: lacks the column {', '.join(sorted(missing))}")
    images = table.column("image").combine_chunks().field("bytes")

    def pixels() -> Iterator[Pixels]:
        return (decode(images[row].as_py(), name=f"{file}#{row}").pixels for row in range(len(images)))

    name = f"others-{file.stat().st_size}-{recipe.net.mark}.npy"
    features = cached_features(
        cache / name,
        tower,
        pixels(),
        lambda _, picture: picture,
        recipe.input_config(),
        recipe.net,
        kind,
    )
    kinds = np.array(table.column("kind").to_pylist())
    return Others(kinds, np.array(table.column("split").to_pylist()) == "test", features)


def _fitted(section: GateSection, pictures: Pictures, features: Features, others: Others, head: Head) -> Gate:
    taught = ~others.test
    x = np.concatenate([features, others.features[taught]])
    labels = np.concatenate([np.ones(len(features), np.int64), np.zeros(int(taught.sum()), np.int64)])
    # Folds of whole groups, so that no photograph is judged by a gate that saw its origin.
    names = np.unique(pictures.groups)
    folds = np.array([f"fold {int(np.searchsorted(names, group)) % _FOLDS}" for group in pictures.groups])
    folds = np.concatenate([folds, np.full(int(taught.sum()), "")])
    weights = np.where(labels == 1, 0.5 / len(features), 0.5 / max(1, int(taught.sum()))).astype(np.float32)
    heads = held_out_heads([x], labels, weights, folds, l2=section.l2)
    photographs = held_out_logits(heads, x, folds)[: len(features)]
    threshold = float(np.quantile(photographs, section.max_turned_away, method="lower"))
    gate = fit_heads([x], labels, weights[:, None], l2=section.l2, steps=100)[0]
    return Gate(gate, threshold, photographs, _kinds(gate, threshold, others, head))


def _kinds(gate: Head, threshold: float, others: Others, head: Head) -> dict[str, Kind]:
    passed = gate.logits(others.features) >= threshold
    logits = head.logits(others.features)
    found = {}
    for kind in np.unique(others.kinds[others.test]):
        rows = others.test & (others.kinds == kind)
        found[str(kind)] = Kind(int(rows.sum()), logits[rows & passed])
    return found
