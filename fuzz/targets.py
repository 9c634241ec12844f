"""What is fuzzed: each takes any bytes and may raise nothing but its typed error."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import numpy as np

from fauxto.errors import InputError
from fauxto.images import Limits, decode
from fauxto.provenance.aigc import read_aigc
from fauxto.provenance.c2pa import read_c2pa
from fauxto.provenance.camera import read_camera
from fauxto.provenance.containers import parse
from fauxto.provenance.generators import read_generators
from fauxto.provenance.iptc import read_iptc
from fauxto.provenance.metadata import Metadata
from fauxto.provenance.raster import Raster
from fauxto.provenance.stealth import read_stealth
from fauxto.provenance.watermark import read_watermark
from fauxto.record import Evidence

_LIMITS = Limits(max_pixels=1_000_000)  # small, so that a second holds many runs
_PIXELS = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)


def images(data: bytes) -> None:
    """Any bytes to pixels or an `InputError`."""
    with suppress(InputError):
        decode(data, name="fuzz", limits=_LIMITS)


def _check(rows: list[Evidence]) -> None:
    """What a reader gives must go into a record: JSON with finite numbers."""
    for row in rows:
        row.model_validate_json(row.model_dump_json())


def _raster(data: bytes) -> Raster:
    return Raster(data, Metadata(parse(data)), _PIXELS)


def c2pa(data: bytes) -> None:
    """Content Credentials, in a file of any format."""
    _check(read_c2pa(data, parse(data)))


def iptc(data: bytes) -> None:
    """IPTC and XMP."""
    _check(read_iptc(Metadata(parse(data))))


def generators(data: bytes) -> None:
    """Metadata of generators."""
    _check(read_generators(_raster(data)))


def aigc(data: bytes) -> None:
    """China's AIGC label."""
    _check(read_aigc(Metadata(parse(data))))


def stealth(data: bytes) -> None:
    """The stealth channel, its pixels decoded within the small limit."""
    try:
        pixels = decode(data, name="fuzz", limits=_LIMITS).pixels
    except InputError:
        return
    _check(read_stealth(Raster(data, Metadata(parse(data)), pixels)))


def watermark(data: bytes) -> None:
    """The open watermark, its pixels decoded within the small limit."""
    try:
        pixels = decode(data, name="fuzz", limits=_LIMITS).pixels
    except InputError:
        return
    _check(read_watermark(Raster(data, Metadata(parse(data)), pixels)))


def camera(data: bytes) -> None:
    """Camera EXIF."""
    _check(read_camera(Metadata(parse(data))))


TARGETS: dict[str, Callable[[bytes], None]] = {
    function.__name__: function
    for function in (images, c2pa, iptc, generators, aigc, stealth, watermark, camera)
}
