"""Label-preserving augmentation on batches of small uint8 images."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from fauxto.train.recipe import AugmentSection

Pixels = NDArray[np.uint8]
Generator = np.random.Generator

_FILTERS = (
    Image.Resampling.BOX,
    Image.Resampling.BILINEAR,
    Image.Resampling.HAMMING,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
)


def random_filter(rng: Generator) -> Image.Resampling:
    """One of the resampling filters that programs shrink pictures with."""
    return _FILTERS[int(rng.integers(len(_FILTERS)))]


def reencode(picture: Image.Image, rng: Generator, low: int = 30, high: int = 95) -> Image.Image:
    """The picture after JPEG of a random quality between `low` and `high`, chroma subsampled or not."""
    buffer = io.BytesIO()
    picture.save(
        buffer, "JPEG", quality=int(rng.integers(low, high + 1)), subsampling=int(rng.choice((0, 2)))
    )
    return Image.open(buffer).convert("RGB")


def rescale(picture: Image.Image, rng: Generator) -> Image.Image:
    """Down to between half and nine tenths of each side, and back."""
    width, height = picture.size
    factor = rng.uniform(0.5, 0.9)
    small = picture.resize(
        (max(1, round(width * factor)), max(1, round(height * factor))), random_filter(rng)
    )
    return small.resize((width, height), random_filter(rng))


def blur(picture: Image.Image, rng: Generator) -> Image.Image:
    """Gaussian blur of 0.3 to 1.2 pixels."""
    return picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.2)))


def noise(picture: Image.Image, rng: Generator) -> Image.Image:
    """Gaussian noise of standard deviation 1 to 16 of 255."""
    pixels = np.asarray(picture, dtype=np.float32)
    noisy = pixels + rng.normal(0.0, rng.uniform(1.0, 16.0), pixels.shape)
    return Image.fromarray(np.clip(np.rint(noisy), 0, 255).astype(np.uint8))


_DEGRADATIONS: tuple[Callable[[Image.Image, Generator], Image.Image], ...] = (
    reencode,
    reencode,
    rescale,
    blur,
    noise,
)


def degrade(pixels: Pixels, rng: Generator) -> Pixels:
    """One image (H, W, 3) after one or two degradations as the web does them."""
    picture = Image.fromarray(pixels)
    for _ in range(1 + int(rng.random() < 0.3)):
        picture = _DEGRADATIONS[int(rng.integers(len(_DEGRADATIONS)))](picture, rng)
    return np.asarray(picture)


def augment(
    images: Pixels, labels: NDArray[np.float32], section: AugmentSection, rng: Generator
) -> tuple[Pixels, NDArray[np.float32]]:
    """Augment a batch.

    Args:
        images: (N, H, W, 3), square for CutMix.
        labels: (N,), 1 for AI-generated; CutMix makes them fractions.
        section: the recipe's probabilities.
        rng: source of all randomness.

    Returns:
        New arrays of the same shapes.
    """
    images, labels = images.copy(), labels.copy()
    for index in np.flatnonzero(rng.random(len(images)) < section.degrade):
        images[index] = degrade(images[index], rng)
    mirrored = np.flatnonzero(rng.random(len(images)) < section.horizontal_flip)
    images[mirrored] = images[mirrored, :, ::-1]
    turned = np.flatnonzero(rng.random(len(images)) < section.vertical_flip)
    images[turned] = images[turned, ::-1]
    if rng.random() < section.cutmix:
        images, labels = _cutmix(images, labels, rng)
    return images, labels


def _cutmix(
    images: Pixels, labels: NDArray[np.float32], rng: Generator
) -> tuple[Pixels, NDArray[np.float32]]:
    """CutMix (Yun et al. 2019) by stripes on JPEG's grid of 8 pixels: no false block edge appears."""
    side = images.shape[1]
    width = 8 * int(rng.integers(1, max(2, side // 8)))
    start = 8 * int(rng.integers(0, (side - width) // 8 + 1))
    other = rng.permutation(len(images))
    stripe = slice(start, start + width)
    if rng.random() < 0.5:
        images[:, stripe] = images[other, stripe]
    else:
        images[:, :, stripe] = images[other][:, :, stripe]
    share = width / side
    return images, (labels * (1 - share) + labels[other] * share).astype(np.float32)
