"""Containers give what stands in the places their formats define, and survive any bytes."""

from __future__ import annotations

import io
import struct
import time
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import made
from fauxto.provenance.containers import MAX_TEXTS, parse

MANIFEST = bytes.fromhex("6332706100110010800000aa00389b71")


def jumbf(payload: bytes = b"x" * 3000) -> bytes:
    """A C2PA manifest store with nothing sensible in it."""
    description = struct.pack(">I", 8 + 16 + 6) + b"jumd" + MANIFEST + b"\x03c2pa\0"
    return struct.pack(">I", 8 + len(description) + len(payload)) + b"jumb" + description + payload


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("JPEG", "jpeg"), ("PNG", "png"), ("WEBP", "webp"), ("GIF", "gif"), ("TIFF", "tiff"), ("BMP", "bmp")],
)
def test_the_bytes_decide_the_kind(kind: str, expected: str) -> None:
    container = parse(made.encode(made.picture(), kind))
    assert (container.kind, container.problems) == (expected, ())


@pytest.mark.parametrize("data", [b"", b"\x00", b"%PDF-1.7 not an image", b"RIFF", b"\xff\xd8"])
def test_other_bytes_are_unknown(data: bytes) -> None:
    assert parse(data).kind == "unknown"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_exif_is_found_without_its_jpeg_prefix(kind: str) -> None:
    exif = parse(made.with_exif(kind, {made.MAKE: "Somebody"})).exif
    assert exif is not None
    assert exif[:4] in (b"II*\0", b"MM\0*")
    assert b"Somebody" in exif


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "GIF"])
def test_xmp_is_found(kind: str) -> None:
    xmp = made.packet(attributes='dc:format="x"')
    if kind == "GIF":
        tail = bytes([1, *range(255, -1, -1), 0])
        block = b"\x21\xff\x0bXMP DataXMP" + xmp + tail
        data = made.encode(made.picture(), "GIF")
        data = data[:-1] + block + data[-1:]
    else:
        data = made.with_xmp(kind, xmp)
    assert [packet.strip(b"\0") for packet in parse(data).xmp] == [xmp]


def test_png_texts_of_all_three_kinds() -> None:
    data = made.with_chunks(
        made.text("plain", "one"), made.ztext("packed", "two"), made.itext("wide", "drei ü", compressed=True)
    )
    found = [(text.keyword, text.text, text.chunk) for text in parse(data).png_text]
    assert found == [("plain", "one", "tEXt"), ("packed", "two", "zTXt"), ("wide", "drei ü", "iTXt")]


def test_png_texts_after_the_end_are_not_part_of_the_file() -> None:
    assert parse(made.encode(made.picture()) + made.text("parameters", made.WEBUI)).png_text == ()


def test_an_exif_profile_in_hexadecimal_is_exif() -> None:
    block = b"Exif\0\0" + made.exif({made.MAKE: "Somebody"}).removeprefix(b"Exif\0\0")
    value = f"\nexif\n{len(block)}\n{block.hex()}\n"
    exif = parse(made.with_chunks(made.ztext("Raw profile type exif", value))).exif
    assert exif is not None
    assert b"Somebody" in exif


def test_iptc_is_found_in_a_photoshop_resource() -> None:
    assert parse(made.iim((2, 110, b"A credit"))).iptc_iim == b"\x1c\x02\x6e\x00\x08A credit"


def test_extended_xmp_is_put_together_whatever_the_order_of_its_portions() -> None:
    packets = parse(made.extended_xmp("<dc:title>hidden</dc:title>" * 40)).xmp
    assert len(packets) == 2
    assert packets[1] == made.packet("<dc:title>hidden</dc:title>" * 40)


def test_incomplete_extended_xmp_is_named_a_problem() -> None:
    data = made.extended_xmp("<dc:title>hidden</dc:title>" * 40)
    first = data.index(b"http://ns.adobe.com/xmp/extension") - 4
    cut = data[:first] + data[first + 2 + struct.unpack_from(">H", data, first + 2)[0] :]
    container = parse(cut)
    assert len(container.xmp) == 1
    assert "incomplete" in " ".join(container.problems)


def test_extended_xmp_that_the_main_packet_does_not_name_is_left_out() -> None:
    data = made.extended_xmp("<dc:title>hidden</dc:title>").replace(
        b'HasExtendedXMP="0', b'HasExtendedXMP="9'
    )
    assert len(parse(data).xmp) == 1


def test_a_manifest_over_several_jpeg_segments_is_put_together() -> None:
    box = jumbf()
    parts = [box[:1000], box[1000:2000], box[2000:]]
    segments = [
        made.segment(0xEB, b"JP\0\1" + struct.pack(">I", number) + (b"" if number == 1 else box[:8]) + part)
        for number, part in enumerate(parts, 1)
    ]
    assert parse(made.with_segments(*reversed(segments))).c2pa == box


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "bmff", "TIFF"])
def test_a_manifest_is_found_where_each_format_keeps_it(kind: str) -> None:
    box = jumbf()
    if kind == "PNG":
        data = made.with_chunks(made.chunk(b"caBX", box))
    elif kind == "WEBP":
        plain = made.encode(made.picture(), "WEBP", exif=made.exif({made.MAKE: "x"}))
        data = plain + b"C2PA" + struct.pack("<I", len(box)) + box + b"\0" * (len(box) % 2)
        data = data[:4] + struct.pack("<I", len(data) - 8) + data[8:]
    elif kind == "TIFF":
        data = tiff_with(0xCD41, box)
    else:
        uuid = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
        body = uuid + bytes(4) + b"manifest\0" + bytes(8) + box
        data = made.encode(made.picture(), "AVIF") + struct.pack(">I", 8 + len(body)) + b"uuid" + body
    assert parse(data).c2pa == box


def tiff_with(tag: int, value: bytes) -> bytes:
    """A TIFF of nothing but one tag."""
    return b"II*\0" + struct.pack("<IHHHII", 8, 1, tag, 7, len(value), 26) + bytes(4) + value


def test_the_trailer_is_what_follows_the_picture_and_not_an_end_marker_in_metadata() -> None:
    data = made.with_segments(made.segment(0xE5, b"thumbnail \xff\xd8 .. \xff\xd9 ..")) + b"after"
    assert parse(data).trailer == b"after"


def test_a_progressive_jpegs_trailer_follows_its_last_scan() -> None:
    data = made.encode(made.picture(64, 64), "JPEG", progressive=True)
    assert parse(data + b"tail").trailer == b"tail"


def test_comments_of_jpeg_and_gif() -> None:
    assert parse(made.encode(made.picture(), "JPEG", comment=b"hello")).comments == ("hello",)
    assert parse(made.encode(made.picture(), "GIF", comment=b"hello")).comments == ("hello",)


@pytest.mark.parametrize("lossless", [True, False])
def test_lossless_webp_is_told_apart(lossless: bool) -> None:
    assert parse(made.encode(made.picture(), "WEBP", lossless=lossless)).lossless is lossless


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_alpha_is_told(kind: str) -> None:
    rgba = np.dstack([made.picture(), np.full((32, 32), 7, np.uint8)])
    options = {"lossless": True} if kind == "WEBP" else {}
    assert parse(made.encode(rgba, kind, **options)).alpha
    assert not parse(made.encode(made.picture(), kind, **options)).alpha


def test_ten_thousand_texts_cost_little_and_are_counted() -> None:
    data = made.with_chunks(*[made.ztext(f"key{index}", "value") for index in range(10_000)])
    start = time.process_time()
    container = parse(data)
    assert time.process_time() - start < 2
    assert len(container.png_text) == MAX_TEXTS
    assert "only the first" in " ".join(container.problems)


@pytest.mark.parametrize("compressed_by", [made.ztext, lambda k, v: made.itext(k, v, compressed=True)])
def test_a_zip_bomb_is_named_and_not_unpacked(compressed_by: object) -> None:
    assert callable(compressed_by)
    data = made.with_chunks(compressed_by("parameters", "0" * (50 << 20)), made.text("after", "kept"))
    tracemalloc.start()
    container = parse(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30 << 20
    assert [text.keyword for text in container.png_text] == ["after"]
    assert "too large" in " ".join(container.problems)


def test_a_broken_compressed_text_is_a_problem() -> None:
    data = made.with_chunks(made.chunk(b"zTXt", b"parameters\0\0" + b"no zlib"))
    assert "broken" in " ".join(parse(data).problems)


def test_lengths_that_lie_end_the_walk_with_what_was_valid() -> None:
    png = made.with_chunks(made.text("kept", "yes"))
    lying = png[:-12] + struct.pack(">I", 0x7FFFFFFF) + b"tEXtlost\0no"
    container = parse(lying)
    assert [text.keyword for text in container.png_text] == ["kept"]
    assert container.problems
    jpeg = made.with_segments(made.segment(0xFE, b"kept"))
    at = jpeg.index(b"\xff\xdb")
    container = parse(jpeg[:at] + b"\xff\xfe\xff\xff" + jpeg[at:])
    assert container.comments == ("kept",)
    assert container.problems


def test_a_directory_of_tags_that_all_point_at_the_same_megabytes_stays_cheap() -> None:
    entries = b"".join(struct.pack("<HHII", 0x9000 + i, 7, 1 << 20, 2 + 12 * 900 + 14) for i in range(900))
    data = b"II*\0" + struct.pack("<IH", 8, 900) + entries + bytes(4) + bytes(1 << 20)
    tracemalloc.start()
    parse(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


def test_a_large_jpeg_is_not_scanned() -> None:
    data = made.encode(np.random.default_rng(0).integers(0, 256, (900, 1000, 3), np.uint8), "JPEG")
    best = min(_seconds(data) for _ in range(20))
    assert best < 0.001 * max(1.0, len(data) / 1e6) * 3


def _seconds(data: bytes) -> float:
    start = time.process_time()
    parse(data)
    return time.process_time() - start


SEEDS = [
    made.encode(made.picture(), kind) for kind in ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "AVIF", "BMP")
] + [
    made.with_chunks(made.ztext("parameters", made.WEBUI), made.chunk(b"caBX", jumbf(b""))),
    made.extended_xmp("<dc:title>x</dc:title>"),
    made.with_exif("AVIF", {made.MAKE: "x"}),
    made.iim((2, 110, b"x")) + made.samsung_trailer(PhotoEditor_Re_Edit_Data='{"genAIType":1}'),
]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A valid file with bytes changed, cut out or repeated."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        action = draw(st.sampled_from(["set", "cut", "repeat", "ff"]))
        if action == "set":
            data[at : at + 1] = bytes([draw(st.integers(0, 255))])
        elif action == "ff":
            data[at : at + 4] = b"\xff\xff\xff\xff"
        elif action == "cut":
            del data[at : at + draw(st.integers(1, 200))]
        else:
            data[at:at] = data[at : at + draw(st.integers(1, 200))]
    return bytes(data)


@given(damaged() | st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_no_bytes_make_it_raise(data: bytes) -> None:
    container = parse(data)
    assert isinstance(container.trailer, bytes)
    assert len(container.problems) <= 20


def box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + name + body


@pytest.mark.parametrize("method", [0, 1])
def test_heic_items_are_found_in_the_file_and_in_their_own_box(method: int) -> None:
    """A HEIC as phones write it: EXIF and XMP as items that a table locates."""
    exif = struct.pack(">I", 6) + b"Exif\0\0" + b"II*\0\x08\0\0\0" + bytes(2)
    xmp = made.packet(attributes='dc:format="x"')
    head = box(b"ftyp", b"heic" + bytes(4) + b"mif1heic")
    entries = b"".join(
        box(b"infe", b"\x02\0\0\0" + struct.pack(">HH", number, 0) + kind + b"\0" + rest)
        for number, kind, rest in ((1, b"Exif", b""), (2, b"mime", b"application/rdf+xml\0"))
    )
    infos = box(b"iinf", bytes(4) + struct.pack(">H", 2) + entries)

    def meta(start: int) -> bytes:
        spans = ((1, start, len(exif)), (2, start + len(exif), len(xmp)))
        table = b"".join(struct.pack(">HHHHII", n, method, 0, 1, at, size) for n, at, size in spans)
        located = box(b"iloc", b"\x01\0\0\0\x44\0" + struct.pack(">H", 2) + table)
        data = box(b"idat", exif + xmp) if method else b""
        return box(b"meta", bytes(4) + infos + located + data)

    start = 0 if method else len(head) + len(meta(0)) + 8
    container = parse(head + meta(start) + box(b"mdat", exif + xmp))
    assert (container.kind, container.brands) == ("bmff", ("heic", "mif1", "heic"))
    assert container.exif == exif[10:]
    assert container.xmp == (xmp,)


def test_pillow_reads_the_files_that_these_tests_make() -> None:
    for data in SEEDS:
        Image.open(io.BytesIO(data)).load()
    assert zlib.crc32(b"IEND") == struct.unpack(">I", SEEDS[1][-4:])[0]
