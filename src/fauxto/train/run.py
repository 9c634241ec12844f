"""`fauxto train` from end to end: recipe, data, training, curves, bundle."""

from __future__ import annotations

import json
from pathlib import Path

from fauxto.train.curves import plot_curves
from fauxto.train.export import export_bundle
from fauxto.train.fit import load_weights, train
from fauxto.train.prepare import prepare
from fauxto.train.recipe import load_recipe


def run(
    recipe_file: Path,
    data: Path,
    output: Path,
    *,
    negatives: Path | None = None,
    resume: bool = False,
    epochs_now: int | None = None,
    devices: int = 1,
) -> Path | None:
    """Run a recipe.

    Args:
        recipe_file: YAML.
        data: labelled images.
        output: gets recipe.json, run.json, metrics.csv, curves.png, checkpoints/, cache/ and bundle/.
        negatives: data set whose photographs are hard negatives.
        resume: go on after the last finished epoch.
        epochs_now: stop after this many epochs in all.
        devices: processes or GPUs.

    Returns:
        The bundle's folder, or None where epochs are left to train.

    Raises:
        UsageError: recipe, folder and options do not go together.
        DataError: the data cannot be used.
    """
    recipe = load_recipe(recipe_file)
    prepared = prepare(recipe, data, output / "cache", negatives)
    checkpoint = train(recipe, prepared, output, resume=resume, devices=devices, epochs_now=epochs_now)
    plot_curves(output / "metrics.csv", output / "curves.png")
    if epochs_now is not None and epochs_now < recipe.stop.epochs:
        return None
    info = json.loads((output / "run.json").read_text(encoding="utf-8"))
    return export_bundle(load_weights(recipe, checkpoint), recipe, prepared, output / "bundle", info)
