"""A small dense net on residuals at native scale, trained from scratch: the learnt second kind of trace.

    fauxto data align photos/train.parquet --output ALIGNED --autoencoder taef2_decoder.pth
    python benchmarks/photo_residual_net.py --data photos/wild.parquet ... --weights clip.onnx \\
        --work FEATURES --aligned ALIGNED

Differences of neighbours and what a blur leaves go into convolutions; crops keep the picture's own pixels.
A batch holds a few origins and as many pictures of each class, a remake with its photograph where there is
one, and some photographs with their reconstruction by an autoencoder, of collections that nothing is measured
on. Both classes go through the recipe's random histories. A fifth of the origins is left out at a time; the
net and its mean with the recipe's linear head are rows of results/photo-tried.csv. What is done stays.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (the field's usual name)
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from fauxto.data import load
from fauxto.train.tower.pictures import group_folds
from fauxto.train.tower.views import Generator, Pixels, cut, degrade
from photo_tried import Material, add_options, joined, linear, prepare, store

_SIDE, _FOLDS, _RATE = 128, 5, 2e-3
_ORIGINS, _OF_EACH, _ALIGNED = 6, 2, 4  # in a batch; pictures of each class of an origin; aligned pairs
_WIDTHS = ((24, 1), (48, 2), (48, 1), (96, 2), (96, 1), (160, 2), (160, 1))  # channels and stride
_PLACES = ((0.0, 0.0), (0.0, 1.0), (0.5, 0.5), (1.0, 0.0), (1.0, 1.0))  # of crops that are judged
_DEGRADED = 0.6  # share of crops with a random history


class ResidualNet(nn.Module):
    """Seven convolutions on nine planes of residuals, cut off softly at a tenth of the range."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 9
        for width, stride in _WIDTHS:
            layers += [nn.Conv2d(channels, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            channels = width
        self.layers = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(2 * channels, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        """uint8 (N, 3, H, W) to logits (N,)."""
        x = pixels.float() / 255
        along, down = x[:, :, :, 1:] - x[:, :, :, :-1], x[:, :, 1:] - x[:, :, :-1]
        left = x - F.avg_pool2d(x, 3, 1, 1)
        planes = torch.cat([F.pad(along, (0, 1)), F.pad(down, (0, 0, 0, 1)), left], dim=1)
        maps = self.layers(torch.tanh(10 * planes))
        logits: Tensor = self.head(torch.cat([maps.mean((2, 3)), maps.std((2, 3))], dim=1))[:, 0]
        return logits


class Crops:
    """Decoded pictures, those that are matched and aligned pairs, and batches of crops of them."""

    def __init__(self, material: Material, aligned: Path) -> None:
        pictures = material.pictures
        self.labels, self.groups, self.matched = pictures.labels, pictures.groups, pictures.matched
        self.pixels = list(pictures.pixels())
        self.mates = _mates([item.pair for item in pictures.items], pictures.groups, pictures.labels)
        pairs: dict[str, dict[int, Pixels]] = {}
        for item in load(aligned / "pairs.csv"):
            if item.pair:
                pairs.setdefault(item.pair, {})[item.label] = item.decode().pixels
        self.aligned = [(sides[0], sides[1]) for sides in pairs.values() if len(sides) == 2]

    def batch(self, kept: NDArray[np.bool_], rng: Generator) -> tuple[Tensor, Tensor]:
        """Crops (N, 3, side, side) of pictures that are kept and of aligned pairs, and their labels (N,)."""
        parts: list[tuple[Pixels, int]] = []
        rows = kept & self.matched
        for group in rng.choice(np.unique(self.groups[rows]), _ORIGINS, replace=False):
            real, ai = (
                np.flatnonzero(rows & (self.groups == group) & (self.labels == label)) for label in (0, 1)
            )
            for row in rng.choice(real, _OF_EACH):
                other = self.mates.get(int(row), int(rng.choice(ai)))
                parts += [(_crop(self.pixels[row], rng), 0), (_crop(self.pixels[other], rng), 1)]
        for number in rng.choice(len(self.aligned), _ALIGNED, replace=False):
            seed = int(rng.integers(2**32))  # the same part and the same history on both sides
            sides = enumerate(self.aligned[number])
            parts += [(_crop(side, np.random.default_rng(seed)), label) for label, side in sides]
        labels = np.array([label for _, label in parts], dtype=np.float32)
        return _stacked([crop for crop, _ in parts]), torch.from_numpy(labels)


def _mates(pairs: list[str | None], groups: NDArray[np.str_], labels: NDArray[np.int64]) -> dict[int, int]:
    """For each photograph that a pair joins with one AI-generated picture, that picture."""
    rows: dict[tuple[str, str], list[int]] = {}
    for row, (pair, group) in enumerate(zip(pairs, groups, strict=True)):
        if pair:
            rows.setdefault((str(group), pair), []).append(row)
    joined = [sorted(both, key=lambda row: labels[row]) for both in rows.values() if len(both) == 2]
    return {real: ai for real, ai in joined if labels[real] == 0 and labels[ai] == 1}


def _crop(pixels: Pixels, rng: Generator) -> Pixels:
    """A square anywhere in a picture, perhaps with a random history, perhaps mirrored."""
    if rng.random() < _DEGRADED:
        pixels = np.asarray(degrade(Image.fromarray(pixels), rng))
    crop = cut(pixels, _SIDE, rng)
    return crop[:, ::-1] if rng.random() < 0.5 else crop


def _stacked(crops: list[Pixels]) -> Tensor:
    """Squares of one side, (N, 3, side, side); a picture that is too small is enlarged."""
    fitted = [
        crop if len(crop) == _SIDE else np.asarray(Image.fromarray(crop).resize((_SIDE, _SIDE)))
        for crop in crops
    ]
    return torch.from_numpy(np.stack(fitted).transpose(0, 3, 1, 2).copy())


def faster(crops: Crops, rng: Generator) -> bool:
    """Whether this processor trains the net faster in bfloat16, measured on one step each."""
    batch, labels = crops.batch(crops.matched, rng)
    seconds = {}
    for half in (False, True):
        net = ResidualNet()
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        for _ in range(2):  # the first builds kernels
            start = time.perf_counter()
            loss(net, batch, labels, half=half).backward()  # type: ignore[no-untyped-call]
            seconds[half] = time.perf_counter() - start
    return seconds[True] < seconds[False]


def loss(net: ResidualNet, batch: Tensor, labels: Tensor, *, half: bool) -> Tensor:
    """Mean binary cross-entropy of a batch."""
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        logits = net(batch)
    return F.binary_cross_entropy_with_logits(logits.float(), labels)


def train(crops: Crops, kept: NDArray[np.bool_], steps: int, seed: int) -> ResidualNet:
    """A net that saw what is kept, with one cycle of the rate."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    half, net = faster(crops, np.random.default_rng(seed)), ResidualNet()
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(net.parameters(), _RATE, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps, pct_start=0.1)
    losses: list[float] = []
    for step in range(steps):
        optimizer.zero_grad()
        wrong = loss(net, *crops.batch(kept, rng), half=half)
        wrong.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        losses.append(float(wrong.detach()))
        if step % 50 == 49:
            print(f"  {step + 1}/{steps} loss {np.mean(losses[-50:]):.3f}", flush=True)
    net.eval()
    return net


@torch.inference_mode()
def judged(net: ResidualNet, crops: Crops, row: int) -> float:
    """The mean logit of a picture's corners and middle."""
    pixels = crops.pixels[row]
    height, width = pixels.shape[:2]
    part = min(_SIDE, height, width)
    corners = [(round(y * (height - part)), round(x * (width - part))) for y, x in _PLACES]
    return float(net(_stacked([pixels[y : y + part, x : x + part] for y, x in corners])).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add_options(parser)
    parser.add_argument("--aligned", type=Path, required=True, help="pairs by `fauxto data align`")
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--folds", type=int, nargs="+", default=list(range(_FOLDS)))
    arguments = parser.parse_args()
    material, _ = prepare(arguments)
    material = replace(material, measured={"clean": material.measured["clean"]})
    pictures, crops = material.pictures, Crops(material, arguments.aligned)
    folds, found = group_folds(pictures.groups, _FOLDS), np.zeros(len(pictures))
    for fold in arguments.folds:
        file = material.work / f"residual-net-{arguments.steps}-{fold}-{pictures.fingerprint}.npy"
        rows = np.flatnonzero((folds == fold) & pictures.matched)
        if not file.is_file():
            net = train(crops, folds != fold, arguments.steps, material.recipe.seed)
            np.save(file, np.array([judged(net, crops, int(row)) for row in rows]))
        found[rows] = np.load(file)
    if len(arguments.folds) == _FOLDS:
        name = f"dense net on native residuals, steps: {arguments.steps}"
        store(name, {"clean": found}, material)
        mean = joined({"clean": found}, linear(material))
        store(f"{name}, mean with the linear head", mean, material)


if __name__ == "__main__":
    main()
