"""The loop of a scan whose records go to one place: judge in batches, count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from fauxto.detector import Detector, Prepared
from fauxto.errors import UsageError
from fauxto.images import Limits
from fauxto.models.threads import usable_cores
from fauxto.record import Record
from fauxto.scan.found import Found, Skipped
from fauxto.scan.pipeline import BATCH_SIZE, expand, in_batches, judged

if TYPE_CHECKING:
    from fauxto.report.writer import Report

__all__ = ["BATCH_SIZE", "Summary", "scan", "write_heatmaps"]

_DEFAULT_LIMITS = Limits()
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

    def add_counts(self, verdicts: Mapping[str, int]) -> None:
        """Count records of an earlier run by their verdicts; `error` stands for none."""
        for verdict, count in verdicts.items():
            if verdict == "error":
                self.errors += count
            else:
                self.verdicts[verdict] += count

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
    limits: Limits = _DEFAULT_LIMITS,
    skipped: Skipped | None = None,
    heatmaps: Path | None = None,
    report: Report | None = None,
    isolate_many: bool = False,
    progress: Callable[[], None] = lambda: None,
    ordered: bool = True,
) -> Generator[Sequence[Record], None, None]:
    """Judge inputs, a batch at a time; one that cannot be read gives an error record.

    Args:
        inputs: what `find` found.
        detector: the models.
        summary: counts the records.
        limits: of the bytes of an image.
        skipped: counts what archives hold beside images.
        heatmaps: a folder for overlay PNGs of the images that got a score.
        report: gets every result with the thumbnail that the detector kept.
        isolate_many: open files in processes of their own where there is more than one batch, or a full one.
        progress: called after each batch.
        ordered: whether the batches come in the order of the inputs, or as they get ready. The records are
            the same, and those of a batch stay in order.

    Yields:
        The records of a batch.

    Raises:
        UsageError: an overlay cannot be written. What listing the inputs raises comes through, too.
    """
    batches = in_batches(expand(inputs, limits, skipped or Skipped()))
    results = judged(batches, detector, limits, usable_cores(), isolate_many=isolate_many, ordered=ordered)
    for batch in results:
        if heatmaps is not None:
            write_heatmaps(batch.prepared, batch.records, heatmaps)
        for record in batch.records:
            summary.add(record)
        if report is not None:
            add_to_report(report, batch.prepared, batch.records)
        yield batch.records
        progress()


def add_to_report(report: Report, prepared: Iterable[Prepared], records: Iterable[Record]) -> None:
    """Append results, each with a small picture where the image could be read."""
    from fauxto.report.pictures import pictures_of
    from fauxto.report.render import Shown

    for item, record in zip(prepared, records, strict=True):
        report.add(Shown(record=record, pictures=pictures_of(item.thumbnail)))


def write_heatmaps(prepared: Iterable[Prepared], records: Iterable[Record], folder: Path) -> None:
    """Write an overlay PNG for each image that got a score.

    Raises:
        UsageError: the folder cannot be written.
    """
    from fauxto.detector import decisive_square
    from fauxto.heatmap import contributions, overlay

    for item, record in zip(prepared, records, strict=True):
        square = decisive_square(item, record)
        if item.bundle is None or square is None or item.image is None:
            continue
        # The hash keeps files of one name in several folders apart.
        name = f"{Path(item.path).stem or 'image'}-{item.image.sha256[:12]}.png"
        try:
            overlay(square, contributions(item.bundle, square)).save(folder / name)
        except OSError as error:
            raise UsageError(f"{folder}: cannot write the heatmap {name} ({error.strerror})") from error
