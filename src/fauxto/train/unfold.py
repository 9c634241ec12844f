"""An exported trace net back into one that can be trained."""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from fauxto.errors import UsageError
from fauxto.images import printable
from fauxto.train.nets import TraceNet


def unfolded(net: TraceNet, model: Path, images: Tensor) -> TraceNet:
    """Give a net the weights of an ONNX file that one like it was exported to.

    Export folds every batch norm into its convolution. What a norm scaled and shifted by stays known up to
    its statistics, which are measured anew here. Filters get the lengths of fresh ones, which the norm
    behind them undoes, so that optimiser and learning rate mean what they mean for a fresh net.

    Args:
        net: freshly initialised; changed.
        model: ONNX, float32.
        images: the net's input (N, 3, H, W), a sample of what it will be trained on.

    Returns:
        `net` in evaluation mode, with the outputs of `model`.

    Raises:
        UsageError: the file is no ONNX model, or one of another net.
    """
    stored = _weights(model)
    net.eval()
    try:
        with torch.no_grad():
            measuring = _load(net, stored)
            net(images)
    except (KeyError, RuntimeError) as error:
        raise UsageError(f"{printable(str(model))}: does not fit the recipe's net") from error
    for handle in measuring:
        handle.remove()
    return net


def _weights(model: Path) -> dict[str, Tensor]:
    """Initialisers by name, without the prefix of a net that is averaged over mirror images."""
    try:
        graph = onnx.load(model).graph
    except Exception as error:  # protobuf raises classes of its own
        raise UsageError(f"{printable(str(model))}: is no ONNX model") from error
    return {
        one.name.removeprefix("net."): torch.from_numpy(numpy_helper.to_array(one).copy())
        for one in graph.initializer
    }


def _norm_of(convolution: str) -> str:
    """The batch norm behind a convolution of TraceNet: conv1 and norm1, or neighbours in a sequence."""
    parent, name = convolution.rsplit(".", 1)
    return f"{parent}.{name.replace('conv', 'norm') if name.startswith('conv') else int(name) + 1}"


def _load(net: TraceNet, stored: dict[str, Tensor]) -> list[RemovableHandle]:
    """Copy weights, and have every batch norm set itself at the next forward pass."""
    handles = []
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d):
            filters, shift = stored[f"{name}.weight"], stored[f"{name}.weight_bias"]
            scale = module.weight.flatten(1).norm(dim=1) / filters.flatten(1).norm(dim=1).clamp_min(1e-12)
            module.weight.copy_(filters * scale[:, None, None, None])
            norm = net.get_submodule(_norm_of(name))
            handles.append(norm.register_forward_pre_hook(_Measure(scale, shift)))
        elif isinstance(module, nn.Linear):
            module.weight.copy_(stored[f"{name}.weight"])
            module.bias.copy_(stored[f"{name}.bias"])
    return handles


class _Measure:
    """Sets a batch norm: `scale` times what a convolution gave becomes what it gave, plus `shift`."""

    def __init__(self, scale: Tensor, shift: Tensor) -> None:
        self._scale, self._shift = scale, shift

    def __call__(self, norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.running_mean is not None and norm.running_var is not None
        variance, mean = torch.var_mean(inputs[0], (0, 2, 3), correction=0)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((variance + norm.eps).sqrt() / self._scale)
        norm.bias.copy_(mean / self._scale + self._shift)
