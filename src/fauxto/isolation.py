"""Opening files in a process of its own, so that a decoder that crashes or hangs costs one record.

Decoders are native code. A child opens one file after another (`opening.open_file`), or says what it holds
(`inspect_bytes`), within bounds of time and address space; when it dies or is too slow it is replaced, and
the file at hand gets an error. Requests and answers are JSON and raw bytes: nothing that comes back from a
child is unpickled.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import select
import signal
import struct
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, LifoQueue
from threading import Lock
from typing import Any, BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray

from fauxto.errors import InputError
from fauxto.images import Limits
from fauxto.models import BundleConfig
from fauxto.models.faces import Box
from fauxto.models.views import Views
from fauxto.opening import Opened, OpeningRules, open_file
from fauxto.provenance import ProvenanceOptions
from fauxto.provenance.inspect import inspect_bytes
from fauxto.record import Evidence, ImageInfo

SECONDS = 60.0
# A child ends after so many files: what native decoders fail to give back goes with it.
FILES = 10_000
ADDRESS_SPACE = 8 << 30
_START_SECONDS = 60.0
_GRACE_SECONDS = 5  # the asker stops a child that is too slow, and the child itself only where that failed
_FRAME = struct.Struct(">II")  # lengths of the JSON and of the bytes that follow it
_ANSWER_LIMIT = 64 << 20
Answer = TypeVar("Answer")


def child_program(program: str = "from fauxto.isolation import serve; serve()") -> tuple[str, ...]:
    """The command of a child that imports from where this process does, and not from the current folder."""
    return sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}; {program}"


class Children:
    """Processes that open files: one for each thread that asks at the same time, kept for the next file.

    Args:
        rules: how files are opened.
        seconds: that one file may take.
        command: starts a child; a test may put in one that misbehaves.
        files: that one process opens before another takes its place.
    """

    def __init__(
        self,
        rules: OpeningRules,
        *,
        seconds: float = SECONDS,
        command: Sequence[str] | None = None,
        files: int = FILES,
    ) -> None:
        self._rules, self._seconds, self._files = rules, seconds, files
        self._command = tuple(command or child_program())
        self._idle: LifoQueue[_Child] = LifoQueue()
        self._busy: set[_Child] = set()
        self._closed, self._changing = False, Lock()
        self._end = weakref.finalize(self, _end_all, self._idle)

    def open_file(self, data: bytes, name: str) -> Opened:
        """As `opening.open_file`; a crash or a hang is an error of code `corrupt`."""
        try:
            return self._ask("open", data, name, _opened_from)
        except InputError as error:
            return Opened(error=error)

    def inspect(self, data: bytes, name: str) -> dict[str, Any]:
        """As the JSON of `provenance.inspect.inspect_bytes`.

        Raises:
            InputError: `corrupt`, where a reader crashed or hung.
        """
        return self._ask("inspect", data, name, lambda header, _: header)

    def _ask(
        self, what: str, data: bytes, name: str, understood: Callable[[dict[str, Any], bytes], Answer]
    ) -> Answer:
        child = self._take(name)
        try:
            answer = understood(*child.ask(what, data, name, self._seconds))
        except TimeoutError:
            child.end()
            raise _lost(name, f"its decoder was stopped after {self._seconds:g} seconds") from None
        except Exception as error:  # it died, or a decoder that was taken over sends nonsense
            child.end()
            raise _lost(name, "its decoder crashed") from error
        except BaseException:  # interrupted halfway: the next answer would be this file's
            child.end()
            raise
        finally:
            kept = self._give_back(child)
        if not kept:
            child.end()
        return answer

    def close(self) -> None:
        """End the processes for good. Who still waits for one gets the error of a decoder that crashed."""
        with self._changing:
            self._closed = True
            for child in self._busy:
                child.process.kill()  # whoever waits for it tidies up
        self._end()

    def _take(self, name: str) -> _Child:
        """A process that is idle, or a new one."""
        with contextlib.suppress(Empty):
            while True:
                child = self._idle.get_nowait()
                if child.process.poll() is None:
                    return self._lend(child, name)
                child.end()
        try:
            return self._lend(_Child(self._command, self._rules, self._seconds), name)
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise InputError(
                "unreadable",
                f"{name}: no process can be started to decode it ({why}); make room, or add --no-isolate",
            ) from error

    def _lend(self, child: _Child, name: str) -> _Child:
        with self._changing:
            if not self._closed:
                self._busy.add(child)
                return child
        child.end()
        raise _lost(name, "its decoder was stopped")

    def _give_back(self, child: _Child) -> bool:
        """Keep a process for the next file, unless it has opened its share or nobody will ask."""
        with self._changing:
            self._busy.discard(child)
            kept = not self._closed and child.files < self._files and child.process.poll() is None
            if kept:
                self._idle.put(child)
            return kept


def _end_all(idle: LifoQueue[_Child]) -> None:
    with contextlib.suppress(Empty):
        while True:
            idle.get_nowait().end()


def _lost(name: str, why: str) -> InputError:
    return InputError("corrupt", f"{name}: {why}; convert it to PNG, or copy it again")


class _Child:
    """One process. It is told the rules once, then one file after another."""

    def __init__(self, command: Sequence[str], rules: OpeningRules, seconds: float) -> None:
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,  # Ctrl-C is for this process, which lets the files at hand be finished
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self._stdin, self._stdout = self.process.stdin.fileno(), self.process.stdout.fileno()
        # A pipe that is ready takes a page and not all of what is written: one that blocked would outwait any
        # bound of time.
        os.set_blocking(self._stdin, False)
        with contextlib.suppress(OSError):  # dead already: the first file will say so
            self._send(_rules_to_json(rules, seconds), b"", time.monotonic() + _START_SECONDS)
        self.files = 0

    def ask(self, what: str, data: bytes, name: str, seconds: float) -> tuple[dict[str, Any], bytes]:
        """The child's answer; raises TimeoutError, EOFError where it died, or ValueError for nonsense."""
        start = 0.0 if self.files else _START_SECONDS  # it is still importing
        self.files += 1
        end = time.monotonic() + seconds + start
        self._send({"name": name, "what": what}, data, end)
        if start:
            self._receive(end)  # it says that it is ready, and only then begins with the file
            end = time.monotonic() + seconds
        return self._receive(end)

    def end(self) -> None:
        """Kill the process and wait for it."""
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        self.process.wait()

    def _send(self, header: dict[str, Any], data: bytes, end: float) -> None:
        text = json.dumps(header).encode()
        for part in (_FRAME.pack(len(text), len(data)) + text, data):
            left = memoryview(part)
            while left:
                self._wait(self._stdin, select.POLLOUT, end)
                with contextlib.suppress(BlockingIOError):
                    left = left[os.write(self._stdin, left) :]

    def _receive(self, end: float) -> tuple[dict[str, Any], bytes]:
        header, size = _FRAME.unpack(self._read(_FRAME.size, end))
        if header + size > _ANSWER_LIMIT:
            raise ValueError("an answer of impossible length")
        return json.loads(self._read(header, end)), self._read(size, end)

    def _read(self, size: int, end: float) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            self._wait(self._stdout, select.POLLIN, end)
            part = os.read(self._stdout, size - len(parts))
            if not part:
                raise EOFError
            parts += part
        return bytes(parts)

    @staticmethod
    def _wait(descriptor: int, event: int, end: float) -> None:
        poll = select.poll()
        poll.register(descriptor, event)
        if not poll.poll(max(0.0, end - time.monotonic()) * 1000):
            raise TimeoutError


def _rules_to_json(rules: OpeningRules, seconds: float) -> dict[str, Any]:
    return {
        "seconds": seconds,
        "limits": vars(rules.limits),
        "provenance": {**vars(rules.provenance), "trust_list": _text(rules.provenance.trust_list)},
        "models": [config.model_dump(mode="json") for config in rules.models],
        "thumbnail_side": rules.thumbnail_side,
    }


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _rules_from(header: dict[str, Any]) -> OpeningRules:
    trust_list = header["provenance"]["trust_list"]
    return OpeningRules(
        Limits(**header["limits"]),
        ProvenanceOptions(**{**header["provenance"], "trust_list": trust_list and Path(trust_list)}),
        tuple(BundleConfig.model_validate(config) for config in header["models"]),
        header["thumbnail_side"],
    )


def _opened_to_json(opened: Opened) -> tuple[dict[str, Any], bytes]:
    if opened.error is not None:
        return {"error": [opened.error.code, opened.error.message]}, b""
    assert opened.image is not None
    views = opened.views
    squares = None if views is None else views.squares
    header = {
        "image": opened.image.model_dump(mode="json"),
        "notes": opened.notes,
        "evidence": [row.model_dump(mode="json") for row in opened.evidence],
        "model": opened.model,
        "views": None
        if views is None
        else [[vars(face) for face in views.faces], views.why_none, views.note],
        "shapes": [None if one is None else one.shape for one in (squares, opened.thumbnail)],
    }
    parts = (one.tobytes() for one in (squares, opened.thumbnail) if one is not None)
    return header, b"".join(parts)


def _opened_from(header: dict[str, Any], data: bytes) -> Opened:
    if "error" in header:
        return Opened(error=InputError(*header["error"]))
    pixels: list[NDArray[np.uint8] | None] = []
    for shape in header["shapes"]:
        size = 0 if shape is None else int(np.prod(shape))
        pixels.append(None if shape is None else np.frombuffer(data[:size], np.uint8).reshape(shape))
        data = data[size:]
    squares, thumbnail = pixels
    views = None
    if squares is not None:
        faces, why_none, note = header["views"]
        views = Views(squares, tuple(Box(**face) for face in faces), why_none, note)
    return Opened(
        None,
        ImageInfo.model_validate(header["image"]),
        tuple(header["notes"]),
        tuple(Evidence.model_validate(row) for row in header["evidence"]),
        header["model"],
        views,
        thumbnail,
    )


# In the child


def serve() -> None:
    """Open or inspect files that come on standard input until it ends; answers go to standard output."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a native library prints must not come between the answers
    _bound()
    requests = sys.stdin.buffer
    message = _next(requests)
    if message is None:
        return
    rules, seconds = _rules_from(message[0]), math.ceil(message[0]["seconds"]) + _GRACE_SECONDS
    # Whoever asked may be gone when a file hangs; this ends native code, too.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    ready = False
    while message := _next(requests):
        if not ready:
            _answer(answers, {}, b"")
            ready = True
        signal.alarm(seconds)
        _answer(answers, *_done(message[0], message[1], rules))
        signal.alarm(0)


def _done(header: dict[str, Any], data: bytes, rules: OpeningRules) -> tuple[dict[str, Any], bytes]:
    if header["what"] == "inspect":
        return inspect_bytes(data, rules.provenance, rules.limits).to_json(), b""
    return _opened_to_json(open_file(data, header["name"], rules))


def _bound() -> None:
    """No more memory than any picture within the limits needs, and no core dump of a stranger's picture."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    space = ADDRESS_SPACE if hard == resource.RLIM_INFINITY else min(ADDRESS_SPACE, hard)
    resource.setrlimit(resource.RLIMIT_AS, (space, space))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _next(requests: BinaryIO) -> tuple[dict[str, Any], bytes] | None:
    frame = requests.read(_FRAME.size)
    if len(frame) < _FRAME.size:
        return None
    header, size = _FRAME.unpack(frame)
    return json.loads(requests.read(header)), requests.read(size)


def _answer(answers: BinaryIO, header: dict[str, Any], data: bytes) -> None:
    text = json.dumps(header).encode()
    answers.write(_FRAME.pack(len(text), len(data)) + text + data)
    answers.flush()
