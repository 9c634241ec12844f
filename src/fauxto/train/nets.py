"""The nets, and nothing but the nets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812 (the field's usual name)
from torch import Tensor, nn

from fauxto.train.recipe import DenseSection

_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}


class SqueezeExcitation(nn.Module):
    """Channel gates from the global mean (Hu et al. 2018, arXiv:1709.01507)."""

    def __init__(self, channels: int, reduction: int = 8) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, channels // reduction)
        self.excite = nn.Linear(channels // reduction, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same, each channel scaled by a gate in (0, 1)."""
        gate = torch.sigmoid(self.excite(F.relu(self.squeeze(x.mean((2, 3))))))
        return x * gate[:, :, None, None]


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with squeeze-excitation beside a shortcut (He et al. 2016, ResNet-D's pooling)."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels_out)
        self.gate = SqueezeExcitation(channels_out)
        # A block starts as its shortcut: the last norm's scale is zero, which lets high rates train.
        nn.init.zeros_(self.norm2.weight)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            pool = [nn.AvgPool2d(stride)] if stride > 1 else []
            self.shortcut = nn.Sequential(
                *pool, nn.Conv2d(channels_in, channels_out, 1, bias=False), nn.BatchNorm2d(channels_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C_in, H, W) to (N, C_out, H / stride, W / stride)."""
        out = F.relu(self.norm1(self.conv1(x)))
        out = self.gate(self.norm2(self.conv2(out)))
        return F.relu(out + self.shortcut(x))


class TraceNet(nn.Module):
    """A dense residual net that never throws fine detail away early.

    The traces of a generator sit in the finest frequencies, so nothing is pooled before the residual
    stages. With `unshuffle`, 2x2 pixels become channels first: lossless, and twice as fast on a CPU as
    the same arithmetic at full resolution. Means and maxima over the last map go to one linear unit.
    """

    def __init__(
        self, widths: tuple[int, ...], blocks: tuple[int, ...], *, unshuffle: bool, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.unshuffle = unshuffle
        self.stem = nn.Sequential(
            nn.Conv2d(12 if unshuffle else 3, widths[0], 3, 1, 1, bias=False), nn.BatchNorm2d(widths[0])
        )
        stages: list[nn.Module] = []
        channels = widths[0]
        for stage, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            for index in range(count):
                stages.append(ResidualBlock(channels, width, 2 if stage > 0 and index == 0 else 1))
                channels = width
        self.stages = nn.Sequential(*stages)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised images (N, 3, H, W) to logits (N,); positive means AI-generated."""
        if self.unshuffle:
            x = F.pixel_unshuffle(x, 2)
        x = self.stages(F.relu(self.stem(x)))
        pooled = torch.cat([x.mean((2, 3)), x.amax((2, 3))], dim=1)
        logits: Tensor = self.head(self.dropout(pooled)).squeeze(1)
        return logits


def dense_layers(width: int, layers: Sequence[DenseSection]) -> tuple[list[nn.Module], int]:
    """The hidden layers of a head and the width of the last: units, activation, batch norm, dropout."""
    modules: list[nn.Module] = []
    for layer in layers:
        modules += [nn.Linear(width, layer.units), _ACTIVATIONS[layer.activation]()]
        if layer.batch_norm:
            modules.append(nn.BatchNorm1d(layer.units))
        if layer.dropout:
            modules.append(nn.Dropout(layer.dropout))
        width = layer.units
    return modules, width


class BackboneNet(nn.Module):
    """A backbone that somebody else designed, its features flattened, and a head of dense layers.

    Under `softmax` the head ends in two classes, not AI-generated and AI-generated. The logit is their
    difference: its sigmoid is the softmax of the second, and its binary cross-entropy that of both.
    """

    def __init__(
        self,
        backbone: nn.Module,
        width: int,
        layers: Sequence[DenseSection],
        output: Literal["sigmoid", "softmax"],
        *,
        frozen: bool | None,
    ) -> None:
        super().__init__()
        # None: what is trained was chosen inside the backbone.
        self.backbone = backbone if frozen is None else backbone.requires_grad_(not frozen)
        hidden, last = dense_layers(width, layers)
        self.head = nn.Sequential(*hidden, nn.Linear(last, 2 if output == "softmax" else 1))
        self.frozen = bool(frozen)

    def train(self, mode: bool = True) -> BackboneNet:
        """Set the mode; a frozen backbone stays in evaluation mode, so that its statistics stay too."""
        super().train(mode)
        if self.frozen:
            self.backbone.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Normalised images (N, 3, H, W) to logits (N,); positive means AI-generated."""
        outputs: Tensor = self.head(self.backbone(x).flatten(1))
        return outputs[:, -1] - outputs[:, 0] if outputs.shape[1] == 2 else outputs[:, 0]


class FlipAverage(nn.Module):
    """A net's mean logit over an image and its mirror image: what is exported, not what is trained."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        """Normalised images (N, 3, H, W) to logits (N,)."""
        both = self.net(torch.cat([x, x.flip(3)], dim=0))
        mean: Tensor = (both[: x.shape[0]] + both[x.shape[0] :]) / 2
        return mean


class Mean(nn.Module):
    """The mean logit of several nets."""

    def __init__(self, *nets: nn.Module) -> None:
        super().__init__()
        self.nets = nn.ModuleList(nets)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised images (N, 3, H, W) to logits (N,)."""
        return torch.stack([net(x) for net in self.nets]).mean(0)
