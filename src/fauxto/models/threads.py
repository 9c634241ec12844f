"""How many cores this process may use, which is not how many the machine has."""

from __future__ import annotations

import math
import os
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")


def usable_cores(groups: Path = _GROUPS) -> int:
    """Cores by CPU affinity and by the container's quota, at least 1.

    Args:
        groups: where the kernel shows its control groups, version 2 or 1.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, math.ceil(_quota(groups) or cores)))


def _quota(groups: Path) -> float | None:
    """Cores that the container may use at a time on average, None where that is not bounded."""
    for files in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            text = " ".join((groups / file).read_text(encoding="ascii") for file in files)
            quota, period = text.split()
            return int(quota) / int(period) if int(quota) > 0 else None
        except (OSError, ValueError):  # not this version, or `max`
            continue
    return None
