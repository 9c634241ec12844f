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
MAX_NODES = 100_000  # with the functions written out; a large vision transformer has some thousands
MAX_FIELDS = 5_000_000  # of the file: a few seconds' reading
_TOO_LARGE = f"its graph has more than {MAX_NODES} steps"

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
_OPERATOR, _FUNCTION, _FUNCTION_NAME = 4, 25, 1
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
# How often these run is a number in the file, or the data's: nothing bounds it.
_ENDLESS = frozenset({b"Loop", b"Scan", b"SequenceMap"})


def check_graph(model: bytes) -> None:
    """Refuse an ONNX file that reads other files, needs operators from elsewhere, or runs without bound.

    Raises:
        BundleError: says what it asks for; or it is no ONNX file.
    """
    parts = [
        content
        for number, content in _fields(memoryview(model))
        if number == _FUNCTION and isinstance(content, memoryview)
    ]
    domains = STANDARD_DOMAINS | {_name_of(part)[0] for part in parts}
    walk = _Walk(domains)
    walk.message(memoryview(model), "model", 0)
    functions: dict[_Called, list[_Called]] = {}
    for part in parts:  # overloads of one name count together
        functions.setdefault(_name_of(part), []).extend(_calls_of(part, domains))
    _check_size(walk.calls, functions)


# A function or an operator: its domain and name.
_Called = tuple[bytes, bytes]


class _Walk:
    """One pass over a message and what lies in it; `calls` are the nodes on the way."""

    def __init__(self, domains: frozenset[bytes]) -> None:
        self._domains = domains
        self._fields_left = MAX_FIELDS
        self.calls: list[_Called] = []

    def message(self, message: memoryview, kind: str, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise BundleError("its graph is nested without end")
        if kind == "node":
            self._node(message)
        for number, content in _fields(message):
            self._fields_left -= 1
            if self._fields_left < 0:
                raise BundleError(_TOO_LARGE)
            if kind == "tensor" and (number == _EXTERNAL_DATA or (number == _DATA_LOCATION and content == 1)):
                raise BundleError("it keeps weights in another file; export it with the weights inside")
            # A function is walked where it stands, but its nodes count where it is called.
            if isinstance(content, memoryview) and number in _CHILDREN[kind]:
                calls = len(self.calls)
                self.message(content, _CHILDREN[kind][number], depth + 1)
                if number == _FUNCTION and kind == "model":
                    del self.calls[calls:]

    def _node(self, message: memoryview) -> None:
        domains, names = _all(message, _DOMAIN["node"]) or [b""], _all(message, _OPERATOR) or [b""]
        for domain in domains:
            if domain not in self._domains:
                shown = domain[:60].decode(errors="replace")
                raise BundleError(f"it needs operators of the domain {shown!r}; export it with ONNX's own")
        for name in names:
            if name in _ENDLESS:
                raise BundleError(
                    f"it repeats steps as often as it likes ({name.decode()}); export it without, as image "
                    "classifiers are"
                )
        self.calls.append((domains[-1], names[-1]))


def _name_of(function: memoryview) -> _Called:
    return (_all(function, _DOMAIN["function"]) or [b""])[-1], (_all(function, _FUNCTION_NAME) or [b""])[-1]


def _calls_of(function: memoryview, domains: frozenset[bytes]) -> list[_Called]:
    walk = _Walk(domains)
    walk.message(function, "function", 0)
    return walk.calls


def _check_size(calls: list[_Called], functions: dict[_Called, list[_Called]]) -> None:
    """Refuse functions that call themselves, and a graph that is too large once they are written out."""
    sizes: dict[_Called, int] = {}

    def size(called: _Called, within: tuple[_Called, ...]) -> int:
        if called not in functions:
            return 1
        if called in within or len(within) > MAX_DEPTH:
            raise BundleError("its functions call each other without end")
        if called not in sizes:
            sizes[called] = 1 + sum(size(one, (*within, called)) for one in functions[called])
        return sizes[called]

    if sum(size(called, ()) for called in (*calls, *functions)) > MAX_NODES:
        raise BundleError(_TOO_LARGE)


def _all(message: memoryview, wanted: int) -> list[bytes]:
    """The values of a field of bytes; of several, the last counts, but readers have differed."""
    return [
        bytes(content)
        for number, content in _fields(message)
        if number == wanted and isinstance(content, memoryview)
    ]


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """The fields of a message: number, and bytes or, for a varint, the value."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        if not key >> 3:
            raise BundleError("it is no ONNX file")
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
