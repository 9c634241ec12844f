"""From the paths that a person gave to the arrays that a run learns from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fauxto.data import Dataset, decode_small, decode_squares, load, split
from fauxto.data.dataset import content_fingerprint, origin_of
from fauxto.errors import DataError, UsageError
from fauxto.evaluate.run import limited
from fauxto.train.fit import Labelled, TrainingData, input_config
from fauxto.train.negatives import Photograph
from fauxto.train.recipe import Recipe


@dataclass(frozen=True)
class _Parts:
    """A data set divided as a recipe says.

    `available` is None where all images are learnt from; `left_out` counts training images that validation
    or test hold too, which declared splits may.
    """

    training: Dataset
    validation: Dataset
    test: Dataset | None
    available: int | None
    left_out: int


def load_photographs(folder: Path) -> tuple[Photograph, ...]:
    """Every photograph (label 0) of a data set, with its origin.

    Raises:
        DataError: the data set cannot be read.
    """
    dataset = load(folder)
    real = dataset.subset(np.flatnonzero(dataset.labels == 0).tolist())
    return tuple(Photograph(image.pixels, origin_of(real[index].source)) for index, image in real.decoded())


def prepare(recipe: Recipe, data: Path, cache: Path, negatives: Path | None) -> TrainingData:
    """Load, divide as the recipe's `split` and `subset` say, and decode.

    Args:
        recipe: the run.
        data: labelled images, of the recipe's side unless `input.resize` is set.
        cache: folder for decoded arrays.
        negatives: data set whose photographs are hard negatives, or None.

    Raises:
        DataError: the data cannot be read, have another size, or a part lacks a class.
        UsageError: the recipe wants photographs as negatives and none were given.
    """
    if recipe.negatives.share > 0 and recipe.negatives.graphics < 1 and negatives is None:
        raise UsageError(
            "this recipe also learns from photographs; give a data set that holds some: --negatives DATA"
        )
    parts = _divided(load(data), recipe)
    for name, part in (("training", parts.training), ("validation", parts.validation)):
        if len(set(part.labels.tolist())) < 2:
            raise DataError(
                f"{part.location}: its {name} part ({len(part)} images) does not hold both classes; "
                "training needs AI-generated images and others"
            )
    return TrainingData(
        _decoded(parts.training, recipe, cache),
        _decoded(parts.validation, recipe, cache),
        () if negatives is None else load_photographs(negatives),
        _fingerprint(parts),
        parts.test,
        parts.available,
        parts.left_out,
    )


def _divided(dataset: Dataset, recipe: Recipe) -> _Parts:
    """Images that share their bytes or a pair stay in one part, whatever is divided."""
    section = recipe.split
    known = _to_learn_from(dataset, recipe)
    learnt = known if recipe.subset is None else limited(known, recipe.subset, section.seed)
    held = section.declared == "all" and "validation" in dataset.splits
    shares = {"validation": 0.0 if held else section.validation, "test": section.held_out}
    shares = {name: share for name, share in shares.items() if share > 0}
    named = {"train": 1 - sum(shares.values()), **shares}
    rows = split(learnt.labels, learnt.hashes, named, section.seed, groups=learnt.pairs)
    found = {name: learnt.subset(chosen.tolist()) for name, chosen in rows.items()}
    validation = dataset.select("validation") if held else found.get("validation", learnt[:0])
    test = _declared_test(dataset, recipe) if section.test == "declared" else found.get("test")
    elsewhere = {content for part in (validation, test) if part is not None for content in part.hashes}
    fresh = [row for row, content in enumerate(found["train"].hashes) if content not in elsewhere]
    return _Parts(
        found["train"].subset(fresh),
        validation,
        test,
        len(known) if len(learnt) < len(known) else None,
        len(found["train"]) - len(fresh),
    )


def _to_learn_from(dataset: Dataset, recipe: Recipe) -> Dataset:
    """What is divided: everything, or what the data do not declare to be for validation or test."""
    if recipe.split.declared == "none" or not dataset.splits:
        return dataset
    if "train" not in dataset.splits:
        raise DataError(
            f"{dataset.location}: declares no training images (only {', '.join(dataset.splits)}); "
            "to divide them all, set split.declared: none in the recipe"
        )
    return dataset.select("train")


def _declared_test(dataset: Dataset, recipe: Recipe) -> Dataset:
    """The data's own test split, or what the recipe takes of it."""
    if "test" not in dataset.splits:
        raise DataError(
            f"{dataset.location}: declares no test images, and the recipe measures on those; give data with "
            "a train and a test part, or set split.test in the recipe to a share"
        )
    test, most = dataset.select("test"), recipe.split.test_images
    return test if most is None else limited(test, most, recipe.split.seed)


def _decoded(part: Dataset, recipe: Recipe, cache: Path) -> Labelled:
    if recipe.input.resize:
        arrays = decode_squares(part, input_config(recipe), cache=cache)
    else:
        arrays = decode_small(part, side=recipe.input.side, cache=cache)
    return arrays.images, arrays.labels.astype(np.float32)


def _fingerprint(parts: _Parts) -> str:
    hashes = [*parts.training.hashes, *parts.validation.hashes]
    return content_fingerprint(hashes, np.concatenate([parts.training.labels, parts.validation.labels]))
