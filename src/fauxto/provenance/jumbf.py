"""JUMBF boxes and the CBOR inside them, read within limits.

C2PA keeps its manifests in JUMBF superboxes (ISO/IEC 19566-5) with CBOR content (RFC 8949). Both nest,
and both state lengths that a hostile file may lie about, so every length is checked against what is
there, and depth and count are bounded, before anything is built. The CBOR reader knows the plain types
only and looks through tags: general decoders turn tags into dates, patterns, big numbers and shared
references, none of which C2PA needs and some of which cost a reader dearly.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

MAX_STORE = 64 << 20  # bytes of one manifest store
MAX_BOXES = 50_000
MAX_BOX_DEPTH = 12  # store, manifest, assertion store, assertion, content: five, and some room
MAX_ITEMS = 200_000  # CBOR items of one box
MAX_ITEM_DEPTH = 64


class JumbfError(ValueError):
    """Bytes that are not the JUMBF or CBOR they should be, or that are over the limits."""


@dataclass(frozen=True)
class Box:
    """One box.

    Attributes:
        kind: the four-character type, `jumb` for a superbox.
        payload: everything after the box's header; C2PA hashes a superbox over exactly these bytes.
        uuid: the 16-byte content type of a superbox, else empty.
        label: the label of a superbox, or empty.
        children: the boxes inside a superbox, without its description.
    """

    kind: bytes
    payload: memoryview
    uuid: bytes = b""
    label: str = ""
    children: tuple[Box, ...] = ()

    def content(self, kind: bytes) -> bytes:
        """The payload of the only child of that kind.

        Raises:
            JumbfError: there is none, or more than one.
        """
        found = [child for child in self.children if child.kind == kind]
        if len(found) != 1:
            raise JumbfError(f"box {self.label!r} holds {len(found)} {kind.decode('ascii')} boxes, not one")
        return bytes(found[0].payload)


class _Budget:
    """How many more boxes or items may be read."""

    def __init__(self, left: int, what: str) -> None:
        self.left, self.what = left, what

    def take(self, count: int = 1) -> None:
        self.left -= count
        if self.left < 0:
            raise JumbfError(f"too many {self.what}")


def _split(data: memoryview, budget: _Budget) -> Iterator[tuple[bytes, memoryview]]:
    """Type and payload of the boxes that fill `data` without a gap."""
    position, size = 0, len(data)
    while position < size:
        budget.take()
        if position + 8 > size:
            raise JumbfError("a box breaks off in its header")
        (length,) = struct.unpack_from(">I", data, position)
        header = 8
        if length == 1:
            if position + 16 > size:
                raise JumbfError("a box breaks off in its header")
            (length,) = struct.unpack_from(">Q", data, position + 8)
            header = 16
        elif length == 0:
            length = size - position
        if length < header or position + length > size:
            raise JumbfError("a box lies about its length")
        yield bytes(data[position + 4 : position + 8]), data[position + header : position + length]
        position += length


def _description(payload: memoryview) -> tuple[bytes, str]:
    """Content type and label from a description box."""
    if len(payload) < 17:
        raise JumbfError("a description box breaks off")
    if not payload[16] & 2:
        return bytes(payload[:16]), ""
    raw, terminator, _ = bytes(payload[17 : 17 + 1024]).partition(b"\0")
    if not terminator:
        raise JumbfError("a label has no end")
    try:
        label = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise JumbfError("a label is not UTF-8") from error
    if "/" in label or not label.isprintable():  # it could pass for another box's address
        raise JumbfError("a label has characters that labels must not have")
    return bytes(payload[:16]), label


def _superbox(payload: memoryview, depth: int, budget: _Budget) -> Box:
    if depth > MAX_BOX_DEPTH:
        raise JumbfError("boxes are nested too deeply")
    parts = _split(payload, budget)
    first = next(parts, None)
    if first is None or first[0] != b"jumd":
        raise JumbfError("a superbox does not begin with its description")
    uuid, label = _description(first[1])
    children = tuple(
        _superbox(body, depth + 1, budget) if kind == b"jumb" else Box(kind, body) for kind, body in parts
    )
    return Box(b"jumb", payload, uuid, label, children)


def parse_superbox(data: bytes) -> Box:
    """Read one superbox with everything in it.

    Args:
        data: the box, header included; zeros after it are padding and are ignored.

    Raises:
        JumbfError: malformed or over the limits.
    """
    if len(data) > MAX_STORE:
        raise JumbfError("the manifest store is too large")
    if len(data) < 8:
        raise JumbfError("the manifest store breaks off")
    (length,) = struct.unpack_from(">I", data)
    end = length if 8 <= length <= len(data) and not any(data[length:]) else len(data)
    budget = _Budget(MAX_BOXES, "boxes")
    boxes = list(_split(memoryview(data)[:end], budget))
    if len(boxes) != 1 or boxes[0][0] != b"jumb":
        raise JumbfError("the manifest store is not one JUMBF superbox")
    return _superbox(boxes[0][1], 1, budget)


# CBOR

_FLOATS = {25: (">e", 2), 26: (">f", 4), 27: (">d", 8)}
_SIMPLE: dict[int, object] = {20: False, 21: True, 22: None, 23: None}
_BREAK = object()


class _Cbor:
    """A CBOR item being read from bytes."""

    def __init__(self, data: bytes) -> None:
        self.data, self.position = data, 0
        self.budget = _Budget(MAX_ITEMS, "CBOR items")

    def take(self, size: int) -> bytes:
        end = self.position + size
        if end > len(self.data):
            raise JumbfError("a CBOR item is longer than its box")
        taken = self.data[self.position : end]
        self.position = end
        return taken

    def head(self) -> tuple[int, int | None, int]:
        """Major type, argument (None: indefinite length) and additional information of the next item."""
        self.budget.take()
        (first,) = self.take(1)
        major, info = first >> 5, first & 31
        if info < 24:
            return major, info, info
        if info < 28:
            return major, int.from_bytes(self.take(1 << (info - 24)), "big"), info
        if info == 31 and major in (2, 3, 4, 5, 7):
            return major, None, info
        raise JumbfError("a CBOR item has a reserved length")

    def item(self, depth: int = 0) -> object:
        if depth > MAX_ITEM_DEPTH:
            raise JumbfError("CBOR is nested too deeply")
        major, argument, info = self.head()
        if major == 0:
            return argument
        if major == 1:
            return -1 - (argument or 0)
        if major in (2, 3):
            return self.string(major, argument)
        if major == 4:
            return list(self.items(argument, depth))
        if major == 5:
            return self.map(argument, depth)
        if major == 6:
            return self.value(depth + 1)  # what a tag says about its content does not matter here
        return self.simple(argument, info)

    def value(self, depth: int) -> object:
        value = self.item(depth)
        if value is _BREAK:
            raise JumbfError("CBOR ends where a value should stand")
        return value

    def string(self, major: int, length: int | None) -> bytes | str:
        raw = self.take(length) if length is not None else b"".join(self.chunks(major))
        if major == 2:
            return raw
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise JumbfError("a CBOR text is not UTF-8") from error

    def chunks(self, major: int) -> Iterator[bytes]:
        while True:
            kind, length, info = self.head()
            if kind == 7 and info == 31:
                return
            if kind != major or length is None:
                raise JumbfError("a CBOR string has a chunk of another type")
            yield self.take(length)

    def items(self, count: int | None, depth: int) -> Iterator[object]:
        """The items of an array, or keys and values of a map in turn."""
        if count is None:
            while (value := self.item(depth + 1)) is not _BREAK:
                yield value
            return
        if count > len(self.data) - self.position:  # each item takes a byte at least
            raise JumbfError("a CBOR container is longer than its box")
        for _ in range(count):
            yield self.value(depth + 1)

    def map(self, count: int | None, depth: int) -> dict[object, object]:
        flat = list(self.items(None if count is None else 2 * count, depth))
        if len(flat) % 2:
            raise JumbfError("a CBOR map has a key without a value")
        keys = flat[::2]
        # Large numbers are refused because they can be chosen to collide in a Python dictionary.
        if not all(isinstance(k, (str, bytes)) or (isinstance(k, int) and abs(k) < 1 << 31) for k in keys):
            raise JumbfError("a CBOR map has a key of an unusual type")
        found = dict(zip(keys, flat[1::2], strict=True))
        if len(found) != len(keys):  # two readers could each take another one
            raise JumbfError("a CBOR map has a key twice")
        return found

    def simple(self, argument: int | None, info: int) -> object:
        if argument is None:
            return _BREAK
        if info in _FLOATS:
            layout, size = _FLOATS[info]
            return struct.unpack(layout, argument.to_bytes(size, "big"))[0]
        if argument in _SIMPLE:
            return _SIMPLE[argument]
        raise JumbfError("a CBOR item has an unknown simple value")


def decode_cbor(data: bytes) -> object:
    """Decode one CBOR item that fills `data`.

    Returns:
        Python's int, bytes, str, list, dict, bool, float or None; tags are looked through.

    Raises:
        JumbfError: malformed or over the limits.
    """
    reader = _Cbor(data)
    value = reader.value(0)
    if reader.position != len(data):
        raise JumbfError("bytes follow after the CBOR item")
    return value
