"""The loop of a scan: prepare, judge in batches, write, count."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from fauxto.detector import Detector, Prepared
from fauxto.errors import UsageError
from fauxto.record import Record
from fauxto.scan.sources import STANDARD_INPUT, Found

BATCH_SIZE = 32

EXIT_CLEAR, EXIT_FLAGGED, EXIT_TROUBLE = 0, 1, 2


@dataclass
class Summary:
    """Counts of a scan, and the exit code that they add up to."""

    verdicts: Counter[str] = field(default_factory=Counter)
    errors: int = 0

    def add(self, record: Record) -> None:
        """Count one record."""
        if record.verdict is None:
            self.errors += 1
        else:
            self.verdicts[record.verdict] += 1

    @property
    def total(self) -> int:
        """Records counted so far."""
        return self.errors + sum(self.verdicts.values())

    @property
    def exit_code(self) -> int:
        """2 where something could not be read or nothing was there, else 1 where AI was found, else 0."""
        if self.errors or not self.total:
            return EXIT_TROUBLE
        return EXIT_FLAGGED if self.verdicts["ai"] or self.verdicts["ai-edited"] else EXIT_CLEAR

    def __str__(self) -> str:
        verdicts = ", ".join(
            f"{self.verdicts[name]} {name}" for name in ("ai", "ai-edited", "uncertain", "no-sign")
        )
        noun, fault = ("image" if self.total == 1 else "images"), ("error" if self.errors == 1 else "errors")
        return f"{self.total} {noun}: {verdicts}, {self.errors} {fault}"


def scan(
    inputs: Iterable[Found],
    detector: Detector,
    summary: Summary,
    *,
    heatmaps: Path | None = None,
    progress: Callable[[int], None] = lambda _done: None,
) -> Iterator[Record]:
    """Judge inputs in order, a batch at a time; one that cannot be read gives an error record.

    Args:
        inputs: what `find` found.
        detector: the models.
        summary: counts the records.
        heatmaps: a folder for overlay PNGs of the images that got a score.
        progress: told how many were done after each batch.
    """
    remaining = iter(inputs)
    while chunk := list(islice(remaining, BATCH_SIZE)):
        prepared = [_prepare(found, detector) for found in chunk]
        records = detector.judge(prepared)
        if heatmaps is not None:
            _write_heatmaps(prepared, heatmaps)
        for record in records:
            summary.add(record)
            yield record
        progress(len(records))


def _prepare(found: Found, detector: Detector) -> Prepared:
    if found.error is not None:
        return Prepared(found.path, error=found.error)
    if found.path == STANDARD_INPUT:
        return detector.prepare(sys.stdin.buffer, name=STANDARD_INPUT)
    return detector.prepare(found.path)


def _write_heatmaps(prepared: Iterable[Prepared], folder: Path) -> None:
    from fauxto.heatmap import occlusion_map, overlay

    for item in prepared:
        if item.bundle is None or item.square is None or item.image is None:
            continue
        # The hash keeps files of one name in several folders apart.
        name = f"{Path(item.path).stem or 'image'}-{item.image.sha256[:12]}.png"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            overlay(item.square, occlusion_map(item.bundle, item.square)).save(folder / name)
        except OSError as error:
            raise UsageError(f"{folder}: cannot write the heatmap {name} ({error.strerror})") from error
