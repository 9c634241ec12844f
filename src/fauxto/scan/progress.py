"""How far a scan has come, on standard error: a bar for a person, JSON lines for a machine, or nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import IO, TYPE_CHECKING, Literal

from fauxto.scan.found import STANDARD_INPUT, Skipped, is_remote
from fauxto.scan.sources import find

if TYPE_CHECKING:
    from fauxto.scan.run import Summary

Kind = Literal["bar", "json", "none"]
Total = Callable[[], "int | None"]

_EVERY = 1.0  # seconds between JSON lines
_PATIENCE = 0.5  # seconds before a bar is shown: short scans need none


@dataclass(frozen=True)
class State:
    """One report; `total` and `seconds_left` are None while the number of images is not known."""

    done: int
    total: int | None
    rate: float
    seconds_left: float | None
    errors: int
    flagged: int


class Meter:
    """Works out rate and time left; images that an earlier run judged count as done but not for the rate."""

    def __init__(self, summary: Summary, total: Total) -> None:
        self._summary, self._total = summary, total
        self._begun, self._before = time.monotonic(), summary.total

    @property
    def elapsed(self) -> float:
        """Seconds since it was made."""
        return time.monotonic() - self._begun

    def state(self) -> State:
        """The state now."""
        summary, total = self._summary, self._total()
        rate = (summary.total - self._before) / max(self.elapsed, 1e-9)
        left = max(0.0, (total - summary.total) / rate) if total is not None and rate > 0 else None
        return State(
            done=summary.total,
            total=total,
            rate=round(rate, 1),
            seconds_left=None if left is None else round(left, 1),
            errors=summary.errors,
            flagged=summary.verdicts["ai"] + summary.verdicts["ai-edited"],
        )


@contextmanager
def progress(kind: Kind, summary: Summary, total: Total, stream: IO[str]) -> Iterator[Callable[[], None]]:
    """Give a function to call after every batch.

    Args:
        kind: how to report.
        summary: what has been counted, by whoever judges.
        total: the number of images there will be, None while it is not known.
        stream: to write to.
    """
    meter = Meter(summary, total)
    if kind == "json":
        with _json_lines(meter, stream) as update:
            yield update
    elif kind == "bar":
        with _bar(meter, stream) as update:
            yield update
    else:
        yield lambda: None


@contextmanager
def _json_lines(meter: Meter, stream: IO[str]) -> Iterator[Callable[[], None]]:
    reported = -_EVERY

    def update() -> None:
        nonlocal reported
        if meter.elapsed - reported >= _EVERY:
            reported = meter.elapsed
            print(json.dumps(asdict(meter.state())), file=stream, flush=True)

    yield update
    reported = -_EVERY
    update()


@contextmanager
def _bar(meter: Meter, stream: IO[str]) -> Iterator[Callable[[], None]]:
    from contextlib import ExitStack

    with ExitStack() as stack:
        show: Callable[[State], None] | None = None

        def update() -> None:
            nonlocal show
            if show is None and meter.elapsed >= _PATIENCE:
                show = _rich_bar(stack, stream)
            if show is not None:
                show(meter.state())

        yield update


def _rich_bar(stack: object, stream: IO[str]) -> Callable[[State], None]:
    from contextlib import ExitStack

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    assert isinstance(stack, ExitStack)
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    bar = stack.enter_context(Progress(*columns, console=Console(file=stream), transient=True))
    task = bar.add_task("", total=None)

    def show(state: State) -> None:
        left = "" if state.seconds_left is None else f", {_duration(state.seconds_left)} left"
        words = f"{state.rate:.0f}/s{left}, {state.flagged} flagged, {state.errors} errors"
        bar.update(task, completed=state.done, total=state.total, description=words)

    return show


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def counted(paths: Iterable[str]) -> Total:
    """Count what is named beside the scan, in another thread, so that the time left can be told.

    The number stays unknown where archives or tables hold images, and where listing costs requests.
    """
    from threading import Thread

    named = list(paths)
    result: list[int] = []

    def count() -> None:
        number = 0
        for found in find(named, Skipped()):
            if found.kind != "image":
                return
            number += 1
        result.append(number)

    if not any(is_remote(path) or path == STANDARD_INPUT for path in named):
        Thread(target=count, name="fauxto-count", daemon=True).start()
    return lambda: result[0] if result else None
