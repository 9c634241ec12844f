"""A tower and its heads as one ONNX file whose matrices are stored as integers and multiplied as float32."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
import torch.nn.functional as F  # noqa: N812 (the field's usual name)
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from torch import Tensor, nn

from fauxto.errors import BundleError
from fauxto.models.config import InputConfig
from fauxto.models.exporting import reference_outputs, to_onnx
from fauxto.models.golden import golden_images
from fauxto.models.preprocess import batch_input
from fauxto.train.tower.clip import WIDTH, Tower, features_of, read_tower
from fauxto.train.tower.heads import Head
from fauxto.train.tower.hidden import Hidden, Joined
from fauxto.train.tower.recipe import TowerSection

ONNX_TOLERANCE = 1e-3
GROUP = 128
"""Inputs that share a scale where weights are stored in four bits."""
_LEAST_SIZE = 1 << 16
_HIDDEN = "hidden.inner"


class HeadedTower(nn.Module):
    """Normalised images to the logit, the features it was read from, and what else the recipe asks for."""

    def __init__(self, tower: Tower, section: TowerSection, head: Head | Joined, gate: Head | None) -> None:
        super().__init__()
        self.tower, self.section = tower, section
        self.head = _Linear(head.linear if isinstance(head, Joined) else head)
        self.hidden = _Hidden(head.hidden) if isinstance(head, Joined) else None
        self.gate = None if gate is None else _Linear(gate)
        self.grid = math.isqrt(len(tower.pos) - 1)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """(N, 3, side, side) to the tensors that `outputs` names.

        These are logit (N,), features (N, D), with patch means cells (N, side / 16, side / 16), and with a
        gate photograph (N,).
        """
        tokens = self.tower(image, self.section.blocks)
        features = features_of(tokens, patch_means=self.section.patch_means)
        logit, slopes = self.head(features), self.head.unit.weight
        if self.hidden is not None:
            added, steeper = self.hidden(features)
            logit, slopes = logit + added, slopes + steeper
        found = [logit, features]
        if self.section.patch_means:
            found.append(self._cells(logit, slopes, tokens))
        if self.gate is not None:
            found.append(self.gate(features))
        return tuple(found)

    @property
    def outputs(self) -> list[str]:
        """What `forward` gives, in order."""
        cells = ["cells"] if self.section.patch_means else []
        return ["logit", "features", *cells, *([] if self.gate is None else ["photograph"])]

    def _cells(self, logit: Tensor, slopes: Tensor, tokens: Sequence[Tensor]) -> Tensor:
        """The logit that the whole would have if every patch were like this one, by the slopes (N, D) here.

        Their mean is the logit. A linear head is as steep everywhere, so what each patch adds is exact; with
        hidden units it holds near this picture.
        """
        weights = slopes[:, None, WIDTH * len(tokens) :].chunk(len(tokens), dim=2)
        said = torch.stack(
            [(block[:, 1:] * one).sum(2) for block, one in zip(tokens, weights, strict=True)]
        ).sum(0)
        cells = logit[:, None] + said - said.mean(1, keepdim=True)
        return cells.view(-1, self.grid, self.grid)


class _Linear(nn.Module):
    """A head's standardisation and weights; centred first, so that little is lost to rounding."""

    mean: Tensor

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(head.mean.astype(np.float32)))
        self.unit = nn.Linear(len(head.weights), 1)
        with torch.no_grad():
            self.unit.weight.copy_(torch.from_numpy(head.weights / head.scale)[None])
            self.unit.bias.fill_(head.bias)

    def forward(self, features: Tensor) -> Tensor:
        """(N, D) to logits (N,)."""
        found: Tensor = self.unit(features - self.mean).squeeze(1)
        return found


class _Hidden(nn.Module):
    """The small net, its matrix rounded as the file will hold it, and how steep it is at a picture."""

    mean: Tensor
    scale: Tensor
    outer: Tensor
    inner: Tensor
    inner_bias: Tensor

    def __init__(self, hidden: Hidden) -> None:
        super().__init__()
        for name in ("mean", "scale", "inner_bias", "outer"):
            self.register_buffer(name, torch.from_numpy(getattr(hidden, name)))
        self.register_buffer("inner", torch.from_numpy(restored(int8(hidden.inner.T)).T.copy()))
        self.bias = hidden.bias

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(N, D) to logits (N,) and their derivatives by the features (N, D)."""
        units = F.linear((features - self.mean) / self.scale, self.inner, self.inner_bias)
        logits = F.relu(units) @ self.outer + self.bias
        return logits, ((units > 0) * self.outer) @ self.inner / self.scale


Stored = tuple[NDArray[np.int8], NDArray[np.float16] | NDArray[np.float32]]


def int8(weight: NDArray[np.float32]) -> Stored:
    """Values and scales (outputs, 1) of a matrix (outputs, inputs), symmetric, one scale an output."""
    scale = np.abs(weight).max(axis=1, keepdims=True) / np.float32(127)
    scale = np.where(scale == 0, np.float32(1), scale).astype(np.float32)
    return np.clip(np.rint(weight / scale), -127, 127).astype(np.int8), scale


def int4(weight: NDArray[np.float32]) -> Stored:
    """Values in [-7, 7] and scales (outputs, inputs / 128), one scale for every 128 inputs.

    Of several scales for a group the one with the least squared error is taken: clipping a few outliers
    serves the rest.
    """
    groups = weight.reshape(len(weight), -1, GROUP)
    greatest = np.abs(groups).max(axis=2, keepdims=True) / np.float32(7)
    best = np.full(greatest.shape, np.inf, dtype=np.float32)
    chosen = np.ones_like(greatest)
    for share in np.arange(0.55, 1.01, 0.05, dtype=np.float32):
        scale = np.maximum(greatest * share, 1e-7).astype(np.float16).astype(np.float32)
        error = ((np.clip(np.rint(groups / scale), -7, 7) * scale - groups) ** 2).sum(2, keepdims=True)
        better = error < best
        best, chosen = np.where(better, error, best), np.where(better, scale, chosen)
    values = np.clip(np.rint(groups / chosen), -7, 7).astype(np.int8).reshape(weight.shape)
    return values, chosen[:, :, 0].astype(np.float16)


def restored(stored: Stored) -> NDArray[np.float32]:
    """The matrix that values and scales stand for."""
    values, scale = stored
    repeated = np.repeat(scale.astype(np.float32), values.shape[1] // scale.shape[1], axis=1)
    return values.astype(np.float32) * repeated


def round_weights(tower: Tower, bits: int) -> None:
    """Give the tower the weights that the file will hold, so that both compute the same."""
    store = int8 if bits == 8 else int4
    with torch.no_grad():
        for block in tower.blocks:
            for layer in block.children():
                if isinstance(layer, nn.Linear):
                    layer.weight.copy_(torch.from_numpy(restored(store(layer.weight.numpy()))))
        patch = tower.patch.weight
        patch.copy_(torch.from_numpy(restored(int8(patch.flatten(1).numpy()))).view_as(patch))
        tower.pos.copy_(tower.pos.half().float())


def rounded_tower(published: Path | None, depth: int, side: int, bits: int) -> Tower:
    """`read_tower`, with the weights that the file will hold."""
    tower = read_tower(published, depth, side)
    round_weights(tower, bits)
    return tower


def write_onnx(net: HeadedTower, config: InputConfig, path: Path) -> float:
    """Export with a free batch size and check against the net.

    Weights are stored as integers and dequantised before the multiplication: products of uint8 and int8
    saturate on processors without VNNI.

    Returns:
        The greatest difference of a logit to the net's by ONNX's reference evaluator, relative above 1.

    Raises:
        BundleError: it is not below 1e-3.
    """
    model = to_onnx(net, config.side, path, net.outputs, opset=21)  # the first opset with four bits
    _store_small(model.graph, net.section.bits)
    onnx.save(model, path)
    example = torch.from_numpy(batch_input(golden_images(config.side)[:2], config))
    with torch.inference_mode():
        expected = net(example)[0].numpy()
    found = reference_outputs(model, example.numpy())[0]
    # Relative for large logits: heads on patch means have steep slopes, and float32 has seven digits.
    difference = float((np.abs(found - expected) / np.maximum(1.0, np.abs(expected))).max())
    if not difference <= ONNX_TOLERANCE:
        raise BundleError(f"{path}: the ONNX output differs from the checkpoint's by {difference:.2g}")
    return difference


def _store_small(graph: onnx.GraphProto, bits: int) -> None:
    """Large matrices of products as integers with scales, other large arrays as float16.

    A product's matrix lies as (inputs, outputs) in the graph, and its scales with it. The small net's matrix
    always has eight bits, as `_Hidden` has rounded it: it is a hundredth of the tower's size.
    """
    products = {node.input[1] for node in graph.node if node.op_type == "MatMul"}
    kernels = {node.input[1] for node in graph.node if node.op_type == "Conv"}
    before: list[onnx.NodeProto] = []
    for item in list(graph.initializer):
        value = numpy_helper.to_array(item)
        net = item.name == _HIDDEN
        if not net and (value.size < _LEAST_SIZE or value.dtype != np.float32):
            continue
        graph.initializer.remove(item)
        if net or item.name in products:
            width = 8 if net else bits
            tensors, nodes = _integers(item.name, (int8 if width == 8 else int4)(value.T), width)
        elif item.name in kernels:
            values, scale = int8(value.reshape(len(value), -1))
            name = item.name
            tensors = [
                numpy_helper.from_array(values.reshape(value.shape), f"{name}_int8"),
                numpy_helper.from_array(scale[:, 0], f"{name}_scale"),
            ]
            nodes = [helper.make_node("DequantizeLinear", [t.name for t in tensors], [name], axis=0)]
        else:
            tensors = [numpy_helper.from_array(value.astype(np.float16), f"{item.name}_half")]
            nodes = [helper.make_node("Cast", [tensors[0].name], [item.name], to=onnx.TensorProto.FLOAT)]
        graph.initializer.extend(tensors)
        before += nodes
    nodes = [*before, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def _integers(name: str, stored: Stored, bits: int) -> tuple[list[onnx.TensorProto], list[onnx.NodeProto]]:
    """A matrix (inputs, outputs) as stored tensors, and the nodes that restore it."""
    values, scale = stored[0].T, stored[1].T
    inputs = [f"{name}_int{bits}", f"{name}_scale"]
    if bits == 8:
        tensors = [
            numpy_helper.from_array(np.ascontiguousarray(values), inputs[0]),
            numpy_helper.from_array(scale[0].astype(np.float32), inputs[1]),
        ]
        return tensors, [helper.make_node("DequantizeLinear", inputs, [name], axis=1)]
    low, high = values.reshape(-1)[0::2] & 0xF, values.reshape(-1)[1::2] & 0xF
    packed = (low | (high << 4)).astype(np.uint8)  # two values a byte, the first in the lower half
    tensors = [
        helper.make_tensor(inputs[0], onnx.TensorProto.INT4, values.shape, packed.tobytes(), raw=True),
        numpy_helper.from_array(np.ascontiguousarray(scale), inputs[1]),
    ]
    half = f"{name}_half"
    return tensors, [
        helper.make_node("DequantizeLinear", inputs, [half], axis=0, block_size=GROUP),
        helper.make_node("Cast", [half], [name], to=onnx.TensorProto.FLOAT),
    ]
