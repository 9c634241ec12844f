"""`fauxto models import`: other people's detectors give their own scores, and promise nothing."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from huggingface_hub import ModelInfo
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForImageClassification, pipeline

from command import fauxto
from fauxto import Detector
from fauxto.models import load_bundle
from fauxto.models.files import MAX_TEXT_BYTES
from sources_made import SIDE, edit, onnx_file, save, siglip, swin, vit

STATED = (
    "--side", SIDE, "--resize", "square", "--interpolation", "bilinear", "--mean", "0.5,0.5,0.5",
    "--std", "0.25,0.25,0.25",
)  # fmt: skip


@pytest.fixture(scope="module")
def vit_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(vit(), tmp_path_factory.mktemp("sources") / "tiny-vit")


@pytest.fixture
def source(vit_source: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(vit_source, tmp_path / "tiny-vit"))


def pictures(count: int = 8) -> list[Image.Image]:
    """Smooth and grainy pictures of many shapes, smaller and larger than the model's square."""
    rng = np.random.default_rng(3)
    found = []
    for index in range(count):
        width, height = (int(side) for side in rng.integers(20, 150, 2))
        coarse = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
        grain = rng.integers(-8 * index, 8 * index + 1, (height, width, 3))
        found.append(Image.fromarray(np.clip(smooth + grain, 0, 255).astype(np.uint8)))
    return found


def own_scores(folder: Path, index: int = 1) -> list[float]:
    """P(class `index`) by the source's own pipeline, from its own files."""
    model = AutoModelForImageClassification.from_pretrained(folder)
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    answers = pipeline("image-classification", model=model, image_processor=processor)(pictures(), top_k=None)
    label = model.config.id2label[index]
    return [next(row["score"] for row in rows if row["label"] == label) for rows in answers]


def bundle_scores(folder: Path) -> list[float]:
    return list(load_bundle(folder).scores([np.asarray(one) for one in pictures()]))


@pytest.mark.parametrize(
    ("make", "preprocessor"),
    [
        (vit, "ViTImageProcessor"),
        (swin, "ViTImageProcessor"),
        (vit, "unnormalised"),
        (siglip, "SiglipImageProcessor"),
        (vit, "CLIPImageProcessor"),
    ],
)
def test_scores_are_those_of_the_sources_own_pipeline(
    make: Callable[[], Any], preprocessor: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = save(make(), tmp_path / "source", preprocessor)
    result = fauxto(capsys, "models", "import", folder, "--output", tmp_path / "bundle")
    assert result.code == 0, result.err
    expected = own_scores(folder)
    assert np.ptp(expected) > 0.03  # a constant would agree with anything
    assert bundle_scores(tmp_path / "bundle") == pytest.approx(expected, abs=1e-3)


def test_one_logit_under_a_sigmoid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = save(vit(("fake",)), tmp_path / "source")
    result = fauxto(capsys, "models", "import", folder, "--output", tmp_path / "bundle")
    assert result.code == 0, result.err
    assert load_bundle(tmp_path / "bundle").config.output == "logit"
    assert bundle_scores(tmp_path / "bundle") == pytest.approx(own_scores(folder, 0), abs=1e-3)


def test_index_0_may_be_the_fake_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = save(vit(("artificial", "human")), tmp_path / "source")
    result = fauxto(capsys, "models", "import", folder, "--output", tmp_path / "bundle")
    assert result.code == 0, result.err
    assert load_bundle(tmp_path / "bundle").config.ai_index == 0
    assert bundle_scores(tmp_path / "bundle") == pytest.approx(own_scores(folder, 0), abs=1e-3)


def test_onnx_beside_the_descriptions(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (source / "model.safetensors").unlink()
    onnx_file(source / "onnx" / "model.onnx", classes=2)
    result = fauxto(capsys, "models", "import", source, "--output", tmp_path / "bundle")
    assert result.code == 0, result.err
    assert "own pipeline" in result.out
    scores = []
    for one in pictures():  # the file says 6 * mean of red against 12 * mean of green
        square = np.asarray(one.resize((SIDE, SIDE), Image.Resampling.BILINEAR), np.float64) / 127.5 - 1
        red, green, _ = square.mean((0, 1))
        scores.append(1 / (1 + np.exp(6 * red - 12 * green)))
    assert bundle_scores(tmp_path / "bundle") == pytest.approx(scores, abs=1e-3)


def test_nothing_is_promised_until_it_is_calibrated(
    vit_source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fauxto(capsys, "models", "import", vit_source, "--output", tmp_path / "b").code == 0
    # The score rises without bound with such a slope, so only the missing thresholds hold `ai` back.
    edit(tmp_path / "b" / "config.json", calibration={"slope": 1.0, "intercept": 50.0, "fitted_on": "x"})
    picture = pictures()[0].resize((40, 50))
    record = Detector(tmp_path / "b").scan(picture)
    assert record.score == pytest.approx(1.0) and record.verdict == "uncertain"
    assert "fauxto calibrate" in record.reason
    edit(tmp_path / "b" / "config.json", calibration={"slope": 1.0, "intercept": -50.0, "fitted_on": "x"})
    assert Detector(tmp_path / "b").scan(picture).verdict == "uncertain"


def test_calibration_sets_the_thresholds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx_file(tmp_path / "model.onnx")
    options = ("--output-kind", "logit", "--ai-index", 1, *STATED)
    result = fauxto(capsys, "models", "import", tmp_path / "model.onnx", "--output", tmp_path / "b", *options)
    assert result.code == 0, result.err
    photos = tmp_path / "data" / "photos"
    photos.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for index in range(60):  # dark pictures, to which the model gives low scores
        pixels = rng.integers(0, 100, (SIDE, SIDE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(photos / f"{index}.png")
    result = fauxto(
        capsys,
        "calibrate",
        photos.parent,
        "--model",
        tmp_path / "b",
        "--max-fpr",
        0.05,
        "--output",
        tmp_path / "c",
    )
    assert result.code == 0, result.err
    red = np.zeros((SIDE, SIDE, 3), np.uint8)
    red[..., 0] = 255
    assert Detector(tmp_path / "b").scan(red).verdict == "uncertain"
    assert Detector(tmp_path / "c").scan(red).verdict == "ai"


def test_the_card_names_source_and_licence(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (source / "README.md").write_text("---\nlicense: cc-by-4.0\ntags: [x]\n---\n# A detector\n")
    (source / "LICENSE").write_text("Some rights reserved.")
    assert fauxto(capsys, "models", "import", source, "--output", tmp_path / "b").code == 0
    card = fauxto(capsys, "models", tmp_path / "b").out
    assert "Imported from tiny-vit" in card and "cc-by-4.0" in card and "Some rights reserved." in card
    assert json.loads(fauxto(capsys, "models", tmp_path / "b", "--json").out)[0]["licence"] == "cc-by-4.0"


def refused(capsys: pytest.CaptureFixture[str], source: object, output: Path, *options: object) -> str:
    result = fauxto(capsys, "models", "import", source, "--output", output, *options)
    assert result.code == 2 and not output.exists()
    assert list(output.parent.glob(f".{output.name}*")) == []
    assert "Traceback" not in result.err
    return result.err


@pytest.mark.parametrize("labels", [("LABEL_0", "LABEL_1"), ("not fake", "fake"), ("fake", "deepfake")])
def test_labels_that_do_not_tell_are_asked_about(
    labels: tuple[str, str], source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(
        source / "config.json",
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
    )
    assert "--ai-index" in refused(capsys, source, tmp_path / "b")
    assert fauxto(capsys, "models", "import", source, "--output", tmp_path / "b", "--ai-index", 0).code == 0
    assert load_bundle(tmp_path / "b").config.ai_index == 0


@pytest.mark.parametrize(
    ("file", "changes", "asked"),
    [
        ("config.json", {"label2id": {"Fake": 0, "Real": 1}}, "--ai-index"),
        ("config.json", {"image_mean": [0.48, 0.46, 0.41]}, "--mean"),
        ("config.json", {"pretrained_cfg": {"std": [0.229, 0.224, 0.225]}}, "--std"),
        ("preprocessor_config.json", {"size": {"height": 48, "width": 48}}, "--side"),
        ("preprocessor_config.json", {"size": {"shortest_edge": 40}, "do_center_crop": False}, "--side"),
        ("config.json", {"problem_type": "multi_label_classification"}, "--output-kind"),
    ],
)
def test_contradictions_are_asked_about(
    file: str,
    changes: dict[str, Any],
    asked: str,
    source: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    edit(source / file, **changes)
    assert asked in refused(capsys, source, tmp_path / "b")


def test_two_preprocessors_that_disagree(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (source / "onnx").mkdir()
    shutil.copy(source / "preprocessor_config.json", source / "onnx")
    edit(source / "onnx" / "preprocessor_config.json", image_std=[0.2, 0.2, 0.2])
    assert "image_std" in refused(capsys, source, tmp_path / "b")


CLIP = ([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711])
IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


@pytest.mark.parametrize("contradicted_by", ["onnx/preprocessor_config.json", "config.json"])
@pytest.mark.parametrize("chosen", [CLIP, IMAGENET])
def test_clips_or_imagenets_normalisation_is_asked_and_then_compared(
    contradicted_by: str,
    chosen: tuple[list[float], list[float]],
    source: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    own, other = source / "preprocessor_config.json", source / contradicted_by
    edit(own, image_mean=CLIP[0], image_std=CLIP[1])
    if other.name == own.name:
        other.parent.mkdir()
        shutil.copy(own, other)
        edit(other, image_mean=IMAGENET[0], image_std=IMAGENET[1])
    else:
        edit(other, pretrained_cfg={"mean": IMAGENET[0], "std": IMAGENET[1]})
    assert "--mean" in refused(capsys, source, tmp_path / "b")
    # Half an answer leaves the other half open; another one settles nothing.
    mean, std = (",".join(map(str, values)) for values in chosen)
    assert "--std" in refused(capsys, source, tmp_path / "b", "--mean", mean)
    assert "--mean" in refused(capsys, source, tmp_path / "b", "--side", SIDE)
    options = ("--output", tmp_path / "b", "--mean", mean, "--std", std)
    result = fauxto(capsys, "models", "import", source, *options)
    assert result.code == 0, result.err
    assert "Greatest difference to the source's own pipeline" in result.out
    edit(own, image_mean=chosen[0], image_std=chosen[1])
    assert bundle_scores(tmp_path / "b") == pytest.approx(own_scores(source), abs=1e-3)


def test_another_preprocessing_than_the_sources_is_not_compared(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--output", tmp_path / "b", "--interpolation", "nearest")
    result = fauxto(capsys, "models", "import", source, *options)
    assert result.code == 0, result.err
    assert "Not compared" in result.out
    assert "not compared" in (tmp_path / "b" / "MODEL_CARD.md").read_text()


def test_pickles_are_never_loaded(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (source / "model.safetensors").unlink()
    torch.save({}, source / "pytorch_model.bin")
    assert "pickle" in refused(capsys, source, tmp_path / "b")


def test_code_of_the_source_is_never_run(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (source / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    edit(source / "config.json", auto_map={"AutoModelForImageClassification": "code.Net"})
    assert "never" in refused(capsys, source, tmp_path / "b")
    assert not (tmp_path / "ran").exists()


def test_weights_that_lack_the_head(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(source / "model.safetensors")
    save_file(
        {key: value for key, value in weights.items() if "classifier" not in key},
        source / "model.safetensors",
        metadata={"format": "pt"},
    )
    assert "classifier" in refused(capsys, source, tmp_path / "b")


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ("config.json", "config.json"),
        ("preprocessor_config.json", "preprocessor_config.json"),
        ("model.safetensors", "safetensors"),
    ],
)
def test_a_missing_file_is_named(
    missing: str, named: str, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (source / missing).unlink()
    assert Path(missing).stem.split(".")[0].replace("model", "safetensors") in refused(
        capsys, source, tmp_path / "b"
    )


def test_an_onnx_file_says_nothing_of_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = refused(capsys, onnx_file(tmp_path / "m.onnx"), tmp_path / "b")
    for option in ("--resize", "--interpolation", "--mean", "--std", "--output-kind", "--ai-index"):
        assert option in message


@pytest.mark.parametrize("squash", ["Sigmoid", "Softmax"])
def test_probabilities_are_not_taken_for_logits(
    squash: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    classes = 1 if squash == "Sigmoid" else 2
    file = onnx_file(tmp_path / "m.onnx", classes=classes, squash=squash)
    kind = "logit" if classes == 1 else "softmax"
    message = refused(capsys, file, tmp_path / "b", *STATED, "--output-kind", kind, "--ai-index", 1)
    assert "probability" in message
    options = (*STATED, "--output-kind", "probability", "--ai-index", 1)
    assert fauxto(capsys, "models", "import", file, "--output", tmp_path / "b", *options).code == 0
    plain = onnx_file(tmp_path / "plain.onnx", classes=classes)
    options = (*STATED, "--output-kind", kind, "--ai-index", 1)
    assert fauxto(capsys, "models", "import", plain, "--output", tmp_path / "plain", *options).code == 0
    assert bundle_scores(tmp_path / "b") == pytest.approx(bundle_scores(tmp_path / "plain"), abs=1e-4)


def test_a_fixed_batch_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = onnx_file(tmp_path / "m.onnx", batch=1)
    assert "batch" in refused(
        capsys, file, tmp_path / "b", *STATED, "--output-kind", "logit", "--ai-index", 1
    )


def on_the_hub(monkeypatch: pytest.MonkeyPatch, source: Path, **more: int) -> dict[str, Any]:
    """A hub that holds the source under every name, and files of these sizes besides; what it was asked."""
    asked: dict[str, Any] = {}
    sizes = {path.name: path.stat().st_size for path in source.iterdir()} | more

    def model_info(_: object, repository: str, *, revision: str, files_metadata: bool) -> ModelInfo:
        asked.update(repository=repository, revision=revision)
        siblings = [{"rfilename": name, "size": size} for name, size in sizes.items()]
        return ModelInfo(id=repository, sha="0123abc", siblings=siblings)  # type: ignore[no-untyped-call]

    def snapshot(repository: str, *, revision: str, local_dir: Path, allow_patterns: list[str]) -> None:
        asked.update(fetched=(repository, revision), patterns=allow_patterns)
        shutil.copytree(source, local_dir)

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", model_info)
    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    return asked


def test_the_hub_is_asked_for_data_only(
    vit_source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = on_the_hub(monkeypatch, vit_source, **{"pytorch_model.bin": 1 << 50})
    result = fauxto(capsys, "models", "import", "hf:owner/a.detector@v2", "--output", tmp_path / "b")
    assert result.code == 0, result.err
    assert (asked["repository"], asked["revision"]) == ("owner/a.detector", "v2")
    assert asked["fetched"] == ("owner/a.detector", "0123abc")  # the commit that was looked at, no other
    assert not any(pattern.endswith((".bin", ".pt", ".py", "*")) for pattern in asked["patterns"][:5])
    assert "hf:owner/a.detector@0123abc" in (tmp_path / "b" / "MODEL_CARD.md").read_text()
    assert load_bundle(tmp_path / "b").config.name == "a-detector"


@pytest.mark.parametrize(
    ("name", "size", "said"),
    [("more.safetensors", 1 << 40, "over the limit"), ("../x.safetensors", 1, "leads out of its folder")],
)
def test_what_the_hub_lists_is_checked_before_anything_is_fetched(
    name: str,
    size: int,
    said: str,
    vit_source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = on_the_hub(monkeypatch, vit_source, **{name: size})
    assert said in refused(capsys, "hf:owner/name", tmp_path / "b")
    assert "fetched" not in asked


def test_links_in_a_source_are_refused(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.move(source / "config.json", tmp_path / "elsewhere")
    (source / "config.json").symlink_to(tmp_path / "elsewhere")
    assert "config.json" in refused(capsys, source, tmp_path / "b")


@pytest.mark.parametrize("name", ["LICENSE", "LICENCE.txt", "README.md"])
@pytest.mark.parametrize("target", ["private", "absent"])
def test_a_licence_that_is_a_link_is_refused_and_its_text_goes_nowhere(
    name: str, target: str, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "private").write_text("---\nlicense: secret-words\n---\n")
    (source / name).symlink_to(tmp_path / target)
    said = refused(capsys, source, tmp_path / "b")
    assert name in said and "symbolic link" in said


def test_a_licence_without_end_is_refused(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (source / "LICENSE").open("wb") as file:
        file.truncate(MAX_TEXT_BYTES + 1)
    said = refused(capsys, source, tmp_path / "b")
    assert "LICENSE" in said and "over the limit" in said


def test_a_folder_of_licences_is_no_licence_text(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (source / "LICENSES").mkdir()
    assert fauxto(capsys, "models", "import", source, "--output", tmp_path / "b").code == 0


def test_sides_that_no_image_has_are_refused_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(capsys, "hf:owner/name", tmp_path / "b", "--min-side", 100, "--max-side", 50)
    assert "--min-side 100" in said and "--max-side 50" in said


def test_without_a_network_the_hub_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise OSError("network is unreachable")

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", unreachable)
    assert "import the folder" in refused(capsys, "hf:owner/name", tmp_path / "b")


def test_a_local_source_needs_no_network(
    vit_source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def closed(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", closed)
    monkeypatch.setattr(socket, "getaddrinfo", closed)
    assert fauxto(capsys, "models", "import", vit_source, "--output", tmp_path / "b").code == 0


@pytest.mark.parametrize("source", ["hf:noslash", "hf:a/b@", "absent"])
def test_a_source_that_is_none(source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "hf:OWNER/NAME" in refused(capsys, source, tmp_path / "b")


def test_output_in_use_is_left_alone(
    vit_source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mine").write_text("x")
    result = fauxto(capsys, "models", "import", vit_source, "--output", tmp_path / "b")
    assert result.code == 2 and [path.name for path in (tmp_path / "b").iterdir()] == ["mine"]
