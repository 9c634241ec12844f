"""What an image file carries beside its pixels, taken from the places its own format defines.

One pass over each container's structure, by its own lengths; nothing is found by searching for words.
The bytes decide the format, never a file name. Hostile bytes never raise: what was validly there is
returned, with `problems` that say what was not.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from fauxto.provenance.tiff import is_tiff, parse_tiff

Kind = Literal["jpeg", "png", "webp", "gif", "tiff", "bmff", "bmp", "unknown"]

MAX_BLOCKS = 200_000  # chunks, segments, boxes or sub-blocks walked in one file
MAX_TEXTS = 2_000  # PNG texts kept
MAX_TEXT = 8 << 20  # bytes of one decompressed PNG text
MAX_TEXTS_TOTAL = 32 << 20  # bytes of all decompressed PNG texts together
_MAX_PROBLEMS = 20
MAX_PACKETS = 16  # XMP packets kept
_MAX_ITEMS = 16  # EXIF and XMP items of one ISO-BMFF file; their extents may overlap

_C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_C2PA_JUMBF_TYPE = bytes.fromhex("6332706100110010800000aa00389b71")
_XMP_HEADER = b"http://ns.adobe.com/xap/1.0/\0"
_XMP_EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
SAMSUNG_END = b"SEFT"  # of the trailer that fauxto.provenance.samsung reads
_PHOTOSHOP_SIGNATURES = (b"8BIM", b"MeSa", b"AgHg", b"PHUT", b"DCSR")
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


@dataclass(frozen=True)
class PngText:
    """One PNG text: `chunk` is `tEXt`, `zTXt` or `iTXt`, the text decompressed and decoded."""

    keyword: str
    text: str
    chunk: str


@dataclass(frozen=True)
class Container:
    """The parts of one file that may say where it comes from.

    Attributes:
        kind: the container by its first bytes.
        exif: the EXIF block as a TIFF structure (the whole file where the file is a TIFF).
        xmp: XMP packets; a JPEG's extended XMP is one packet of its own.
        png_text: PNG texts in file order, without XMP.
        iptc_iim: the IPTC-IIM data sets.
        c2pa: the raw C2PA manifest store (a JUMBF box).
        jpeg_segments: marker byte and payload of every JPEG segment before the first scan.
        comments: JPEG and GIF comments.
        lossless: whether a WebP's still image is coded without loss.
        alpha: whether a PNG, WebP or TIFF has an alpha channel or a transparent colour.
        brands: the brands of an ISO-BMFF file, the major one first.
        problems: what did not follow the format, for a person; empty for a sound file.
    """

    kind: Kind
    exif: bytes | None = None
    xmp: tuple[bytes, ...] = ()
    png_text: tuple[PngText, ...] = ()
    iptc_iim: bytes | None = None
    c2pa: bytes | None = None
    jpeg_segments: tuple[tuple[int, bytes], ...] = ()
    comments: tuple[str, ...] = ()
    lossless: bool = False
    alpha: bool = False
    brands: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    _data: bytes = field(default=b"", repr=False, compare=False)
    _scan: int = field(default=0, repr=False, compare=False)

    @property
    def holds_words(self) -> bool:
        """Whether there is anything to read in the places where programs write about a file."""
        segments = self.jpeg_segments
        return (
            self.exif is not None
            or self.iptc_iim is not None
            or bool(self.xmp or self.png_text or self.comments or self.problems)
            or any(0xE0 <= marker <= 0xEF and payload[:5] != b"JFIF\0" for marker, payload in segments)
            or self._data.endswith(SAMSUNG_END)
        )

    @cached_property
    def trailer(self) -> bytes:
        """The bytes after a JPEG's end-of-image marker; found when first asked for, as it costs a scan."""
        end = _end_of_image(self._data, self._scan) if self.kind == "jpeg" and self._scan else None
        return b"" if end is None else self._data[end:]


class _Found:
    """What a walk has gathered so far: the one mutable thing, turned into a Container at its end."""

    def __init__(self) -> None:
        self.exif: bytes | None = None
        self.xmp: list[bytes] = []
        self.png_text: list[PngText] = []
        self.iptc_iim: bytes | None = None
        self.c2pa: bytes | None = None
        self.jpeg_segments: list[tuple[int, bytes]] = []
        self.comments: list[str] = []
        self.lossless = False
        self.alpha = False
        self.brands: tuple[str, ...] = ()
        self.problems: list[str] = []
        self.scan = 0

    def problem(self, text: str) -> None:
        if len(self.problems) < _MAX_PROBLEMS:
            self.problems.append(text)

    def take_xmp(self, packet: bytes) -> None:
        if len(self.xmp) < MAX_PACKETS:
            self.xmp.append(packet)
        else:
            self.problem(f"only the first {MAX_PACKETS} XMP packets were read")

    def take_exif(self, block: bytes) -> None:
        """Keep the first EXIF block; some writers leave the JPEG prefix on in other containers."""
        block = block[6:] if block[:6] == b"Exif\0\0" else block
        if not is_tiff(block):
            self.problem("an EXIF block is not a TIFF structure")
        elif self.exif is None:
            self.exif = block

    def container(self, kind: Kind, data: bytes) -> Container:
        return Container(
            kind=kind,
            exif=self.exif,
            xmp=tuple(self.xmp),
            png_text=tuple(self.png_text),
            iptc_iim=self.iptc_iim,
            c2pa=self.c2pa,
            jpeg_segments=tuple(self.jpeg_segments),
            comments=tuple(self.comments),
            lossless=self.lossless,
            alpha=self.alpha,
            brands=self.brands,
            problems=tuple(self.problems),
            _data=data,
            _scan=self.scan,
        )


# JPEG


def _end_of_image(data: bytes, scan: int) -> int | None:
    """Offset just after the end-of-image marker, from the start of the first scan; None if truncated."""
    position = scan
    for _ in range(MAX_BLOCKS):
        match = _MARKER.search(data, position)
        if match is None:
            return None
        position = match.end()
        if data[position - 1] == 0xD9:
            return position
        if position + 2 > len(data):
            return None
        position += struct.unpack_from(">H", data, position)[0]
    return None


def _jpeg_segments(data: bytes, found: _Found) -> None:
    """Gather the segments before the first scan."""
    position = 2
    for _ in range(MAX_BLOCKS):
        if position + 4 > len(data) or data[position] != 0xFF:
            found.problem("the JPEG ends or breaks off before its picture data")
            return
        marker = data[position + 1]
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        if marker == 0xD9 or 0xD0 <= marker <= 0xD8 or marker in (0x00, 0x01):
            found.problem(f"JPEG marker 0x{marker:02X} stands where a segment should")
            return
        (length,) = struct.unpack_from(">H", data, position + 2)
        end = position + 2 + length
        if length < 2 or end > len(data):
            found.problem(f"JPEG segment 0x{marker:02X} lies about its length")
            return
        if marker == 0xDA:
            found.scan = end
            return
        found.jpeg_segments.append((marker, data[position + 4 : end]))
        position = end
    found.problem("the JPEG has too many segments")


def _extended_xmp(parts: list[bytes], main: list[bytes], found: _Found) -> None:
    """Put extended XMP together: portions of one GUID that a main packet names, with no gap."""
    by_guid: dict[bytes, dict[int, bytes]] = defaultdict(dict)
    full: dict[bytes, int] = {}
    for part in parts:
        if len(part) >= 40:
            guid = part[:32]
            full[guid], offset = struct.unpack_from(">II", part, 32)
            by_guid[guid].setdefault(offset, part[40:])
    for guid, portions in by_guid.items():
        if not any(guid in packet for packet in main):
            found.problem("extended XMP is not named by the main XMP packet")
            continue
        position = 0
        for offset, portion in sorted(portions.items()):
            position = position + len(portion) if offset == position else -1
            if position < 0:
                break
        if position != full[guid]:
            found.problem("extended XMP is incomplete")
        else:
            found.take_xmp(b"".join(portion for _, portion in sorted(portions.items())))


def _jumbf_from_app11(parts: list[bytes], found: _Found) -> None:
    """Put the C2PA JUMBF box together: segments of one box instance, in sequence order."""
    boxes: dict[bytes, dict[int, bytes]] = defaultdict(dict)
    for part in parts:
        if len(part) >= 16 and part[:2] == b"JP":
            boxes[part[2:4]].setdefault(struct.unpack_from(">I", part, 4)[0], part[8:])
    for sequence in boxes.values():
        whole: list[bytes] = []
        for index, (_, part) in enumerate(sorted(sequence.items())):
            header = 16 if part[:4] == b"\0\0\0\1" else 8
            whole.append(part if index == 0 else part[header:])  # every segment repeats the box header
        box = b"".join(whole)
        if not _is_c2pa(box):
            continue
        if found.c2pa is None:
            found.c2pa = box
        else:
            found.problem("the JPEG has more than one C2PA box")


def _is_c2pa(box: bytes) -> bool:
    """Whether a JUMBF box is a C2PA manifest store, by the type in its description box."""
    header = 16 if box[:4] == b"\0\0\0\1" else 8
    return (
        box[4:8] == b"jumb"
        and box[header + 4 : header + 8] == b"jumd"
        and box[header + 8 : header + 24] == _C2PA_JUMBF_TYPE
    )


def _photoshop_iptc(resources: bytes, found: _Found) -> None:
    """Find the IPTC-IIM block (resource 0x0404) among Photoshop image resources."""
    position = 0
    for _ in range(MAX_BLOCKS):
        if position + 12 > len(resources):
            return
        if resources[position : position + 4] not in _PHOTOSHOP_SIGNATURES:
            if resources[position:].strip(b"\0"):
                found.problem("Photoshop image resources break off")
            return
        (number,) = struct.unpack_from(">H", resources, position + 4)
        name = resources[position + 6] + 1
        position += 6 + name + name % 2
        if position + 4 > len(resources):
            found.problem("Photoshop image resources break off")
            return
        (length,) = struct.unpack_from(">I", resources, position)
        position += 4
        if position + length > len(resources):
            found.problem("a Photoshop image resource lies about its length")
            return
        if number == 0x0404 and found.iptc_iim is None:
            found.iptc_iim = resources[position : position + length]
        position += length + length % 2


def _parse_jpeg(data: bytes, found: _Found) -> None:
    _jpeg_segments(data, found)
    extended: list[bytes] = []
    boxes: list[bytes] = []
    photoshop: list[bytes] = []
    for marker, payload in found.jpeg_segments:
        if marker == 0xE1 and payload[:6] == b"Exif\0\0":
            found.take_exif(payload)
        elif marker == 0xE1 and payload.startswith(_XMP_HEADER):
            found.take_xmp(payload[len(_XMP_HEADER) :])
        elif marker == 0xE1 and payload.startswith(_XMP_EXTENSION):
            extended.append(payload[len(_XMP_EXTENSION) :])
        elif marker == 0xEB:
            boxes.append(payload)
        elif marker == 0xED and payload[:14] == b"Photoshop 3.0\0":
            photoshop.append(payload[14:])
        elif marker == 0xFE:
            found.comments.append(_plain(payload))
    _extended_xmp(extended, list(found.xmp), found)
    _jumbf_from_app11(boxes, found)
    _photoshop_iptc(b"".join(photoshop), found)


def _plain(raw: bytes) -> str:
    """Text of unstated encoding: UTF-8 where it is valid, else Latin-1."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


# PNG


class _Texts:
    """PNG texts within their limits, decompression included."""

    def __init__(self, found: _Found) -> None:
        self.found = found
        self.left = MAX_TEXTS_TOTAL

    def inflate(self, packed: bytes, keyword: str) -> bytes | None:
        """Decompress a text, or None (with a problem) where it is broken or over the limits."""
        limit = min(MAX_TEXT, self.left)
        worker = zlib.decompressobj()
        try:
            text = worker.decompress(packed, limit + 1)
        except zlib.error:
            self.found.problem(f"compressed PNG text {keyword[:40]!r} is broken")
            return None
        if len(text) > limit:
            self.found.problem(f"compressed PNG text {keyword[:40]!r} is too large")
            self.left -= limit
            return None
        if not worker.eof:
            self.found.problem(f"compressed PNG text {keyword[:40]!r} breaks off")
            return None
        return text

    def add(self, chunk: str, body: bytes) -> None:
        keyword_bytes, found_nul, rest = body.partition(b"\0")
        keyword = keyword_bytes.decode("latin-1")
        if not found_nul or not 1 <= len(keyword) <= 79:
            self.found.problem("a PNG text has no valid keyword")
            return
        raw = self._value(chunk, keyword, rest)
        if raw is None:
            return
        if len(raw) > self.left:
            self.found.problem("the PNG texts are too large together")
            return
        self.left -= len(raw)
        if keyword == "XML:com.adobe.xmp":
            self.found.take_xmp(raw)
        elif keyword.startswith("Raw profile type "):
            _raw_profile(keyword[17:].lower(), raw, self.found)
        elif len(self.found.png_text) < MAX_TEXTS:
            self.found.png_text.append(PngText(keyword, _plain(raw), chunk))
        else:
            self.found.problem(f"only the first {MAX_TEXTS} PNG texts were read")

    def _value(self, chunk: str, keyword: str, rest: bytes) -> bytes | None:
        """The text's bytes, without language and compression."""
        if chunk == "tEXt":
            return rest
        if chunk == "zTXt":
            return self.inflate(rest[1:], keyword) if rest[:1] == b"\0" else None
        if len(rest) < 4 or rest[0] > 1:
            self.found.problem(f"PNG text {keyword[:40]!r} is malformed")
            return None
        fields = rest[2:].split(b"\0", 2)
        if len(fields) < 3:
            self.found.problem(f"PNG text {keyword[:40]!r} is malformed")
            return None
        return self.inflate(fields[2], keyword) if rest[0] else fields[2]


def _raw_profile(name: str, text: bytes, found: _Found) -> None:
    """ImageMagick's way to keep EXIF, IPTC and XMP in a PNG: a name, a length and hexadecimal digits."""
    lines = text.strip().split(None, 2)
    try:
        profile = bytes.fromhex(lines[2].decode("ascii")) if len(lines) == 3 else b""
    except ValueError:
        profile = b""
    if not profile:
        found.problem("a raw profile in a PNG text is malformed")
    elif name in ("exif", "app1") and profile[:6] == b"Exif\0\0":
        found.take_exif(profile)
    elif name == "xmp" or (name == "app1" and profile.startswith(_XMP_HEADER)):
        found.take_xmp(profile.removeprefix(_XMP_HEADER))
    elif name == "iptc":
        _photoshop_iptc(profile, found)


def _parse_png(data: bytes, found: _Found) -> None:
    texts = _Texts(found)
    position, size = 8, len(data)
    for _ in range(MAX_BLOCKS):
        if position + 12 > size:
            found.problem("the PNG breaks off before its end chunk")
            return
        (length,) = struct.unpack_from(">I", data, position)
        name = data[position + 4 : position + 8]
        start = position + 8
        end = start + length
        if end + 4 > size:
            found.problem("a PNG chunk lies about its length, or the file breaks off")
            return
        if name == b"IEND":
            return
        if name == b"IHDR" and length == 13:
            found.alpha = bool(data[start + 9] & 4)
        elif name == b"tRNS":
            found.alpha = True
        elif name in (b"tEXt", b"zTXt", b"iTXt"):
            texts.add(name.decode("ascii"), data[start:end])
        elif name == b"eXIf":
            found.take_exif(data[start:end])
        elif name == b"caBX" and found.c2pa is None:
            found.c2pa = data[start:end]
        position = end + 4
    found.problem("the PNG has too many chunks")


# WebP


def _parse_webp(data: bytes, found: _Found) -> None:
    size = min(len(data), struct.unpack_from("<I", data, 4)[0] + 8)
    position = 12
    for _ in range(MAX_BLOCKS):
        if position + 8 > size:
            return
        name = data[position : position + 4]
        (length,) = struct.unpack_from("<I", data, position + 4)
        start = position + 8
        if start + length > size:
            found.problem("a WebP chunk lies about its length, or the file breaks off")
            return
        if name == b"EXIF":
            found.take_exif(data[start : start + length])
        elif name == b"XMP ":
            found.take_xmp(data[start : start + length])
        elif name == b"C2PA" and found.c2pa is None:
            found.c2pa = data[start : start + length]
        elif name == b"VP8L" and length >= 5:
            found.lossless = True
            found.alpha = found.alpha or bool(data[start + 4] & 0x10)
        elif name == b"ALPH":
            found.alpha = True
        position = start + length + length % 2
    found.problem("the WebP has too many chunks")


# GIF


def _gif_blocks(data: bytes, position: int, budget: list[int]) -> int | None:
    """Offset after the terminator of the sub-blocks at `position`; None where they break off."""
    while position < len(data) and budget[0] > 0:
        budget[0] -= 1
        length = data[position]
        position += 1 + length
        if length == 0:
            return position
    return None


def _gif_joined(data: bytes, start: int, end: int) -> bytes:
    """The payloads of the sub-blocks between two offsets, without their length bytes."""
    parts: list[bytes] = []
    while start < end and data[start]:
        parts.append(data[start + 1 : start + 1 + data[start]])
        start += 1 + data[start]
    return b"".join(parts)


def _gif_extension(data: bytes, start: int, end: int, found: _Found) -> None:
    """Keep an extension's comment, XMP packet or manifest; `start` is just after its label."""
    label, application = data[start - 1], data[start + 1 : start + 12]
    if label == 0xFE:
        found.comments.append(_plain(_gif_joined(data, start, end)))
    elif label == 0xFF and application == b"XMP DataXMP":
        # The packet is not cut into sub-blocks; a 258-byte tail leads readers past it.
        found.take_xmp(data[start + 12 : max(start + 12, end - 258)])
    elif label == 0xFF and application[:8] == b"C2PA_GIF" and found.c2pa is None:
        found.c2pa = _gif_joined(data, start + 12, end)


def _parse_gif(data: bytes, found: _Found) -> None:
    if len(data) < 13:
        found.problem("the GIF breaks off in its header")
        return
    position = 13 + (3 << ((data[10] & 7) + 1) if data[10] & 0x80 else 0)
    budget = [5 * MAX_BLOCKS]
    while position + 2 <= len(data) and data[position] != 0x3B:
        if data[position] == 0x21:
            start = position + 2
            end = _gif_blocks(data, start, budget)
            if end is not None:
                _gif_extension(data, start, end, found)
        elif data[position] == 0x2C and position + 11 <= len(data):
            flags = data[position + 9]
            start = position + 11 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)
            end = _gif_blocks(data, start, budget)
        else:
            end = None
        if end is None:
            found.problem("the GIF's blocks break off or are too many")
            return
        position = end


# TIFF


def _parse_tiff_file(data: bytes, found: _Found) -> None:
    found.exif = data
    tiff = parse_tiff(data)
    if tiff is None:
        return
    found.problems.extend(tiff.problems[:_MAX_PROBLEMS])
    found.alpha = 0x0152 in tiff.image  # ExtraSamples
    for number in (0x02BC, 0x83BB, 0xCD41):
        tag = tiff.image.get(number)
        if tag is None:
            continue
        raw = tiff.raw(tag)
        if number == 0x02BC:
            found.take_xmp(raw)
        elif number == 0x83BB:
            found.iptc_iim = raw
        else:
            found.c2pa = raw


# ISO base media (HEIC, AVIF)


def _boxes(data: bytes, position: int, end: int, found: _Found) -> Iterator[tuple[bytes, int, int]]:
    """Type, payload start and payload end of the boxes between two offsets."""
    for _ in range(MAX_BLOCKS):
        if position + 8 > end:
            return
        (size,) = struct.unpack_from(">I", data, position)
        header = 8
        if size == 1 and position + 16 <= end:
            (size,) = struct.unpack_from(">Q", data, position + 8)
            header = 16
        elif size == 0:
            size = end - position
        if size < header or position + size > end:
            found.problem("an ISO-BMFF box lies about its length, or the file breaks off")
            return
        yield data[position + 4 : position + 8], position + header, position + size
        position += size
    found.problem("the ISO-BMFF file has too many boxes")


def _item_kinds(data: bytes, start: int, end: int, found: _Found) -> dict[int, str]:
    """Item numbers of the EXIF and XMP items that an `iinf` box lists."""
    version = data[start] if start < end else 0
    kinds: dict[int, str] = {}
    for name, begin, stop in _boxes(data, start + (6 if version == 0 else 8), end, found):
        if name != b"infe" or stop - begin < 12 or data[begin] not in (2, 3):
            continue
        wide = data[begin] == 3
        if wide and stop - begin < 14:
            continue
        (number,) = struct.unpack_from(">I" if wide else ">H", data, begin + 4)
        after = begin + (10 if wide else 8)
        item_type = data[after : after + 4]
        if item_type == b"Exif":
            kinds[number] = "exif"
        elif item_type == b"mime":
            strings = data[after + 4 : stop].split(b"\0")
            if len(strings) > 1 and strings[1] == b"application/rdf+xml":
                kinds[number] = "xmp"
    return kinds


class _Cursor:
    """Big-endian numbers read one after another; zero-sized fields read as 0."""

    def __init__(self, data: bytes, position: int, end: int) -> None:
        self.data, self.position, self.end = data, position, end

    def take(self, size: int) -> int:
        if self.position + size > self.end:
            raise EOFError
        value = int.from_bytes(self.data[self.position : self.position + size], "big")
        self.position += size
        return value

    def skip(self, size: int) -> None:
        if self.position + size > self.end:
            raise EOFError
        self.position += size


def _item_extents(
    data: bytes, start: int, end: int, wanted: dict[int, str]
) -> dict[int, tuple[int, list[tuple[int, int]]]]:
    """Construction method and (offset, length) extents of the wanted items in an `iloc` box.

    Raises:
        EOFError: the box breaks off.
    """
    cursor = _Cursor(data, start, end)
    version = cursor.take(1)
    cursor.take(3)
    sizes = cursor.take(2)
    offset_size, length_size, base_size, index_size = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    wide = version == 2
    index_size = index_size if version in (1, 2) else 0
    located: dict[int, tuple[int, list[tuple[int, int]]]] = {}
    for _ in range(min(cursor.take(4 if wide else 2), MAX_BLOCKS)):
        number = cursor.take(4 if wide else 2)
        method = cursor.take(2) & 15 if version in (1, 2) else 0
        cursor.take(2)
        base = cursor.take(base_size)
        count = cursor.take(2)
        # Fields of no size let a few bytes announce billions of extents: what nobody needs is skipped.
        read = min(count, 64) if number in wanted else 0
        extents: list[tuple[int, int]] = []
        for _ in range(read):
            cursor.skip(index_size)
            offset = base + cursor.take(offset_size)
            extents.append((offset, cursor.take(length_size)))
        cursor.skip((count - read) * (index_size + offset_size + length_size))
        if number in wanted:
            located[number] = (method, extents)
    return located


def _described(data: bytes, start: int, end: int, found: _Found) -> dict[int, set[int]]:
    """What each item of an `iref` box describes (reference type `cdsc`).

    Raises:
        EOFError: the box breaks off.
    """
    wide = data[start : start + 1] == b"\1"
    described: dict[int, set[int]] = {}
    for name, begin, stop in _boxes(data, start + 4, end, found):
        if name != b"cdsc":
            continue
        cursor = _Cursor(data, begin, stop)
        number = cursor.take(4 if wide else 2)
        for _ in range(cursor.take(2)):
            described.setdefault(number, set()).add(cursor.take(4 if wide else 2))
    return described


def _of_the_picture(data: bytes, parts: dict[bytes, tuple[int, int]], found: _Found) -> Callable[[int], bool]:
    """Whether a metadata item is about the primary picture; where a file refers to nothing, every one is.

    Raises:
        EOFError: a box breaks off.
    """
    if b"iref" not in parts or b"pitm" not in parts:
        return lambda _: True
    described = _described(data, *parts[b"iref"], found)
    start, end = parts[b"pitm"]
    cursor = _Cursor(data, start, end)
    wide = cursor.take(1) > 0
    cursor.skip(3)
    primary = cursor.take(4 if wide else 2)
    return lambda number: not described or primary in described.get(number, ())


def _take_items(data: bytes, start: int, end: int, found: _Found) -> None:
    """Gather the EXIF and XMP items of a `meta` box that are about the primary picture."""
    parts = {name: (begin, stop) for name, begin, stop in _boxes(data, start + 4, end, found)}
    if b"iinf" not in parts or b"iloc" not in parts:
        return
    kinds = _item_kinds(data, *parts[b"iinf"], found)
    try:
        belongs = _of_the_picture(data, parts, found)
        kinds = {number: kind for number, kind in kinds.items() if belongs(number)}
        located = _item_extents(data, *parts[b"iloc"], kinds) if kinds else {}
    except EOFError:
        found.problem("the ISO-BMFF item table breaks off")
        return
    idat_start, idat_end = parts.get(b"idat", (0, 0))
    for number, (method, extents) in list(located.items())[:_MAX_ITEMS]:
        shift, limit = (idat_start, idat_end) if method == 1 else (0, len(data))
        spans = [(shift + offset, shift + offset + length) for offset, length in extents]
        if method > 1 or any(stop > limit for _, stop in spans) or sum(b - a for a, b in spans) > len(data):
            found.problem("an ISO-BMFF metadata item lies outside the file")
            continue
        _take_item(kinds[number], b"".join(data[a:b] for a, b in spans), found)


def _take_item(kind: str, payload: bytes, found: _Found) -> None:
    if kind == "xmp":
        found.take_xmp(payload)
    elif len(payload) > 4:
        # The item begins with the distance from here to the TIFF header.
        found.take_exif(payload[4 + struct.unpack_from(">I", payload)[0] :])


def _take_uuid_box(payload: bytes, found: _Found) -> None:
    """Keep a C2PA manifest store or XMP packet from a top-level `uuid` box."""
    if payload[:16] == _XMP_UUID:
        found.take_xmp(payload[16:])
    elif payload[:16] == _C2PA_UUID:
        # version and flags, a purpose that ends in NUL, and (for a manifest) one 8-byte offset
        purpose, _, rest = payload[20:].partition(b"\0")
        if purpose in (b"manifest", b"original", b"update") and found.c2pa is None and len(rest) > 8:
            found.c2pa = rest[8:]


def _parse_bmff(data: bytes, found: _Found) -> None:
    for name, start, end in _boxes(data, 0, len(data), found):
        if name == b"ftyp" and not found.brands:
            body = data[start : min(end, start + 256)]
            names = [body[i : i + 4].decode("latin-1") for i in range(0, len(body) - 3, 4)]
            found.brands = tuple(names[:1] + names[2:])
        elif name == b"meta" and not found.xmp and found.exif is None:
            _take_items(data, start, end, found)
        elif name == b"uuid":
            _take_uuid_box(data[start:end], found)


_PARSERS = {
    "jpeg": _parse_jpeg,
    "png": _parse_png,
    "webp": _parse_webp,
    "gif": _parse_gif,
    "tiff": _parse_tiff_file,
    "bmff": _parse_bmff,
}


def sniff(data: bytes) -> Kind:
    """The container by its first bytes."""
    if data[:3] == b"\xff\xd8\xff":
        return "jpeg"
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return "png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return "gif"
    if is_tiff(data):
        return "tiff"
    if data[4:8] == b"ftyp":
        return "bmff"
    return "bmp" if data[:2] == b"BM" else "unknown"


def parse(data: bytes) -> Container:
    """Read the structure of an image file.

    Args:
        data: the whole file.

    Returns:
        What was validly there. Never raises for any bytes; time and memory are bounded by the file's
        size and by the limits at the top of this module.
    """
    kind = sniff(data)
    found = _Found()
    parser = _PARSERS.get(kind)
    if parser is not None:
        try:
            parser(data, found)
        except (struct.error, IndexError, ValueError) as error:
            # Each walk checks its lengths; this is the last line for bytes that nobody imagined.
            found.problem(f"the {kind} structure is malformed: {error}")
    return found.container(kind, data)
