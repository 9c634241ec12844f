"""A bundle of a few kilobytes with a second output, `features`: four by four means of each colour."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fauxto.models.bundle import sigmoid
from fauxto.models.config import InputConfig
from fauxto.models.golden import golden_images
from fauxto.models.preprocess import batch_input

SIDE, GRID = 16, 4
FEATURES = 3 * GRID * GRID


def _model(rank: int, named: str) -> bytes:
    """logit = 4 * mean of the features; `rank` 1 gives (N,), 2 gives (N, 1). photograph = -mean."""
    pool = SIDE // GRID
    weights = np.full((FEATURES, 1) if rank == 2 else FEATURES, 4 / FEATURES, dtype=np.float32)
    nodes = [
        helper.make_node("AveragePool", ["image"], ["grid"], kernel_shape=[pool, pool], strides=[pool, pool]),
        helper.make_node("Flatten", ["grid"], [named]),
        helper.make_node("MatMul", [named, "weights"], ["logit"]),
        helper.make_node("MatMul", [named, "darkness"], ["photograph"]),
    ]
    graph = helper.make_graph(
        nodes,
        "featured",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])],
        [
            helper.make_tensor_value_info("logit", TensorProto.FLOAT, ("n", 1)[:rank]),
            helper.make_tensor_value_info(named, TensorProto.FLOAT, ["n", FEATURES]),
            helper.make_tensor_value_info("photograph", TensorProto.FLOAT, ["n"]),
        ],
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(np.full(FEATURES, -1 / FEATURES, dtype=np.float32), "darkness"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def write_featured(folder: Path, rank: int = 1, named: str = "features", **changes: Any) -> Path:
    """Write the bundle; its score rises with brightness. `changes` replace top-level fields of its config."""
    folder.mkdir(parents=True)
    model = _model(rank, named)
    (folder / "model.onnx").write_bytes(model)
    config = {
        "format": 1,
        "name": "photo",
        "version": "0.1.0",
        "input": {"side": SIDE, "interpolation": "box", "mean": [0.5] * 3, "std": [0.5] * 3},
        "output": "logit",
        "calibration": {"slope": 2.0, "intercept": -0.5, "fitted_on": "nothing"},
        "thresholds": {"ai": 0.9, "no_sign": 0.3, "max_fpr": 0.01, "max_miss": 0.05, "chosen_on": "nothing"},
        "domain": {"min_side": 8, "max_side": 64, "content": "test pictures", "automatic": True},
        "limits": ["It only sees brightness."],
        "licence": "Apache-2.0",
        "model_sha256": hashlib.sha256(model).hexdigest(),
        **changes,
    }
    (folder / "config.json").write_text(json.dumps(config))
    inputs = batch_input(golden_images(SIDE), InputConfig.model_validate(config["input"]))
    calibration = config["calibration"]
    logits = 4 * inputs.mean((1, 2, 3)).astype(np.float64)
    scores = sigmoid(calibration["slope"] * logits + calibration["intercept"])
    (folder / "golden.json").write_text(json.dumps({"scores": scores.tolist()}))
    (folder / "metrics.json").write_text('{"validation": {"auroc": 0.5}}')
    (folder / "MODEL_CARD.md").write_text("# photo 0.1.0\n\nIt only sees brightness.\n")
    return folder
