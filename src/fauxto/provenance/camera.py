"""What a camera writes into EXIF when it takes a picture: shown to the person, never decisive."""

from __future__ import annotations

import math

from fauxto.provenance.evidence import excerpt, plain
from fauxto.provenance.metadata import Metadata
from fauxto.provenance.tiff import Tag, Tiff
from fauxto.record import Evidence

_MAKE, _MODEL, _LENS = 0x010F, 0x0110, 0xA434
_EXPOSURE, _ISO, _MAKER_NOTE = 0x829A, 0x8827, 0x927C
_LEAST_MAKER_NOTE = 16  # bytes; shorter ones are not what a camera's firmware writes


def _number(tiff: Tiff, tag: Tag) -> float | None:
    """The tag's first number, where it has one that JSON can hold."""
    return next((value for value in tiff.numbers(tag, 1) if math.isfinite(value)), None)


def read_camera(metadata: Metadata) -> list[Evidence]:
    """Camera EXIF: make, model, exposure time, ISO and a maker note together give one weak row.

    Anybody can copy an EXIF block, and networks strip it: neither presence nor absence decides.
    """
    tiff = metadata.tiff
    if tiff is None:
        return []
    exposure, iso, note = (tiff.exif.get(number) for number in (_EXPOSURE, _ISO, _MAKER_NOTE))
    make, model = metadata.exif_text(_MAKE), metadata.exif_text(_MODEL)
    if not (make and model and exposure and iso and note) or note.length < _LEAST_MAKER_NOTE:
        return []
    data = {
        "make": excerpt(make, 100),
        "model": excerpt(model, 100),
        "lens": excerpt(metadata.exif_text(_LENS), 100),
        "exposure_seconds": _number(tiff, exposure),
        "iso": _number(tiff, iso),
        "maker_note_bytes": note.length,
    }
    found = f"EXIF describes an exposure by {excerpt(make, 60)} {excerpt(model, 60)}, with a maker note"
    return [plain("camera", "camera", "weak", found, data)]
