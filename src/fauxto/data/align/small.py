"""Small autoencoders, trained on the user's photographs, that differ in how they enlarge.

Each way of enlarging leaves its own spectrum (Odena 2016 on transposed convolutions, Durall 2020 on the
others); pairs by all of them widen what a model learns beyond one published decoder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from fauxto.errors import UsageError
from fauxto.images import printable

WIDTH, LATENT, STRIDE = 48, 12, 4
PATCH, BATCH, RATE = 64, 8, 2e-3


def _nearest(width: int) -> nn.Module:
    return nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(width, width, 3, padding=1))


def _bilinear(width: int) -> nn.Module:
    enlarge = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
    return nn.Sequential(enlarge, nn.Conv2d(width, width, 3, padding=1))


def _transposed(width: int) -> nn.Module:
    return nn.ConvTranspose2d(width, width, 4, stride=2, padding=1)


def _shuffle(width: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(width, 4 * width, 3, padding=1), nn.PixelShuffle(2))


UPSAMPLERS: dict[str, Callable[[int], nn.Module]] = {
    "nearest": _nearest,
    "bilinear": _bilinear,
    "transposed": _transposed,
    "shuffle": _shuffle,
}


class Residual(nn.Module):
    """x + conv(ReLU(conv(ReLU(x))))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Same shape out as in."""
        return x + torch.as_tensor(self.second(torch.relu(self.first(torch.relu(x)))))


class SmallAutoencoder(nn.Module):
    """Sides by 4, 12 latent channels: a quarter of the numbers that the picture has."""

    def __init__(self, upsampler: str) -> None:
        super().__init__()
        self.upsampler, self.stride = upsampler, STRIDE
        enlarge = UPSAMPLERS[upsampler]
        self.coder = nn.Sequential(
            nn.Conv2d(3, WIDTH, 4, stride=2, padding=1),
            Residual(WIDTH),
            nn.Conv2d(WIDTH, WIDTH, 4, stride=2, padding=1),
            Residual(WIDTH),
            nn.Conv2d(WIDTH, LATENT, 1),
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(LATENT, WIDTH, 3, padding=1),
            Residual(WIDTH),
            enlarge(WIDTH),
            Residual(WIDTH),
            enlarge(WIDTH),
            Residual(WIDTH),
            nn.Conv2d(WIDTH, 3, 3, padding=1),
        )

    def encode(self, images: Tensor) -> Tensor:
        """RGB (N, 3, H, W) in [0, 1] to latents (N, 12, H / 4, W / 4)."""
        return torch.as_tensor(self.coder(images * 2 - 1))

    def decode(self, latents: Tensor) -> Tensor:
        """Latents back to RGB, not clamped."""
        return torch.as_tensor(self.decoder(latents)) / 2 + 0.5


def train_small(upsampler: str, crops: NDArray[np.uint8], steps: int, seed: int) -> SmallAutoencoder:
    """Train one on crops of photographs, by the absolute error of pixels and of their differences.

    Args:
        upsampler: a key of `UPSAMPLERS`.
        crops: (N, H, W, 3), sides at least 64.
        steps: batches of 8 patches of 64 pixels; a thousand take two minutes on two cores.
        seed: of weights and patches.

    Raises:
        UsageError: no such upsampler.
    """
    if upsampler not in UPSAMPLERS:
        raise UsageError(f"--autoencoder small:{upsampler}: choose one of {', '.join(UPSAMPLERS)}")
    torch.manual_seed(seed)
    net, rng = SmallAutoencoder(upsampler), np.random.default_rng(seed)
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=max(2, steps))
    for _ in range(steps):
        target = _patches(crops, rng)
        made = net.decode(net.encode(target))
        loss = functional.l1_loss(made, target) + sum(
            functional.l1_loss(made.diff(dim=axis), target.diff(dim=axis)) for axis in (2, 3)
        )
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return net.eval().requires_grad_(False)


def _patches(crops: NDArray[np.uint8], rng: np.random.Generator) -> Tensor:
    """Eight random patches, (8, 3, 64, 64) in [0, 1]."""
    height, width = crops.shape[1:3]
    chosen = []
    for row in rng.integers(0, len(crops), BATCH):
        top, left = rng.integers(height - PATCH + 1), rng.integers(width - PATCH + 1)
        chosen.append(crops[row, top : top + PATCH, left : left + PATCH])
    return torch.from_numpy(np.stack(chosen)).permute(0, 3, 1, 2).float() / 255


def save_small(net: SmallAutoencoder, file: Path) -> None:
    """Write its weights, so that a later call can take it by --autoencoder FILE."""
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"upsampler": net.upsampler, "weights": net.state_dict()}, file)


def load_small(content: Mapping[str, object], file: Path) -> SmallAutoencoder:
    """What `save_small` wrote.

    Raises:
        UsageError: it is something else.
    """
    try:
        net = SmallAutoencoder(str(content["upsampler"]))
        net.load_state_dict(content["weights"])  # type: ignore[arg-type]
    except (KeyError, RuntimeError, TypeError, AttributeError) as error:
        raise UsageError(
            f"--autoencoder {printable(str(file))}: not a small autoencoder of this version; "
            "train it again by --autoencoder small:NAME"
        ) from error
    return net.eval().requires_grad_(False)
