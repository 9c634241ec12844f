"""Stopping in good order."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Interruption:
    """Within it, Ctrl-C or a request to terminate is honoured after the batch in hand; a second one at once.

    Attributes:
        signal: the number of the signal that came, None for none.
    """

    _SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.signal: int | None = None
        self._before: dict[int, Any] = {}

    @property
    def exit_code(self) -> int:
        """As shells give it for a process that a signal ended."""
        return 128 + (self.signal or 0)

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in self._SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Undoes what a library within the block does to the handlers."""
        try:
            yield
        finally:
            if self.signal is None:
                for number in self._before:
                    signal.signal(number, self._note)
            else:
                self._restore()

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.signal = number
        self._restore()
        print("fauxto: finishing the batch in hand; once more stops at once", file=sys.stderr)

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
