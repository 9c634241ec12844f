"""Hard negatives: what a thumbnail model meets in the world and must not accuse."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fauxto.models.config import InputConfig
from fauxto.models.preprocess import fit
from fauxto.train.augment import Pixels, random_filter, reencode
from fauxto.train.graphics import draw_graphic
from fauxto.train.recipe import NegativesSection

Generator = np.random.Generator

SHRUNK_SIDES = (32, 48, 64)
SHRUNK_FILTERS = (Image.Resampling.BOX, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)


@dataclass(frozen=True)
class Photograph:
    """A photograph's pixels (H, W, 3) and the origin it came from."""

    pixels: Pixels
    origin: str


def part_of(origin: str) -> str:
    """Which part an origin belongs to, by its hash: three fifths `train`, one `validation`, one `test`."""
    bucket = hashlib.sha256(origin.encode()).digest()[0] % 5
    return ("train", "train", "train", "validation", "test")[bucket]


def shrink(pixels: Pixels, side: int, resampling: Image.Resampling) -> Pixels:
    """A photograph with its longer side shrunk to `side` pixels; the shorter side is at least 24."""
    height, width = pixels.shape[:2]
    factor = side / max(height, width)
    size = (max(24, round(width * factor)), max(24, round(height * factor)))
    return np.asarray(Image.fromarray(pixels).resize(size, resampling))


def shrunk_variants(pixels: Pixels) -> Iterable[Pixels]:
    """The nine fixed thumbnails that are measured: three sides by three filters."""
    for side in SHRUNK_SIDES:
        for resampling in SHRUNK_FILTERS:
            yield shrink(pixels, side, resampling)


def _random_thumbnail(pixels: Pixels, section: NegativesSection, rng: Generator) -> Pixels:
    """A random part of a photograph, shrunk by a random filter, sometimes re-encoded."""
    height, width = pixels.shape[:2]
    share = rng.uniform(0.4, 1.0)
    h, w = max(1, int(height * share)), max(1, int(width * share))
    top, left = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
    part = np.ascontiguousarray(pixels[top : top + h, left : left + w])
    side = (
        int(rng.choice(SHRUNK_SIDES))
        if rng.random() < 0.7
        else int(rng.integers(section.min_side, section.max_side + 1))
    )
    thumbnail = shrink(part, side, random_filter(rng))
    if rng.random() < 0.5:
        thumbnail = np.asarray(reencode(Image.fromarray(thumbnail), rng, low=60))
    return thumbnail


def build_pool(
    photographs: Sequence[Photograph],
    config: InputConfig,
    section: NegativesSection,
    rng: Generator,
    variants: int = 24,
) -> Pixels:
    """Thumbnails of photographs and drawn graphics as the model would see them.

    Args:
        photographs: those of the training part.
        config: the model's input, so that the pool went through the same resizing as in use.
        section: sides and the share of graphics.
        rng: source of all randomness.
        variants: thumbnails made of each photograph.

    Returns:
        (N, side, side, 3) uint8.
    """
    squares = [
        fit(_random_thumbnail(photograph.pixels, section, rng), config)
        for photograph in photographs
        for _ in range(variants)
    ]
    # Where there are photographs, graphics make up their share; alone, a fixed number is enough.
    graphics = round(len(squares) * section.graphics / (1 - section.graphics)) if squares else 4000
    for _ in range(graphics):
        side = int(rng.integers(section.min_side, section.max_side + 1))
        graphic = draw_graphic(side, rng)
        if rng.random() < 0.3:
            graphic = np.asarray(reencode(Image.fromarray(graphic), rng, low=60))
        squares.append(fit(graphic, config))
    return np.stack(squares)


def held_out(photographs: Sequence[Photograph], config: InputConfig) -> NDArray[np.uint8]:
    """The nine fixed thumbnails of every photograph, as the model sees them: (9 N, side, side, 3)."""
    squares = [
        fit(small, config) for photograph in photographs for small in shrunk_variants(photograph.pixels)
    ]
    return np.stack(squares) if squares else np.empty((0, config.side, config.side, 3), dtype=np.uint8)
