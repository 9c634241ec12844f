"""timm's backbones in recipes: the reference systems on Kaggle's folders, and where weights come from."""

from __future__ import annotations

import http.server
import io
import json
import re
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from command import Result, fauxto
from fauxto.errors import UsageError
from fauxto.models import load_bundle
from fauxto.train.backbones import build_backbone, pretrained_file
from fauxto.train.fit import build_net, load_weights, starting_weights
from fauxto.train.recipe import BackboneSection, Recipe, load_recipe

RECIPES = Path(__file__).parents[2] / "recipes"
TINY = """
seed: 1
precision: float32
net: {backbone: test_resnet.r160_in1k, NET}
input: {side: 32, resize: true}
split: {validation: 0.25}
optimizer: {name: adamw, rate: 0.003, batch_size: 16, warmup: 0}
stop: {epochs: 2}
bundle:
  name: tiny-backbone
  version: 0.0.1
  domain: {min_side: 16, max_side: 128, content: coloured noise}
"""


def write_image(path: Path, rng: np.random.Generator, side: int, *, ai: bool) -> None:
    """AI-generated here means noise with stripes in it, which turning it over does not hide."""
    pixels = rng.integers(60, 190, (side, side, 3)).astype(np.uint8)
    if ai:
        pixels[::2] += 60
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=95)


@pytest.fixture(scope="module")
def cifake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree of Kaggle's cifake-real-and-ai-generated-synthetic-images; class and number name the files."""
    root, rng = tmp_path_factory.mktemp("cifake"), np.random.default_rng(0)
    for part, count in (("train", 16), ("test", 4)):
        for number in range(count):
            write_image(root / part / "REAL" / f"{number:04d} (2).jpg", rng, 32, ai=False)
            write_image(root / part / "FAKE" / f"{number + 1000} (3).jpg", rng, 32, ai=True)
    return root


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree of Kaggle's 140k-real-and-fake-faces, with the tables that lie beside it."""
    root, rng = tmp_path_factory.mktemp("faces"), np.random.default_rng(1)
    for part, count in (("train", 10), ("valid", 3), ("test", 4)):
        for number in range(count):
            folder = root / "real_vs_fake" / "real-vs-fake" / part
            write_image(folder / "real" / f"{number:05d}.jpg", rng, 256, ai=False)
            write_image(folder / "fake" / f"{number:02d}ABCDEFGH.jpg", rng, 256, ai=True)
        (root / f"{part}.csv").write_text("id,original_path,label,label_str,path\n")
    return root


def brief(name: str, folder: Path, **changes: str) -> Path:
    """A shipped recipe with two epochs, a fixed precision and what else is changed, all else as it is."""
    text = (RECIPES / name).read_text()
    for field, value in {"epochs": "2", "precision": "float32", **changes}.items():
        text, found = re.subn(rf"^( *{field}: )\S+", rf"\g<1>{value}", text, flags=re.MULTILINE)
        assert found == 1, field
    path = folder / name
    path.write_text(text)
    return path


def trained(
    capsys: pytest.CaptureFixture[str], recipe: Path, data: Path, output: Path, *more: object
) -> Result:
    return fauxto(capsys, "train", recipe, "--data", data, "--output", output, *more)


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def test_reference_cifake_runs_on_kaggles_folders(
    capsys: pytest.CaptureFixture[str], cifake: Path, tmp_path: Path
) -> None:
    recipe, run = brief("reference-cifake-resnet50.yaml", tmp_path), tmp_path / "run"
    result = trained(capsys, recipe, cifake, run, "--no-pretrained")
    assert result.code == 0, result.err
    info = read(run / "run.json")
    # 70/20/10 of all forty images, the data's own test part among them.
    assert (info["training_images"], info["validation_images"], info["test_images"]) == (28, 8, 4)
    assert info["weights"] == "random" and info["trained_parameters"] == info["parameters"] > 23_000_000
    found = read(run / "test" / "metrics.json")
    assert found["data"]["images"] == 4
    assert {row["name"] for row in found["result"]["classification_report"]} >= {"ai", "not-ai"}
    assert sum(found["result"]["confusion"].values()) == 4
    assert (run / "curves.png").stat().st_size > 1000, "accuracy and loss by epoch"
    assert "confusion" in (run / "test" / "report.html").read_text().lower()
    assert str(run / "test" / "report.html") in result.out
    config = load_bundle(run / "bundle").config.calibration
    assert (config.slope, config.intercept) == (1.0, 0.0), "the net's own probability"
    assert "not calibrated" in (run / "bundle" / "MODEL_CARD.md").read_text()


def test_reference_faces_runs_on_kaggles_folders(
    capsys: pytest.CaptureFixture[str], faces: Path, tmp_path: Path
) -> None:
    recipe, run = brief("reference-faces-resnet50.yaml", tmp_path), tmp_path / "run"
    options = ("--no-pretrained", "--images", 16, "--micro-batch", 8)
    result = trained(capsys, recipe, faces, run, *options)
    assert result.code == 0, result.err
    info = read(run / "run.json")
    # 16 of the 20 training images, a fifth of them for validation; valid/ stays unused, test/ is measured.
    assert info["available_images"] == 20 and info["pieces"] == 2
    assert info["training_images"] + info["validation_images"] == 16
    assert read(run / "test" / "metrics.json")["data"]["images"] == info["test_images"] == 8


def test_reference_cifake_is_the_published_system() -> None:
    recipe = load_recipe(RECIPES / "reference-cifake-resnet50.yaml")
    assert recipe.input.side == 32 and recipe.input.mean == (0, 0, 0) and recipe.input.std == (1, 1, 1)
    assert (recipe.split.declared, recipe.split.validation, recipe.split.test) == ("none", 0.2, 0.1)
    assert (recipe.stop.epochs, recipe.stop.patience) == (10, 3)
    assert recipe.augment.horizontal_flip == recipe.augment.vertical_flip == 0.5
    assert isinstance(recipe.net, BackboneSection) and recipe.net.pretrained
    net = build_net(recipe)
    kinds = [type(module).__name__ for module in net.head]  # type: ignore[union-attr]
    assert kinds == ["Linear", "ReLU", "BatchNorm1d", "Linear", "ReLU", "Dropout", "Linear"]
    assert [m.out_features for m in net.head.modules() if isinstance(m, nn.Linear)] == [256, 128, 1]  # type: ignore[union-attr]
    assert net.head[5].p == 0.5  # type: ignore[index, union-attr]
    assert all(parameter.requires_grad for parameter in net.parameters())


def test_reference_faces_is_the_published_system() -> None:
    recipe = load_recipe(RECIPES / "reference-faces-resnet50.yaml")
    assert (recipe.subset, recipe.split.test, recipe.split.test_images) == (10_000, "declared", 1000)
    assert (recipe.stop.epochs, recipe.stop.patience) == (10, None)
    assert (recipe.optimizer.name, recipe.optimizer.batch_size) == ("adam", 250)
    assert isinstance(recipe.net, BackboneSection) and recipe.net.pretrained
    net = build_net(recipe)
    assert [type(m).__name__ for m in net.head] == ["Linear", "ReLU", "Linear"]  # type: ignore[union-attr]
    assert net.head[0].in_features == 2048, "global average pooling of ResNet50's last map"  # type: ignore[index, union-attr]
    assert net.head[2].out_features == 2, "two classes"  # type: ignore[index, union-attr]


@pytest.mark.parametrize(
    ("name", "silent"),
    [
        ("reference-cifake-resnet50.yaml", {"name: adam", "rate:", "batch_size:", "schedule:"}),
        ("reference-faces-resnet50.yaml", {"rate:", "side: 128", "validation:", "horizontal_flip:"}),
    ],
)
def test_what_the_description_leaves_open_is_marked(name: str, silent: set[str]) -> None:
    lines = (RECIPES / name).read_text().splitlines()
    for words in silent:
        (line,) = [line for line in lines if line.strip().startswith(words)]
        assert "not stated" in line, line


def test_two_classes_under_a_softmax_give_the_logit_of_the_second() -> None:
    section = BackboneSection(backbone="test_resnet.r160_in1k", output="softmax")
    net = build_backbone(section, 32).eval()
    images = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        classes = net.head(net.backbone(images).flatten(1))
        torch.testing.assert_close(torch.sigmoid(net(images)), classes.softmax(1)[:, 1])


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No network, no proxy, and nothing downloaded before."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.mark.usefixtures("no_hub")
@pytest.mark.parametrize("name", ["reference-cifake-resnet50", "reference-faces-resnet50"])
def test_without_network_the_run_stops_before_it_touches_data(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str
) -> None:
    result = trained(capsys, RECIPES / f"{name}.yaml", tmp_path / "no-such-data", tmp_path / "run")
    assert result.code == 2
    for words in ("timm/resnet50.tv_in1k", "model.safetensors", "--weights FILE", "--no-pretrained"):
        assert words in result.err
    assert "Traceback" not in result.err and not (tmp_path / "run").exists()


class _Hub(http.server.BaseHTTPRequestHandler):
    """Answers as the hub does for one file, and counts."""

    def __init__(self, body: bytes, asked: list[str], *arguments: Any) -> None:
        self.body, self.asked = body, asked
        super().__init__(*arguments)

    def _head(self) -> bool:
        self.asked.append(f"{self.command} {self.path}")
        found = self.path == "/timm/test_resnet.r160_in1k/resolve/main/model.safetensors"
        self.send_response(200 if found else 404)
        self.send_header("ETag", '"0123456789abcdef"')
        self.send_header("X-Repo-Commit", "a" * 40)
        self.send_header("Content-Length", str(len(self.body) if found else 0))
        self.end_headers()
        return found

    def do_HEAD(self) -> None:
        self._head()

    def do_GET(self) -> None:
        if self._head():
            self.wfile.write(self.body)

    def log_message(self, *_arguments: object) -> None: ...


@pytest.fixture
def hub(no_hub: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[str]]:
    """A hub on the loopback interface that holds a tiny ResNet's weights; gives what it was asked."""
    save_file(timm.create_model("test_resnet.r160_in1k").state_dict(), tmp_path / "published")
    asked: list[str] = []
    handler = partial(_Hub, (tmp_path / "published").read_bytes(), asked)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", address)
    monkeypatch.setattr(
        huggingface_hub.constants,
        "HUGGINGFACE_CO_URL_TEMPLATE",
        address + "/{repo_id}/resolve/{revision}/{filename}",
    )
    yield asked
    server.shutdown()
    server.server_close()


def test_weights_are_downloaded_once_and_start_the_net(hub: list[str], tmp_path: Path) -> None:
    section = BackboneSection(backbone="test_resnet.r160_in1k", pooling="average")
    file = pretrained_file(section)
    assert any(line.startswith("GET") for line in hub)
    published = (tmp_path / "published").read_bytes()
    assert file.read_bytes() == published
    hub.clear()
    assert pretrained_file(section) == file and hub == [], "the second time nothing is asked"
    first = next(iter(timm.create_model("test_resnet.r160_in1k").state_dict()))
    loaded = build_backbone(section, 32, file).backbone.state_dict()[first]
    from safetensors.torch import load

    torch.testing.assert_close(loaded, load(published)[first])


def test_a_backbone_that_timm_lacks_is_named_with_its_neighbours() -> None:
    with pytest.raises(UsageError, match=r"timm has no resnet5O.*close names: .*resnet50"):
        pretrained_file(BackboneSection(backbone="resnet5O"))


@pytest.fixture(scope="module")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(4)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_file(timm.create_model("test_resnet.r160_in1k").state_dict(), path)
    return path


def write_recipe(folder: Path, net: str) -> Path:
    path = folder / "tiny.yaml"
    path.write_text(TINY.replace("NET", net))
    return path


def net_of(run: Path, recipe: Path) -> nn.Module:
    return load_weights(load_recipe(recipe), run / "checkpoints" / "last.ckpt")


def test_frozen_backbone_keeps_the_weights_of_the_file_and_its_head_learns(
    capsys: pytest.CaptureFixture[str], cifake: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    recipe, run = write_recipe(tmp_path, "frozen: true, pooling: average"), tmp_path / "run"
    result = trained(capsys, recipe, cifake, run, "--weights", tiny_weights)
    assert result.code == 0, result.err
    info = read(run / "run.json")
    assert info["weights"] == "tiny.safetensors" and len(info["weights_sha256"]) == 64
    before = build_backbone(_net(load_recipe(recipe)), 32, tiny_weights)
    after = net_of(run, recipe)
    assert info["trained_parameters"] == sum(p.numel() for p in before.head.parameters())
    for name, value in before.backbone.state_dict().items():
        torch.testing.assert_close(after.backbone.state_dict()[name], value, msg=name)  # type: ignore[union-attr]
    torch.manual_seed(load_recipe(recipe).seed)
    fresh = build_backbone(_net(load_recipe(recipe)), 32)
    assert not torch.equal(after.head[0].weight, fresh.head[0].weight)  # type: ignore[arg-type, index, union-attr]


def _net(recipe: Recipe) -> BackboneSection:
    assert isinstance(recipe.net, BackboneSection)
    return recipe.net


def test_fine_tuning_changes_the_backbone(
    capsys: pytest.CaptureFixture[str], cifake: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    recipe, run = write_recipe(tmp_path, f"weights: {tiny_weights}"), tmp_path / "run"
    assert trained(capsys, recipe, cifake, run, "--epochs-now", 1).code == 0
    before = build_backbone(_net(load_recipe(recipe)), 32, tiny_weights)
    after = dict(net_of(run, recipe).named_parameters())
    changed = [name for name, value in before.named_parameters() if not torch.equal(value, after[name])]
    assert any(name.startswith("backbone.conv1") for name in changed)


def test_shipped_recipe_of_a_foundation_backbone_goes_its_whole_way(
    capsys: pytest.CaptureFixture[str], faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With DINOv3's architecture in miniature, random weights and a rate to match; else as it is shipped."""
    tiny = partial(timm.create_model, depth=1, embed_dim=32, num_heads=2)
    monkeypatch.setattr(timm, "create_model", tiny)
    torch.manual_seed(0)
    save_file(tiny("vit_small_patch16_dinov3").state_dict(), tmp_path / "dinov3.safetensors")
    recipe, run = brief("dinov3-linear.yaml", tmp_path, epochs="10", rate="0.1"), tmp_path / "run"
    result = trained(capsys, recipe, faces, run, "--weights", tmp_path / "dinov3.safetensors")
    assert result.code == 0, result.err
    info = read(run / "run.json")
    assert info["trained_parameters"] == 33, "a linear head on 32 features"
    bundle = load_bundle(run / "bundle")
    assert bundle.config.input.side == 256
    with Image.open(next(faces.glob("**/test/fake/*.jpg"))) as picture:
        assert 0 <= bundle.scores([np.asarray(picture)])[0] <= 1
    assert read(run / "test" / "metrics.json")["data"]["images"] == info["test_images"] > 0


@pytest.mark.long
def test_dinov3_itself_trains_and_exports(
    capsys: pytest.CaptureFixture[str], faces: Path, tmp_path: Path
) -> None:
    recipe, run = brief("dinov3-linear.yaml", tmp_path), tmp_path / "run"
    result = trained(capsys, recipe, faces, run, "--no-pretrained", "--images", 16)
    assert result.code == 0, result.err
    assert read(run / "run.json")["parameters"] > 21_000_000


class _Harmful:
    """Runs code when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_files_of_no_use_as_weights_are_refused_by_name(tmp_path: Path, tiny_weights: Path) -> None:
    section = BackboneSection(backbone="test_vit.r160_in1k")
    with pytest.raises(UsageError, match=r"tiny.safetensors"):
        build_backbone(section, 160, tiny_weights)
    harmful = tmp_path / "harmful.pth"
    buffer = io.BytesIO()
    torch.save({"state_dict": _Harmful(tmp_path / "ran")}, buffer)
    harmful.write_bytes(buffer.getvalue())
    with pytest.raises(UsageError, match=r"harmful.pth"):
        build_backbone(section, 160, harmful)
    assert not (tmp_path / "ran").exists(), "loading weights runs no code"
    recipe = load_recipe(write_recipe(tmp_path, "pretrained: false"))
    with pytest.raises(UsageError, match=r"gone.safetensors: no such file"):
        starting_weights(recipe, tmp_path / "gone.safetensors")
    (tmp_path / "bad.ckpt").write_bytes(b"nothing")
    with pytest.raises(UsageError, match=r"bad.ckpt: is no checkpoint"):
        load_weights(recipe, tmp_path / "bad.ckpt")


def test_weights_and_no_pretrained_contradict_each_other(
    capsys: pytest.CaptureFixture[str], cifake: Path, tmp_path: Path, tiny_weights: Path
) -> None:
    recipe = write_recipe(tmp_path, "frozen: false")
    result = trained(capsys, recipe, cifake, tmp_path / "run", "--weights", tiny_weights, "--no-pretrained")
    assert result.code == 2 and "--weights and --no-pretrained" in result.err


def test_a_side_that_the_backbone_cannot_take_is_an_error() -> None:
    with pytest.raises(UsageError, match=re.escape("test_vit.r160_in1k")):
        build_backbone(BackboneSection(backbone="test_vit.r160_in1k"), 37)


def test_checkpoint_of_a_run_starts_another(
    capsys: pytest.CaptureFixture[str], cifake: Path, tmp_path: Path
) -> None:
    recipe = write_recipe(tmp_path, "pretrained: false")
    assert trained(capsys, recipe, cifake, tmp_path / "one", "--epochs-now", 1).code == 0
    start = tmp_path / "one" / "checkpoints" / "best.ckpt"
    more = ("--weights", start, "--epochs-now", 1)
    assert trained(capsys, recipe, cifake, tmp_path / "two", *more).code == 0
    assert read(tmp_path / "two" / "run.json")["weights"] == "best.ckpt"
