"""Pixels to a model's input: the same lines in training, export and inference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fauxto.models.config import InputConfig

_RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
    "lanczos": Image.Resampling.LANCZOS,
}


def centre_square(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The largest centred square of (H, W, 3)."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]


def fit(pixels: NDArray[np.uint8], config: InputConfig) -> NDArray[np.uint8]:
    """One image (H, W, 3) as the model's square (side, side, 3), as `config.resize` says."""
    side = config.side
    match config.resize:
        case "square":
            return _resized(centre_square(pixels), (side, side), config)
        case "stretch":
            return _resized(pixels, (side, side), config)
        case "shortest":
            height, width = pixels.shape[:2]
            wanted, shorter = config.resize_side or side, min(height, width)
            # Rounded down, as torchvision and transformers do.
            size = (wanted * width // shorter, wanted * height // shorter)
            larger = _resized(pixels, size, config)
            top, left = (size[1] - side) // 2, (size[0] - side) // 2
            return larger[top : top + side, left : left + side]


def _resized(pixels: NDArray[np.uint8], size: tuple[int, int], config: InputConfig) -> NDArray[np.uint8]:
    """An image (H, W, 3) at `size` (width, height); unchanged where it has that size."""
    height, width = pixels.shape[:2]
    if (width, height) == size:
        return pixels
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    resampling = _RESAMPLING[config.interpolation]
    if config.antialias:
        return np.asarray(picture.resize(size, resampling))
    # An affine transform samples at the pixels' centres and never looks further than the kernel; in floating
    # point, since on bytes it would round down.
    grid = (width / size[0], 0.0, 0.0, 0.0, height / size[1], 0.0)
    channels = [
        np.asarray(
            Image.fromarray(pixels[..., channel].astype(np.float32)).transform(
                size, Image.Transform.AFFINE, grid, resampling
            )
        )
        for channel in range(3)
    ]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


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
