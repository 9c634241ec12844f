"""What a process holds, and whether that grew over a long run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Held:
    """What a process holds: memory of it and its children, the rest of it alone."""

    megabytes: float
    descriptors: int
    threads: int
    processes: int


def held(pid: int) -> Held:
    """What a process holds now."""
    pids = [pid, *_children(pid)]
    own = Path("/proc") / str(pid)
    return Held(
        round(sum(map(_resident, pids)) / 1e6, 1),
        len(list((own / "fd").iterdir())),
        len(list((own / "task").iterdir())),
        len(pids),
    )


def _children(pid: int) -> list[int]:
    tasks = (Path("/proc") / str(pid) / "task").iterdir()
    found = []
    for task in tasks:
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has just ended
            found += [int(child) for child in (task / "children").read_text().split()]
    return found


def _resident(pid: int) -> int:
    """Bytes in memory; 0 for a process that has just ended."""
    try:
        return int((Path("/proc") / str(pid) / "statm").read_text().split()[1]) * _PAGE
    except (FileNotFoundError, ProcessLookupError):
        return 0


def grew(samples: Sequence[Held], share: float, megabytes: float) -> list[str]:
    """What grew from the first quarter of the samples to the last.

    That is median memory, by more than a share of it and so many megabytes, and the median of anything else
    above what it ever was at first.
    """
    quarter = max(1, len(samples) // 4)
    first, last = samples[:quarter], samples[-quarter:]
    before, after = (median(one.megabytes for one in part) for part in (first, last))
    found = []
    if after > before * (1 + share) and after > before + megabytes:
        found.append(f"memory: {before:.0f} to {after:.0f} MB")
    for what in ("descriptors", "threads", "processes"):
        most, now = max(getattr(one, what) for one in first), median(getattr(one, what) for one in last)
        if now > most:
            found.append(f"{what}: {most} to {now:g}")
    return found
