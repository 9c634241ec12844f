"""A Pillow image of any mode to 8-bit RGB.

Colours are taken as they are stored: embedded colour profiles are not applied, as they are not when the
models' training data are decoded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fauxto.images.refusal import RefusedError

if TYPE_CHECKING:
    from PIL import Image

_DIRECT = frozenset({"L", "1", "CMYK", "YCbCr", "HSV", "RGBX", "LAB", "P"})
# Rows that are copied at once where a picture is large: Pillow would lay out all of its bytes twice.
_STRIP = 16
_LARGE = 4 << 20  # pixels
_WITH_ALPHA = frozenset({"RGBA", "LA", "PA", "RGBa", "La"})


def rgb(image: Image.Image, *, white: int = 65535, white_is_zero: bool = False) -> NDArray[np.uint8]:
    """The pixels of a loaded image, alpha composited over white.

    Args:
        image: of any mode with 8 bits or fewer a sample, or one 16-bit channel.
        white: the largest sample of a 16-bit channel, 4095 where only 12 bits are used.
        white_is_zero: whether a 16-bit channel is stored inverted.

    Returns:
        (H, W, 3), C-contiguous, 0 to 255.

    Raises:
        RefusedError: `unsupported` for modes that do not say which value is white.
    """
    mode = image.mode
    if mode == "RGB" and "transparency" not in image.info:
        return _array(image)
    if mode.startswith("I;16"):
        return _from_16_bits(image, white, white_is_zero)
    if mode in _WITH_ALPHA or "transparency" in image.info:
        return _over_white(image)
    if mode in _DIRECT:
        return _array(image.convert("RGB"))
    raise RefusedError(
        "unsupported",
        f"its samples ({mode}) do not say which value is white; save it with 8 or 16 unsigned bits a sample",
    )


def _array(image: Image.Image) -> NDArray[np.uint8]:
    if image.width * image.height >= _LARGE:
        return _array_by_strips(image)
    return np.frombuffer(image.tobytes(), np.uint8).reshape(image.height, image.width, 3)


def _array_by_strips(image: Image.Image) -> NDArray[np.uint8]:
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    for top in range(0, image.height, _STRIP):
        rows = pixels[top : top + _STRIP]
        strip = image.crop((0, top, image.width, top + len(rows)))
        rows[:] = np.frombuffer(strip.tobytes(), np.uint8).reshape(rows.shape)
    return pixels


def _over_white(image: Image.Image) -> NDArray[np.uint8]:
    from PIL import Image

    if image.mode == "La":  # which Pillow converts to nothing else
        image = image.convert("LA")
    layered = image if image.mode == "RGBA" else image.convert("RGBA")
    flat = Image.new("RGB", layered.size, (255, 255, 255))
    flat.paste(layered, mask=layered)
    return _array(flat)


def _from_16_bits(image: Image.Image, white: int, white_is_zero: bool) -> NDArray[np.uint8]:
    samples = np.asarray(image).astype(np.uint32)
    grey = np.minimum((samples * 255 + white // 2) // white, 255).astype(np.uint8)
    if white_is_zero:
        grey = 255 - grey
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey[samples == transparent] = 255
    return np.repeat(grey[:, :, np.newaxis], 3, axis=2)


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """Turn and mirror a loaded image as EXIF orientation 1 to 8 asks."""
    from PIL.Image import Transpose

    # In the order of orientations 2 to 8.
    turns = (
        Transpose.FLIP_LEFT_RIGHT,
        Transpose.ROTATE_180,
        Transpose.FLIP_TOP_BOTTOM,
        Transpose.TRANSPOSE,
        Transpose.ROTATE_270,
        Transpose.TRANSVERSE,
        Transpose.ROTATE_90,
    )
    return image if orientation == 1 else image.transpose(turns[orientation - 2])
