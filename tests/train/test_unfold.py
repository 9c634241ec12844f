"""A trained net is trained on: from its bundle, and as the mean of both."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from command import fauxto
from fauxto.errors import UsageError
from fauxto.train.nets import TraceNet
from fauxto.train.unfold import unfolded

FIRST = """
seed: 3
precision: float32
net: {widths: [8, 16], blocks: [1, 2], unshuffle: false}
input: {side: 16}
split: {validation: 0.25}
augment: {horizontal_flip: 0.5}
optimizer: {name: muon, rate: 0.02, weight_decay: 0.01, batch_size: 16}
stop: {epochs: 2}
bundle:
  name: tiny
  version: 0.0.1
  flip_average: true
  domain: {min_side: 16, max_side: 16, content: coloured noise}
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise, with a checkerboard where it counts as AI-generated."""
    root = tmp_path_factory.mktemp("tree")
    rng = np.random.default_rng(5)
    for label in ("REAL", "FAKE"):
        (root / label).mkdir()
        for index in range(60):
            image = rng.integers(60, 190, (16, 16, 3)).astype(np.uint8)
            image[::2, ::2] += 60 * (label == "FAKE")
            Image.fromarray(image).save(root / label / f"{index}.png")
    return root


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, tree: Path) -> Path:
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp("first")
    (folder / "first.yaml").write_text(FIRST)
    from fauxto.train.run import run

    run(folder / "first.yaml", [tree], folder / "run")
    return folder / "run"


def second(folder: Path, **changes: str) -> Path:
    """The recipe that goes on from the first, with a seed of its own."""
    text = FIRST.replace("seed: 3", "seed: 4").replace("flip_average: true", "mean_with_start: true")
    for old, new in changes.items():
        text = text.replace(old, new)
    path = folder / "second.yaml"
    path.write_text(text)
    return path


def outputs(model: Path, batch: np.ndarray) -> np.ndarray:
    return np.asarray(onnxruntime.InferenceSession(model).run(None, {"image": batch})[0])


def batch(count: int = 8, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, 3, 16, 16, generator=torch.Generator().manual_seed(seed))


def test_net_of_a_bundle_judges_as_the_bundle_does_and_can_learn(first: Path) -> None:
    net = unfolded(TraceNet((8, 16), (1, 2), unshuffle=False), first / "bundle" / "model.onnx", batch(64, 1))
    expected = outputs(first / "bundle" / "model.onnx", batch().numpy())
    with torch.inference_mode():
        found = (net(batch()) + net(batch().flip(3))) / 2
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-4)
    net.train()(batch()).sum().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())
    with torch.inference_mode():  # what was measured once stays
        np.testing.assert_allclose(net.eval()(batch()), net(batch()), atol=0)


def test_bundle_holds_the_mean_of_both_nets_whether_resumed_or_not(
    capsys: pytest.CaptureFixture[str], first: Path, tree: Path, tmp_path: Path
) -> None:
    recipe, start = second(tmp_path), first / "bundle" / "model.onnx"
    common = ("train", recipe, "--data", tree, "--output", tmp_path / "run")
    assert fauxto(capsys, *common, "--weights", start, "--epochs-now", "1").code == 0
    result = fauxto(capsys, *common, "--resume")
    assert result.code == 0, result.err
    info = json.loads((tmp_path / "run" / "run.json").read_text())
    assert info["weights"] == "model.onnx" and len(info["weights_sha256"]) == 64
    x = batch()
    checkpoint = torch.load(tmp_path / "run" / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    trained = TraceNet((8, 16), (1, 2), unshuffle=False).eval()
    trained.load_state_dict({name.removeprefix("net."): value for name, value in checkpoint.items()})
    started = unfolded(TraceNet((8, 16), (1, 2), unshuffle=False), start, batch(64, 1))
    with torch.inference_mode():
        expected = (started(x) + trained(x)) / 2
    assert not torch.allclose(started(x), trained(x), atol=0.1), "the second one learnt something"
    np.testing.assert_allclose(
        outputs(tmp_path / "run" / "bundle" / "model.onnx", x.numpy()), expected.numpy(), atol=1e-3
    )


def test_nothing_to_go_on_from_is_an_error(
    capsys: pytest.CaptureFixture[str], tree: Path, tmp_path: Path
) -> None:
    result = fauxto(capsys, "train", second(tmp_path), "--data", tree, "--output", tmp_path / "run")
    assert result.code == 2 and "--weights" in result.err
    assert not (tmp_path / "run" / "checkpoints").exists()


@pytest.mark.parametrize("widths", [(8, 24), (8, 16, 16)])
def test_model_of_another_net_is_an_error(first: Path, widths: tuple[int, ...]) -> None:
    net = TraceNet(widths, (1, 2, 1)[: len(widths)], unshuffle=False)
    with pytest.raises(UsageError, match=r"model\.onnx: does not fit the recipe's net"):
        unfolded(net, first / "bundle" / "model.onnx", batch())


def test_file_that_is_no_model_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"\xff" * 100)
    for name in ("x.onnx", "gone.onnx"):
        with pytest.raises(UsageError, match=rf"{name}: is no ONNX model"):
            unfolded(TraceNet((8, 16), (1, 2), unshuffle=False), tmp_path / name, batch())
