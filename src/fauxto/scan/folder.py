"""A scan's output folder: parts that are complete as soon as they are visible, and what is needed to go on.

`DIR/part-*.jsonl` (or `.parquet`) hold the records; sorted by name they are in order. `DIR/_fauxto/` holds
the state, the list of inputs, and the part that is being written.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

from fauxto.errors import MissingExtraError, UsageError
from fauxto.record import Record
from fauxto.scan.found import Found, Skipped
from fauxto.scan.locks import lock
from fauxto.scan.pipeline import Batch
from fauxto.scan.plan import (
    Options,
    PartFormat,
    Partition,
    Plan,
    check_same,
    from_state,
    to_state,
    write_list,
)

_PART = re.compile(r"part-(\d{7,})-(\d{9,})(-end)?\.(?:jsonl|parquet)")


@dataclass
class Progressed:
    """How far a partition has come: its stored records, whether they are all, and their verdicts."""

    records: int = 0
    complete: bool = False


@dataclass
class Finished:
    """What the parts of a folder hold already.

    Attributes:
        partitions: by number; those that are missing have not begun.
        verdicts: how many records have which, `error` for none.
    """

    partitions: dict[int, Progressed] = field(default_factory=dict)
    verdicts: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class OutputFolder:
    """The folder of a scan, locked against a second process for as long as it is open."""

    path: Path
    plan: Plan
    lock: IO[str]

    def __enter__(self) -> OutputFolder:
        return self

    def __exit__(self, *_: object) -> None:
        self.lock.close()

    def finished(self) -> Finished:
        """Read what is there.

        A part after a gap (somebody removed the one before it) is removed too: it is made again.

        Raises:
            UsageError: a part cannot be read.
        """
        found = Finished()
        for path in sorted(self.path.glob("part-*")):
            if (name := _PART.fullmatch(path.name)) is None:
                continue
            so_far = found.partitions.setdefault(int(name[1]), Progressed())
            if int(name[2]) != so_far.records or so_far.complete:
                path.unlink()
                continue
            verdicts = _verdicts(path)
            found.verdicts.update(verdicts)
            so_far.records += verdicts.total()
            so_far.complete = bool(name[3])
        return found

    def store(self, partition: int, start: int, data: bytes, last: bool) -> None:
        """Write a part to the disk under another name, then rename it: it is always whole or absent.

        Args:
            partition: number of the partition.
            start: how many of its records other parts hold.
            data: as `encoded` gives it.
            last: whether the partition ends with it.

        Raises:
            UsageError: the disk is full, or the folder cannot be written.
        """
        end = "-end" if last else ""
        name = f"part-{partition:07}-{start:09}{end}.{self.plan.options.format}"
        temporary = self.path / "_fauxto" / f"{name}.unfinished"
        try:
            write_through(temporary, data)
            temporary.rename(self.path / name)
            _sync_folder(self.path)
        except OSError as error:
            raise UsageError(
                f"{self.path}: a part cannot be written ({error.strerror or error}); every part before is "
                "safe: make room, then run the same command with --resume"
            ) from error


def open_folder(
    path: Path, options: Options, listed: Callable[[], Iterable[Found]], skipped: Skipped, *, resume: bool
) -> OutputFolder:
    """Begin a scan in a new or empty folder, or go on with the one that is there.

    Args:
        path: the folder.
        options: of this run.
        listed: lists the inputs; called only where a scan begins.
        skipped: what listing passes over; set to the counts of then where a scan goes on.
        resume: whether to go on.

    Raises:
        UsageError: the folder holds something else, or a scan with other options, or one that was not to be
            resumed, or another process is at it, or it cannot be written.
    """
    own = path / "_fauxto"
    try:
        if not own.is_dir() and path.is_dir() and any(path.iterdir()):
            raise UsageError(f"{path}: is neither empty nor a scan's output; choose another --output folder")
        own.mkdir(parents=True, exist_ok=True)
        held = _locked(own / "lock", path)
        for leftover in own.glob("*.unfinished"):
            leftover.unlink()
        if (own / "state.json").exists():
            plan = _resumed(path, options, resume=resume)
            vars(skipped).update(plan.skipped)
        else:
            plan = _begun(own, options, listed(), skipped)
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be written ({error.strerror or error}); choose another --output"
        ) from error
    return OutputFolder(path, plan, held)


def _locked(path: Path, folder: Path) -> IO[str]:
    held = path.open("w")
    try:
        lock(held.fileno())
    except BlockingIOError:
        held.close()
        raise UsageError(
            f"{folder}: another scan is writing here; wait for it, or choose another folder"
        ) from None
    return held


def _resumed(path: Path, options: Options, *, resume: bool) -> Plan:
    if not resume:
        raise UsageError(
            f"{path}: holds a scan already; add --resume to go on with it, or choose another folder"
        )
    own = path / "_fauxto"
    try:
        plan = from_state(
            json.loads((own / "state.json").read_text(encoding="utf-8")), own / "inputs.jsonl.gz"
        )
    except ValueError as error:
        raise UsageError(f"{own / 'state.json'}: {error}; scan into another folder") from error
    check_same(plan.options, options, path)
    plan.check()
    return plan


def _begun(own: Path, options: Options, listed: Iterable[Found], skipped: Skipped) -> Plan:
    """The state comes last: without it nothing has begun."""
    unfinished, inputs = own / "inputs.unfinished", own / "inputs.jsonl.gz"
    digest, images = write_list(listed, unfinished)
    unfinished.rename(inputs)
    plan = Plan(options, inputs, digest, images, asdict(skipped))
    state = own / "state.unfinished"
    write_through(state, (json.dumps(to_state(plan), indent=2) + "\n").encode("ascii"))
    state.rename(own / "state.json")
    _sync_folder(own)
    return plan


def write_through(path: Path, data: bytes) -> None:
    """Write a file and wait until the disk has it."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# Parts


def encoded(records: Sequence[Record], format: PartFormat) -> bytes:
    """The bytes of a part.

    Raises:
        MissingExtraError: parquet without pyarrow.
    """
    if format == "jsonl":
        return "".join(record.to_json() + "\n" for record in records).encode("utf-8")
    import io

    from fauxto.scan.writers import ParquetWriter

    buffer = io.BytesIO()
    writer = ParquetWriter(buffer)
    writer.write(records)
    writer.close()
    return buffer.getvalue()


def _verdicts(part: Path) -> Counter[str]:
    try:
        if part.suffix == ".jsonl":
            with part.open(encoding="utf-8") as lines:
                return Counter(json.loads(line)["verdict"] or "error" for line in lines)
        return _verdicts_of_parquet(part)
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"{part}: this part cannot be read ({error}); remove it and resume") from error


def _verdicts_of_parquet(part: Path) -> Counter[str]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError("--format parquet", "parquet") from error
    try:
        values = parquet.read_table(part, columns=["verdict"], use_threads=False)["verdict"].to_pylist()
    except pyarrow.ArrowException as error:
        raise ValueError(str(error)) from error
    return Counter(value or "error" for value in values)


def unfinished(plan: Plan, finished: Finished) -> Iterator[tuple[Partition, int]]:
    """The partitions that parts do not hold yet, in order, and how many of their records parts do hold."""
    for partition in plan.partitions():
        so_far = finished.partitions.get(partition.index, Progressed())
        only_images = partition.inputs[0].kind == "image"
        if not so_far.complete and not (only_images and so_far.records >= len(partition.inputs)):
            yield partition, so_far.records


# Takes the number of a partition, how many of its records are stored, the bytes of the next part, and whether
# it is the last one.
Store = Callable[[int, int, bytes, bool], None]


class PartWriter:
    """Gathers the records of batches into parts, which end where batches do: there a scan can go on."""

    def __init__(self, store: Store, options: Options, finished: Finished) -> None:
        self._store, self._options, self._finished = store, options, finished
        self._partition = -1
        self._start = 0
        self._records: list[Record] = []

    def add(self, batch: Batch, records: Sequence[Record]) -> None:
        """Take the records of the next batch; what storing raises comes through."""
        if batch.partition != self._partition:
            begun = self._finished.partitions.get(batch.partition, Progressed())
            self._partition, self._start = batch.partition, begun.records
        if len(self._records) >= self._options.part_size and not batch.last:
            self.flush()
        self._records.extend(records)
        if batch.last:
            self.flush(last=True)

    def flush(self, *, last: bool = False) -> None:
        """Store what has been gathered, if anything."""
        if self._records:
            data = encoded(self._records, self._options.format)
            self._store(self._partition, self._start, data, last)
            self._start += len(self._records)
            self._records = []
