"""`fauxto scan`: judge files and folders."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from fauxto.scan.run import Summary


class OutputFormat(str, Enum):
    """How records are written."""

    table = "table"
    json = "json"
    jsonl = "jsonl"
    csv = "csv"
    parquet = "parquet"


def scan(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH...", help="Files, folders, or - for standard input.")
    ],
    model: Annotated[str, typer.Option(help="auto, a model's name, or a bundle's folder.")] = "auto",
    format: Annotated[OutputFormat, typer.Option(help="How records are written.")] = OutputFormat.table,
    output: Annotated[
        Path | None, typer.Option(help="Write to this file instead of standard output.")
    ] = None,
    heatmap: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write an overlay PNG for each image with a score.")
    ] = None,
    max_pixels: Annotated[int, typer.Option(help="Refuse larger images, before decoding.")] = 100_000_000,
    max_bytes: Annotated[int, typer.Option(help="Refuse larger files.")] = 100_000_000,
    trust_list: Annotated[
        Path | None,
        typer.Option(metavar="PEM", help="Certificates to trust as signers of Content Credentials."),
    ] = None,
    allow_network: Annotated[
        bool, typer.Option("--allow-network", help="Fetch Content Credentials that a file only points to.")
    ] = False,
) -> None:
    """Judge images: ai, ai-edited, uncertain or no-sign, with a score and the reason.

    Exit code 0: every image judged, none ai or ai-edited; 1: at least one is; 2: something could not be read.
    """
    from fauxto import Detector, Limits, ProvenanceOptions
    from fauxto.scan.run import EXIT_TROUBLE, Summary
    from fauxto.scan.run import scan as run
    from fauxto.scan.sources import Skipped, find
    from fauxto.scan.writers import open_writer

    skipped, summary = Skipped(), Summary()
    inputs = list(find(paths, skipped))
    _keep_inputs(output, [found.path for found in inputs])
    detector = Detector(
        model,
        limits=Limits(max_pixels=max_pixels, max_bytes=max_bytes),
        provenance=ProvenanceOptions(allow_network=allow_network, trust_list=trust_list),
    )
    writer = open_writer(format.value, output, sys.stdout)
    try:
        with _progress(len(inputs), summary) as progress:
            for record in run(inputs, detector, summary, heatmaps=heatmap, progress=progress):
                writer.write([record])
    except KeyboardInterrupt:
        print(f"fauxto: interrupted; {summary}", file=sys.stderr)
        raise typer.Exit(130) from None
    finally:
        writer.close()
    passed_over = f"; passed over {skipped}" if str(skipped) else ""
    if not summary.total:
        print(f"fauxto: nothing to scan: no images found{passed_over}", file=sys.stderr)
        raise typer.Exit(EXIT_TROUBLE)
    print(f"{summary}{passed_over}", file=sys.stderr)
    raise typer.Exit(summary.exit_code)


def _keep_inputs(output: Path | None, inputs: list[str]) -> None:
    """Refuse to write the records over one of the images."""
    from fauxto.errors import UsageError

    if output is None or not output.exists():
        return
    if output.is_dir():
        raise UsageError(f"{output}: is a folder; --output takes a file")
    if any(Path(path).exists() and output.samefile(path) for path in inputs):
        raise UsageError(f"{output}: is one of the images to scan; choose another --output")


@contextmanager
def _progress(total: int, summary: Summary) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error, where that is a terminal and there is something to wait for."""
    if total < 2 or not sys.stderr.isatty():
        yield lambda _done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)

        def advance(done: int) -> None:
            flagged = summary.verdicts["ai"] + summary.verdicts["ai-edited"]
            bar.update(task, advance=done, description=f"{flagged} flagged, {summary.errors} errors")

        yield advance
