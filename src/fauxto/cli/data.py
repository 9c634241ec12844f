"""`fauxto data`: get labelled images, and see whether they are fit to train and measure on."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from fauxto.data.checks import CheckReport, ClassSummary, DuplicateReport

app = typer.Typer(no_args_is_help=True, help="Get labelled images and check them.")


class KaggleSet(str, Enum):
    """The data sets that `download` knows."""

    cifake = "cifake"
    faces140k = "faces140k"


class PublishedSet(str, Enum):
    """The published sets that `stream` knows."""

    genimage = "genimage"
    community_forensics = "community-forensics"
    openfake = "openfake"


class OutputFormat(str, Enum):
    """How `check` answers."""

    table = "table"
    json = "json"


@app.command()
def download(
    name: Annotated[KaggleSet, typer.Argument(help="Which data set.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option(
            help="Folder to put it in; without it, kagglehub's cache.", file_okay=False, show_default=False
        ),
    ] = None,
) -> None:
    """Download a public data set from Kaggle and print its folder.

    cifake: 120,000 images of 32 px, Stable Diffusion 1.4 against CIFAR-10. faces140k: 140,000 faces of
    256 px, StyleGAN against FFHQ. Needs `pip install 'fauxto[train]'` and the network.
    """
    from fauxto.data.kaggle import download as fetch

    # kagglehub reports on standard output; only the folder belongs there, for scripts.
    with redirect_stdout(sys.stderr):
        folder = fetch(name.value, output)
    typer.echo(folder)


@app.command()
def stream(
    name: Annotated[PublishedSet, typer.Argument(help="Which published set.", show_default=False)],
    output: Annotated[Path, typer.Option(help="Parquet file to write; must not exist.", show_default=False)],
    images: Annotated[int, typer.Option(min=2, help="How many in all, half of them AI-generated.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, help="Of the order in which they come.")] = 0,
) -> None:
    """Fetch a part of a published set from the Hugging Face hub, image by image, into a parquet file.

    genimage: eight generators of 2021 to 2022 against ImageNet. community-forensics: thousands of generators.
    openfake: recent ones, political subjects. Their licences are their own, mostly non-commercial. Train on
    the file by `fauxto train RECIPE --data FILE`. Needs `pip install 'fauxto[train]'` and the network.
    """
    from fauxto.data.published import PUBLISHED
    from fauxto.data.published import stream as fetch
    from fauxto.images import printable

    with _progress(images) as progress:
        found = fetch(name.value, images, output, seed=seed, progress=progress)
    typer.echo(f"{found['real']} photographs, {found['fake']} AI-generated: {printable(str(output))}")
    typer.echo(f"licence: {PUBLISHED[name.value].licence}", err=True)


@app.command()
def check(
    data: Annotated[
        Path,
        typer.Argument(
            help="Folder with class folders, parquet file or folder, or CSV of paths and labels.",
            show_default=False,
        ),
    ],
    output_format: Annotated[
        OutputFormat, typer.Option("--format", help="What to print.")
    ] = OutputFormat.table,
) -> None:
    """Report what is in labelled data and what would spoil a detector trained on it.

    Counts by class, split and source; sizes, formats and JPEG qualities by class; exact and perceptual
    duplicates within and across splits and classes; unreadable files; and the shortcut test: how well file
    size, dimensions, JPEG quality and format alone tell the class. Needs `pip install 'fauxto[evaluate]'`.
    """
    from fauxto.data.checks import check as examine
    from fauxto.data.loading import load

    dataset = load(data)
    with _progress(len(dataset)) as progress:
        report = examine(dataset, progress=progress)
    if output_format is OutputFormat.json:
        typer.echo(json.dumps(asdict(report), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        _print_report(report)


@app.command()
def align(
    photographs: Annotated[
        Path,
        typer.Argument(
            metavar="REAL_FOLDER",
            help="Folder of photographs, or labelled images whose photographs are taken.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(help="New folder; gets real/, fake/, pairs.csv and align.json.", show_default=False),
    ],
    autoencoder: Annotated[
        list[str],
        typer.Option(
            metavar="FILE|diffusers:REPO|small:UPSAMPLER",
            help="What reconstructs; several take turns. FILE: TAESD, TAEF1 or TAEF2 (encoder or decoder, "
            "the other beside it) or a small one of an earlier run. diffusers:REPO: an autoencoder of the "
            "hub (fetched if need be) or of a folder. small:UPSAMPLER: nearest, bilinear, transposed or "
            "shuffle, trained here on the photographs.",
            show_default=False,
        ),
    ],
    crop: Annotated[int, typer.Option(min=64, help="Side of the squares, in pixels.")] = 256,
    shrink: Annotated[
        float,
        typer.Option(
            min=0.1,
            max=1.0,
            help="Photographs are first shrunk by a random factor between this and 1, on both sides, so that "
            "the grid of their own JPEG gives nothing away.",
        ),
    ] = 0.5,
    noise: Annotated[
        float, typer.Option(min=0.0, max=2.0, help="Most noise on the latents, in their standard deviations.")
    ] = 0.0,
    passes: Annotated[int, typer.Option(min=1, max=5, help="Most passes through the autoencoder.")] = 1,
    quality: Annotated[
        tuple[int, int], typer.Option(help="Least and greatest JPEG quality, one for both sides of a pair.")
    ] = (75, 98),
    steps: Annotated[
        int, typer.Option(min=1, help="Training steps of a small autoencoder; 1000 take about two minutes.")
    ] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of all draws.")] = 0,
) -> None:
    """Make aligned pairs: your photographs and what an autoencoder makes of them.

    Both sides have the same crop and the same encoding, so that only the decoder's traces tell them apart.
    Train on them by `fauxto train RECIPE --data DIR/pairs.csv`. Needs `pip install 'fauxto[train]'`.
    """
    from fauxto.errors import MissingExtraError
    from fauxto.images import printable

    try:
        from fauxto.data.align.pairs import AlignSettings, find_photographs
        from fauxto.data.align.pairs import align as make_pairs
    except ImportError as error:
        raise MissingExtraError("fauxto data align", "train") from error
    settings = AlignSettings(tuple(autoencoder), crop, shrink, noise, passes, quality, steps, seed)
    found = find_photographs(photographs)
    with _progress(len(found)) as progress:
        made = make_pairs(found, output, settings, progress)
    for name, count in made.pairs.items():
        if count:
            typer.echo(f"{name}: {count} pairs, {made.psnr[name]:.1f} dB")
    if made.too_small:
        typer.echo(f"passed over, smaller than {crop} px: {made.too_small}", err=True)
    for message in (*made.unreadable, *made.warnings):
        typer.echo(f"warning: {printable(message)}", err=True)
    typer.echo(f"pairs: {printable(str(output / 'pairs.csv'))}")


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], object] | None]:
    """Show a bar on standard error, where that is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Reading images", total=total)

        def show(done: int) -> None:
            if done % 100 == 0:
                bar.update(task, completed=done)

        yield show


def _print_report(report: CheckReport) -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False)
    # Lines are left to the terminal to wrap, so that paths in them can be copied.
    say = partial(console.print, soft_wrap=True)
    say(f"[bold]{escape(report.location)}[/bold]: {report.images} images")
    say(f"fingerprint {report.fingerprint}", style="dim")
    for table in (_counts(report), _classes(report), _duplicates(report)):
        console.print(table)
    for line in _examples(report):
        say(escape(line), style="dim")
    if report.unreadable:
        say(f"Unreadable: {len(report.unreadable)}")
        for one in report.unreadable[:10]:
            say(f"  {one.code}: {escape(one.message)}")
    if report.ignored:
        say(f"Not images, ignored: {_listed(report.ignored)}")
    say(_shortcut(report))
    for warning in report.warnings:
        say(f"[bold yellow]Warning:[/bold yellow] {escape(warning)}")


def _table(title: str, *columns: str) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold")
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place == 0 else "right", overflow="fold")
    return table


def _counts(report: CheckReport) -> Table:
    from rich.markup import escape

    table = _table("Images", "class", "split", "source", "images")
    for count in report.counts:
        table.add_row(count.label, count.split or "-", escape(count.source) or "-", str(count.images))
    return table


def _classes(report: CheckReport) -> Table:
    table = _table("Files", "", *(summary.label for summary in report.classes))
    rows: list[tuple[str, Callable[[ClassSummary], str]]] = [
        ("width, min / median / max", lambda one: _spread(one.width)),
        ("height", lambda one: _spread(one.height)),
        ("file size in bytes", lambda one: _spread(one.file_size)),
        ("most common sizes", lambda one: _listed(one.common_sizes)),
        ("formats", lambda one: _listed(one.formats)),
        ("JPEG qualities (estimated)", lambda one: _listed(one.jpeg_qualities)),
        ("JPEG tables not of the IJG", lambda one: str(one.foreign_tables)),
        ("chroma subsampling", lambda one: _listed(one.subsampling)),
    ]
    for name, cell in rows:
        table.add_row(name, *(cell(summary) for summary in report.classes))
    return table


def _duplicates(report: CheckReport) -> Table:
    table = _table(
        "Duplicates (groups)", "", "groups", "images", "within a split", "across splits", "across classes"
    )
    for name, found in _duplicate_kinds(report):
        counts = (found.groups, found.images, found.within_splits, found.across_splits, found.across_classes)
        table.add_row(name, *map(str, counts))
    return table


def _duplicate_kinds(report: CheckReport) -> tuple[tuple[str, DuplicateReport], ...]:
    return ("exact", report.exact_duplicates), ("perceptual", report.perceptual_duplicates)


def _examples(report: CheckReport) -> Iterator[str]:
    for name, found in _duplicate_kinds(report):
        for group in found.examples:
            more = f" and {len(group) - 3} more" if len(group) > 3 else ""
            yield f"  {name}: {' = '.join(group[:3])}{more}"


def _shortcut(report: CheckReport) -> str:
    found = report.shortcut
    if found is None:
        return "Shortcut test: not run, it needs ten images of each class."
    alone = ", ".join(f"{name} {auroc:.3f}" for name, auroc in found.alone.items())
    return (
        f"Shortcut test: AUROC {found.auroc:.3f} (95 % interval {found.low:.3f} to {found.high:.3f}) from "
        f"the files' outside on {found.images} images; without file size {found.without_file_size:.3f}; "
        f"alone: {alone}. Chance is 0.5."
    )


def _spread(values: tuple[int, int, int]) -> str:
    return " / ".join(map(str, values))


def _listed(counts: dict[str, int], limit: int = 6) -> str:
    shown = ", ".join(f"{name} ({count})" for name, count in list(counts.items())[:limit])
    return shown + (f" and {len(counts) - limit} more" if len(counts) > limit else "") or "-"
