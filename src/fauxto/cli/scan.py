"""`fauxto scan`: judge files and folders."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import Enum
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from fauxto.cli import Runtime, importing

if TYPE_CHECKING:
    from fauxto import Detector, Limits, ProvenanceOptions
    from fauxto.report.writer import Report
    from fauxto.scan.found import Found, Skipped
    from fauxto.scan.interrupt import Interruption
    from fauxto.scan.progress import Kind, Total
    from fauxto.scan.run import Summary

PART_SIZE = 4096
_REPORT_SIDE = 320


class OutputFormat(str, Enum):
    """How records are written."""

    table = "table"
    json = "json"
    jsonl = "jsonl"
    csv = "csv"
    parquet = "parquet"


class ProgressFormat(str, Enum):
    """How progress is shown on standard error."""

    bar = "bar"
    json = "json"
    none = "none"


class Engine(str, Enum):
    """Where images are judged."""

    local = "local"
    ray = "ray"


@dataclass(frozen=True)
class Request:
    """What the command line asks for."""

    paths: list[str]
    model: str
    format: OutputFormat | None
    output: Path | None
    output_is_folder: bool
    resume: bool
    part_size: int
    heatmap: Path | None
    report: Path | None
    limits: Limits
    provenance: ProvenanceOptions
    progress: ProgressFormat | None
    engine: Engine
    address: str | None
    isolate: bool | None
    runtime: Runtime
    unordered: bool

    @property
    def into_folder(self) -> bool:
        """Whether the records go into a folder in parts: one that exists, or is named with a / at its end."""
        if self.output is None:
            return False
        return self.output_is_folder or self.resume or self.output.is_dir() or self.engine is Engine.ray

    def progress_kind(self) -> Kind:
        """As asked for; by default a bar on a terminal and nothing elsewhere."""
        if self.progress is not None:
            return self.progress.value
        return "bar" if sys.stderr.isatty() else "none"


def scan(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help="Files, folders, quoted patterns, tar and zip archives, parquet tables, CSV lists of paths, "
            "addresses (s3://, gs://, az://, https://), or - for standard input.",
        ),
    ],
    model: Annotated[str, typer.Option(help="auto, a model's name, or a bundle's folder.")] = "auto",
    format: Annotated[
        OutputFormat | None,
        typer.Option(help="How records are written; by default a table, into a folder jsonl."),
    ] = None,
    output: Annotated[
        str | None,  # a Path would lose a / at the end
        typer.Option(
            metavar="FILE|DIR",
            help="Write to this file instead of standard output, or in parts to this folder; "
            "one that does not exist yet is named with a / at its end.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the scan in --output DIR, or begin it.")
    ] = False,
    part_size: Annotated[
        int,
        typer.Option(min=1, help="Records of a part in --output DIR; a killed scan repeats one at most."),
    ] = PART_SIZE,
    heatmap: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write an overlay PNG for each image with a score.")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", help="Also write one self-contained HTML page of all results."),
    ] = None,
    max_pixels: Annotated[
        int, typer.Option(min=1, help="Refuse larger images, before decoding.")
    ] = 100_000_000,
    max_bytes: Annotated[int, typer.Option(min=1, help="Refuse larger files.")] = 100_000_000,
    trust_list: Annotated[
        Path | None,
        typer.Option(metavar="PEM", help="Certificates to trust as signers of Content Credentials."),
    ] = None,
    allow_network: Annotated[
        bool,
        typer.Option(
            "--allow-network",
            help="Fetch https:// inputs, and Content Credentials that a file only points to.",
        ),
    ] = False,
    progress: Annotated[
        ProgressFormat | None,
        typer.Option(help="Report progress on standard error; by default a bar where that is a terminal."),
    ] = None,
    engine: Annotated[
        Engine, typer.Option(help="Judge on this machine, or on a Ray cluster (needs --output DIR).")
    ] = Engine.local,
    address: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="The Ray cluster; by default one on this machine.")
    ] = None,
    isolate: Annotated[
        bool | None,
        typer.Option(
            help="Decode in processes of their own: a decoder that crashes or hangs costs one record. "
            "By default from 32 files on.",
        ),
    ] = None,
    runtime: Annotated[
        Runtime, typer.Option(help="What computes the models; openvino is an extra, for fauxto's own models.")
    ] = Runtime.onnxruntime,
    unordered: Annotated[
        bool,
        typer.Option(
            "--unordered",
            help="Write records as they get ready, so that a slow input does not hold those after it.",
        ),
    ] = False,
) -> None:
    """Judge images: ai, ai-edited, uncertain or no-sign, with a score and the reason.

    Exit code 0: every image judged, none ai or ai-edited; 1: at least one is; 2: something could not be read.
    """
    with importing():
        from fauxto import Limits, ProvenanceOptions
        from fauxto.scan.found import Skipped
        from fauxto.scan.interrupt import Interruption
        from fauxto.scan.run import EXIT_TROUBLE, Summary

    request = Request(
        paths=paths,
        model=model,
        format=format,
        output=None if output is None else Path(output),
        output_is_folder=output is not None and output.endswith(("/", os.sep)),
        resume=resume,
        part_size=part_size,
        heatmap=heatmap,
        report=report,
        limits=Limits(max_pixels=max_pixels, max_bytes=max_bytes),
        provenance=ProvenanceOptions(allow_network=allow_network, trust_list=trust_list),
        progress=progress,
        engine=engine,
        address=address,
        isolate=isolate,
        runtime=runtime,
        unordered=unordered,
    )
    _check(request)
    if request.heatmap is not None:
        _make_folder(request.heatmap)
    skipped, summary = Skipped(), Summary()
    run = _to_folder if request.into_folder else _to_stream

    def stopped() -> None:
        print(f"fauxto: interrupted; {summary}; {_how_to_go_on(request)}", file=sys.stderr)
        if request.engine is Engine.local:
            _leave(interruption.exit_code)

    def at_once() -> None:
        if request.engine is Engine.local:  # Ray's workers are ended by the main thread
            print("fauxto: stopped at once", file=sys.stderr)
            stopped()

    with Interruption(at_once) as interruption:
        try:
            run(request, skipped, summary, interruption)
        except KeyboardInterrupt:  # the second one; the first is noted
            print("fauxto: stopped at once", file=sys.stderr)
    if interruption.signal is not None:
        stopped()
        raise typer.Exit(interruption.exit_code)
    passed_over = f"; passed over {skipped}" if str(skipped) else ""
    if not summary.total:
        print(f"fauxto: nothing to scan: no images found{passed_over}", file=sys.stderr)
        raise typer.Exit(EXIT_TROUBLE)
    print(f"{summary}{passed_over}", file=sys.stderr)
    raise typer.Exit(summary.exit_code)


def _leave(code: int) -> NoReturn:
    """End without waiting for threads: they may hang on an input whose record nobody will ask for."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _check(request: Request) -> None:
    """Refuse options that do not go together."""
    from fauxto.errors import UsageError

    if request.resume and (request.output is None or request.output.is_file()):
        raise UsageError("--resume needs --output DIR: a folder that takes the records in parts")
    if request.engine is Engine.ray and (request.output is None or request.output.is_file()):
        raise UsageError("--engine ray needs --output DIR: a folder that takes the records in parts")
    if request.output_is_folder and request.output is not None and request.output.is_file():
        raise UsageError(f"{request.output}: is a file; leave out the / at its end, or name a folder")
    if request.address is not None and request.engine is not Engine.ray:
        raise UsageError("--address is the address of a Ray cluster; add --engine ray")
    if request.engine is Engine.ray and request.heatmap is not None:
        raise UsageError("--heatmap works on this machine only; leave out --engine ray")
    if request.engine is Engine.ray and request.isolate is not None:
        raise UsageError("--engine ray decides this itself; leave out --isolate and --no-isolate")
    if request.unordered and request.into_folder:
        raise UsageError(
            "--unordered is for one stream of records; parts in --output DIR are in order, which is how "
            "--resume knows what is left; leave out one of them"
        )
    if request.report is not None and request.into_folder:
        raise UsageError("--report shows the results of one run; leave out --output DIR")
    if request.report is not None and request.output is not None and _one_file(request):
        raise UsageError("--report and --output name one file; give each its own")
    if request.into_folder and request.format not in (None, OutputFormat.jsonl, OutputFormat.parquet):
        raise UsageError("--output DIR takes --format jsonl or parquet")
    if request.into_folder and "-" in request.paths:
        raise UsageError("standard input cannot be read again; with --output DIR name files or folders")


def _make_folder(heatmaps: Path) -> None:
    """Find out now, not after the first images."""
    from fauxto.errors import UsageError
    from fauxto.images import printable

    name = printable(str(heatmaps))
    try:
        heatmaps.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{name}: no folder for heatmaps can be made there ({error.strerror}); name another by --heatmap"
        ) from error
    if not os.access(heatmaps, os.W_OK):
        raise UsageError(f"{name}: heatmaps cannot be written there; name another folder by --heatmap")


def _detector(request: Request) -> Detector:
    from fauxto import Detector

    return Detector(
        request.model,
        limits=request.limits,
        provenance=request.provenance,
        isolate=bool(request.isolate),
        runtime=request.runtime.value,
        thumbnail_side=None if request.report is None else _REPORT_SIDE,
    )


def _how_to_go_on(request: Request) -> str:
    if request.into_folder:
        from fauxto.images import printable

        where = printable(str(request.output))
        return f"everything so far is in {where}; run the same command with --resume to go on"
    return "a scan that can be resumed writes to a folder: --output DIR --resume"


def _to_stream(request: Request, skipped: Skipped, summary: Summary, interruption: Interruption) -> None:
    """Records to standard output or one file."""
    with importing():
        from fauxto.scan.progress import progress
        from fauxto.scan.run import scan as run
        from fauxto.scan.sources import find
        from fauxto.scan.writers import open_writer

    _keep_inputs(request)
    detector = _detector(request)
    inputs = find(request.paths, skipped, allow_network=request.provenance.allow_network)
    kind = request.progress_kind()
    writer = open_writer((request.format or OutputFormat.table).value, request.output, sys.stdout)
    with (
        closing(detector),
        progress(kind, summary, _total(kind, request.paths), sys.stderr) as update,
        _report(request, detector) as report,
    ):
        for records in run(
            inputs,
            detector,
            summary,
            limits=request.limits,
            skipped=skipped,
            heatmaps=request.heatmap,
            report=report,
            isolate_many=request.isolate is None,
            progress=update,
            ordered=not request.unordered,
        ):
            with _writing(request):
                writer.write(records)
            if interruption.signal is not None:
                break
    with _writing(request):
        writer.close()


@contextmanager
def _writing(request: Request) -> Iterator[None]:
    """Names what cannot be written."""
    from fauxto import UsageError

    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        where = request.output or "standard output"
        remedy = "it is closed; name a file by --output" if error.errno == errno.EBADF else "make room"
        raise UsageError(f"{where}: cannot be written ({error.strerror or error}); {remedy}") from error


@contextmanager
def _report(request: Request, detector: Detector) -> Iterator[Report | None]:
    """The HTML report that was asked for, written when the block ends."""
    if request.report is None:
        yield None
        return
    from fauxto.errors import MissingExtraError

    try:
        from fauxto.report.writer import report_file
    except ImportError as error:
        raise MissingExtraError("--report", "report") from error
    with report_file(request.report, detector.configs) as report:
        yield report


def _total(kind: Kind, paths: list[str]) -> Total:
    from fauxto.scan.progress import counted

    return (lambda: None) if kind == "none" else counted(paths)


def _to_folder(request: Request, skipped: Skipped, summary: Summary, interruption: Interruption) -> None:
    """Records into a folder in parts, going on where an earlier run stopped."""
    from fauxto.scan.folder import open_folder
    from fauxto.scan.plan import options_of
    from fauxto.scan.progress import progress
    from fauxto.scan.sources import find

    assert request.output is not None
    options = options_of(
        request.paths,
        model=request.model,
        format="parquet" if request.format is OutputFormat.parquet else "jsonl",
        part_size=request.part_size,
        limits=request.limits,
        provenance=request.provenance,
        runtime=request.runtime.value,
    )

    def listed() -> Iterator[Found]:
        return find(request.paths, skipped, allow_network=request.provenance.allow_network)

    kind = request.progress_kind()
    with (
        open_folder(request.output, options, listed, skipped, resume=request.resume) as folder,
        progress(kind, summary, lambda: folder.plan.images, sys.stderr) as update,
    ):
        if request.engine is Engine.ray:
            from fauxto.scan.cluster import scan_on_ray

            scan_on_ray(
                folder,
                summary,
                skipped,
                address=request.address,
                interruption=interruption,
                progress=update,
            )
            return
        from fauxto.scan.local import scan_into

        with closing(_detector(request)) as detector:
            scan_into(
                folder,
                detector,
                summary,
                skipped,
                interruption=interruption,
                heatmaps=request.heatmap,
                isolate_many=request.isolate is None,
                progress=update,
            )


def _keep_inputs(request: Request) -> None:
    """Refuse to write the records or the report over what is scanned: images, archives, tables of paths."""
    from fauxto.errors import UsageError
    from fauxto.scan.found import Skipped, is_remote
    from fauxto.scan.sources import find, named_files

    written = {"--output": request.output, "--report": request.report}
    there = {name: path for name, path in written.items() if path is not None and path.exists()}
    if not there:
        return
    # Listed a second time rather than kept: a list of a million paths does not belong in memory.
    local = [path for path in request.paths if not is_remote(path)]
    for scanned in chain(named_files(local), (found.path for found in find(local, Skipped()))):
        for name, path in there.items():
            if _same(path, scanned):
                raise UsageError(f"{path}: is one of the inputs of the scan; choose another {name}")


def _one_file(request: Request) -> bool:
    """Whether records and report would go into the same file."""
    assert request.report is not None and request.output is not None
    return os.path.realpath(request.report) == os.path.realpath(request.output)


def _same(output: Path, path: str) -> bool:
    from fauxto.scan.found import is_remote

    try:
        return not is_remote(path) and output.samefile(path)
    except (OSError, ValueError):
        return False
