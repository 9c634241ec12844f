"""Bytes, a path, a file object, a Pillow image or an array to the pixels that the models see."""

from __future__ import annotations

import hashlib
import io
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from fauxto.images import completeness
from fauxto.images.pixels import rgb, upright
from fauxto.images.read import Limits, read_bytes, read_stream
from fauxto.images.refusal import RefusedError, printable
from fauxto.images.sniff import Format, sniff
from fauxto.images.tiff import exif_orientation, tiff

_DEFAULT_LIMITS = Limits()
_COPY_ANEW = "copy or download it again"
_SIGNS_OF_TRUNCATION = ("truncated", "end of file", "end of data", "not enough image data")
_SIGNS_OF_A_RARE_KIND = (
    "unsupported",
    "unknown pixel mode",
    "unknown data organization",
    "not implemented",
    "not available",
    "cannot handle",
)
_WARNINGS = threading.Lock()


@dataclass(frozen=True, eq=False)
class DecodedImage:
    """One decoded picture.

    Attributes:
        pixels: (H, W, 3) RGB, 0 to 255, C-contiguous, read-only; upright, alpha composited over white.
        format: "JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF" or "HEIF"; "array" for an array and
            "PIL" for a Pillow image that does not know.
        sha256: of the encoded bytes; of the bytes of `pixels` for arrays and Pillow images.
        frames: how many frames, pages or pictures the file has. Only one was decoded.
        notes: what a person should know about the decoding, such as "first of 12 frames".
    """

    pixels: NDArray[np.uint8]
    format: str
    sha256: str
    frames: int = 1
    notes: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """Pixels from left to right."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""
        return int(self.pixels.shape[0])


@dataclass(frozen=True)
class _Picture:
    """What a format's decoder gives."""

    pixels: NDArray[np.uint8]
    frames: int = 1
    unit: str = "frames"
    which: str = "first"


def decode(data: bytes, *, name: str, limits: Limits = _DEFAULT_LIMITS) -> DecodedImage:
    """Decode the bytes of an image file; may run in several threads at once.

    Args:
        data: the whole file. Its format is told by its contents, not by `name`.
        name: how the input is called in errors.
        limits: checked from the header, before anything of that size is allocated.

    Raises:
        InputError: `empty`, `too-large`, `not-an-image`, `unsupported`, `truncated` or `corrupt`.
    """
    try:
        if not data:
            raise RefusedError("empty", f"it has no bytes; {_COPY_ANEW}")
        limits.check_bytes(len(data))
        kind = sniff(data)
        picture = _picture(kind, data, limits)
    except RefusedError as refusal:
        raise refusal.error(name) from refusal.__cause__
    picture.pixels.flags.writeable = False
    notes = () if picture.frames == 1 else (f"{picture.which} of {picture.frames} {picture.unit}",)
    return DecodedImage(picture.pixels, kind, hashlib.sha256(data).hexdigest(), picture.frames, notes)


def open_image(
    source: str
    | os.PathLike[str]
    | bytes
    | bytearray
    | memoryview
    | BinaryIO
    | PIL.Image.Image
    | NDArray[np.uint8],
    *,
    name: str | None = None,
    limits: Limits = _DEFAULT_LIMITS,
) -> DecodedImage:
    """Decode an image from wherever it is.

    Args:
        source: a path; the bytes of an image file; a binary file object, read from where it stands; a
            Pillow image, of which the current frame is taken; or a uint8 array of shape (H, W), (H, W, 3)
            or (H, W, 4), the channels being RGB or RGBA.
        name: how the input is called in errors; by default its path or its type.
        limits: as for `decode`.

    Raises:
        InputError: as `decode` and `read_bytes` do.
        TypeError: for another type, or an array of another dtype or shape.
    """
    if isinstance(source, (str, os.PathLike)):
        name = name or os.fsdecode(source)
        return decode(read_bytes(source, name=name, limits=limits), name=name, limits=limits)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return decode(bytes(source), name=name or "<bytes>", limits=limits)
    if isinstance(source, np.ndarray):
        return _from_array(source, name or "<array>", limits)
    if isinstance(source, PIL.Image.Image):
        return _from_pillow(source, name or str(getattr(source, "filename", "") or "<PIL image>"), limits)
    if hasattr(source, "read"):
        label = getattr(source, "name", None)
        name = name or (label if isinstance(label, str) else "<stream>")
        return decode(read_stream(source, name=name, limits=limits), name=name, limits=limits)
    raise TypeError(
        "an image is a path, bytes, a binary file object, a PIL image or a uint8 array, "
        f"not {type(source).__module__}.{type(source).__qualname__}"
    )


def _from_array(array: NDArray[np.uint8], name: str, limits: Limits) -> DecodedImage:
    if array.dtype != np.uint8:
        raise TypeError(f"{printable(name)}: the array must be uint8 (0 to 255), not {array.dtype}")
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise TypeError(
            f"{printable(name)}: the array must have shape (H, W), (H, W, 3) or (H, W, 4), not {array.shape}"
        )
    try:
        if not array.size:
            raise RefusedError("empty", "the array has no pixels")
        limits.check_pixels(array.shape[1], array.shape[0])
        if array.ndim == 3 and array.shape[2] == 3:
            pixels = np.array(array, order="C")  # a copy: what the caller does to theirs later is no concern
        else:
            pixels = rgb(PIL.Image.fromarray(np.ascontiguousarray(array)))
    except RefusedError as refusal:
        raise refusal.error(name) from None
    pixels.flags.writeable = False
    return DecodedImage(pixels, "array", hashlib.sha256(pixels.data).hexdigest())


def _from_pillow(image: PIL.Image.Image, name: str, limits: Limits) -> DecodedImage:
    try:
        if not image.width or not image.height:
            raise RefusedError("empty", "the image has no pixels")
        limits.check_pixels(*image.size)
        pixels = _pillow_pixels(image)
    except RefusedError as refusal:
        raise refusal.error(name) from refusal.__cause__
    except Exception as error:
        raise _refused(error, image.format or "image").error(name) from error
    pixels.flags.writeable = False
    return DecodedImage(pixels, image.format or "PIL", hashlib.sha256(pixels.data).hexdigest())


def _pillow_pixels(image: PIL.Image.Image) -> NDArray[np.uint8]:
    with _quiet() if image.format in ("TIFF", "GIF") else nullcontext():
        image.load()
    exif = image.info.get("exif")
    # Pillow turns a TIFF by itself as it loads it.
    orientation = exif_orientation(exif) if isinstance(exif, bytes) and image.format != "TIFF" else 1
    return rgb(upright(image, orientation))


def _picture(kind: Format, data: bytes, limits: Limits) -> _Picture:
    """Run a format's decoder. Whatever it raises on hostile bytes becomes a refusal."""
    try:
        return _DECODERS[kind](data, limits)
    except RefusedError:
        raise
    except Exception as error:  # Pillow and pi_heif raise SyntaxError, KeyError, struct.error and more
        raise _refused(error, kind) from error


def _refused(error: Exception, kind: str) -> RefusedError:
    """What a decoder's exception means to a person; Pillow tells most apart by their words only."""
    said = printable(str(error)).rstrip(".") or type(error).__name__
    words = said.lower()
    if isinstance(error, MemoryError):
        return RefusedError("too-large", "there is not enough memory to decode it; shrink it")
    if isinstance(error, PIL.Image.DecompressionBombError):
        return RefusedError("too-large", f"it is more than Pillow decodes ({said}); shrink it")
    if isinstance(error, EOFError) or any(sign in words for sign in _SIGNS_OF_TRUNCATION):
        return RefusedError("truncated", f"its {kind} data end too early ({said}); {_COPY_ANEW}")
    # A KeyError is a value of the file that one of Pillow's tables lacks.
    if isinstance(error, KeyError) or any(sign in words for sign in _SIGNS_OF_A_RARE_KIND):
        why = f"it is a kind of {kind} that cannot be decoded here ({said}); convert it to PNG"
        return RefusedError("unsupported", why)
    return RefusedError("corrupt", f"its {kind} data cannot be decoded ({said}); {_COPY_ANEW}")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Pillow's warnings from the user, who gets a picture or a typed error instead.

    The filters of `warnings` belong to the whole process, so only the few formats that warn come here, one
    at a time: two threads that saved and restored them in turn could leave them changed for good.
    """
    with _WARNINGS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


# One straight function a format


def _jpeg(data: bytes, limits: Limits) -> _Picture:
    from PIL.JpegImagePlugin import JpegImageFile

    bare = completeness.jpeg(data)
    image = JpegImageFile(io.BytesIO(bare.data))
    limits.check_pixels(*image.size)
    image.load()
    return _Picture(rgb(upright(image, exif_orientation(bare.exif))))


def _png(data: bytes, limits: Limits) -> _Picture:
    from PIL.PngImagePlugin import PngImageFile

    bare = completeness.png(data)
    image = PngImageFile(io.BytesIO(bare.data))
    limits.check_pixels(*image.size)
    image.load()
    _fit_transparent_colour(image, bits=data[24])
    return _Picture(rgb(upright(image, exif_orientation(bare.exif))), bare.frames)


def _fit_transparent_colour(image: PIL.Image.Image, bits: int) -> None:
    """Pillow scales samples to 8 bits but leaves the transparent colour in the file's own depth."""
    transparent = image.info.get("transparency")
    if isinstance(transparent, tuple) and bits == 16:
        image.info["transparency"] = tuple(value >> 8 for value in transparent)
    elif isinstance(transparent, int) and image.mode == "L" and bits < 8:
        image.info["transparency"] = min(transparent * 255 // ((1 << bits) - 1), 255)


def _webp(data: bytes, limits: Limits) -> _Picture:
    from PIL import WebPImagePlugin

    canvas = completeness.webp(data)
    limits.check_pixels(canvas.width, canvas.height)
    _need(WebPImagePlugin.SUPPORTED, "WebP")
    image = WebPImagePlugin.WebPImageFile(io.BytesIO(data))
    limits.check_pixels(*image.size)
    frames = image.n_frames
    image.load()
    return _Picture(rgb(upright(image, exif_orientation(image.info.get("exif", b"")))), frames)


def _gif(data: bytes, limits: Limits) -> _Picture:
    from PIL.GifImagePlugin import GifImageFile

    canvas = completeness.gif(data)
    limits.check_pixels(canvas.width, canvas.height)
    with _quiet():
        image = GifImageFile(io.BytesIO(data))
        limits.check_pixels(*image.size)
        image.load()
    return _Picture(rgb(image), canvas.frames)


def _bmp(data: bytes, limits: Limits) -> _Picture:
    from PIL.BmpImagePlugin import BmpImageFile

    canvas = completeness.bmp(data)
    limits.check_pixels(canvas.width, canvas.height)
    image = BmpImageFile(io.BytesIO(data))
    limits.check_pixels(*image.size)
    image.load()
    return _Picture(rgb(image))


def _tiff(data: bytes, limits: Limits) -> _Picture:
    from PIL.TiffImagePlugin import TiffImageFile

    header = tiff(data)
    limits.check_pixels(header.width, header.height)
    with _quiet():
        image = TiffImageFile(io.BytesIO(data))
        limits.check_pixels(*image.size)
        image.load()  # this turns it upright, too
    white = (1 << header.bits) - 1 if 8 < header.bits <= 16 else 65535
    pixels = rgb(image, white=white, white_is_zero=header.white_is_zero)
    return _Picture(pixels, header.pages, "pages")


def _avif(data: bytes, limits: Limits) -> _Picture:
    from PIL import AvifImagePlugin

    canvas = completeness.base_media(data)
    limits.check_pixels(canvas.width, canvas.height)
    _need(AvifImagePlugin.SUPPORTED, "AVIF")
    image = AvifImagePlugin.AvifImageFile(io.BytesIO(data))  # reads the header; load() decodes
    limits.check_pixels(*image.size)
    frames = image.n_frames
    image.load()
    return _Picture(rgb(upright(image, exif_orientation(image.info.get("exif", b"")))), frames)


def _heif(data: bytes, limits: Limits) -> _Picture:
    try:
        import pi_heif
    except ImportError as error:
        raise RefusedError(
            "unsupported", "this installation cannot decode HEIC; pip install pi-heif"
        ) from error

    canvas = completeness.base_media(data)
    limits.check_pixels(canvas.width, canvas.height)
    file = pi_heif.open_heif(data)  # reads the header; to_pillow() decodes
    primary = file[file.primary_index]
    limits.check_pixels(*primary.size)
    # libheif has already turned it upright: in this format the container says how, not EXIF.
    return _Picture(rgb(primary.to_pillow()), len(file), "pictures", "primary")


_DECODERS: dict[Format, Callable[[bytes, Limits], _Picture]] = {
    "JPEG": _jpeg,
    "PNG": _png,
    "WEBP": _webp,
    "GIF": _gif,
    "TIFF": _tiff,
    "BMP": _bmp,
    "AVIF": _avif,
    "HEIF": _heif,
}


def _need(present: bool, what: str) -> None:
    if not present:
        raise RefusedError(
            "unsupported", f"this installation's Pillow has no {what} decoder; pip install --upgrade pillow"
        )
