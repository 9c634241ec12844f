"""Everything found about one file, raw values included: what `fauxto inspect` shows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from fauxto.errors import InputError, UsageError
from fauxto.images import Limits, decode
from fauxto.provenance import ProvenanceOptions, read_evidence
from fauxto.provenance.c2pa import describe_c2pa
from fauxto.provenance.containers import Container, parse
from fauxto.provenance.evidence import excerpt
from fauxto.provenance.iim import NAMES as IIM_NAMES
from fauxto.provenance.metadata import Metadata
from fauxto.provenance.raster import Pixels, Raster, RasterError
from fauxto.provenance.samsung import trailer_blocks
from fauxto.provenance.tiff import Tag, Tiff
from fauxto.provenance.watermark import LEAST_PIXELS, MARKS, agreement, applies_to, block_votes, decode_bits
from fauxto.provenance.watermark import top_part as watermark_part
from fauxto.provenance.xmp import XmpError, read_packet
from fauxto.record import Evidence

_MAX_ENTRIES = 500  # values of one family that are listed
_MAX_VALUE = 20_000  # characters of one listed value
_USER_COMMENT = 0x9286


@dataclass(frozen=True)
class Entry:
    """One raw value and the place it stands in."""

    name: str
    value: str


@dataclass(frozen=True)
class MarkReading:
    """How far one known watermark agrees with the bits that were decoded; chance gives about half."""

    mark: str
    matched: int
    length: int
    evidence_from: int
    bits: str


@dataclass(frozen=True)
class Inspection:
    """What one file holds about its origin.

    Attributes:
        container: kind of container by its bytes.
        size: bytes.
        sha256: of the bytes.
        structure: segments, brands, trailer and the like.
        exif, xmp, png_text, iptc, comments: raw values by family.
        c2pa: the manifest store as its reader describes it; empty where there is none.
        watermark: readings of the open watermark; empty where it cannot have survived.
        watermark_note: why there are no readings, or an empty string.
        problems: what did not follow the formats.
        evidence: the rows that a verdict is made of.
    """

    container: str
    size: int
    sha256: str
    structure: tuple[Entry, ...]
    exif: tuple[Entry, ...]
    xmp: tuple[Entry, ...]
    png_text: tuple[Entry, ...]
    iptc: tuple[Entry, ...]
    comments: tuple[Entry, ...]
    c2pa: dict[str, Any]
    watermark: tuple[MarkReading, ...]
    watermark_note: str
    problems: tuple[str, ...]
    evidence: tuple[Evidence, ...]

    def to_json(self) -> dict[str, Any]:
        """JSON values: families of raw values as lists of name and value."""
        fields = asdict(self)
        fields["evidence"] = [row.model_dump(mode="json") for row in self.evidence]
        return fields


@cache
def _exif_names() -> dict[int, str]:
    from PIL import ExifTags

    return dict(ExifTags.TAGS)


def _tag_value(tiff: Tiff, tag: Tag, metadata: Metadata) -> str:
    """A tag's value for a person: text, numbers, or the length and first bytes of anything else."""
    if tag.number == _USER_COMMENT:
        return metadata.user_comment
    if tag.type == 2:
        return tiff.raw(tag, _MAX_VALUE).split(b"\0", 1)[0].decode("utf-8", "replace")
    if 0x9C9B <= tag.number <= 0x9C9F:  # XPTitle and its like: UTF-16
        return tiff.raw(tag, _MAX_VALUE).decode("utf-16-le", "replace").rstrip("\0")
    numbers = tiff.numbers(tag) if tag.type not in (1, 6, 7) or tag.count <= 4 else ()
    if numbers:
        more = ", …" if tag.count > len(numbers) else ""
        return ", ".join(f"{number:g}" for number in numbers) + more
    return f"{tag.length} bytes: {tiff.raw(tag, 32).hex(' ')}{' …' if tag.length > 32 else ''}"


def _exif(metadata: Metadata) -> Iterator[Entry]:
    tiff = metadata.tiff
    if tiff is None:
        return
    for group, tags in (("IFD0", tiff.image), ("Exif", tiff.exif)):
        for tag in tags.values():
            name = _exif_names().get(tag.number, f"0x{tag.number:04X}")
            yield Entry(f"{group} {name}", _tag_value(tiff, tag, metadata))
    for tag in tiff.gps.values():
        yield Entry(f"GPS 0x{tag.number:04X}", _tag_value(tiff, tag, metadata))


def _xmp(container: Container, problems: list[str]) -> Iterator[Entry]:
    for packet in container.xmp:
        try:
            for value in read_packet(packet):
                path = "/".join((*value.within, value.name))
                yield Entry(f"{path} ({value.namespace})", value.value)
        except XmpError as error:
            problems.append(str(error))


def _structure(container: Container) -> Iterator[Entry]:
    for marker, payload in container.jpeg_segments:
        begin = payload[:28].decode("latin-1")
        yield Entry(f"JPEG segment 0x{marker:02X}", f"{len(payload)} bytes, begins {begin!r}")
    if container.brands:
        yield Entry("Brands", ", ".join(container.brands))
    if container.trailer:
        yield Entry("After the JPEG's end", f"{len(container.trailer)} bytes")
        for name, content in trailer_blocks(container.trailer):
            yield Entry(f"Samsung block {name}", content[:_MAX_VALUE].decode("utf-8", "replace"))


def _watermark(raster: Raster) -> tuple[tuple[MarkReading, ...], str]:
    """Readings of every known mark, or why there are none."""
    if not applies_to(raster):
        return (), "not looked for: the open watermark does not survive in this kind of file"
    try:
        rgb = watermark_part(raster.rgb)
    except RasterError as error:
        return (), f"not looked for: {error}"
    if rgb.shape[0] * rgb.shape[1] < LEAST_PIXELS:
        return (), "not looked for: the picture has fewer pixels than 256 x 256"
    votes = block_votes(rgb)
    readings = tuple(
        MarkReading(
            mark.name, agreement(votes, mark), len(mark.bits), mark.sure, decode_bits(votes, len(mark.bits))
        )
        for mark in MARKS
    )
    return readings, ""


def _pixels(data: bytes, limits: Limits, problems: list[str]) -> Pixels | None:
    """The picture, or None and among the problems why a scan would refuse it."""
    try:
        return decode(data, name="the picture", limits=limits).pixels
    except InputError as error:
        problems.append(error.message)
        return None


def _bounded(entries: Iterator[Entry]) -> tuple[Entry, ...]:
    kept: list[Entry] = []
    for entry in entries:
        if len(kept) == _MAX_ENTRIES:
            kept.append(Entry("…", "more values were left out"))
            break
        kept.append(Entry(excerpt(entry.name, 300), excerpt(entry.value, _MAX_VALUE)))
    return tuple(kept)


def _credentials(data: bytes, container: Container, options: ProvenanceOptions) -> dict[str, Any]:
    try:
        found = describe_c2pa(data, container, options)
    except UsageError:
        raise
    except Exception as error:  # the rest of the file is still worth showing
        return {"error": f"{type(error).__name__}: {error}"}
    return found if any(found.values()) else {}


def inspect_bytes(
    data: bytes, options: ProvenanceOptions | None = None, limits: Limits | None = None
) -> Inspection:
    """Find everything that a file says about itself.

    Args:
        data: the whole file; any bytes.
        options: as for `read_evidence`.
        limits: of the pixels that are decoded, by default those of a scan.

    Returns:
        Raw values, bounded in number and length, and the rows of evidence. Never raises for bytes.
    """
    options = options or ProvenanceOptions()
    container = parse(data)
    metadata = Metadata(container)
    problems = list(container.problems)
    limits = limits or Limits()
    pixels = _pixels(data, limits, problems)
    raster = Raster(data, metadata, pixels, limits.max_pixels)
    readings, note = _watermark(raster)
    xmp = _bounded(_xmp(container, problems))
    texts = (Entry(f"{text.keyword} ({text.chunk})", text.text) for text in container.png_text)
    iptc = (Entry(IIM_NAMES.get(key, f"{key[0]}:{key[1]}"), text) for key, text in metadata.iim)
    return Inspection(
        container=container.kind,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        structure=_bounded(_structure(container)),
        exif=_bounded(_exif(metadata)),
        xmp=xmp,
        png_text=_bounded(iter(texts)),
        iptc=_bounded(iter(iptc)),
        comments=_bounded(Entry("Comment", comment) for comment in container.comments),
        c2pa=_credentials(data, container, options),
        watermark=readings,
        watermark_note=note,
        problems=tuple(problems),
        evidence=tuple(read_evidence(data, pixels=pixels, options=options, max_pixels=limits.max_pixels)),
    )
