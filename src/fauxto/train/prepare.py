"""From the paths that a person gave to the arrays that a run learns from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fauxto.data import Dataset, SmallArrays, decode_small, fingerprint, load, split
from fauxto.errors import UsageError
from fauxto.train.fit import Labelled, TrainingData
from fauxto.train.negatives import Photograph, origin_of
from fauxto.train.recipe import Recipe


def load_photographs(folder: Path) -> tuple[Photograph, ...]:
    """Every photograph (label 0) of a data set, with its origin.

    Raises:
        DataError: the data set cannot be read.
    """
    dataset = load(folder)
    real = dataset.subset(np.flatnonzero(dataset.labels == 0).tolist())
    return tuple(Photograph(image.pixels, origin_of(real[index].source)) for index, image in real.decoded())


def prepare(recipe: Recipe, data: Path, cache: Path, negatives: Path | None) -> TrainingData:
    """Load, decode and split.

    The declared test split is never touched. Where the data declare a validation split it is used, else
    the recipe's share of the training images is split off by content hash.

    Args:
        recipe: the run.
        data: labelled images of the recipe's side.
        cache: folder for decoded arrays.
        negatives: data set whose photographs are hard negatives, or None.

    Raises:
        DataError: the data cannot be read or have another size.
        UsageError: the recipe wants photographs as negatives and none were given.
    """
    if recipe.negatives.share > 0 and recipe.negatives.graphics < 1 and negatives is None:
        raise UsageError(
            "this recipe also learns from photographs; give a data set that holds some: --negatives DATA"
        )
    dataset = load(data)
    training, validation = _parts(dataset, recipe, cache)
    return TrainingData(
        training,
        validation,
        () if negatives is None else load_photographs(negatives),
        fingerprint(dataset),
    )


def _parts(dataset: Dataset, recipe: Recipe, cache: Path) -> tuple[Labelled, Labelled]:
    side = recipe.input.side
    if "validation" in dataset.splits:
        training = decode_small(dataset.select("train"), side=side, cache=cache)
        validation = decode_small(dataset.select("validation"), side=side, cache=cache)
        return _labelled(training), _labelled(validation)
    known = dataset.select("train") if "train" in dataset.splits else dataset
    arrays = decode_small(known, side=side, cache=cache)
    shares = {"train": 1 - recipe.split.validation, "validation": recipe.split.validation}
    parts = split(arrays.labels, arrays.hashes, shares, recipe.split.seed)
    return _labelled(arrays, parts["train"]), _labelled(arrays, parts["validation"])


def _labelled(arrays: SmallArrays, rows: NDArray[np.int64] | None = None) -> Labelled:
    chosen = slice(None) if rows is None else rows
    return arrays.images[chosen], arrays.labels[chosen].astype(np.float32)
