"""The stealth channel: settings in the lowest bits of pixels, column by column.

NovelAI and an extension of Stable Diffusion WebUI write a 15-byte magic, a 32-bit big-endian length *in
bits* and the settings, most significant bit first, into the alpha plane or into red, green and blue in
turn; `comp` in the magic means gzip.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from fauxto.provenance.evidence import excerpt, json_object, not_checked, plain
from fauxto.provenance.generators.novelai import novelai_row
from fauxto.provenance.generators.png_text import READERS
from fauxto.provenance.generators.settings import Finding, comfyui_graph, json_settings, webui_settings
from fauxto.provenance.raster import Pixels, Raster, RasterError
from fauxto.record import Evidence

_MAGIC_BITS, _LENGTH_BITS = 120, 32
_HEAD_BITS = _MAGIC_BITS + _LENGTH_BITS
_MAX_PAYLOAD = 4 << 20  # bytes after decompression
_COMPRESSED = {
    b"stealth_pngcomp": True,
    b"stealth_pnginfo": False,
    b"stealth_rgbcomp": True,
    b"stealth_rgbinfo": False,
}


class _UnreadableError(Exception):
    """The magic is there and what follows is not what it announces."""


def _bits(plane: Pixels, count: int) -> bytes:
    """The first `count` lowest bits of a plane, (H, W) or (H, W, 3), down its columns, as bytes."""
    per_column = plane.shape[0] * (plane.shape[2] if plane.ndim == 3 else 1)
    columns = plane[:, : -(-count // per_column)]
    return np.packbits(columns.swapaxes(0, 1).reshape(-1)[:count] & 1).tobytes()


def _payload(plane: Pixels, family: bytes) -> tuple[bytes, bytes] | None:
    """Magic and payload (still compressed) of the channel in this plane; None where there is no magic.

    Raises:
        _UnreadableError: the magic is followed by a length that the picture cannot hold.
    """
    if plane.size < _HEAD_BITS:
        return None
    magic = _bits(plane, _MAGIC_BITS)
    if magic not in _COMPRESSED or not magic.startswith(family):
        return None
    length = int.from_bytes(_bits(plane, _HEAD_BITS)[15:], "big")
    if length == 0 or length % 8 or length > plane.size - _HEAD_BITS:
        raise _UnreadableError("its length does not fit the picture")
    return magic, _bits(plane, _HEAD_BITS + length)[19:]


def _text(magic: bytes, payload: bytes) -> str:
    """The settings' text.

    Raises:
        _UnreadableError: it is not gzip, not text, or too large.
    """
    try:
        if _COMPRESSED[magic]:
            worker = zlib.decompressobj(wbits=31)
            payload = worker.decompress(payload, _MAX_PAYLOAD + 1)
            if len(payload) > _MAX_PAYLOAD or not worker.eof:
                raise _UnreadableError("its compressed settings break off or are too large")
        return payload.decode("utf-8")
    except zlib.error:
        raise _UnreadableError("its compressed settings are broken") from None
    except UnicodeDecodeError:
        raise _UnreadableError("its settings are not text") from None


def _row(name: str, text: str, raster: Raster) -> Evidence:
    """The row for the settings that the channel holds."""
    fields = json_object(text) or {}
    data: dict[str, str] = {"channel": name, "value": excerpt(text)}
    comment = fields.get("Comment", "")
    if fields.get("Software") == "NovelAI":
        return novelai_row(
            "stealth",
            f"the stealth channel `{name}`",
            comment if isinstance(comment, str) else "",
            data,
            raster,
        )
    known = _settings(text, fields)
    if known is not None:
        return plain(
            "stealth", known.claim, known.strength, f"The stealth channel `{name}` holds {known.what}", data
        )
    found = f"The stealth channel `{name}`, which generators use, holds a text that is no known settings"
    return plain("stealth", "ai", "weak", found, data)


def _settings(text: str, fields: dict[str, Any]) -> Finding | None:
    """The first settings that the text is, or that one of its fields holds as PNG texts would."""
    found = webui_settings(text) or json_settings(text) or comfyui_graph(text)
    for keyword, value in fields.items():
        for read in READERS.get(keyword, ()) if isinstance(value, str) else ():
            found = found or read(value)
        found = found or (json_settings(value) if isinstance(value, str) else None)
    return found


def read_stealth(raster: Raster) -> list[Evidence]:
    """The stealth channel of a PNG or a lossless WebP, in its alpha plane or its colours."""
    container = raster.container
    if container.kind != "png" and not (container.kind == "webp" and container.lossless):
        return []
    try:
        stored = raster.stored
    except RasterError as error:
        return [not_checked("stealth", f"The stealth channel was not looked for: {error}")]
    planes = [(stored[:, :, :3], b"stealth_rgb")]
    if stored.shape[2] == 4:
        planes.insert(0, (stored[:, :, 3], b"stealth_png"))
    for plane, family in planes:
        try:
            found = _payload(plane, family)
            if found is not None:
                magic, payload = found
                return [_row(magic.decode("ascii"), _text(magic, payload), raster)]
        except _UnreadableError as error:
            return [not_checked("stealth", f"The stealth channel is marked but was not read: {error}")]
    return []
