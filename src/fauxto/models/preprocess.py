"""Pixels to a model's input: the same lines in training, export and inference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fauxto.models.config import InputConfig

_RESAMPLING = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "box": Image.Resampling.BOX,
    "lanczos": Image.Resampling.LANCZOS,
}


def centre_square(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The largest centred square of (H, W, 3)."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]


def fit(pixels: NDArray[np.uint8], config: InputConfig) -> NDArray[np.uint8]:
    """One image (H, W, 3) as the model's square (side, side, 3); unchanged where it has that size."""
    if pixels.shape[:2] == (config.side, config.side):
        return pixels
    picture = Image.fromarray(np.ascontiguousarray(centre_square(pixels)))
    resized = picture.resize((config.side, config.side), _RESAMPLING[config.interpolation])
    return np.asarray(resized)


def shrunk(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The whole image (H, W, 3) with its longer side at most `side` pixels."""
    picture = Image.fromarray(pixels)
    picture.thumbnail((side, side), Image.Resampling.BICUBIC)
    return np.asarray(picture)


def normalise(squares: NDArray[np.uint8], config: InputConfig) -> NDArray[np.float32]:
    """Squares (N, side, side, 3) to float32 (N, 3, side, side), (x / 255 - mean) / std."""
    mean = np.asarray(config.mean, dtype=np.float32) * 255
    scale = 1 / (np.asarray(config.std, dtype=np.float32) * 255)
    batch = (squares.astype(np.float32) - mean) * scale
    return np.ascontiguousarray(batch.transpose(0, 3, 1, 2))


def batch_input(images: Sequence[NDArray[np.uint8]], config: InputConfig) -> NDArray[np.float32]:
    """Images of any sizes, each (H, W, 3), to one float32 batch (N, 3, side, side)."""
    return normalise(np.stack([fit(image, config) for image in images]), config)
