"""An addition written into a model's graph: the file stays one ONNX model that every surface serves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fauxto.adapt.addition import Addition
from fauxto.errors import BundleError, MissingExtraError
from fauxto.images import printable

if TYPE_CHECKING:
    import onnx

FEATURES = "features"
CELLS = "cells"
PREFIX = "adapted"


def require_onnx() -> None:
    """Find out before minutes of computing.

    Raises:
        MissingExtraError: the onnx package is not installed.
    """
    try:
        import onnx  # noqa: F401
    except ImportError:
        raise MissingExtraError("fauxto adapt", "evaluate") from None


def with_addition(model: Path, addition: Addition, slope: float) -> bytes:
    """The model whose logit is the old one plus the addition.

    Args:
        model: ONNX file with an output `features` (N, D) beside the logit.
        addition: in log-odds.
        slope: of the bundle's calibration, by which log-odds are divided to give a logit.

    Raises:
        BundleError: the model has no such outputs.
    """
    import onnx
    from onnx import helper, numpy_helper

    content = onnx.load(model, load_external_data=False)
    graph = content.graph
    logit = graph.output[0]
    if FEATURES not in [one.name for one in graph.output]:
        raise BundleError(
            f"{printable(str(model))}: has no output named {FEATURES!r}, so it cannot be adapted"
        )
    # What was added cannot be told patch by patch, so the heatmap has to find it by hiding parts.
    kept = [one for one in graph.output if one.name != CELLS]
    del graph.output[:]
    graph.output.extend(kept)
    mark = f"{PREFIX}{sum(one.name.endswith('/weights') for one in graph.initializer) + 1}"
    names = {part: f"{mark}/{part}" for part in ("before", "weights", "bias", "product", "sum", "added")}
    _rename(graph, logit.name, names["before"])
    column = len(logit.type.tensor_type.shape.dim) == 2
    weights = (addition.weights / slope).astype(np.float32)
    graph.initializer.extend(
        [
            numpy_helper.from_array(weights[:, None] if column else weights, names["weights"]),
            numpy_helper.from_array(np.array(addition.bias / slope, dtype=np.float32), names["bias"]),
        ]
    )
    graph.node.extend(
        [
            helper.make_node("MatMul", [FEATURES, names["weights"]], [names["product"]]),
            helper.make_node("Add", [names["product"], names["bias"]], [names["sum"]]),
            helper.make_node("Relu", [names["sum"]], [names["added"]]),
            helper.make_node("Add", [names["before"], names["added"]], [logit.name]),
        ]
    )
    onnx.checker.check_model(content)
    return bytes(content.SerializeToString())


def _rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    """Give a value another name wherever it is made or used."""
    for node in graph.node:
        node.output[:] = [new if name == old else name for name in node.output]
        node.input[:] = [new if name == old else name for name in node.input]
