"""A torch net to an ONNX file. Needs torch; inference never imports this."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from torch import nn


def to_onnx(
    net: nn.Module, side: int, path: Path, outputs: Sequence[str] = ("logit",), opset: int | None = None
) -> onnx.ModelProto:
    """Export a net whose `forward` takes images (N, 3, side, side), with a free batch size.

    The file has the input `image` and the `outputs`, its weights inside, and nothing of the machine that
    exported it. `opset` is the exporter's own choice where None.
    """
    example = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it names packages that nobody needs here
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net,
            (example,),
            str(path),
            input_names=["image"],
            output_names=list(outputs),
            dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=4096)},),
            dynamo=True,
            external_data=False,
            verbose=False,
            opset_version=opset,
        )
    model = onnx.load(path)
    # Paths and stack traces of the machine that exported have no place in a shipped file.
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    del model.metadata_props[:], model.graph.value_info[:]
    onnx.save(model, path)
    return model


def reference_outputs(model: onnx.ModelProto, batch: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """All outputs for images (N, 3, side, side) by ONNX's reference evaluator, which takes no shortcuts."""
    return cast("list[Any]", ReferenceEvaluator(model).run(None, {"image": batch}))
