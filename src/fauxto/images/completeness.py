"""Whether a file holds all the bytes that its own structure promises, seen before it is decoded.

Decoders forgive truncation: Pillow paints the missing part of a progressive JPEG, of an RLE bitmap or of
an animation grey and says nothing. So each format's structure is walked here, by its own lengths, which
costs little against decoding. The walks also note what the decoder needs to know and Pillow would be slow
or careless to tell: the number of frames, and which blocks are metadata that it need not see.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from fauxto.images.refusal import RefusedError

# More than any picture has; a hostile file of tiny blocks would keep the walk busy for minutes.
MAX_BLOCKS = 1_000_000

# Of a JPEG: encoders write some ten. Each costs the decoder a pass over the whole picture and the file a few
# bytes, so that a small file could keep it busy for hours.
MAX_SCANS = 100

_COPY_ANEW = "copy or download it again"

# In scan data 0xFF is followed by a stuffed zero or a restart marker; anything else begins a segment.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_JPEG_FRAMES = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})
_JPEG_ODD_FRAMES = {0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7}
# APP1 to APP15 and comments say nothing about the pixels, but for APP14 (Adobe: which colours).
_JPEG_METADATA = frozenset({*range(0xE1, 0xF0), 0xFE}) - {0xEE}

_PNG_FOR_PIXELS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})


def _truncated(where: str) -> RefusedError:
    return RefusedError("truncated", f"the file ends {where}; {_COPY_ANEW}")


def _corrupt(why: str) -> RefusedError:
    return RefusedError("corrupt", f"{why}; {_COPY_ANEW}")


@dataclass(frozen=True)
class Bare:
    """A complete JPEG or PNG without its metadata.

    Metadata never reaches the decoder: there it costs time, and a broken or huge text or profile would
    stop or slow the decoding of sound pixels.

    Attributes:
        data: the file with only the blocks that the pixels need; the file itself if it has no others.
        exif: the EXIF block as a TIFF structure, or empty.
        frames: how many frames the file has.
    """

    data: bytes
    exif: bytes = b""
    frames: int = 1


def jpeg(data: bytes) -> Bare:
    """Walk a JPEG up to its end-of-image marker; whatever follows that (another image, junk) is left out.

    Raises:
        RefusedError: `truncated`; `corrupt` for an impossible length; `unsupported` for the kinds of JPEG
            that few programs write and fewer read (lossless, hierarchical, 12 bits); `too-large` for scans
            without end.
    """
    position, exif, scans = 2, b"", 0
    dropped: list[tuple[int, int]] = []
    for _ in range(MAX_BLOCKS):
        found = _JPEG_MARKER.search(data, position)
        if found is None:
            raise _truncated("before the JPEG end-of-image marker")
        position = found.end()
        marker = data[position - 1]
        if marker == 0xD9:
            return Bare(_without(data, dropped), exif)
        if marker in (0x01, 0xD8):  # these two have no length
            continue
        length = int.from_bytes(data[position : position + 2], "big")
        scans += marker == 0xDA
        if scans > MAX_SCANS:
            raise RefusedError(
                "too-large",
                f"its JPEG has more than {MAX_SCANS} scans, as no camera writes; convert it to PNG",
            )
        if marker in _JPEG_METADATA:
            if not exif and data[position + 2 : position + 8] == b"Exif\0\0":
                exif = data[position + 8 : position + length]
            dropped.append((found.start(), position + length))
        elif marker in _JPEG_ODD_FRAMES or (
            marker in _JPEG_FRAMES and data[position + 2 : position + 3] not in (b"", b"\x08")
        ):
            raise RefusedError(
                "unsupported", "it is a lossless, hierarchical or 12-bit JPEG; convert it to PNG"
            )
        if length < 2:
            if position + 2 > len(data):
                raise _truncated("within a JPEG segment")
            raise _corrupt("a JPEG segment has an impossible length")
        position += length
    raise _corrupt("the JPEG has too many segments")


def png(data: bytes) -> Bare:
    """Walk a PNG up to IEND. For an APNG, keep the default image, which every viewer can show.

    Raises:
        RefusedError: `truncated` or `corrupt`.
    """
    position, exif, frames = 8, b"", 1
    dropped: list[tuple[int, int]] = []
    for _ in range(MAX_BLOCKS):
        if position + 12 > len(data):
            raise _truncated("before the PNG end chunk")
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if end > len(data) or kind == b"\0\0\0\0":  # zeros: the space was reserved and never filled
            raise _truncated("within a PNG chunk")
        if kind == b"IEND":
            return Bare(_without(data, dropped), exif, frames)
        if kind not in _PNG_FOR_PIXELS:
            dropped.append((position, end))
            if kind == b"eXIf":
                exif = data[position + 8 : end - 4]
            elif kind == b"acTL" and length == 8:
                frames = max(1, int.from_bytes(data[position + 8 : position + 12], "big"))
        position = end
    raise _corrupt("the PNG has too many chunks")


def _without(data: bytes, dropped: list[tuple[int, int]]) -> bytes:
    """`data` without the given spans, which are in order and do not overlap."""
    if not dropped:
        return data
    starts = [0, *(end for _, end in dropped)]
    ends = [*(start for start, _ in dropped), len(data)]
    return b"".join(data[start:end] for start, end in zip(starts, ends, strict=True))


@dataclass(frozen=True)
class Canvas:
    """Sides in pixels of what decoding would allocate, and the number of frames."""

    width: int
    height: int
    frames: int = 1


def webp(data: bytes) -> Canvas:
    """The canvas of a WebP whose RIFF size fits the file (`frames` is left to the decoder).

    Raises:
        RefusedError: `truncated` or `corrupt`.
    """
    if len(data) < 30 or 8 + int.from_bytes(data[4:8], "little") > len(data):
        raise _truncated("before the length that its WebP header states")
    match data[12:16]:
        case b"VP8X":
            return Canvas(
                1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
            )
        case b"VP8L":
            bits = int.from_bytes(data[21:25], "little")
            return Canvas(1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
        case b"VP8 ":
            width, height = struct.unpack_from("<HH", data, 26)
            return Canvas(width & 0x3FFF, height & 0x3FFF)
    raise _corrupt("its WebP header is followed by no picture")


def gif(data: bytes) -> Canvas:
    """Walk a GIF up to its trailer. The canvas includes a first frame that is larger than the screen.

    Raises:
        RefusedError: `truncated` or `corrupt`.
    """
    walk = _GifWalk(data)
    walk.run()
    if not walk.frames:
        raise _corrupt("the GIF has no picture in it")
    return Canvas(walk.width, walk.height, walk.frames)


class _GifWalk:
    """The state of one walk over a GIF's blocks."""

    def __init__(self, data: bytes) -> None:
        if len(data) < 13:
            raise _truncated("within the GIF header")
        self.data = data
        self.width, self.height = struct.unpack_from("<HH", data, 6)
        self.frames = 0
        self.position = 13 + _palette_bytes(data[10])

    def run(self) -> None:
        try:
            while True:
                match self.data[self.position]:
                    case 0x3B:  # trailer
                        return
                    case 0x21:  # extension: label, then sub-blocks
                        self.position += 2
                        self._skip_sub_blocks()
                    case 0x2C:
                        self._image()
                    case 0x00:  # some writers end a block twice
                        self.position += 1
                    case _:
                        raise _corrupt("there is junk between the blocks of the GIF")
        except (IndexError, struct.error):
            raise _truncated("before the GIF trailer") from None

    def _image(self) -> None:
        left, top, width, height, flags = struct.unpack_from("<HHHHB", self.data, self.position + 1)
        if not self.frames:
            self.width, self.height = max(self.width, left + width), max(self.height, top + height)
        self.frames += 1
        self.position += 11 + _palette_bytes(flags)  # separator, descriptor, palette, code size
        self._skip_sub_blocks()

    def _skip_sub_blocks(self) -> None:
        data, position = self.data, self.position
        while size := data[position]:
            position += 1 + size
        self.position = position + 1


def _palette_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def bmp(data: bytes) -> Canvas:
    """The canvas of a bitmap whose rows are all there.

    Raises:
        RefusedError: `truncated`, `corrupt`, or `unsupported` for the compressions that few programs write.
    """
    if len(data) < 26:
        raise _truncated("within the bitmap header")
    file_size, offset, header = struct.unpack_from("<I4xII", data, 2)
    if header == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        compression, size = 0, 0
    elif len(data) < 14 + header or header < 40:
        raise (
            _truncated("within the bitmap header")
            if header >= 40
            else _corrupt("its bitmap header is unknown")
        )
    else:
        width, height, _, bits, compression, size = struct.unpack_from("<iiHHII", data, 18)
    if compression not in (0, 1, 2, 3, 6):
        raise RefusedError("unsupported", "it is a bitmap with an unusual compression; convert it to PNG")
    if width <= 0 or height == 0:
        raise _corrupt(f"its bitmap header states sides of {width} x {height} pixels")
    if compression in (1, 2):
        # Run lengths: only the header knows how many bytes there should be.
        complete = offset + size <= len(data) if size else file_size <= len(data)
    else:
        complete = offset + (width * bits + 31) // 32 * 4 * abs(height) <= len(data)
    if not complete:
        raise _truncated("before the last row of the bitmap")
    return Canvas(width, abs(height))


def base_media(data: bytes) -> Canvas:
    """Walk the boxes of an AVIF or HEIC file. The canvas is the largest that it declares, (0, 0) if none.

    Raises:
        RefusedError: `truncated` or `corrupt`.
    """
    boxes = list(_boxes(data, 0, len(data)))
    kinds = {kind for kind, _, _ in boxes}
    if kinds.isdisjoint({b"meta", b"moov"}) or (b"mdat" not in kinds and b"idat" not in data):
        raise _truncated("before its picture data")
    level = [(start + 4, end) for kind, start, end in boxes if kind == b"meta"]
    for wanted in (b"iprp", b"ipco", b"ispe"):
        level = [
            (inner, stop)
            for start, end in level
            for kind, inner, stop in _boxes(data, start, end)
            if kind == wanted
        ]
    sides = [struct.unpack_from(">II", data, start + 4) for start, end in level if end - start == 12]
    width, height = max(sides, key=lambda pair: pair[0] * pair[1], default=(0, 0))
    return Canvas(width, height)


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The boxes that lie side by side in a span: type, and start and end of the contents."""
    for _ in range(MAX_BLOCKS):
        left = end - start
        if left < 8:
            if any(data[start:end]):  # a few zeros are padding
                raise _truncated("within the header of a box")
            return
        size, header = int.from_bytes(data[start : start + 4], "big"), 8
        if size == 1:
            size, header = int.from_bytes(data[start + 8 : start + 16], "big"), 16
        elif size == 0:  # up to the end
            size = left
        if size > left:
            raise _truncated("within a box that it announces")
        if size < header:
            raise _corrupt("one of its boxes has an impossible length")
        yield data[start + 4 : start + 8], start + header, start + size
        start += size
    raise _corrupt("the file has too many boxes")
