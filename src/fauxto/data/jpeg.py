"""What a JPEG header says about its encoding: quality and chroma subsampling, without decoding.

Quality is not stored in a JPEG file. It is estimated from the luminance quantisation table: the Independent
JPEG Group's encoder scales the example table of ITU-T T.81, Annex K.1, by a factor that follows from the
quality (libjpeg, `jcparam.c`, `jpeg_quality_scaling`), and the quality whose table lies nearest is the
estimate. It is exact for every encoder that scales these tables (libjpeg, libjpeg-turbo, Pillow); for those
with tables of their own (Photoshop, many cameras) it says which IJG quality comes closest.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

# ITU-T T.81 (1992), table K.1, in rows.
_LUMINANCE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
).ravel()
# The order in which a table is stored: along the diagonals, turning at each end.
_ZIGZAG = sorted(
    range(64), key=lambda i: (i // 8 + i % 8, i // 8 if (i // 8 + i % 8) % 2 else i % 8)
)  # fmt: skip

_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_STANDALONE_MARKERS = frozenset([0x01, *range(0xD0, 0xD9)])
_SUBSAMPLING = {(1, 1): "4:4:4", (2, 1): "4:2:2", (2, 2): "4:2:0", (1, 2): "4:4:0", (4, 1): "4:1:1"}


@dataclass(frozen=True)
class JpegEncoding:
    """How a JPEG file was encoded.

    Attributes:
        quality: nearest quality of the IJG scale, 1 to 100.
        exact: whether the luminance table is that of this quality, and not only near it.
        subsampling: `4:2:0`, `4:2:2`, `4:4:4`, …, `grey` for one component.
    """

    quality: int
    exact: bool
    subsampling: str


def read_encoding(data: bytes) -> JpegEncoding | None:
    """Read how a JPEG was encoded from its header; None for other formats and headers without a table."""
    tables: dict[int, tuple[int, ...]] = {}
    components: list[tuple[int, int, int]] = []
    for marker, segment in _segments(data):
        if marker == 0xDB:
            tables.update(_tables(segment))
        elif marker in _FRAME_MARKERS:
            components = _components(segment)
    if not components or components[0][2] not in tables:
        return None
    quality, exact = estimate_quality(tables[components[0][2]])
    return JpegEncoding(quality, exact, _subsampling(components))


@lru_cache(maxsize=4096)
def estimate_quality(luminance: tuple[int, ...]) -> tuple[int, bool]:
    """Find the IJG quality whose luminance table is nearest in the sum of absolute differences.

    Args:
        luminance: the 64 values as stored in the file, in zigzag order.

    Returns:
        The quality, 1 to 100, and whether the table is exactly that quality's.
    """
    distances = np.abs(_ijg_tables() - np.array(luminance)).sum(axis=1)
    nearest = int(distances.argmin())
    return nearest + 1, not distances[nearest]


@lru_cache(maxsize=1)
def _ijg_tables() -> NDArray[np.int64]:
    """Give the luminance tables of quality 1 to 100, shape (100, 64), in zigzag order."""
    quality = np.arange(1, 101)
    scale = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)[:, None]
    tables: NDArray[np.int64] = np.clip((_LUMINANCE[_ZIGZAG] * scale + 50) // 100, 1, 255)
    return tables


def _segments(data: bytes) -> list[tuple[int, bytes]]:
    """List the marker segments before the first scan; a damaged header ends the list early."""
    segments: list[tuple[int, bytes]] = []
    at = 2
    while data[:2] == b"\xff\xd8" and at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF or marker in _STANDALONE_MARKERS:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in (0xDA, 0xD9):
            break
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        segments.append((marker, data[at + 4 : at + 2 + length]))
        at += 2 + max(length, 2)
    return segments


def _tables(segment: bytes) -> dict[int, tuple[int, ...]]:
    tables: dict[int, tuple[int, ...]] = {}
    at = 0
    while at < len(segment):
        width = 2 if segment[at] >> 4 else 1
        values = segment[at + 1 : at + 1 + 64 * width]
        if len(values) == 64 * width:
            tables[segment[at] & 15] = tuple(np.frombuffer(values, ">u2" if width == 2 else "u1").tolist())
        at += 1 + 64 * width
    return tables


def _components(segment: bytes) -> list[tuple[int, int, int]]:
    """Give horizontal sampling, vertical sampling and quantisation table of each colour component."""
    count = segment[5] if len(segment) > 5 else 0
    entries = [segment[6 + 3 * index : 9 + 3 * index] for index in range(count)]
    return [(entry[1] >> 4, entry[1] & 15, entry[2]) for entry in entries if len(entry) == 3]


def _subsampling(components: list[tuple[int, int, int]]) -> str:
    if len(components) == 1:
        return "grey"
    (luma_x, luma_y, _), (chroma_x, chroma_y, _) = components[:2]
    if not chroma_x or not chroma_y:
        return "other"
    return _SUBSAMPLING.get((luma_x // chroma_x, luma_y // chroma_y), "other")
