"""Tiny classifiers with random weights, saved the way published ones are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from transformers import (
    SiglipConfig,
    SiglipForImageClassification,
    SwinConfig,
    SwinForImageClassification,
    ViTConfig,
    ViTForImageClassification,
)

SIDE = 32
LABELS = ("Real", "Fake")


def _named(labels: Sequence[str]) -> dict[str, Any]:
    return {"id2label": dict(enumerate(labels)), "label2id": {label: i for i, label in enumerate(labels)}}


def vit(labels: Sequence[str] = LABELS) -> Any:
    small: dict[str, Any] = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
    }
    return ViTForImageClassification(ViTConfig(image_size=SIDE, patch_size=8, **small, **_named(labels)))


def swin(labels: Sequence[str] = LABELS) -> Any:
    small: dict[str, Any] = {"embed_dim": 16, "depths": [1, 1], "num_heads": [2, 2], "window_size": 4}
    return SwinForImageClassification(SwinConfig(image_size=SIDE, patch_size=4, **small, **_named(labels)))


def siglip(labels: Sequence[str] = LABELS) -> Any:
    vision: dict[str, Any] = {
        "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
        "image_size": SIDE, "patch_size": 8,
    }  # fmt: skip
    return SiglipForImageClassification(SiglipConfig(vision_config=vision, **_named(labels)))


PREPROCESSORS: dict[str, dict[str, Any]] = {
    "ViTImageProcessor": {
        "size": {"height": SIDE, "width": SIDE}, "resample": 2,
        "image_mean": [0.5] * 3, "image_std": [0.5] * 3,
    },
    "SiglipImageProcessor": {
        "size": {"height": SIDE, "width": SIDE}, "resample": 3,
        "image_mean": [0.5] * 3, "image_std": [0.5] * 3,
    },
    # As Community Forensics: shorter side to a little more than the crop, and CLIP's normalisation.
    "CLIPImageProcessor": {
        "size": {"shortest_edge": 37}, "crop_size": {"height": SIDE, "width": SIDE}, "do_center_crop": True,
        "resample": 3,
        "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711],
    },
    # As the Perception Encoder's exports: no normalisation.
    "unnormalised": {"size": {"height": SIDE, "width": SIDE}, "resample": 2, "do_normalize": False},
}  # fmt: skip


def save(model: Any, folder: Path, preprocessor: str = "ViTImageProcessor", **changes: Any) -> Path:
    """Save a classifier whose scores spread, with one of `PREPROCESSORS`; `changes` go into that file."""
    for parameter in model.parameters():
        generator = torch.Generator().manual_seed(parameter.numel())
        spread = 0.7 if parameter.ndim > 1 else 0.3
        parameter.data = torch.randn(parameter.shape, generator=generator) * spread
    with torch.inference_mode():  # the classes must differ from picture to picture, and about evenly
        generator = torch.Generator().manual_seed(0)
        flat = torch.randn(32, 3, 1, 1, generator=generator) * 0.7
        grain = torch.randn(32, 3, SIDE, SIDE, generator=generator) * 0.3
        head, logits = model.eval().classifier, model(pixel_values=(flat + grain).clamp(-1, 1)).logits
        gain = 1.0 / logits.std(0)
        head.bias.copy_((head.bias - logits.mean(0)) * gain)
        head.weight.mul_(gain[:, None])
    model.save_pretrained(folder)
    kind = preprocessor if preprocessor != "unnormalised" else "ViTImageProcessor"
    config = {"image_processor_type": kind, **PREPROCESSORS[preprocessor], **changes}
    (folder / "preprocessor_config.json").write_text(json.dumps(config))
    return folder


def edit(path: Path, **changes: Any) -> None:
    """Replace fields of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def onnx_file(path: Path, *, classes: int = 1, squash: str | None = None, batch: int | str = "n") -> Path:
    """A model of which class k gets 6 * (k + 1) * (mean of channel k), under an operator `squash`."""
    weights = np.zeros((3, classes), np.float32)
    for k in range(classes):
        weights[k % 3, k] = 6.0 * (k + 1)
    nodes = [
        helper.make_node("ReduceMean", ["image", "axes"], ["means"], keepdims=0),
        helper.make_node("MatMul", ["means", "weights"], ["raw"]),
        helper.make_node(squash or "Identity", ["raw"], ["out"]),
    ]
    graph = helper.make_graph(
        nodes,
        "channels",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [batch, classes])],
        [
            numpy_helper.from_array(np.array([2, 3], np.int64), "axes"),
            numpy_helper.from_array(weights, "weights"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path
