"""Batches through the stages: list and unpack, read and prepare, judge; queues bounded.

Listing runs in one thread, reading, decoding and provenance in as many as there are cores (in a scan of
many files each with a process of its own that decodes), and the models in the thread that asks for the
records; docs/scale.md says why. Batches come in order, or, where that is not asked for, as they get ready;
they are cut the same way, so the records are the same.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from fauxto.detector import Detector, Prepared
from fauxto.errors import InputError
from fauxto.images import Limits, printable, read_bytes
from fauxto.record import Record
from fauxto.scan.found import STANDARD_INPUT, Found, Skipped, is_remote

if TYPE_CHECKING:
    from concurrent.futures import Future

BATCH_SIZE = 32
# Bytes out of containers wait in a batch; one of large images is cut short. Both bounds depend on the inputs
# alone, so every engine and every resumed run puts the same images into the same batch.
BATCH_BYTES = 64 << 20
_LISTED_AHEAD = 2
_REMOTE_READS = 16

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Batch:
    """Consecutive inputs of one partition of a scan; an empty last one says that the partition ends."""

    inputs: tuple[Found, ...]
    partition: int = 0
    last: bool = False


@dataclass(frozen=True)
class Judged:
    """The records of a batch, in its order, and what they were made from."""

    batch: Batch
    records: Sequence[Record]
    prepared: Sequence[Prepared]


def expand(inputs: Iterable[Found], limits: Limits, skipped: Skipped, start: int = 0) -> Iterator[Found]:
    """Open what holds many images.

    Args:
        inputs: as `find` lists them; with `start`, those of one partition.
        limits: of the bytes of a member.
        skipped: counts members that are no images by name.
        start: so many images are passed over: their records exist already.
    """
    for found in inputs:
        if found.kind != "image" and found.error is None:
            from fauxto.scan.containers import contents

            yield from contents(found, limits, skipped, start)
            start = 0
        elif start:
            start -= 1
        else:
            yield found


def _is_full(inputs: Sequence[Found]) -> bool:
    """Whether a batch takes no more."""
    return len(inputs) == BATCH_SIZE or sum(len(one.data or b"") for one in inputs) >= BATCH_BYTES


def in_batches(inputs: Iterable[Found], partition: int = 0) -> Iterator[Batch]:
    """Cut the inputs of a partition into batches of at most `BATCH_SIZE` and about `BATCH_BYTES`."""
    chunk: list[Found] = []
    for found in inputs:
        chunk.append(found)
        if _is_full(chunk):
            yield Batch(tuple(chunk), partition)
            chunk = []
    if chunk:
        yield Batch(tuple(chunk), partition)
    yield Batch((), partition, last=True)


def judged(
    batches: Iterable[Batch],
    detector: Detector,
    limits: Limits,
    threads: int,
    *,
    isolate_many: bool = False,
    ordered: bool = True,
) -> Generator[Judged, None, None]:
    """Judge batches, in order or as they get ready.

    In order, the first batch goes straight through: a scan of a few files needs no threads and does not wait
    for them.

    Args:
        batches: taken as they are needed, a few ahead.
        detector: the models.
        limits: of the bytes of an image.
        threads: that read and decode; in order, with 1, everything happens in the calling thread.
        isolate_many: where a batch is full or not the only one, files are opened in processes of their own. A
            few files do not wait for those, and a decoder that crashes then costs few.
        ordered: whether a batch waits for those before it. If not, twice as many threads read, since some of
            them may be waiting for a slow input.
    """

    def prepare(batch: Batch) -> list[Prepared]:
        return prepare_batch(batch, detector, limits)

    if not ordered:
        if isolate_many:
            detector.isolate()
        for ready, prepared in as_ready(batches, prepare, 2 * threads):
            yield _judge(ready, prepared, detector)
        return
    remaining = iter(batches)
    begun = False
    for batch in remaining:
        if isolate_many and (_is_full(batch.inputs) or (begun and batch.inputs)):
            detector.isolate()
        if begun and batch.inputs and threads > 1:
            listed = prefetched(chain([batch], remaining), _LISTED_AHEAD)
            for later, prepared in _in_order(listed, prepare, threads):
                yield _judge(later, prepared, detector)
            return
        begun = begun or bool(batch.inputs)
        yield _judge(batch, prepare(batch), detector)


def _judge(batch: Batch, prepared: list[Prepared], detector: Detector) -> Judged:
    return Judged(batch, detector.judge(prepared), prepared)


# Reading


def prepare_batch(batch: Batch, detector: Detector, limits: Limits) -> list[Prepared]:
    """Read, decode and inspect the inputs of a batch, the remote ones read at the same time."""
    remote = _remote_reads(batch.inputs, limits)
    return [_prepare(found, detector, limits, remote) for found in batch.inputs]


def _remote_reads(inputs: Sequence[Found], limits: Limits) -> dict[str, Future[bytes]]:
    paths = {
        found.path for found in inputs if found.data is None and found.error is None and is_remote(found.path)
    }
    if not paths:
        return {}
    from concurrent.futures import ThreadPoolExecutor

    from fauxto.scan.remote import read_remote

    # Reading a remote image is mostly waiting, so many more at a time than there are cores.
    with ThreadPoolExecutor(min(_REMOTE_READS, len(paths))) as pool:
        return {path: pool.submit(read_remote, path, limits) for path in paths}


def _prepare(
    found: Found, detector: Detector, limits: Limits, remote: Mapping[str, Future[bytes]]
) -> Prepared:
    source: Any
    try:
        if found.error is not None:
            raise found.error
        if found.data is not None:
            source = found.data
        elif found.path == STANDARD_INPUT:
            source = sys.stdin.buffer
        elif found.path in remote:
            source = remote[found.path].result()
        else:
            source = read_unchanged(found.path, limits)
    except InputError as error:
        return Prepared(printable(found.path), error=error)
    return detector.prepare(source, name=found.path)


def read_unchanged(path: str, limits: Limits) -> bytes:
    """The bytes of a file, refused where somebody writes to it meanwhile: they would be of neither state.

    A file that is replaced as a whole is fine; its old or its new bytes were read.

    Raises:
        InputError: as `read_bytes`, or `unreadable` where the file changed.
    """
    before = _state(path)
    data = read_bytes(path, limits=limits)
    after = _state(path)
    same_file = before is not None and after is not None and before[0] == after[0]
    if same_file and (before != after or len(data) != after[1]):  # type: ignore[index]
        raise InputError(
            "unreadable",
            f"{printable(path)}: the file changed while it was read; scan it when it is complete",
        )
    return data


def _state(path: str) -> tuple[tuple[int, int], int, int] | None:
    """Which file it is, its size and time of change; None where it cannot be asked."""
    try:
        status = os.stat(path)  # noqa: PTH116 (paths may hold any bytes)
    except (OSError, ValueError):
        return None
    return (status.st_dev, status.st_ino), status.st_size, status.st_mtime_ns


# Queues


@dataclass(frozen=True)
class _Failure:
    error: BaseException


_END = object()


class _Handover(Generic[T]):
    """A bounded queue between threads that make items and the one that asks for them."""

    def __init__(self, depth: int) -> None:
        from queue import Queue
        from threading import Event

        self._queue: Queue[Any] = Queue(depth)
        self.stopped = Event()

    def fill(self, items: Iterable[T]) -> None:
        """Hand over items until they end, or until nobody asks any more; an error is handed over, too."""
        try:
            for item in items:
                if not self._put(item):
                    return
        except BaseException as error:  # whoever asks for the items must learn of it
            self._put(_Failure(error))
        else:
            self._put(_END)

    def taken(self, fillers: int) -> Iterator[T]:
        """The items, until so many threads have ended; raises the first error that one of them met."""
        try:
            while fillers:
                item = self._queue.get()
                if isinstance(item, _Failure):
                    raise item.error
                if item is _END:
                    fillers -= 1
                else:
                    yield item
        finally:
            self.stopped.set()

    def _put(self, item: object) -> bool:
        from queue import Full

        while not self.stopped.is_set():
            try:
                self._queue.put(item, timeout=0.1)
            except Full:
                continue
            return True
        return False


def prefetched(items: Iterable[T], depth: int) -> Iterator[T]:
    """The items, taken by another thread, at most `depth` ahead of the one asked for."""
    from threading import Thread

    handover: _Handover[T] = _Handover(depth)
    Thread(target=handover.fill, args=(items,), name="fauxto-list", daemon=True).start()
    yield from handover.taken(1)


def as_ready(items: Iterable[T], work: Callable[[T], R], threads: int) -> Generator[tuple[T, R], None, None]:
    """Each item and what `work` made of it in one of `threads`, whichever is first.

    The threads take the items themselves, one at a time, so neither a slow item nor a slow list of them holds
    what is ready. Each thread holds one item at most, and one more waits to be asked for. What `items` or
    `work` raises comes through.
    """
    from concurrent.futures import ThreadPoolExecutor
    from threading import Lock

    remaining, listing = iter(items), Lock()
    handover: _Handover[tuple[T, R]] = _Handover(1)

    def worked() -> Iterator[tuple[T, R]]:
        while True:
            with listing:
                item: Any = _END if handover.stopped.is_set() else next(remaining, _END)
            if item is _END or handover.stopped.is_set():
                return
            yield item, work(item)

    pool = ThreadPoolExecutor(threads, thread_name_prefix="fauxto-prepare")
    try:
        for _ in range(threads):
            pool.submit(handover.fill, worked())
        yield from handover.taken(threads)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _in_order(items: Iterable[T], work: Callable[[T], R], threads: int) -> Iterator[tuple[T, R]]:
    """Each item and what `work` made of it in one of `threads`, in the order of the items."""
    from concurrent.futures import ThreadPoolExecutor

    pending: deque[tuple[T, Future[R]]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="fauxto-prepare")
    try:
        for item in items:
            pending.append((item, pool.submit(work, item)))
            if len(pending) > threads:
                done, future = pending.popleft()
                yield done, future.result()
        while pending:
            done, future = pending.popleft()
            yield done, future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
