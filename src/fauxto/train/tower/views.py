"""What a tower sees of a picture: the clean centre square, and draws degraded as the web degrades."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from fauxto.models.preprocess import centre_square

Pixels = NDArray[np.uint8]
Generator = np.random.Generator

_FILTERS = (
    Image.Resampling.BILINEAR,
    Image.Resampling.BICUBIC,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
    Image.Resampling.BOX,
)


def square(pixels: Pixels, side: int) -> Pixels:
    """The centre square of (H, W, 3), resized to `side`: what the model sees in use."""
    picture = Image.fromarray(np.ascontiguousarray(centre_square(pixels)))
    return np.asarray(picture.resize((side, side), Image.Resampling.BICUBIC))


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


def chained(pixels: Pixels, side: int, quality: int) -> Pixels:
    """The centre square of the whole picture after one JPEG encoding, chroma 4:2:0."""
    return square(np.asarray(_encoded(Image.fromarray(pixels), "JPEG", quality, 2)), side)


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
