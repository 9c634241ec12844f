"""The distilled autoencoders TAESD, TAESDXL, TAESD3, TAEF1 and TAEF2 (MIT, github.com/madebyollin/taesd).

Plain stacks of convolutions of width 64. The names in their weights are positions in the stack, so one
builder reads all families: latent channels and mid-blocks are seen from the weights' shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from fauxto.errors import UsageError
from fauxto.images import printable

WIDTH = 64
Weights = Mapping[str, object]


class Block(nn.Module):
    """ReLU(conv-ReLU-conv-ReLU-conv(x) + x); a mid-block first adds pool(x) to x."""

    def __init__(self, pooled: bool) -> None:
        super().__init__()
        self.conv = nn.Sequential(_conv(), nn.ReLU(), _conv(), nn.ReLU(), _conv())
        self.pool: nn.Module | None = None
        if pooled:
            self.pool = nn.Sequential(
                nn.Conv2d(WIDTH, 4 * WIDTH, 1, bias=False),
                nn.GroupNorm(4, 4 * WIDTH),
                nn.ReLU(),
                nn.Conv2d(4 * WIDTH, WIDTH, 1, bias=False),
            )

    def forward(self, x: Tensor) -> Tensor:
        """Same shape out as in, (N, 64, H, W)."""
        if self.pool is not None:
            x = x + self.pool(x)
        return torch.relu(self.conv(x) + x)


class SoftClamp(nn.Module):
    """tanh(x / 3) * 3: latents that no encoder gives do no harm."""

    def forward(self, x: Tensor) -> Tensor:
        """Same shape out as in."""
        return torch.tanh(x / 3) * 3


def _conv(inward: int = WIDTH, outward: int = WIDTH, *, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(inward, outward, 3, stride, padding=1, bias=bias)


def _blocks(weights: Weights, first: int, count: int) -> list[nn.Module]:
    return [Block(f"{first + i}.pool.0.weight" in weights) for i in range(count)]


def build_encoder(weights: Weights) -> nn.Sequential:
    """RGB (N, 3, H, W) in [0, 1] to latents (N, C, H / 8, W / 8)."""
    layers: list[nn.Module] = [_conv(3), *_blocks(weights, 1, 1)]
    for first in (3, 7, 11):
        layers += [_conv(stride=2, bias=False), *_blocks(weights, first, 3)]
    channels = _shape(weights, "14.weight")[0]
    return nn.Sequential(*layers, _conv(WIDTH, channels))


def build_decoder(weights: Weights) -> nn.Sequential:
    """Latents (N, C, h, w) to RGB (N, 3, 8 h, 8 w)."""
    channels = _shape(weights, "1.weight")[1]
    layers: list[nn.Module] = [SoftClamp(), _conv(channels), nn.ReLU()]
    for first, count in ((3, 3), (8, 3), (13, 3)):
        layers += [*_blocks(weights, first, count), nn.Upsample(scale_factor=2), _conv(bias=False)]
    return nn.Sequential(*layers, *_blocks(weights, 18, 1), _conv(WIDTH, 3))


def _shape(weights: Weights, name: str) -> torch.Size:
    value = weights[name]
    if not isinstance(value, Tensor):
        raise KeyError(name)
    return value.shape


def siblings(file: Path) -> tuple[Path, Path]:
    """Encoder and decoder, given either of them.

    Raises:
        UsageError: the name does not say which it is, or the other one is not there.
    """
    for this, other in (("encoder", "decoder"), ("decoder", "encoder")):
        if this in file.name:
            beside = file.with_name(file.name.replace(this, other))
            if not beside.is_file():
                raise UsageError(
                    f"--autoencoder {printable(str(file))}: its other half, {beside.name}, is missing"
                )
            return (file, beside) if this == "encoder" else (beside, file)
    raise UsageError(
        f"--autoencoder {printable(str(file))}: neither a small autoencoder of fauxto's nor named like "
        "taesd_encoder.pth and taesd_decoder.pth"
    )


def load_distilled(file: Path, read: Callable[[Path], Weights]) -> tuple[nn.Module, nn.Module]:
    """Encoder and decoder in float32, given either file.

    Args:
        file: one of the two; the other one lies beside it.
        read: reads a file of weights.

    Raises:
        UsageError: a file is missing or holds other weights.
    """
    halves = []
    for part, build in zip(siblings(file), (build_encoder, build_decoder), strict=True):
        weights = read(part)
        try:
            net = build(weights)
            net.load_state_dict(weights)
        except (KeyError, RuntimeError) as error:
            raise UsageError(
                f"--autoencoder {printable(str(part))}: not weights of the TAESD family; get both files from "
                "github.com/madebyollin/taesd"
            ) from error
        halves.append(net.float().eval().requires_grad_(False))
    return halves[0], halves[1]
