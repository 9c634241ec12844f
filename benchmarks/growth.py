"""Whether memory grew between two parts of a long run."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Protocol


class Sized(Protocol):
    """A sample of a process."""

    @property
    def megabytes(self) -> float:
        """Resident memory."""


def memory_growth(first: Sequence[Sized], last: Sequence[Sized], share: float, megabytes: float) -> list[str]:
    """What to report: the median grew by more than `share` and by more than `megabytes`, or nothing."""
    before, after = (median(one.megabytes for one in part) for part in (first, last))
    if after > before * (1 + share) and after > before + megabytes:
        return [f"memory: {before:.0f} to {after:.0f} MB"]
    return []
