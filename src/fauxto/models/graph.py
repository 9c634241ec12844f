"""What an ONNX file may ask for, checked before the runtime sees it.

A model is data: its weights stand in the file itself, and its operators are ONNX's own or functions that the
file defines by them. This walks the protocol buffer by its wire format
(https://protobuf.dev/programming-guides/encoding/, field numbers of onnx.proto3), for inference carries no
onnx package, and that one would load external data from anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator

from fauxto.errors import BundleError

STANDARD_DOMAINS = frozenset({b"", b"ai.onnx"})
MAX_DEPTH = 32

# Message by message: the fields that lead to nodes and tensors.
_CHILDREN: dict[str, dict[int, str]] = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
_DOMAIN = {"node": 7, "function": 10}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14


def check_graph(model: bytes) -> None:
    """Refuse an ONNX file that reads other files or needs operators from elsewhere.

    Raises:
        BundleError: says what it asks for; or it is no ONNX file.
    """
    data = memoryview(model)
    own = {
        bytes(_last(content, _DOMAIN["function"]))
        for number, content in _fields(data)
        if number == 25 and isinstance(content, memoryview)
    }
    _walk(data, "model", STANDARD_DOMAINS | own, 0)


def _walk(message: memoryview, kind: str, domains: frozenset[bytes], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise BundleError("its graph is nested without end")
    for number, content in _fields(message):
        if kind == "tensor" and (number == _EXTERNAL_DATA or (number == _DATA_LOCATION and content == 1)):
            raise BundleError("it keeps weights in another file; export it with the weights inside")
        if not isinstance(content, memoryview):
            continue
        if kind == "node" and number == _DOMAIN["node"] and bytes(content) not in domains:
            name = bytes(content[:60]).decode(errors="replace")
            raise BundleError(f"it needs operators of the domain {name!r}; export it with ONNX's own")
        if number in _CHILDREN[kind]:
            _walk(content, _CHILDREN[kind][number], domains, depth + 1)


def _last(message: memoryview, wanted: int) -> memoryview:
    found = memoryview(b"")
    for number, content in _fields(message):
        if number == wanted and isinstance(content, memoryview):
            found = content
    return found


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """The fields of a message: number, and bytes or, for a varint, the value."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        match key & 7:
            case 0:
                value, at = _varint(message, at)
                yield key >> 3, value
                continue
            case 1:
                size = 8
            case 2:
                size, at = _varint(message, at)
            case 5:
                size = 4
            case _:
                raise BundleError("it is no ONNX file")
        if size > len(message) - at:
            raise BundleError("it is no whole ONNX file")
        yield key >> 3, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise BundleError("it is no whole ONNX file")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise BundleError("it is no ONNX file")
