"""A real bundle of a few hundred bytes, whose scores can be computed by hand."""

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

SIDE = 16
GAIN = 4.0


def _model() -> bytes:
    """logit = GAIN * mean of the normalised input, that is -GAIN for black and +GAIN for white."""
    nodes = [
        helper.make_node("ReduceMean", ["image", "axes"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "gain"], ["logit"]),
    ]
    graph = helper.make_graph(
        nodes,
        "brightness",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["n"])],
        [
            numpy_helper.from_array(np.array([1, 2, 3], dtype=np.int64), "axes"),
            numpy_helper.from_array(np.array(GAIN, dtype=np.float32), "gain"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def write_bundle(folder: Path, **changes: Any) -> Path:
    """Write the bundle; `changes` replace top-level fields of its config."""
    folder.mkdir(parents=True)
    model = _model()
    (folder / "model.onnx").write_bytes(model)
    config = {
        "format": 1,
        "name": "bright",
        "version": "1.2.3",
        "input": {"side": SIDE, "interpolation": "bicubic", "mean": [0.5] * 3, "std": [0.5] * 3},
        "output": "logit",
        "calibration": {"slope": 1.0, "intercept": 0.0, "fitted_on": "nothing"},
        "thresholds": {"ai": 0.9, "no_sign": 0.3, "max_fpr": 0.01, "max_miss": 0.01, "chosen_on": "nothing"},
        "domain": {"min_side": 8, "max_side": 64, "content": "test pictures", "automatic": True},
        "limits": ["It only sees brightness."],
        "licence": "Apache-2.0",
        "model_sha256": hashlib.sha256(model).hexdigest(),
        **changes,
    }
    (folder / "config.json").write_text(json.dumps(config))
    inputs = batch_input(golden_images(SIDE), InputConfig.model_validate(config["input"]))
    scores = sigmoid(GAIN * inputs.mean((1, 2, 3)).astype(np.float64))
    (folder / "golden.json").write_text(json.dumps({"scores": scores.tolist()}))
    (folder / "metrics.json").write_text("{}")
    (folder / "MODEL_CARD.md").write_text("# bright 1.2.3\n\nIt only sees brightness.\n")
    return folder
