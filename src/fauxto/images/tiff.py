"""TIFF directories: whether a TIFF is complete, and the orientation that an EXIF block states."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fauxto.images.refusal import RefusedError

_TYPE_BYTES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
_UNSIGNED = {1: "u1", 3: "u2", 4: "u4", 13: "u4", 16: "u8", 18: "u8"}

_NEW_SUBFILE_TYPE, _WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC = 254, 256, 257, 258, 262
_STRIP_OFFSETS, _ORIENTATION, _STRIP_BYTES = 273, 274, 279
_TILE_OFFSETS, _TILE_BYTES, _SUB_IFDS = 324, 325, 330
_EXIF_IFD, _GPS_IFD, _DNG_VERSION = 34665, 34853, 50706

_MAX_ENTRIES = 1_000_000  # over all directories; a hostile file can make them overlap without end


@dataclass(frozen=True)
class TiffHeader:
    """What the first page's directory says.

    Attributes:
        width: pixels.
        height: pixels.
        bits: per sample, of the first sample.
        white_is_zero: whether larger values are darker.
        pages: how many pages the file has.
    """

    width: int
    height: int
    bits: int
    white_is_zero: bool
    pages: int


class _IncompleteError(Exception):
    """A directory, or a value it points to, lies beyond the end of the data."""


@dataclass(frozen=True)
class _Reader:
    """TIFF data with its byte order (`<` or `>`) and the width of its offsets (classic or BigTIFF)."""

    data: bytes
    order: str
    big: bool

    def unpack(self, layout: str, at: int) -> tuple[int, ...]:
        try:
            return struct.unpack_from(self.order + layout, self.data, at)
        except struct.error:
            raise _IncompleteError from None

    def first_directory(self) -> int:
        return self.unpack("Q", 8)[0] if self.big else self.unpack("I", 4)[0]

    def directory(self, at: int) -> _Directory:
        """Read the directory at offset `at`; values stay where they are until asked for."""
        (count,) = self.unpack("Q" if self.big else "H", at)
        start, size = (at + 8, 20) if self.big else (at + 2, 12)
        end = start + count * size
        (following,) = self.unpack("Q" if self.big else "I", end)
        layout, inline = ("HHQ", 8) if self.big else ("HHI", 4)
        values: dict[int, tuple[int, int, int]] = {}
        for entry in range(start, end, size):
            tag, kind, number = self.unpack(layout, entry)
            where = entry + size - inline
            if number * _TYPE_BYTES.get(kind, 0) > inline:
                (where,) = self.unpack("Q" if self.big else "I", where)
            values.setdefault(tag, (kind, number, where))
        return _Directory(self, values, following)


@dataclass(frozen=True)
class _Directory:
    reader: _Reader
    values: dict[int, tuple[int, int, int]] = field(repr=False)  # tag: type, count, offset of the values
    following: int

    def check_values(self) -> None:
        """Every value must lie within the data."""
        for kind, number, where in self.values.values():
            if where + number * _TYPE_BYTES.get(kind, 0) > len(self.reader.data):
                raise _IncompleteError

    def integers(self, tag: int) -> NDArray[np.unsignedinteger]:
        """The values of an unsigned integer tag; empty where it is absent or of another type."""
        kind, number, where = self.values.get(tag, (0, 0, 0))
        if kind not in _UNSIGNED:
            return np.empty(0, np.uint8)
        if where + number * _TYPE_BYTES[kind] > len(self.reader.data):
            raise _IncompleteError
        return np.frombuffer(self.reader.data, self.reader.order + _UNSIGNED[kind], number, where)

    def integer(self, tag: int, default: int) -> int:
        values = self.integers(tag)
        return int(values[0]) if values.size else default

    def check_blocks(self) -> None:
        """Every strip or tile must lie within the data."""
        for offsets_tag, bytes_tag in ((_STRIP_OFFSETS, _STRIP_BYTES), (_TILE_OFFSETS, _TILE_BYTES)):
            offsets, sizes = self.integers(offsets_tag), self.integers(bytes_tag)
            count = min(offsets.size, sizes.size)
            ends = offsets[:count].astype(np.float64) + sizes[:count]  # float: no overflow, exact enough
            if count and ends.max() > len(self.reader.data):
                raise _IncompleteError

    def children(self) -> list[int]:
        return [int(at) for tag in (_SUB_IFDS, _EXIF_IFD, _GPS_IFD) for at in self.integers(tag)[:100]]


def _reader(data: bytes) -> _Reader | None:
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8:
        return None
    return _Reader(data, order, big=data[2:4] in (b"+\0", b"\0+"))


def tiff(data: bytes) -> TiffHeader:
    """Walk all directories of a TIFF, and check that what they point to lies within the file.

    Raises:
        RefusedError: `truncated`, `corrupt`, or `unsupported` for camera raws, whose first page is a preview.
    """
    reader = _reader(data)
    try:
        if reader is None:
            raise _IncompleteError
        return _walk(reader)
    except _IncompleteError:
        raise RefusedError(
            "truncated",
            "the file ends before data that its TIFF directory points to; copy or download it again",
        ) from None


def _walk(reader: _Reader) -> TiffHeader:
    first = reader.directory(reader.first_directory())
    _refuse_raw(first, reader.data)
    seen = {reader.first_directory()}
    pages, entries = 1, len(first.values)
    waiting = [(first, True)]
    while waiting:
        directory, in_chain = waiting.pop()
        directory.check_values()
        directory.check_blocks()
        following = [(directory.following, in_chain)] + [(at, False) for at in directory.children()]
        for at, is_page in following:
            if at and at not in seen:
                seen.add(at)
                waiting.append((reader.directory(at), is_page))
                pages += is_page
                entries += len(waiting[-1][0].values)
        if entries > _MAX_ENTRIES:
            raise RefusedError("corrupt", "its TIFF directories have no end; copy or download it again")
    return TiffHeader(
        width=first.integer(_WIDTH, 0),
        height=first.integer(_HEIGHT, 0),
        bits=first.integer(_BITS, 1),
        white_is_zero=first.integer(_PHOTOMETRIC, 1) == 0,
        pages=pages,
    )


def _refuse_raw(first: _Directory, data: bytes) -> None:
    """A raw's first page is a small preview: a verdict on that would not be one on the photograph."""
    is_preview = first.integer(_NEW_SUBFILE_TYPE, 0) & 1
    if is_preview or _DNG_VERSION in first.values or data[8:10] == b"CR":
        raise RefusedError(
            "unsupported",
            "it is a camera raw file or begins with a preview; "
            "export it as PNG or JPEG from the program that develops it",
        )


def exif_orientation(exif: bytes) -> int:
    """The orientation (1 to 8) that an EXIF block states; 1 where it states none or is broken."""
    if not exif:
        return 1
    reader = _reader(exif.removeprefix(b"Exif\0\0"))
    if reader is None:
        return 1
    try:
        orientation = reader.directory(reader.first_directory()).integer(_ORIENTATION, 1)
    except _IncompleteError:
        return 1
    return orientation if 1 <= orientation <= 8 else 1
