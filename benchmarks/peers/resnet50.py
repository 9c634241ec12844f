"""ResNet50 (version 1.5) at 224 px as an ONNX file, weights random and batch norms folded in.

What a net costs does not depend on what it has learned, so nothing needs to be downloaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper


class Graph:
    """Nodes and weights as they are added; each method gives the name of its output."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.weights: list[TensorProto] = []
        self._rng = np.random.default_rng(0)

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"{kind}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def weight(self, *shape: int) -> str:
        name = f"weight{len(self.weights)}"
        scale = np.sqrt(2 / np.prod(shape[1:])) if len(shape) > 1 else 0.0
        values = (self._rng.standard_normal(shape) * scale).astype(np.float32)
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def conv(self, source: str, inputs: int, outputs: int, kernel: int, stride: int = 1) -> str:
        edge = kernel // 2
        return self.add(
            "Conv", source, self.weight(outputs, inputs, kernel, kernel), self.weight(outputs),
            kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[edge] * 4,
        )  # fmt: skip

    def bottleneck(self, source: str, inputs: int, width: int, stride: int) -> str:
        inner = self.add("Relu", self.conv(source, inputs, width, 1))
        inner = self.add("Relu", self.conv(inner, width, width, 3, stride))
        inner = self.conv(inner, width, 4 * width, 1)
        if inputs != 4 * width:
            source = self.conv(source, inputs, 4 * width, 1, stride)
        return self.add("Relu", self.add("Add", inner, source))


def write_resnet50(path: Path) -> None:
    """Input `image` (N, 3, 224, 224) float32, output `logit` (N, 1)."""
    graph = Graph()
    layer = graph.add("Relu", graph.conv("image", 3, 64, 7, 2))
    layer = graph.add("MaxPool", layer, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    channels = 64
    for width, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for block in range(blocks):
            layer = graph.bottleneck(layer, channels, width, 2 if block == 0 and width > 64 else 1)
            channels = 4 * width
    layer = graph.add("Flatten", graph.add("GlobalAveragePool", layer))
    layer = graph.add("Gemm", layer, graph.weight(channels, 1), graph.weight(1))
    graph.nodes.append(helper.make_node("Identity", [layer], ["logit"]))
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 224, 224])
    logit = helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["n", 1])
    whole = helper.make_graph(graph.nodes, "resnet50", [image], [logit], graph.weights)
    model = helper.make_model(whole, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, path)
