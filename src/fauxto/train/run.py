"""`fauxto train` from end to end: recipe, data, training, curves, bundle, test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from lightning.pytorch.utilities import rank_zero_only

from fauxto.errors import UsageError
from fauxto.evaluate import evaluate
from fauxto.evaluate.schema import Metrics
from fauxto.models import find_bundle, load_bundle
from fauxto.train.curves import plot_curves
from fauxto.train.export import export_bundle, rechoose
from fauxto.train.fit import load_weights, read_run_info, starting_net, starting_weights, train
from fauxto.train.generators import newer_than
from fauxto.train.nets import Mean
from fauxto.train.prepare import prepare
from fauxto.train.recipe import BackboneSection, Recipe, load_recipe
from fauxto.train.tower.recipe import load_tower_recipe
from fauxto.train.tower.run import run_tower


@dataclass(frozen=True)
class Options:
    """What a run may be told besides its recipe.

    Attributes:
        negatives: data set whose photographs are hard negatives.
        others: parquet file of pictures that are no photographs, for the gate of a tower's recipe.
        weights: file that the net starts from, in place of the recipe's.
        pretrained: False starts from random weights whatever the recipe says.
        images: learn from at most so many images, and test on at most as many.
        micro_batch: images that go through the net at once, at least 4; None takes whole batches.
        workers: processes that prepare batches; None takes some with a GPU and none without.
        devices: processes or GPUs.
        resume: go on after the last finished epoch.
        epochs_now: stop after this many epochs in all.
        bundle: name or folder of a finished one of this recipe, whose calibration and thresholds are chosen
            anew; nothing is trained then.
    """

    negatives: Path | None = None
    others: Path | None = None
    weights: Path | None = None
    pretrained: bool = True
    images: int | None = None
    micro_batch: int | None = None
    workers: int | None = None
    devices: int = 1
    resume: bool = False
    epochs_now: int | None = None
    bundle: str | None = None


def run(recipe_file: Path, data: Sequence[Path], output: Path, options: Options | None = None) -> Path | None:
    """Run a recipe.

    Args:
        recipe_file: YAML.
        data: labelled images; more than one data set for a tower's recipe only.
        output: gets recipe.json, run.json, metrics.csv, curves.png, checkpoints/, cache/, bundle/ and, where
            the recipe holds out a test part, test/ with what `fauxto evaluate` writes.
        options: what the recipe does not say.

    Returns:
        The bundle's folder, or None where epochs are left to train, or in all processes but the first.

    Raises:
        UsageError: recipe, weights, folder and options do not go together.
        DataError: the data cannot be used.
    """
    options = options or Options()
    tower = load_tower_recipe(recipe_file)
    if tower is not None:
        _require_defaults(options, "weights", "others")
        return run_tower(tower, data, output, options.weights, options.others)
    if len(data) != 1:
        raise UsageError("this recipe learns from one data set; give --data once")
    return _run_net(recipe_file, data[0], output, options)


def _require_defaults(options: Options, *allowed: str) -> None:
    """Refuse options that would be ignored."""
    for field in fields(options):
        if field.name not in allowed and getattr(options, field.name) != field.default:
            name = {"pretrained": "no-pretrained"}.get(field.name, field.name.replace("_", "-"))
            raise UsageError(f"--{name} does not apply to this recipe; leave it out")


def _run_net(recipe_file: Path, data: Path, output: Path, options: Options) -> Path | None:
    """Train a net by Lightning, see `run`."""
    if options.others is not None:
        raise UsageError("--others does not apply to this recipe; leave it out")
    recipe = _adapted(load_recipe(recipe_file), options)
    if options.bundle is not None:
        _require_defaults(options, "bundle", "negatives")
        prepared = prepare(recipe, data, output / "cache", options.negatives)
        return rechoose(load_bundle(find_bundle(options.bundle)), recipe, prepared, output / "bundle")
    weights = None if options.resume else starting_weights(recipe, options.weights)
    prepared = prepare(recipe, data, output / "cache", options.negatives)
    checkpoint = train(
        recipe,
        prepared,
        output,
        weights=weights,
        resume=options.resume,
        devices=options.devices,
        epochs_now=options.epochs_now,
        micro_batch=options.micro_batch,
        workers=options.workers,
    )
    if getattr(rank_zero_only, "rank", 0):  # Lightning hangs it on the function, untyped
        return None  # one of several processes: the first alone writes what comes after training
    plot_curves(output / "metrics.csv", output / "curves.png")
    if options.epochs_now is not None and options.epochs_now < recipe.stop.epochs:
        return None
    net = load_weights(recipe, checkpoint)
    if recipe.bundle.mean_with_start:
        net = Mean(starting_net(recipe, output), net)
    bundle = export_bundle(net, recipe, prepared, output / "bundle", read_run_info(output))
    if prepared.test is not None:
        command = f"fauxto train {recipe_file.name} --data {data.name} --output {output.name}"
        found = evaluate(prepared.test, load_bundle(bundle), seed=recipe.seed, command=command)
        found.write(output / "test")
        _add_generators(bundle / "MODEL_CARD.md", recipe, found.metrics)
    return bundle


def _add_generators(card: Path, recipe: Recipe, metrics: Metrics) -> None:
    """Say in the card how the test went by generator, where the recipe says how old its backbone is."""
    if isinstance(recipe.net, BackboneSection) and recipe.net.released is not None:
        text = newer_than(recipe.net.released, metrics.result.ai_sources)
        card.write_text(card.read_text(encoding="utf-8").rstrip("\n") + "\n\n" + text, encoding="utf-8")


def _adapted(recipe: Recipe, options: Options) -> Recipe:
    if not options.pretrained:
        if options.weights is not None:
            raise UsageError("--weights and --no-pretrained contradict each other; give one of them")
        recipe = recipe.without_pretrained()
    return recipe if options.images is None else recipe.limited(options.images)
