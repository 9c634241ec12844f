"""The pixels as the file stores them, for the readers that look for hidden marks.

The model's pixels have orientation applied and alpha laid over white; a mark in the lowest bits or in
the order of blocks needs them untouched.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fauxto.provenance.containers import Container
from fauxto.provenance.metadata import Metadata

MAX_PIXELS = 80_000_000  # below the size at which Pillow warns on standard error
_ORIENTATION = 0x0112
Pixels = NDArray[np.uint8]


class RasterError(Exception):
    """The stored pixels cannot be had; the message says why, for a person."""


@dataclass(frozen=True)
class Raster:
    """Stored pixels, decoded when a reader first asks for them.

    Attributes:
        data: the whole file.
        metadata: its parsed metadata.
        pixels: (H, W, 3) RGB that the caller has decoded already, or None.
        most: pixels that are decoded, and never more than `MAX_PIXELS`.
    """

    data: bytes
    metadata: Metadata
    pixels: Pixels | None = None
    most: int = MAX_PIXELS

    @property
    def container(self) -> Container:
        """The container that `metadata` was read from."""
        return self.metadata.container

    @cached_property
    def stored(self) -> Pixels:
        """The stored picture, (H, W, 3) RGB or (H, W, 4) RGBA.

        Raises:
            RasterError: it cannot be decoded, or has more pixels than are allowed.
        """
        if self.container.alpha or self._turned:
            return self._untouched()
        return self._decoded() if self.pixels is None else self.pixels

    def _decoded(self) -> Pixels:
        """The pixels as every other part of fauxto sees them, where these are the stored ones."""
        from fauxto.errors import InputError
        from fauxto.images import Limits, decode

        try:
            return decode(self.data, name="the picture", limits=Limits(max_pixels=self._most)).pixels
        except InputError as error:
            raise RasterError(error.message) from error

    def _untouched(self) -> Pixels:
        """The pixels without turning them or laying them over white."""
        self._check_size()
        from PIL import Image

        try:
            data = _without_texts(self.data) if self.container.kind == "png" else self.data
            with Image.open(io.BytesIO(data)) as image:
                self._refuse_above_limit(image.width * image.height)
                return np.asarray(image.convert("RGBA" if self.container.alpha else "RGB"))
        except RasterError:
            raise
        except Exception as error:  # Pillow raises many types for broken files
            raise RasterError(f"the picture could not be decoded ({type(error).__name__})") from error

    @property
    def rgb(self) -> Pixels:
        """The stored picture's colours, (H, W, 3), alpha left off."""
        return self.stored[:, :, :3]

    @property
    def _turned(self) -> bool:
        """Whether EXIF orientation makes the caller's pixels differ from the stored ones."""
        tiff = self.metadata.tiff
        tag = None if tiff is None else tiff.image.get(_ORIENTATION)
        return tiff is not None and tag is not None and tiff.numbers(tag, 1) not in ((), (1,))

    def _check_size(self) -> None:
        """Refuse by what is known of the size, before Pillow allocates or warns."""
        area = 0 if self.pixels is None else self.pixels.shape[0] * self.pixels.shape[1]
        if self.container.kind == "png" and len(self.data) >= 24:
            width, height = struct.unpack_from(">II", self.data, 16)
            area = width * height
        self._refuse_above_limit(area)

    @property
    def _most(self) -> int:
        return min(self.most, MAX_PIXELS)

    def _refuse_above_limit(self, area: int) -> None:
        if area > self._most:
            limit = self._most / 1e6
            raise RasterError(f"{area / 1e6:.4g} megapixels are above the limit of {limit:.4g}")


def _without_texts(png: bytes) -> bytes:
    """The PNG without its texts, which Pillow would unpack, and refuse the picture for if they are large."""
    parts, position = [png[:8]], 8
    while position + 12 <= len(png):
        (length,) = struct.unpack_from(">I", png, position)
        if png[position + 4 : position + 8] not in (b"tEXt", b"zTXt", b"iTXt"):
            parts.append(png[position : position + 12 + length])
        position += 12 + length
    return b"".join(parts)
