"""What is fuzzed: each takes any bytes and may raise nothing but its typed error."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import numpy as np
from starlette.requests import Request
from starlette.types import Message

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
from fauxto.serve.metrics import Metrics
from fauxto.serve.problems import Problem
from fauxto.serve.settings import Settings
from fauxto.serve.uploads import Upload, Uploads, files_of

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


_BOUNDARY = b"edge"
_SCOPE = {
    "type": "http",
    "method": "POST",
    "path": "/v1/scan",
    "headers": [(b"content-type", b"multipart/form-data; boundary=" + _BOUNDARY)],
}
_SETTINGS = Settings(max_body=40_000, max_files=4, max_memory=100_000)
_UPLOADS = Uploads(_SETTINGS, Metrics())
_LOOP = asyncio.new_event_loop()


def uploads(data: bytes) -> None:
    """A multipart request through the server's own parser: in one piece, and cut where the bytes say.

    What does not begin like a body of several parts becomes the content of one, so that the seeds do, too.
    """
    body = data
    if not data.startswith(b"--" + _BOUNDARY):
        head = b'--edge\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
        body = head + data + b"\r\n--edge--\r\n"
    whole = _received([body])
    step = max(1 + sum(data[:2]), len(body) // 50)
    if _received([body[at : at + step] for at in range(0, len(body), step)]) != whole:
        raise AssertionError("the same body in other pieces gave other files")
    if body is not data and len(body) <= _SETTINGS.max_body and b"\r\n--edge" not in data:
        assert whole == [Upload("a.png", data)] or not data.strip(), "the file did not arrive as it was sent"


def _received(pieces: list[bytes]) -> list[Upload] | str:
    """The files of a request whose body comes in these pieces, or the code of its refusal."""
    given = iter(pieces)

    async def receive() -> Message:
        piece = next(given, None)
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    async def files() -> list[Upload]:
        async with _UPLOADS.form(Request(_SCOPE, receive)) as form:
            return list(await files_of(form))

    try:
        return _LOOP.run_until_complete(files())
    except Problem as problem:
        return problem.code


TARGETS: dict[str, Callable[[bytes], None]] = {
    function.__name__: function
    for function in (images, c2pa, iptc, generators, aigc, stealth, watermark, camera, uploads)
}
