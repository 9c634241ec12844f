"""Training: recipes are checked, a run can be stopped and resumed, and what is exported was trained."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import DataLoader

from command import fauxto
from fauxto.errors import DataError, UsageError
from fauxto.models import load_bundle
from fauxto.models.config import InputConfig
from fauxto.models.preprocess import normalise
from fauxto.train.augment import augment
from fauxto.train.batches import BalancedBatches, Pieces
from fauxto.train.export import ValidationLogits, build_config
from fauxto.train.fit import TrainingData, input_config, load_weights, train
from fauxto.train.negatives import Photograph, build_pool, part_of, shrunk_variants
from fauxto.train.nets import FlipAverage, TraceNet
from fauxto.train.optimizers import orthogonalise, trapezoid
from fauxto.train.prepare import prepare
from fauxto.train.recipe import AugmentSection, NegativesSection, Recipe, load_recipe
from fauxto.train.tower.recipe import load_tower_recipe

RECIPE = """
seed: 3
precision: float32
net: {widths: [8, 16], blocks: [1, 1], unshuffle: true}
input: {side: 16}
split: {validation: 0.25}
augment: {horizontal_flip: 0.5, degrade: 0.2, cutmix: 0.2}
negatives: {share: 0.1, graphics: 1.0, min_side: 16, max_side: 32}
optimizer: {name: muon, rate: 0.02, weight_decay: 0.01, batch_size: 16}
stop: {epochs: 3}
bundle:
  name: tiny
  version: 0.0.1
  flip_average: true
  domain: {min_side: 16, max_side: 16, content: coloured noise}
  limits: [It knows noise only.]
"""


@pytest.fixture(scope="module")
def recipe_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "tiny.yaml"
    path.write_text(RECIPE)
    return path


@pytest.fixture(scope="module")
def recipe(recipe_file: Path) -> Recipe:
    return load_recipe(recipe_file)


def noise(count: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """AI-generated here means noise with a checkerboard in it: learnable in a few steps."""
    rng = np.random.default_rng(seed)
    images = rng.integers(60, 190, (count, 16, 16, 3)).astype(np.uint8)
    labels = (np.arange(count) % 2).astype(np.float32)
    images[labels == 1, ::2, ::2] += 60
    return images, labels


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return TrainingData(noise(160, 0), noise(60, 1), (), "none")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    images, labels = noise(120, 5)
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        folder = root / ("FAKE" if label else "REAL")
        folder.mkdir(exist_ok=True)
        Image.fromarray(image).save(folder / f"{index}.png")
    return root


def test_command_trains_and_exports_a_bundle_that_judges(
    capsys: pytest.CaptureFixture[str], recipe_file: Path, tree: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    result = fauxto(capsys, "train", recipe_file, "--data", tree, "--output", run)
    assert result.code == 0, result.err
    bundle = load_bundle(run / "bundle")
    images, labels = noise(80, 9)
    assert ((bundle.scores(list(images)) > 0.5) == labels).mean() > 0.9
    assert (run / "curves.png").stat().st_size > 1000
    info = json.loads((run / "run.json").read_text())
    assert info["seed"] == 3 and len(info["data_fingerprint"]) == 64
    card = (run / "bundle" / "MODEL_CARD.md").read_text()
    assert "It knows noise only." in card and f"{bundle.config.thresholds.ai:.4f}" in card


def test_stopped_and_resumed_run_ends_where_the_uninterrupted_one_does(
    recipe: Recipe, data: TrainingData, tmp_path: Path
) -> None:
    train(recipe, data, tmp_path / "whole", progress=False)
    train(recipe, data, tmp_path / "parts", progress=False, epochs_now=1)
    train(recipe, data, tmp_path / "parts", progress=False, resume=True)
    whole, parts = (
        load_weights(recipe, tmp_path / name / "checkpoints" / "last.ckpt").state_dict()
        for name in ("whole", "parts")
    )
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, rtol=1e-4, atol=1e-5, msg=name)
    with (tmp_path / "parts" / "metrics.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["epoch"] for row in rows] == ["0", "1", "2"], "the log keeps the epochs before the stop"
    assert all(row["train_loss"] and row["val_auroc"] for row in rows)


def test_a_finished_run_is_not_overwritten_by_accident(
    recipe: Recipe, data: TrainingData, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="nothing to resume"):
        train(recipe, data, tmp_path, progress=False, resume=True)
    train(recipe, data, tmp_path, progress=False, epochs_now=1)
    with pytest.raises(UsageError, match="--resume"):
        train(recipe, data, tmp_path, progress=False)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("seed: 3", "sead: 3", "sead"),
        ("rate: 0.02", "rate: -1", "optimizer.rate"),
        ("side: 16", "side: x", "input.side"),
        ("seed: 3", "seed: [", "not valid YAML"),
        ("net: {widths", "net: {backbone: resnet50, widths", "net.timm.widths"),
        ("net: {widths: [8, 16], blocks: [1, 1], unshuffle: true}", "net: {backbone: resnet50}", "muon"),
        ("validation: 0.25", "validation: 0.25, declared: none, test: declared", "test: declared"),
        ("domain: {min_side: 16,", "domain: {min_side: 17,", "bundle.domain: .*min_side 17 .*max_side 16"),
        (
            "min_side: 16, max_side: 32",
            "min_side: 33, max_side: 32",
            "negatives: .*min_side 33 .*max_side 32",
        ),
        ("min_side: 16, max_side: 32", "min_side: 0, max_side: 32", "negatives.min_side"),
        ("validation: 0.25", "validation: 0.6, test: 0.5", "nothing is left to train on"),
    ],
)
def test_recipe_error_names_the_field(tmp_path: Path, old: str, new: str, named: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(RECIPE.replace(old, new, 1))
    with pytest.raises(UsageError, match=named):
        load_recipe(path)


@pytest.mark.parametrize("path", sorted(Path("recipes").glob("*.yaml")), ids=str)
def test_shipped_recipes_are_valid(path: Path) -> None:
    assert (load_tower_recipe(path) or load_recipe(path)).bundle.name


def test_photographs_as_negatives_must_be_given(
    capsys: pytest.CaptureFixture[str], recipe_file: Path, tree: Path, tmp_path: Path
) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(RECIPE.replace("graphics: 1.0", "graphics: 0.5"))
    result = fauxto(capsys, "train", path, "--data", tree, "--output", tmp_path / "run")
    assert result.code == 2 and "--negatives" in result.err


def test_batches_are_balanced_and_a_function_of_the_epoch(recipe: Recipe) -> None:
    images, labels = noise(100, 0)
    labels[:40] = 0  # three quarters are not AI-generated
    config = input_config(recipe)

    def epoch(number: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        return list(BalancedBatches(images, labels, None, recipe, config, epoch=number))

    first, again, other = epoch(0), epoch(0), epoch(1)
    assert all(torch.equal(a[0], b[0]) for a, b in zip(first, again, strict=True))
    assert not all(torch.equal(a[0], b[0]) for a, b in zip(first, other, strict=True))
    assert torch.cat([batch[1] for batch in first]).mean() == pytest.approx(0.5, abs=0.02)


def test_ranks_share_an_epoch_without_overlap(recipe: Recipe) -> None:
    images, labels = noise(128, 0)
    plain = recipe.model_copy(update={"augment": AugmentSection(horizontal_flip=0)})
    config = input_config(recipe)

    def batches(rank: int, ranks: int) -> list[torch.Tensor]:
        stream = BalancedBatches(images, labels, None, plain, config, epoch=0, rank=rank, ranks=ranks)
        return [batch[0] for batch in stream]

    alone = torch.cat(batches(0, 1)).flatten(1).sum(1).sort().values
    shared = torch.cat(batches(0, 2) + batches(1, 2)).flatten(1).sum(1).sort().values
    torch.testing.assert_close(alone, shared)


def test_augmentation_keeps_shape_and_the_callers_arrays() -> None:
    images, labels = noise(32, 0)
    before = images.copy()
    section = AugmentSection(horizontal_flip=0.5, vertical_flip=0.5, degrade=1.0, cutmix=1.0)
    changed, mixed = augment(images, labels, section, np.random.default_rng(0))
    assert (images == before).all()
    assert changed.shape == images.shape and changed.dtype == np.uint8
    assert mixed.min() >= 0 and mixed.max() <= 1
    assert (changed != images).any((1, 2, 3)).all()


def test_exported_views_average_image_and_mirror_image() -> None:
    torch.manual_seed(0)
    net = TraceNet((8,), (1,), unshuffle=False).eval()
    images = torch.randn(5, 3, 16, 16)
    with torch.inference_mode():
        averaged = FlipAverage(net)(images)
        torch.testing.assert_close(averaged, FlipAverage(net)(images.flip(3)))
        torch.testing.assert_close(averaged, (net(images) + net(images.flip(3))) / 2)


def test_orthogonalised_matrix_has_singular_values_near_one() -> None:
    for shape in ((16, 48), (48, 16)):
        values = torch.linalg.svdvals(
            orthogonalise(torch.randn(*shape, generator=torch.Generator().manual_seed(0)))
        )
        assert values.min() > 0.5 and values.max() < 1.3


def test_schedule_rises_then_falls_to_zero() -> None:
    factor = trapezoid(0.1, 100)
    assert factor(0) == 0 and factor(10) == pytest.approx(1.0) and factor(100) == 0
    assert factor(5) == pytest.approx(0.5) and factor(55) == pytest.approx(0.5)


def test_negatives_pool_has_the_models_size_and_photographs_in_it() -> None:
    photographs = [Photograph(np.full((90, 120, 3), 200, dtype=np.uint8), "o")]
    config = InputConfig(side=16, mean=(0.5,) * 3, std=(0.25,) * 3)
    section = NegativesSection(share=0.1, graphics=0.5)
    pool = build_pool(photographs, config, section, np.random.default_rng(0), variants=10)
    assert pool.shape == (20, 16, 16, 3)
    assert (np.abs(pool.astype(int) - 200).max((1, 2, 3)) < 12).sum() >= 10


def test_an_origin_lies_in_one_part_only() -> None:
    parts = {part_of(str(number)) for number in range(40)}
    assert parts == {"train", "validation", "test"}
    assert part_of("wild-07") == part_of("wild-07")


def test_nine_thumbnails_of_a_photograph() -> None:
    sizes = {image.shape for image in shrunk_variants(np.zeros((300, 480, 3), dtype=np.uint8))}
    assert sizes == {(24, 32, 3), (30, 48, 3), (40, 64, 3)}


def test_normalisation_is_that_of_the_config() -> None:
    config = InputConfig(side=8, mean=(0.5, 0.25, 0.0), std=(0.5, 0.25, 1.0))
    white = normalise(np.full((1, 8, 8, 3), 255, dtype=np.uint8), config)
    np.testing.assert_allclose(white[0, :, 0, 0], [1.0, 3.0, 1.0], rtol=1e-6)


class _Harmful:
    """Runs code when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


def test_a_checkpoint_cannot_run_code(recipe: Recipe, data: TrainingData, tmp_path: Path) -> None:
    ran, run = tmp_path / "ran", tmp_path / "run"
    train(recipe, data, run, progress=False, epochs_now=1)
    last = run / "checkpoints" / "last.ckpt"
    stored = torch.load(last, map_location="cpu", weights_only=True)
    torch.save({**stored, "state_dict": {**stored["state_dict"], "x": _Harmful(ran)}}, last)
    with pytest.raises(UsageError, match=r"last\.ckpt"):
        load_weights(recipe, last)
    with pytest.raises(Exception, match=r"(?i)weights.only|checkpoint"):
        train(recipe, data, run, progress=False, resume=True)
    assert not ran.exists()


def split_recipe(folder: Path, split: str, **more: object) -> Recipe:
    path = folder / "split.yaml"
    path.write_text(RECIPE.replace("split: {validation: 0.25}", f"split: {{{split}}}"))
    return load_recipe(path).model_copy(update={"negatives": NegativesSection(), **more})


@pytest.fixture(scope="module")
def divided(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty training images, twelve for validation, eight for the test; declared by folders."""
    root = tmp_path_factory.mktemp("divided")
    for number, (part, count) in enumerate((("train", 40), ("valid", 12), ("test", 8))):
        for index, (image, label) in enumerate(zip(*noise(count, number), strict=True)):
            folder = root / part / ("fake" if label else "real")
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(folder / f"{index}.png")
    return root


@pytest.mark.parametrize(
    ("split", "training", "validation", "test"),
    [
        ("declared: all", 40, 12, None),
        ("declared: all, test: 0.25", 30, 12, 10),
        ("declared: all, test: declared", 40, 12, 8),
        ("declared: test, validation: 0.25, test: declared, test_images: 4", 30, 10, 4),
        ("declared: none, validation: 0.2, test: 0.1", 42, 12, 6),
    ],
)
def test_images_are_divided_as_the_recipe_says(
    divided: Path, tmp_path: Path, split: str, training: int, validation: int, test: int | None
) -> None:
    found = prepare(split_recipe(tmp_path, split), divided, tmp_path / "cache", None)
    assert (len(found.training[1]), len(found.validation[1])) == (training, validation)
    assert (None if found.test is None else len(found.test)) == test
    assert found.available is None
    assert found.training[1].mean() == pytest.approx(0.5, abs=0.05)


def test_an_image_of_validation_or_test_is_not_learnt_from(divided: Path, tmp_path: Path) -> None:
    copied = tmp_path / "copied"
    shutil.copytree(divided, copied)
    for part, name in (("valid", "real/0.png"), ("test", "fake/1.png")):
        shutil.copyfile(copied / part / name, copied / "train" / Path(name).parent / f"copy-{part}.png")
    recipe = split_recipe(tmp_path, "declared: all, test: declared")
    found = prepare(recipe, copied, tmp_path / "cache", None)
    assert (len(found.training[1]), found.left_out) == (40, 2)


def test_subset_is_a_part_of_what_there_is_to_learn_from(divided: Path, tmp_path: Path) -> None:
    recipe = split_recipe(tmp_path, "declared: test, validation: 0.25, test: declared")
    found = prepare(recipe.limited(20), divided, tmp_path / "cache", None)
    assert (len(found.training[1]) + len(found.validation[1]), found.available) == (20, 40)
    whole = prepare(recipe, divided, tmp_path / "cache", None)
    known = {image.tobytes() for image in whole.training[0]} | {i.tobytes() for i in whole.validation[0]}
    assert {image.tobytes() for image in found.training[0]} < known
    assert found.fingerprint != whole.fingerprint


@pytest.mark.parametrize(
    ("split", "part", "words"),
    [
        ("test: declared", "train", "declares no test images"),
        ("declared: all", "test", "declares no training images"),
        ("declared: none", "train/fake", "does not hold both classes"),
    ],
)
def test_data_that_a_split_does_not_fit_are_refused(
    divided: Path, tmp_path: Path, split: str, part: str, words: str
) -> None:
    copy = tmp_path / "data"
    shutil.copytree(divided / part, copy / part)
    with pytest.raises(DataError, match=words):
        prepare(split_recipe(tmp_path, split), copy, tmp_path / "cache", None)


def test_images_of_other_sizes_need_resize(tmp_path: Path, tree: Path) -> None:
    recipe = split_recipe(tmp_path, "validation: 0.25")
    smaller = recipe.model_copy(update={"input": recipe.input.model_copy(update={"side": 8})})
    with pytest.raises(DataError, match="resize: true"):
        prepare(smaller, tree, tmp_path / "cache", None)
    resized = smaller.input.model_copy(update={"resize": True})
    found = prepare(smaller.model_copy(update={"input": resized}), tree, tmp_path / "cache", None)
    assert found.training[0].shape[1:] == (8, 8, 3)


def test_a_run_is_not_resumed_on_other_images(recipe: Recipe, data: TrainingData, tmp_path: Path) -> None:
    train(recipe, data, tmp_path, progress=False, epochs_now=1)
    other = replace(data, fingerprint="other")
    with pytest.raises(UsageError, match="a run on other images"):
        train(recipe, other, tmp_path, progress=False, resume=True)


def test_a_batch_in_pieces_is_the_same_batch_with_the_classes_balanced(recipe: Recipe) -> None:
    images, labels = noise(64, 0)
    recipe = recipe.model_copy(update={"augment": AugmentSection(), "negatives": NegativesSection()})
    batches = list(BalancedBatches(images, labels, None, recipe, input_config(recipe), epoch=0))
    pieces = list(Pieces(batches, len(batches), 4))
    assert len(pieces) == len(Pieces(batches, len(batches), 4)) == 4 * len(batches)
    for number, (whole, _) in enumerate(batches):
        parts = pieces[4 * number : 4 * number + 4]
        assert sum(len(part) for part, _ in parts) == len(whole)
        joined = torch.cat([part for part, _ in parts]).flatten(1).sum(1).sort().values
        torch.testing.assert_close(joined, whole.flatten(1).sum(1).sort().values)
        assert all((part_labels > 0.5).float().mean() == 0.5 for _, part_labels in parts)


def test_workers_change_nothing_about_the_batches(recipe: Recipe) -> None:
    images, labels = noise(96, 0)
    batches = BalancedBatches(images, labels, None, recipe, input_config(recipe), epoch=0)
    alone = list(DataLoader(batches, batch_size=None))
    shared = list(DataLoader(batches, batch_size=None, num_workers=2))
    assert len(alone) == len(shared) == 6
    assert all(torch.equal(a[0], b[0]) for a, b in zip(alone, shared, strict=True))


def test_thresholds_of_a_finished_bundle_are_chosen_anew(
    capsys: pytest.CaptureFixture[str], recipe_file: Path, tree: Path, tmp_path: Path
) -> None:
    command = ("train", recipe_file, "--data", tree, "--output")
    assert fauxto(capsys, *command, tmp_path / "first").code == 0
    stricter = tmp_path / "stricter.yaml"
    stricter.write_text(RECIPE.replace("version: 0.0.1", "version: 0.0.2\n  max_miss: 0.2"))
    first = tmp_path / "first" / "bundle"
    again = ("train", stricter, "--data", tree, "--output", tmp_path / "second", "--bundle", first)
    assert fauxto(capsys, *again).code == 0
    before, after = load_bundle(first), load_bundle(tmp_path / "second" / "bundle")
    assert after.config.model_sha256 == before.config.model_sha256
    assert after.config.version == "0.0.2"
    assert after.config.thresholds.ai == pytest.approx(before.config.thresholds.ai, abs=1e-5)
    assert after.config.thresholds.no_sign > before.config.thresholds.no_sign
    runs = [json.loads((bundle.folder / "metrics.json").read_text())["run"] for bundle in (before, after)]
    assert runs[0] == runs[1], "what is known of the training stays"
    stricter.write_text(RECIPE.replace("name: tiny", "name: other"))
    refused = fauxto(capsys, *again)
    assert refused.code == 2 and "recipe" in refused.err
    assert fauxto(capsys, *again, "--devices", "2").code == 2


def test_a_net_that_has_learnt_nothing_becomes_no_bundle(recipe: Recipe) -> None:
    labels = np.array([0, 1] * 20)
    upside_down = ValidationLogits(np.where(labels == 1, -1.0, 1.0), labels, {})
    with pytest.raises(DataError, match="no bundle was made"):
        build_config(recipe, upside_down, "0" * 64)
