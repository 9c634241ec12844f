"""Samsung's trailer after the JPEG's end: a directory of named blocks, read by its own structure.

The trailer ends with the length of its directory and `SEFT`; the directory, `SEFH`, gives each block's
distance back from itself. Galaxy AI's editors keep their settings in `PhotoEditor_Re_Edit_Data`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from fauxto.provenance.containers import SAMSUNG_END, Container
from fauxto.provenance.evidence import excerpt, find_scalars, json_object, plain
from fauxto.record import Evidence

_RE_EDIT = "PhotoEditor_Re_Edit_Data"
_MAX_BLOCKS = 500
_MAX_RE_EDIT = 1 << 20


def trailer_blocks(trailer: bytes) -> Iterator[tuple[str, bytes]]:
    """Name and content of each block of a Samsung trailer; nothing where the bytes are not one."""
    if len(trailer) < 20 or not trailer.endswith(SAMSUNG_END):
        return
    (length,) = struct.unpack_from("<I", trailer, len(trailer) - 8)
    directory = len(trailer) - 8 - length
    if directory < 0 or length < 12 or trailer[directory : directory + 4] != b"SEFH":
        return
    (count,) = struct.unpack_from("<I", trailer, directory + 8)
    for index in range(min(count, _MAX_BLOCKS, (length - 12) // 12)):
        back, size = struct.unpack_from("<II", trailer, directory + 12 + 12 * index + 4)
        start = directory - back
        if start < 0 or size < 8 or start + size > directory:
            continue
        (name_length,) = struct.unpack_from("<I", trailer, start + 4)
        if name_length <= min(size - 8, 200):
            name = trailer[start + 8 : start + 8 + name_length].decode("latin-1")
            yield name, trailer[start + 8 + name_length : start + size]


def read_samsung(data: bytes, container: Container) -> list[Evidence]:
    """Galaxy AI's mark: a non-zero `genAIType` among the photo editor's settings."""
    if container.kind != "jpeg" or not data.endswith(SAMSUNG_END):
        return []
    for name, content in trailer_blocks(container.trailer):
        if name != _RE_EDIT or len(content) > _MAX_RE_EDIT:
            continue
        text = content.strip(b"\0 \n").decode("utf-8", "replace")
        kind = find_scalars(json_object(text), frozenset({"genAIType"})).get("genAIType", 0)
        if str(kind).strip() not in ("", "0", "False"):
            found = "The Samsung editor's data after the picture names a Galaxy AI tool (`genAIType`)"
            raw = {"product": "Samsung Galaxy AI", "genAIType": excerpt(kind, 40), "value": excerpt(text)}
            return [plain("generator", "ai-edited", "moderate", found, raw)]
    return []
