"""Stopping in good order."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_PATIENCE = 1.0  # seconds that a second signal waits for the main thread before it goes round it


class Interruption:
    """Within it, Ctrl-C or a request to terminate is honoured after the batch in hand; a second one at once.

    Python tells the main thread of a signal when what runs there comes back to it, and a model may take
    seconds: a thread reads them as they come.

    Args:
        at_once: ends the process; called, in that thread, where a second signal finds the main thread busy.

    Attributes:
        signal: the number of the signal that came, None for none.
    """

    _SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self, at_once: Callable[[], object] = lambda: None) -> None:
        self.signal: int | None = None
        self._at_once = at_once
        self._before: dict[int, Any] = {}
        self._ended = threading.Event()
        self._wakeup = self._wakeup_before = -1

    @property
    def exit_code(self) -> int:
        """As shells give it for a process that a signal ended."""
        return 128 + (self.signal or 0)

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in self._SIGNALS}
            came, self._wakeup = os.pipe()
            os.set_blocking(self._wakeup, False)
            self._wakeup_before = signal.set_wakeup_fd(self._wakeup, warn_on_full_buffer=False)
            threading.Thread(target=self._watch, args=(came,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._restore()
        if self._wakeup >= 0:
            signal.set_wakeup_fd(self._wakeup_before)
            os.close(self._wakeup)  # which ends the thread

    def _watch(self, came: int) -> None:
        """Count the signals that come, each a byte with its number."""
        count = 0
        with os.fdopen(came, "rb", buffering=0) as pipe:
            while count < 2 and (numbers := pipe.read(64)):
                stops = [number for number in numbers if number in self._SIGNALS]
                count += len(stops)
                if stops:
                    self.signal = self.signal or stops[0]
        if count >= 2 and not self._ended.wait(_PATIENCE):
            self._at_once()

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
