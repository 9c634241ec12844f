"""The TIFF structure: a header and directories of tags, as EXIF, TIFF and DNG files use it.

Values are located, not copied: a hostile directory may point thousands of tags at the same megabytes.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

_MAX_ENTRIES = 1000
_TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_NUMBER_CODES = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 11: "f", 12: "d", 13: "I"}
_EXIF_IFD, _GPS_IFD = 0x8769, 0x8825


@dataclass(frozen=True)
class Tag:
    """One directory entry; `start` and `length` (bytes) locate its value in the structure."""

    number: int
    type: int
    count: int
    start: int
    length: int


@dataclass(frozen=True)
class Tiff:
    """A parsed structure: the first directory and the EXIF and GPS directories that it names.

    Attributes:
        data: the bytes that offsets refer to.
        order: `<` for little endian, `>` for big endian.
        image: tags of the first directory (IFD0), by number.
        exif: tags of the EXIF directory.
        gps: tags of the GPS directory.
        problems: what did not follow the format, for a person.
    """

    data: bytes
    order: Literal["<", ">"]
    image: Mapping[int, Tag]
    exif: Mapping[int, Tag]
    gps: Mapping[int, Tag]
    problems: tuple[str, ...] = ()

    def find(self, number: int) -> Tag | None:
        """The tag with this number in IFD0 or the EXIF directory, in this order."""
        return self.image.get(number) or self.exif.get(number)

    def raw(self, tag: Tag, limit: int | None = None) -> bytes:
        """The value's bytes, at most `limit` of them."""
        length = tag.length if limit is None else min(tag.length, limit)
        return self.data[tag.start : tag.start + length]

    def text(self, number: int, limit: int = 1 << 20) -> str:
        """The tag as text without padding, or an empty string where it is absent or not text."""
        tag = self.find(number)
        if tag is None or tag.type not in (1, 2, 7):
            return ""
        return decode_text(self.raw(tag, limit)).strip()

    def numbers(self, tag: Tag, limit: int = 64) -> tuple[float, ...]:
        """The tag's numbers (rationals divided; 0 where the denominator is 0), at most `limit` of them."""
        count = min(tag.count, limit, tag.length // _TYPE_SIZES[tag.type])
        if tag.type in (5, 10):
            flat = struct.unpack_from(
                self.order + ("I", "i")[tag.type == 10] * 2 * count, self.data, tag.start
            )
            return tuple(a / b if b else 0.0 for a, b in zip(flat[::2], flat[1::2], strict=True))
        if tag.type not in _NUMBER_CODES:
            return ()
        return struct.unpack_from(f"{self.order}{count}{_NUMBER_CODES[tag.type]}", self.data, tag.start)


def decode_text(raw: bytes) -> str:
    """Bytes of a text field as text: up to the first NUL, UTF-8 where it is valid, else Latin-1."""
    raw = raw.split(b"\0", 1)[0]
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _directory(data: bytes, order: str, offset: int, problems: list[str]) -> dict[int, Tag]:
    """The tags of the directory at `offset`; those that lie about their length are left out."""
    if not 8 <= offset <= len(data) - 2:
        problems.append(f"a TIFF directory at byte {offset} lies outside its data")
        return {}
    (count,) = struct.unpack_from(order + "H", data, offset)
    fit = min(count, _MAX_ENTRIES, (len(data) - offset - 2) // 12)
    if fit < count:
        problems.append(f"a TIFF directory claims {count} entries, {fit} were read")
    tags: dict[int, Tag] = {}
    for position in range(offset + 2, offset + 2 + 12 * fit, 12):
        number, kind, n = struct.unpack_from(order + "HHI", data, position)
        length = n * _TYPE_SIZES.get(kind, 0)
        start = position + 8
        if length > 4:
            (start,) = struct.unpack_from(order + "I", data, start)
        if kind not in _TYPE_SIZES or start + length > len(data):
            problems.append(f"TIFF tag 0x{number:04X} has an unknown type or lies outside its data")
        else:
            tags.setdefault(number, Tag(number, kind, n, start, length))
    return tags


def is_tiff(data: bytes) -> bool:
    """Whether the bytes begin as a classic TIFF structure does."""
    return data[:4] in (b"II*\0", b"MM\0*")


def parse_tiff(data: bytes) -> Tiff | None:
    """Read the directories of a TIFF structure (an EXIF block or a whole TIFF file).

    Returns:
        The structure, or None where the bytes are not one. Never raises.
    """
    if not is_tiff(data) or len(data) < 8:
        return None
    order: Literal["<", ">"] = "<" if data[0] == 0x49 else ">"
    problems: list[str] = []
    image = _directory(data, order, struct.unpack_from(order + "I", data, 4)[0], problems)
    below: list[dict[int, Tag]] = []
    for pointer in (_EXIF_IFD, _GPS_IFD):
        tag = image.get(pointer)
        below.append({})
        if tag is not None and tag.type in (4, 13) and tag.count == 1:
            offset = struct.unpack_from(order + "I", data, tag.start)[0]
            below[-1] = _directory(data, order, offset, problems)
    return Tiff(data, order, image, below[0], below[1], tuple(problems[:20]))
