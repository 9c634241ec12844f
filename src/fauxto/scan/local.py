"""A scan into a folder on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from fauxto.detector import Detector
from fauxto.models.threads import usable_cores
from fauxto.scan.folder import Finished, OutputFolder, PartWriter, unfinished
from fauxto.scan.found import Skipped
from fauxto.scan.interrupt import Interruption
from fauxto.scan.pipeline import Batch, expand, in_batches, judged
from fauxto.scan.plan import Plan
from fauxto.scan.run import Summary, write_heatmaps


def scan_into(
    folder: OutputFolder,
    detector: Detector,
    summary: Summary,
    skipped: Skipped,
    *,
    interruption: Interruption,
    heatmaps: Path | None = None,
    isolate_many: bool = False,
    progress: Callable[[], None] = lambda: None,
) -> None:
    """Judge what a folder's plan holds and its parts do not, and store it there.

    Args:
        folder: open.
        detector: the models; the same as the plan's options name.
        summary: counts the records, those of an earlier run too.
        skipped: counts what archives hold beside images.
        interruption: once it is asked for, the batch in hand is stored and the rest left for another run.
        heatmaps: a folder for overlay PNGs of the images that got a score.
        isolate_many: open files in processes of their own where there is more than one batch, or a full one.
        progress: called after each batch.

    Raises:
        UsageError: a part cannot be read or written.
    """
    finished, options = folder.finished(), folder.plan.options
    summary.add_counts(finished.verdicts)
    writer = PartWriter(folder.store, options, finished)
    batches = _unfinished_batches(folder.plan, finished, skipped)
    results = judged(batches, detector, options.limits, usable_cores(), isolate_many=isolate_many)
    with closing(results):
        for result in results:
            if heatmaps is not None:
                write_heatmaps(result.prepared, result.records, heatmaps)
            writer.add(result.batch, result.records)
            for record in result.records:
                summary.add(record)
            progress()
            if interruption.signal is not None:
                break
    writer.flush()


def _unfinished_batches(plan: Plan, finished: Finished, skipped: Skipped) -> Iterator[Batch]:
    """The batches that no part holds yet; each starts where an uninterrupted scan would start it."""
    for partition, start in unfinished(plan, finished):
        inputs = expand(partition.inputs, plan.options.limits, skipped, start)
        yield from in_batches(inputs, partition.index)
