"""What a head is fitted on beside the clean pictures: degraded parts, and loosely cropped faces."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from fauxto.evaluate.degradations import LADDERS, Rung, rescale
from fauxto.models.faces import Box, crop

Pixels = NDArray[np.uint8]
RUNGS = {
    rung.name: rung
    for rung in (
        *LADDERS["photo"],
        Rung("resize-0.75", "photo", "resize 0.75x and back", partial(rescale, factor=0.75)),
    )
}
"""Degradations that a run can measure itself on: the ladder's, and one milder resize."""
Generator = np.random.Generator

_FILTERS = (
    Image.Resampling.BILINEAR,
    Image.Resampling.BICUBIC,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
    Image.Resampling.BOX,
)


def drawn(pixels: Pixels, side: int, rng: Generator) -> Pixels:
    """A random square part after a random history of rescaling, sharpening, noise and encoding.

    Both classes go through it alike, so a file's history tells nothing of its origin.
    """
    picture = degrade(Image.fromarray(pixels), rng)
    width, height = picture.size
    part = max(8, round(min(width, height) * rng.uniform(0.7, 1.0)))
    left, top = int(rng.integers(width - part + 1)), int(rng.integers(height - part + 1))
    cropped = picture.crop((left, top, left + part, top + part))
    resampling = Image.Resampling.BICUBIC if rng.random() < 0.5 else _filter(rng)
    return np.asarray(cropped.resize((side, side), resampling))


def reencoded(pixels: Pixels, rng: Generator) -> Pixels:
    """The same picture as another program might keep it: JPEG or WebP of some quality."""
    return np.asarray(_reencoded(Image.fromarray(pixels), rng))


def moved(pixels: Pixels, rng: Generator) -> Pixels:
    """The picture mirrored, and of it a square anywhere along its longer side."""
    return np.ascontiguousarray(cut(pixels, min(pixels.shape[:2]), rng)[:, ::-1])


def cut(pixels: Pixels, side: int, rng: Generator | None = None) -> Pixels:
    """A square of at most `side` pixels out of (H, W, 3): its centre, or anywhere."""
    height, width = pixels.shape[:2]
    part = min(side, height, width)
    room = np.array([height - part, width - part])
    top, left = room // 2 if rng is None else rng.integers(room + 1)
    return pixels[top : top + part, left : left + part]


def loosely_cropped(pixels: Pixels, rng: Generator) -> Pixels:
    """An aligned face as it looks once it was found in a larger picture: `fauxto.models.faces` in use.

    A third keep their pixels and are only cut off the middle. The others had another size in that picture
    and are resized from a box that fits as loosely as the finder's boxes do (90 % of them by 9 % in side and
    2 % in place, results/face-crop.json). Some are encoded with that picture.
    """
    place = rng.normal(0.0, 0.02, 2)
    picture, scale = Image.fromarray(pixels), 1.0
    if rng.random() >= 1 / 3:
        factor = rng.uniform(0.6, 1.0)
        width, height = (round(length * factor) for length in picture.size)
        picture = picture.resize((width, height), _filter(rng))
        scale = rng.uniform(0.88, 1.14)
    if rng.random() < 0.6:
        picture = _encoded(picture, "JPEG", int(rng.integers(70, 97)), int(rng.choice((0, 2))))
    width, height = picture.size
    part = round(min(width, height) * scale)
    left, top = (
        round((length - part) / 2 + part * shift) for length, shift in zip(picture.size, place, strict=True)
    )
    return crop(np.asarray(picture), Box(left, top, part))


def degrade(picture: Image.Image, rng: Generator) -> Image.Image:
    """A picture of at least half the sides: each step of the history is taken by chance."""
    for chance, step in _HISTORY:
        if rng.random() < chance:
            picture = step(picture, rng)
    return picture


def _filter(rng: Generator) -> Image.Resampling:
    return _FILTERS[int(rng.integers(len(_FILTERS)))]


def _rescaled(picture: Image.Image, rng: Generator) -> Image.Image:
    factor = rng.uniform(0.5, 1.0)
    width, height = (max(8, round(side * factor)) for side in picture.size)
    return picture.resize((width, height), _filter(rng))


def _blurred(picture: Image.Image, rng: Generator) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.9)))


def _sharpened(picture: Image.Image, rng: Generator) -> Image.Image:
    return picture.filter(ImageFilter.UnsharpMask(rng.uniform(0.5, 2.0), int(rng.integers(30, 130)), 2))


def _noisy(picture: Image.Image, rng: Generator) -> Image.Image:
    pixels = np.asarray(picture, dtype=np.float32)
    grain = rng.normal(0.0, rng.uniform(1.0, 6.0), pixels.shape)
    return Image.fromarray(np.clip(np.rint(pixels + grain), 0, 255).astype(np.uint8))


def _reencoded(picture: Image.Image, rng: Generator) -> Image.Image:
    kind = "JPEG" if rng.random() < 0.75 else "WEBP"
    return _encoded(picture, kind, int(rng.integers(38, 96)), int(rng.choice((0, 2, 2))))


def _encoded(picture: Image.Image, kind: str, quality: int, subsampling: int) -> Image.Image:
    buffer = io.BytesIO()
    options = {"subsampling": subsampling} if kind == "JPEG" else {}
    picture.save(buffer, kind, quality=quality, **options)
    return Image.open(buffer).convert("RGB")


_HISTORY: tuple[tuple[float, Callable[[Image.Image, Generator], Image.Image]], ...] = (
    (0.75, _rescaled),
    (0.12, _blurred),
    (0.18, _sharpened),
    (0.10, _noisy),
    (0.90, _reencoded),
)
