"""A scan into a folder on many machines: Ray actors judge partitions, the driver stores their parts.

Plain actors and not Ray Data: a partition is the unit of work, of retry and of resume, and its batches are
those of the local engine, so the records are the same bit for bit. Data's own blocks would decide otherwise.
Workers need the same fauxto and models as the driver and must reach the images; they write nothing.
"""

from __future__ import annotations

import logging
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from fauxto.errors import FauxtoError, MissingExtraError, UsageError
from fauxto.scan.folder import Finished, OutputFolder, PartWriter, unfinished
from fauxto.scan.found import Skipped
from fauxto.scan.interrupt import Interruption
from fauxto.scan.pipeline import expand, in_batches, judged
from fauxto.scan.plan import Options, Partition, options_of
from fauxto.scan.run import Summary

_ATTEMPTS = 4  # of a partition whose worker dies: nodes may fail, but images that kill workers must not loop
_GROWTH = 5.0  # seconds between looks at the size of the cluster
_ALONE = 300.0  # seconds to wait for a worker where there is none


@dataclass(frozen=True)
class Part:
    """The bytes of a part, and where it belongs in its partition."""

    start: int
    data: bytes
    last: bool


@dataclass(frozen=True)
class Result:
    """What a worker made of a partition."""

    parts: list[Part]
    verdicts: Counter[str]
    skipped: Skipped


class Judge:
    """A worker: one model each, one core."""

    def begin(self, options: Options) -> str | None:
        """Load the models.

        Returns:
            None, or why this node cannot take part.
        """
        from fauxto.detector import Detector

        try:
            if options.working_folder:
                os.chdir(options.working_folder)
            here = options_of(
                options.arguments,
                model=options.model,
                format=options.format,
                part_size=options.part_size,
                limits=options.limits,
                provenance=options.provenance,
                runtime=options.runtime,
            )
            for name in ("fauxto", "models", "trust"):
                if getattr(here, name) != getattr(options, name):
                    return (
                        f"it has {getattr(here, name)}, the driver {getattr(options, name)}; install the same"
                    )
            self._detector = Detector(
                options.model,
                limits=options.limits,
                provenance=options.provenance,
                threads=1,
                isolate=True,
                runtime=options.runtime,
            )
        except (FauxtoError, OSError) as error:
            return str(error)
        self._options = options
        return None

    def judge(self, partition: Partition, start: int) -> Result:
        """Judge a partition but for its first `start` images."""
        result = Result([], Counter(), Skipped())

        def keep(_partition: int, first: int, data: bytes, last: bool) -> None:
            result.parts.append(Part(start + first, data, last))

        writer = PartWriter(keep, self._options, Finished())
        inputs = expand(partition.inputs, self._options.limits, result.skipped, start)
        batches = in_batches(inputs, partition.index)
        for each in judged(batches, self._detector, self._options.limits, threads=1):
            writer.add(each.batch, each.records)
            result.verdicts.update(record.verdict or "error" for record in each.records)
        return result


def scan_on_ray(
    folder: OutputFolder,
    summary: Summary,
    skipped: Skipped,
    *,
    address: str | None,
    interruption: Interruption,
    progress: Callable[[], None] = lambda: None,
) -> None:
    """Judge what a folder's plan holds and its parts do not, on a Ray cluster.

    A partition whose worker or node dies is judged again by another; nodes that join are used.

    Args:
        folder: open; on the driver's disk.
        summary: counts the records, those of an earlier run too.
        skipped: counts what archives hold beside images.
        address: of the cluster; None starts one on this machine alone.
        interruption: once it is asked for, finished partitions are stored and the rest left for another run.
        progress: called after each partition.

    Raises:
        UsageError: no cluster, a worker with other models, a partition that kills its workers, or a part
            that cannot be written.
        MissingExtraError: ray is not installed.
    """
    finished = folder.finished()
    summary.add_counts(finished.verdicts)
    with interruption.kept():  # Ray would end the process at the first request to terminate
        ray = _connected(address)
    try:
        crew = _Crew(ray, folder.plan.options)
        tasks = _Tasks(unfinished(folder.plan, finished))
        while interruption.signal is None and (crew.busy or tasks.waiting()):
            crew.grow()
            while crew.idle and (task := tasks.take()) is not None:
                crew.give(task)
            for task, result in crew.results():
                if result is None:
                    tasks.return_(task)
                else:
                    _store(folder, task, result, summary, skipped)
            progress()
    finally:
        ray.shutdown()
    tasks.check_none_lost(folder)


def _store(folder: OutputFolder, task: Task, result: Result, summary: Summary, skipped: Skipped) -> None:
    for part in result.parts:
        folder.store(task.partition.index, part.start, part.data, part.last)
    summary.add_counts(result.verdicts)
    for name, count in asdict(result.skipped).items():
        setattr(skipped, name, getattr(skipped, name) + count)


def _connected(address: str | None) -> Any:
    # Ray reports its use over the network unless told not to, before it is imported.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError("--engine ray", "ray") from error
    local: dict[str, Any] = {} if address else {"include_dashboard": False}
    try:
        ray.init(address=address or "local", logging_level=logging.ERROR, log_to_driver=False, **local)
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        where = address or "this machine"
        raise UsageError(f"--address: no Ray cluster answers at {where} ({error})") from error
    return ray


@dataclass
class Task:
    """A partition, how many of its records are stored, and how often a worker has died of it."""

    partition: Partition
    start: int
    deaths: int = 0


class _Tasks:
    """What is left to do: partitions not begun, and before them those to do again."""

    def __init__(self, partitions: Iterator[tuple[Partition, int]]) -> None:
        self._fresh = (Task(partition, start) for partition, start in partitions)
        self._again: deque[Task] = deque()
        self._lost: list[Task] = []

    def waiting(self) -> bool:
        """Whether there is any; looks one ahead."""
        if not self._again and (task := next(self._fresh, None)) is not None:
            self._again.append(task)
        return bool(self._again)

    def take(self) -> Task | None:
        """The next one."""
        return self._again.popleft() if self.waiting() else None

    def return_(self, task: Task) -> None:
        """Take back one whose worker died."""
        task.deaths += 1
        (self._again if task.deaths < _ATTEMPTS else self._lost).append(task)

    def check_none_lost(self, folder: OutputFolder) -> None:
        """Fail where partitions were given up.

        Raises:
            UsageError: names the first.
        """
        if self._lost:
            inputs = self._lost[0].partition.inputs
            raise UsageError(
                f"{folder.path}: {len(self._lost)} partitions killed {_ATTEMPTS} workers each, the first "
                f"from {inputs[0].path} to {inputs[-1].path}; look at the nodes' memory, then run again "
                "with --resume"
            )


@dataclass
class _Crew:
    """The workers, one a core of the cluster. Those that die are replaced where a core is left."""

    ray: Any
    options: Options
    idle: list[Any] = field(default_factory=list)
    _starting: dict[Any, Any] = field(default_factory=dict)
    _running: dict[Any, tuple[Any, Task]] = field(default_factory=dict)
    _looked: float = float("-inf")
    _alive: float = field(default_factory=time.monotonic)

    @property
    def busy(self) -> bool:
        """Whether any is at work."""
        return bool(self._running)

    def grow(self) -> None:
        """Hire for cores that have no worker yet.

        Raises:
            UsageError: there has been no worker for minutes.
        """
        now = time.monotonic()
        if self.idle or self._running:
            self._alive = now
        elif now - self._alive > _ALONE:
            raise UsageError(
                f"the cluster had no free core for {_ALONE:.0f} s; add nodes and run again with --resume"
            )
        if now - self._looked < _GROWTH:
            return
        self._looked = now
        cores = int(self.ray.cluster_resources().get("CPU", 0))
        for _ in range(cores - len(self.idle) - len(self._starting) - len(self._running)):
            worker = self.ray.remote(Judge).options(num_cpus=1, max_restarts=0).remote()
            self._starting[worker.begin.remote(self.options)] = worker

    def give(self, task: Task) -> None:
        """Have an idle worker do a partition."""
        worker = self.idle.pop()
        self._running[worker.judge.remote(task.partition, task.start)] = worker, task

    def results(self) -> Iterator[tuple[Task, Result | None]]:
        """Wait for workers, a second at most; None for a partition whose worker died.

        Raises:
            UsageError: a worker cannot take part.
        """
        waiting = [*self._running, *self._starting]
        if not waiting:
            time.sleep(0.1)
            return
        ready, _ = self.ray.wait(waiting, num_returns=1, timeout=1.0)
        more, _ = self.ray.wait(waiting, num_returns=len(waiting), timeout=0)
        for reference in dict.fromkeys([*ready, *more]):
            if reference in self._starting:
                self._welcome(reference)
            else:
                yield self._finished(reference)

    def _welcome(self, reference: Any) -> None:
        worker = self._starting.pop(reference)
        try:
            refusal = self.ray.get(reference)
        except self.ray.exceptions.RayActorError:
            return  # its node is gone already
        except self.ray.exceptions.RayError as error:
            raise UsageError(f"a worker of the cluster cannot start: {error}") from error
        if refusal is not None:
            raise UsageError(f"a worker of the cluster cannot take part: {refusal}")
        self.idle.append(worker)

    def _finished(self, reference: Any) -> tuple[Task, Result | None]:
        worker, task = self._running.pop(reference)
        try:
            result: Result = self.ray.get(reference)
        except (self.ray.exceptions.RayActorError, self.ray.exceptions.ObjectLostError):
            # Perhaps it only cannot be reached: it must not hold its core for a result that nobody waits for.
            self.ray.kill(worker)
            return task, None
        self.idle.append(worker)
        return task, result
