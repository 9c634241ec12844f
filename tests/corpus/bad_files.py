"""The corpus of bad input: over 300 small files, made anew for each run and always the same.

    python tests/corpus/bad_files.py FOLDER     # writes them, as seeds for fuzzing or to look at

Each comes from a sound file of one of the formats, or of one of the ways in which a file states its origin.
"""

from __future__ import annotations

import io
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

sys.path[:0] = [str(Path(__file__).parents[1] / folder) for folder in ("images", "provenance")]

import made  # noqa: E402
from image_files import png_chunk, samples  # noqa: E402

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_ICC = b"ICC_PROFILE\0\x01\x01"


def spread(length: int, count: int) -> list[int]:
    """`count` places within `length` bytes, evenly, not at either end."""
    return sorted({max(1, length * (step + 1) // (count + 1)) for step in range(count)})


def boundaries(data: bytes) -> list[int]:
    """Where the blocks of a PNG, JPEG, RIFF or ISO media file begin; empty for other formats."""
    if data.startswith(PNG_SIGNATURE):
        return list(_steps(data, 8, lambda at: 12 + int.from_bytes(data[at : at + 4], "big")))
    if data.startswith(b"\xff\xd8"):
        return list(_steps(data, 2, lambda at: 2 + int.from_bytes(data[at + 2 : at + 4], "big")))
    if data.startswith(b"RIFF"):
        size = lambda at: 8 + (int.from_bytes(data[at + 4 : at + 8], "little") + 1) // 2 * 2  # noqa: E731
        return list(_steps(data, 12, size))
    if data[4:8] == b"ftyp":
        return list(_steps(data, 0, lambda at: int.from_bytes(data[at : at + 4], "big")))
    return []


def _steps(data: bytes, at: int, size: Callable[[int], int]) -> Iterator[int]:
    while at + 8 < len(data) and size(at) > 0:
        yield at
        if data[at : at + 2] == b"\xff\xda":  # what follows is the scan
            return
        at += size(at)


def truncated() -> Iterator[tuple[str, bytes]]:
    """Cut at every structural boundary, within the block that begins there, and at even places."""
    for name, data in samples().items():
        places = {*boundaries(data), *(at + 6 for at in boundaries(data)), *spread(len(data), 3)}
        for at in sorted(place for place in places if 0 < place < len(data) - 2):
            yield f"cut-{at}-{name}", data[:at]


def wrong_lengths() -> Iterator[tuple[str, bytes]]:
    """The length field of each block set to all ones, to zero, and one too large."""
    for name, data in samples().items():
        for at in boundaries(data):
            field, order = _length_field(data, at)
            value = int.from_bytes(data[field], order)
            width = field.stop - field.start
            for label, wrong in (("ff", (1 << 8 * width) - 1), ("0", 0), ("plus", value + 1)):
                yield f"length-{label}-{at}-{name}", _with(data, field.start, wrong.to_bytes(width, order))


def _length_field(data: bytes, at: int) -> tuple[slice, Literal["little", "big"]]:
    if data.startswith(b"\xff\xd8"):
        return slice(at + 2, at + 4), "big"
    if data.startswith(b"RIFF"):
        return slice(at + 4, at + 8), "little"
    return slice(at, at + 4), "big"


def _with(data: bytes, at: int, value: bytes) -> bytes:
    return data[:at] + value + data[at + len(value) :]


def damaged() -> Iterator[tuple[str, bytes]]:
    """Formats whose fields lie elsewhere: single bytes flipped near the beginning, and filled with ones."""
    for name, data in samples().items():
        for at in spread(min(len(data), 120), 3):
            yield f"flip-{at}-{name}", _with(data, at, bytes([data[at] ^ 0xFF]))
        yield f"ones-{name}", _with(data, len(data) // 2, b"\xff" * 16)


def huge() -> Iterator[tuple[str, bytes]]:
    """Sides far beyond the limit with hardly any data, and sound data that unpack to 100 MB and more."""
    for side in (0, 1 << 14, 1 << 20, (1 << 31) - 1):
        header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        parts = png_chunk(b"IHDR", header), png_chunk(b"IDAT", zlib.compress(b"\0")), png_chunk(b"IEND", b"")
        yield f"huge-{side}.png", PNG_SIGNATURE + b"".join(parts)
        yield f"huge-{side}.bmp", _with(samples()["rgb.bmp"], 18, struct.pack("<ii", side, side))
        yield f"huge-{side}.gif", _with(samples()["still.gif"], 6, struct.pack("<HH", *[side & 0xFFFF] * 2))
        for name in ("still.avif", "still.heic"):
            at = samples()[name].index(b"ispe") + 8
            yield f"huge-{side}-{name}", _with(samples()[name], at, struct.pack(">II", side, side))
        canvas = struct.pack("<I", (side - 1) & 0xFFFFFF)[:3] * 2
        yield f"huge-{side}.webp", _with(samples()["alpha.webp"], 24, canvas)
        at = samples()["baseline.jpg"].index(b"\xff\xc0") + 5
        yield (
            f"huge-{side}.jpg",
            _with(samples()["baseline.jpg"], at, struct.pack(">HH", *[side & 0xFFFF] * 2)),
        )
        yield f"huge-{side}.tif", _tiff_sides(side)
    yield "bomb-scans.jpg", _scans_without_end()
    for kind in ("PNG", "WEBP", "TIFF", "AVIF"):
        options = {"compression": "tiff_adobe_deflate"} if kind == "TIFF" else {}
        yield f"bomb.{kind.lower()}", _one_colour(kind, **options)


def _scans_without_end() -> bytes:
    """A progressive JPEG whose last scan stands there 3,000 times: each is a pass over all its pixels."""
    out = io.BytesIO()
    Image.new("L", (3_000, 3_000), 128).save(out, "JPEG", progressive=True)
    data = out.getvalue()
    return data[:-2] + data[data.rindex(b"\xff\xda") : -2] * 3_000 + data[-2:]


def _tiff_sides(side: int) -> bytes:
    tags = {256: side, 257: side, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: side, 279: 1}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)


@cache
def _one_colour(kind: str, **options: str) -> bytes:
    """Just over the limit of pixels in a few kilobytes (WebP and AVIF: what they encode in a second)."""
    side = 11_000 if kind in ("PNG", "TIFF") else 3_000
    out = io.BytesIO()
    Image.new("L" if kind in ("PNG", "TIFF") else "RGB", (side, side)).save(out, kind, **options)
    return out.getvalue()


def texts() -> Iterator[tuple[str, bytes]]:
    """Metadata that unpack without end, nest without end, are no text, or would steer a terminal."""
    bomb = "0" * (30 << 20)
    hostile = "\x1b[31m\x1b]0;owned\x07\r\n\u202e\u2066\0" + made.WEBUI
    yield "bomb-ztxt.png", made.with_chunks(made.ztext("parameters", bomb))
    yield "bomb-itxt.png", made.with_chunks(made.itext("prompt", bomb, compressed=True))
    yield "bomb-iccp.png", made.with_chunks(made.chunk(b"iCCP", b"icc\0\0" + zlib.compress(bytes(30 << 20))))
    yield "bomb-icc.webp", made.encode(made.picture(), "WEBP", icc_profile=zlib.compress(bytes(1 << 20)))
    yield "broken-ztxt.png", made.with_chunks(made.chunk(b"zTXt", b"parameters\0\0nothing"))
    yield "broken-itxt.png", made.with_chunks(made.chunk(b"iTXt", b"parameters\0\x01"))
    yield "icc-lies.jpg", made.with_segments(made.segment(0xE2, _ICC + b"\xff" * 200))
    yield "icc-numbering.jpg", made.with_segments(made.segment(0xE2, b"ICC_PROFILE\0\xff\x01" + bytes(99)))
    yield "terminal.png", made.with_chunks(made.text("parameters", hostile))
    yield (
        "terminal-xmp.jpg",
        made.with_xmp("JPEG", made.packet(attributes='xmp:CreatorTool="&#x202e;Midjourney"')),
    )
    yield "many-texts.png", made.with_chunks(*[made.text(f"k{n}", "v") for n in range(3_000)])
    for keyword in (
        "parameters",
        "prompt",
        "workflow",
        "Comment",
        "invokeai_metadata",
        "sd-metadata",
        "AIGC",
    ):
        for label, value in (
            ("nested", "[" * 30_000),
            ("objects", '{"a":' * 8_000),
            ("nan", '{"seed": NaN, "steps": Infinity, "class_type": "KSampler"}'),
            ("digits", '{"seed": ' + "9" * 10_000 + "}"),
            ("surrogate", '{"prompt": "\\ud800", "class_type": "KSampler"}'),
        ):
            yield f"{label}-{keyword}.png", made.png(**{keyword: value})


def xmp() -> Iterator[tuple[str, bytes]]:
    """XML that refers to itself, names files, nests, ends early."""
    entities = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    laughs = f'<!DOCTYPE x [<!ENTITY a0 "lol">{entities}]>'.encode()
    outside = b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>'
    sound = made.packet(attributes='xmp:CreatorTool="x"')
    packets = {
        "laughs": laughs + made.packet("<dc:title>&a11;</dc:title>"),
        "outside": outside + made.packet("<dc:title>&f;</dc:title>"),
        "deep": made.packet("<a>" * 7_000 + "</a>" * 7_000),
        "cut": sound[: len(sound) // 2],
        "nul": made.packet("\0\0"),
        "utf16": sound.decode().encode("utf-16"),
        "attributes": made.packet(attributes=" ".join(f'dc:a{n}="1"' for n in range(3_000))),
    }
    for name, packet in packets.items():
        for kind in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF"):
            if kind != "JPEG" or len(packet) < 65_000:
                yield f"xmp-{name}.{kind.lower()}", made.with_xmp(kind, packet)
    yield "xmp-extended.jpg", made.extended_xmp("<dc:title>x</dc:title>", portion=40)[:-900]


def exif() -> Iterator[tuple[str, bytes]]:
    """EXIF whose rationals divide by zero, whose directories lead in a circle, whose values lie outside."""
    for kind in ("JPEG", "PNG", "WEBP"):  # Pillow's AVIF writer refuses them
        for label, block in exif_blocks().items():
            yield f"exif-{label}.{kind.lower()}", made.encode(made.picture(), kind, exif=block)


def exif_blocks() -> dict[str, bytes]:
    """Malformed EXIF blocks by what is wrong with them."""

    def directory(*entries: tuple[int, int, int, int], following: int = 0, tail: bytes = b"") -> bytes:
        rows = b"".join(struct.pack("<HHII", *entry) for entry in entries)
        return (
            b"Exif\0\0II*\0"
            + struct.pack("<IH", 8, len(entries))
            + rows
            + struct.pack("<I", following)
            + tail
        )

    zero = struct.pack("<II", 0, 0)
    return {
        "rational-0-0": directory((0x829A, 5, 1, 38), (0x8827, 5, 1, 38), tail=zero),
        "rational-1-0": directory((0x011A, 5, 1, 26), tail=struct.pack("<II", 1, 0)),
        "float-nan": directory((0x829A, 11, 1, 0x7FC00000), (0x8769, 4, 1, 8)),
        "circle": directory((0x8769, 4, 1, 8), (0x8825, 4, 1, 8), following=8),
        "outside": directory((0x010F, 2, 0xFFFFFFFF, 0xFFFFFFF0)),
        "overlap": directory(*[(0x9000 + n, 7, 60_000, 0) for n in range(300)]),
        "orientation": directory((0x0112, 3, 1, 0xFFFF)),
        "orientation-none": directory((0x0112, 3, 0, 0)),
        "types": directory(*[(0x9200 + kind, kind, 1, 0xFFFF) for kind in range(20)]),
        "short": b"Exif\0\0II*\0",
        "order": b"Exif\0\0XX*\0" + bytes(20),
    }


def polyglots() -> Iterator[tuple[str, bytes]]:
    """Files that are two things at once, and other formats behind an image's first bytes."""
    jpeg, png, gif = samples()["baseline.jpg"], samples()["rgb.png"], samples()["still.gif"]
    archive = b"PK\x03\x04" + bytes(40) + b"PK\x05\x06" + bytes(18)
    yield "jpeg-zip.jpg", jpeg + archive
    yield "png-zip.png", png + archive
    yield "gif-javascript.gif", b"GIF89a/*" + gif[8:] + b"*/=1;alert(1)"
    yield "pdf-jpeg.pdf", b"%PDF-1.4\n" + jpeg
    yield "html-jpeg.jpg", b"<html><script>alert(1)</script>" + jpeg
    yield "jpeg-in-png.png", made.with_chunks(made.chunk(b"jpEg", jpeg))
    yield "png-in-jpeg.jpg", made.with_segments(made.segment(0xFE, png[:60_000]))
    yield "bm-text.bmp", b"BM this is a letter and no bitmap"
    yield "heic-avif.heic", samples()["still.avif"].replace(b"avif", b"heic")
    yield "avif-heic.avif", samples()["still.heic"].replace(b"heic", b"avif")
    yield "ftyp-only.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
    yield "nothing", b""
    for head in (b"\xff\xd8\xff", PNG_SIGNATURE, b"RIFF\xff\xff\xff\xffWEBP", b"GIF89a", b"II*\0", b"MM\0+"):
        yield f"head-{head[:4].hex()}", head
        yield f"head-zeros-{head[:4].hex()}", head + bytes(200)
        yield f"head-ones-{head[:4].hex()}", head + b"\xff" * 200


def recursion() -> Iterator[tuple[str, bytes]]:
    """Boxes in boxes, directories in circles, a manifest store of nested boxes."""
    nested = b""
    for _ in range(3_000):
        nested = struct.pack(">I", 8 + len(nested)) + b"meta" + nested
    yield "nested-boxes.avif", b"\0\0\0\x18ftypavif\0\0\0\0mif1avif" + nested + b"\0\0\0\x08mdat"
    yield "extents-without-end.avif", _empty_extents()
    stores = b""
    for _ in range(3_000):
        stores = struct.pack(">I", 8 + len(stores)) + b"jumb" + stores
    yield "nested-jumbf.png", made.with_chunks(made.chunk(b"caBX", stores))
    yield "jumbf-length.png", made.with_chunks(made.chunk(b"caBX", b"\xff\xff\xff\xffjumb" + bytes(50)))
    described = b"\0\0\0\x1ajumdc2pa" + bytes(14)
    yield (
        "empty-store.png",
        made.with_chunks(made.chunk(b"caBX", struct.pack(">I", 8 + len(described)) + b"jumb" + described)),
    )
    for marker in (0xEB, 0xE1, 0xED, 0xE2):
        yield (
            f"app-{marker:x}-ones.jpg",
            made.with_segments(made.segment(marker, b"JP\0\x01" + b"\xff" * 300)),
        )
    photoshop = b"Photoshop 3.0\0" + b"8BIM" + struct.pack(">HHI", 0x0404, 0, 0x7FFFFFFF) + bytes(20)
    yield "photoshop-length.jpg", made.with_segments(made.segment(0xED, photoshop))
    yield "iim-length.jpg", made.iim((2, 110, b"x"))[:-200] + b"\xff\xd9"
    trailer = made.samsung_trailer(PhotoEditor_Re_Edit_Data='{"genAIType":1}')
    jpeg = samples()["baseline.jpg"]
    yield "samsung-count.jpg", jpeg + trailer.replace(b"k\0\0\0\x01", b"k\0\0\0\xff")
    yield "samsung-length.jpg", jpeg + trailer[:-8] + b"\xff\xff\xff\xffSEFT"
    yield "samsung-json.jpg", jpeg + made.samsung_trailer(PhotoEditor_Re_Edit_Data='{"genAIType":' * 5_000)


def _empty_extents() -> bytes:
    """A table of items each of which has 65,535 extents of no bytes: hundreds of millions in 60 KB."""

    def box(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", 8 + len(content)) + kind + content

    entry = box(b"infe", struct.pack(">BxxxHH", 2, 7, 0) + b"Exif\0")
    listed = box(b"iinf", bytes(4) + struct.pack(">H", 1) + entry)
    located = box(
        b"iloc", bytes(4) + struct.pack(">HH", 0, 10_000) + struct.pack(">HHH", 7, 0, 0xFFFF) * 10_000
    )
    return (
        box(b"ftyp", b"avif\0\0\0\0mif1avif") + box(b"meta", bytes(4) + listed + located) + box(b"mdat", b"")
    )


def stealth() -> Iterator[tuple[str, bytes]]:
    """A stealth channel that states a wrong length, or holds a bomb or no gzip at all."""
    pixels = made.picture(64, 64)
    for magic in ("stealth_pngcomp", "stealth_rgbcomp"):
        yield f"{magic}-no-gzip.png", made.encode(made.stealth(pixels, magic, b"no gzip at all"))
        lying = made.stealth(pixels, magic, b"")
        yield f"{magic}-empty.png", made.encode(lying)
        yield f"{magic}-bomb.png", made.stealth_png(magic, "0" * 300_000)
        yield f"{magic}-nested.png", made.stealth_png(magic, "[" * 30_000)
    yield "noise.png", made.encode(np.random.default_rng(3).integers(0, 256, (64, 64, 4), np.uint8))


GROUPS = (truncated, wrong_lengths, damaged, huge, texts, xmp, exif, polyglots, recursion, stealth)


@cache
def bad_files() -> dict[str, bytes]:
    """All files by name, always the same ones."""
    found = {name: data for group in GROUPS for name, data in group()}
    findings = Path(__file__).parent / "findings"
    return found | {f"finding-{path.name}": path.read_bytes() for path in sorted(findings.glob("*.*"))}


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in bad_files().items():
        (folder / name).write_bytes(data)
    print(f"{len(bad_files())} files, {sum(map(len, bad_files().values())) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
