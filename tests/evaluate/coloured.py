"""A model small enough to check by hand, and labelled images that it can tell apart."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from fauxto.models.bundle import sigmoid
from fauxto.models.config import (
    BundleConfig,
    CalibrationConfig,
    DomainConfig,
    InputConfig,
    ThresholdsConfig,
)
from fauxto.models.golden import golden_images
from fauxto.models.preprocess import batch_input

SIDE = 16
INPUT = InputConfig(side=SIDE, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


def write_bundle(
    folder: Path,
    *,
    weights: tuple[float, float, float] = (4.0, 0.0, -4.0),
    name: str = "coloured",
    slope: float = 1.0,
    intercept: float = 0.0,
    ai: float = 0.7,
    no_sign: float = 0.3,
    max_miss: float = 0.05,
    max_side: int = 64,
    fitted: bool = True,
) -> Path:
    """A bundle whose output is the weighted sum of the normalised channel means: redder is more AI."""
    folder.mkdir(parents=True)
    model = _model(weights)
    (folder / "model.onnx").write_bytes(model)
    config = BundleConfig(
        name=name,
        version="1.2.3",
        input=INPUT,
        calibration=CalibrationConfig(slope=slope, intercept=intercept, fitted_on="nothing"),
        thresholds=ThresholdsConfig(
            fitted=fitted, ai=ai, no_sign=no_sign, max_fpr=0.01, max_miss=max_miss, chosen_on="nothing"
        ),
        domain=DomainConfig(min_side=8, max_side=max_side, content="coloured squares", automatic=False),
        limits=("It knows colours only.",),
        licence="Apache-2.0",
        model_sha256=hashlib.sha256(model).hexdigest(),
    )
    (folder / "config.json").write_text(config.model_dump_json(indent=2))
    logits = channel_logits(golden_images(SIDE), weights)
    golden = {
        "evaluator": "by hand",
        "scores": np.round(sigmoid(slope * logits + intercept), 7).tolist(),
    }
    (folder / "golden.json").write_text(json.dumps(golden))
    (folder / "metrics.json").write_text(json.dumps({"validation": {"accuracy": 0.5}}))
    (folder / "MODEL_CARD.md").write_text(f"# {name} 1.2.3\n\nSees colours.\n")
    return folder


def channel_logits(
    images: list[NDArray[np.uint8]], weights: tuple[float, float, float]
) -> NDArray[np.float64]:
    """What the model computes, by numpy alone."""
    means = batch_input(images, INPUT).astype(np.float64).mean(axis=(2, 3))
    return np.asarray(means @ np.array(weights), np.float64)


def write_images(
    folder: Path, count: int, *, redness: float, side: int = 24, seed: int = 0, spread: float = 30.0
) -> None:
    """PNG files whose red exceeds their blue by about `redness` (0 to 255), no two the same."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for number in range(count):
        shift = (redness + rng.normal(0, spread)) / 2
        colour = np.array([128 + shift, 128, 128 - shift])
        pixels = np.clip(colour + rng.normal(0, 8, (side, side, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:04}.png")


def _model(weights: tuple[float, float, float]) -> bytes:
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["means"]),
        helper.make_node("Gemm", ["means", "weights", "bias"], ["logit"]),
    ]
    constants = [
        numpy_helper.from_array(np.array(weights, np.float32).reshape(3, 1), "weights"),
        numpy_helper.from_array(np.zeros(1, np.float32), "bias"),
    ]
    graph = helper.make_graph(
        nodes,
        "coloured",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["batch", 1])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
