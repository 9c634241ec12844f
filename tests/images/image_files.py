"""Image files for the tests of `fauxto.images`, all made here but for the HEIC fixtures."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FIXTURES = Path(__file__).parent / "fixtures"

RED, GREEN, BLUE, YELLOW = (220, 30, 30), (30, 200, 40), (30, 50, 220), (230, 220, 40)
WHITE = (255, 255, 255)


def quadrants(width: int = 64, height: int = 48) -> Image.Image:
    """Red, green / blue, yellow: no turn or mirroring of it looks like another."""
    picture = Image.new("RGB", (width, height), YELLOW)
    picture.paste(RED, (0, 0, width // 2, height // 2))
    picture.paste(GREEN, (width // 2, 0, width, height // 2))
    picture.paste(BLUE, (0, height // 2, width // 2, height))
    return picture


def textured(width: int = 64, height: int = 48) -> Image.Image:
    """Something that no codec can store in a handful of bytes."""
    rng = np.random.default_rng(7)
    ramp = np.add.outer(np.arange(height) * 2, np.arange(width) * 2)[..., np.newaxis]
    return Image.fromarray(
        (ramp * [1.0, 0.7, 0.4] + rng.integers(0, 30, (height, width, 3))).astype(np.uint8)
    )


def with_hole(picture: Image.Image) -> Image.Image:
    """The same with a fully transparent lower right quadrant."""
    layered = picture.convert("RGBA")
    layered.paste((0, 0, 0, 0), (picture.width // 2, picture.height // 2, *picture.size))
    return layered


def encode(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def oriented_exif(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def heic(name: str = "quadrants") -> bytes:
    return (FIXTURES / f"{name}.heic").read_bytes()


@cache
def samples() -> dict[str, bytes]:
    """One small file of every kind that fauxto decodes: 64 x 48 pixels (the run-length bitmap: 16 x 16)."""
    picture = textured()
    more = {"save_all": True, "append_images": [picture.rotate(90), picture.rotate(180)]}
    exif = oriented_exif(6)
    return {
        "baseline.jpg": encode(picture, "JPEG", quality=90),
        "progressive.jpg": encode(picture, "JPEG", progressive=True),
        "restarts.jpg": encode(picture, "JPEG", restart_marker_blocks=2),
        "grey.jpg": encode(picture.convert("L"), "JPEG"),
        "cmyk.jpg": encode(picture.convert("CMYK"), "JPEG"),
        "exif.jpg": encode(picture, "JPEG", exif=exif),
        "rgb.png": encode(picture, "PNG"),
        "palette.png": encode(picture.quantize(16), "PNG", transparency=3),
        "animated.png": encode(picture, "PNG", **more),
        "lossy.webp": encode(picture, "WEBP"),
        "lossless.webp": encode(picture, "WEBP", lossless=True),
        "alpha.webp": encode(with_hole(picture), "WEBP", exif=exif),
        "animated.webp": encode(picture, "WEBP", **more),
        "still.gif": encode(picture, "GIF"),
        "animated.gif": encode(picture, "GIF", **more),
        "raw.tif": encode(picture, "TIFF"),
        "lzw.tif": encode(picture, "TIFF", compression="tiff_lzw"),
        "deflate.tif": encode(picture, "TIFF", compression="tiff_adobe_deflate"),
        "jpeg.tif": encode(picture, "TIFF", compression="jpeg"),
        "cmyk.tif": encode(picture.convert("CMYK"), "TIFF"),
        "pages.tif": encode(picture, "TIFF", **more).rstrip(b"\0"),  # Pillow pads each page
        "rgb.bmp": encode(picture, "BMP"),
        "palette.bmp": encode(picture.quantize(16), "BMP"),
        "runs.bmp": rle_bmp(),
        "still.avif": encode(picture, "AVIF"),
        "alpha.avif": encode(with_hole(picture), "AVIF", exif=exif),
        "animated.avif": encode(picture, "AVIF", **more),
        "still.heic": heic(),
        "alpha.heic": heic("transparent"),
    }


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(
    samples: NDArray[np.uint8] | NDArray[np.uint16], *, bits: int | None = None, extra: bytes = b""
) -> bytes:
    """A PNG of grey (H, W) or RGB (H, W, 3) samples of 8 or 16 bits, with `extra` chunks before its data.

    Samples of one byte are stored with fewer `bits` if asked; they must fit.
    """
    height, width = samples.shape[:2]
    bits = bits or samples.dtype.itemsize * 8
    rows = samples.astype(">u2" if bits == 16 else "u1").reshape(height, -1)
    if bits < 8:
        spread = np.unpackbits(rows[..., np.newaxis].view(np.uint8), axis=-1)[..., 8 - bits :]
        rows = np.packbits(spread.reshape(height, -1), axis=-1)
    header = struct.pack(">IIBBBBB", width, height, bits, 0 if samples.ndim == 2 else 2, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + b"".join(
        (png_chunk(b"IHDR", header), extra, png_chunk(b"IDAT", body), png_chunk(b"IEND", b""))
    )


def one_colour_png(side: int) -> bytes:
    """A complete, valid RGB PNG of side x side black pixels, made without holding them."""
    rows_a_block = 100
    count, rest = divmod(side, rows_a_block)
    assert rest == 0
    row_bytes = 1 + 3 * side
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    # After a full flush the stream starts afresh on a whole byte, so that one block can be repeated.
    block = packer.compress(bytes(rows_a_block * row_bytes)) + packer.flush(zlib.Z_FULL_FLUSH)
    adler = (side * row_bytes % 65521) << 16 | 1
    stream = b"\x78\x01" + block * count + b"\x03\x00" + struct.pack(">I", adler)
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (png_chunk(b"IHDR", header), png_chunk(b"IDAT", stream), png_chunk(b"IEND", b""))
    )


def rle_bmp() -> bytes:
    """16 x 16, run-length coded with 8 bits a pixel: left half blue (0), right half red (1)."""
    runs = b"\x08\x00\x08\x01\x00\x00" * 16 + b"\x00\x01"
    palette = bytes((255, 0, 0, 0)) + bytes((0, 0, 255, 0)) + bytes(254 * 4)
    offset = 14 + 40 + len(palette)
    header = struct.pack("<IiiHHIIiiII", 40, 16, 16, 1, 8, 1, len(runs), 0, 0, 256, 0)
    return struct.pack("<2sIII", b"BM", offset + len(runs), 0, offset) + header + palette + runs


def tiff(
    samples: NDArray[Any],
    *,
    order: Literal["<", ">"] = "<",
    photometric: int = 1,
    tags: dict[int, int] | None = None,
    bits: int = 0,
) -> bytes:
    """An uncompressed TIFF of grey (H, W) samples: one strip, its directory first.

    `bits` says how many bits each sample has where `samples` are bytes that were packed already.
    """
    height, width = samples.shape
    body = samples.astype(samples.dtype.newbyteorder(order)).tobytes()
    sample_format = {"u": 1, "i": 2, "f": 3}[samples.dtype.kind]
    width = width * 8 // bits if bits else width
    values = {
        256: width,
        257: height,
        258: bits or samples.dtype.itemsize * 8,
        259: 1,
        262: photometric,
        277: 1,
    }
    values |= {278: height, 279: len(body), 339: sample_format, **(tags or {})}
    offset = 8 + 2 + 12 * (len(values) + 1) + 4
    values[273] = offset
    entries = b"".join(struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in sorted(values.items()))
    magic = b"II*\0" if order == "<" else b"MM\0*"
    return magic + struct.pack(order + "IH", 8, len(values)) + entries + bytes(4) + body
