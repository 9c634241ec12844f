"""A torch net to an ONNX file. Needs torch; inference never imports this."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import onnx
import torch
from torch import nn


def to_onnx(net: nn.Module, side: int, path: Path) -> onnx.ModelProto:
    """Export a net whose `forward` takes `x`, images (N, 3, side, side), with a free batch size.

    The file has the input `image` and the output `logit`, its weights inside, and nothing of the machine that
    exported it.
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
            output_names=["logit"],
            dynamic_shapes={"x": {0: torch.export.Dim("batch", min=1, max=4096)}},
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    model = onnx.load(path)
    # Paths and stack traces of the machine that exported have no place in a shipped file.
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    del model.metadata_props[:]
    onnx.save(model, path)
    return model
