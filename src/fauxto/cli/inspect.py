"""`fauxto inspect FILE`: everything found about one file, for a person or as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fauxto.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from fauxto.images import Limits
    from fauxto.provenance.inspect import Entry, Inspection

_SHOWN = 2000  # characters of one value in the table; JSON has more


class Format(str, Enum):
    """How the findings are written."""

    table = "table"
    json = "json"


def inspect(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Image file; `-` reads standard input.")],
    output_format: Annotated[
        Format, typer.Option("--format", help="For a person, or as JSON.")
    ] = Format.table,
    allow_network: Annotated[
        bool,
        typer.Option("--allow-network", help="Fetch a manifest that the file only points to."),
    ] = False,
    trust_list: Annotated[
        Path | None,
        typer.Option("--trust-list", metavar="PEM", help="Certificates to trust as C2PA signers."),
    ] = None,
    max_pixels: Annotated[
        int, typer.Option(min=1, help="Decode no larger picture; the rest is still read.")
    ] = 100_000_000,
    max_bytes: Annotated[int, typer.Option(min=1, help="Refuse a larger file.")] = 100_000_000,
) -> None:
    """Print everything that one file says about itself, raw values included.

    That is its container, EXIF, XMP, PNG texts, IPTC, Content Credentials, the open watermark's bits, and
    the rows of evidence that a verdict is made of.

    Exit code 2 where the file cannot be read.
    """
    from fauxto.images import Limits, printable
    from fauxto.provenance import ProvenanceOptions
    from fauxto.provenance.inspect import inspect_bytes

    try:
        limits = Limits(max_pixels, max_bytes)
        options = ProvenanceOptions(allow_network=allow_network, trust_list=trust_list)
        found = inspect_bytes(_read(file, limits), options, limits)
        if found.container == "unknown":
            raise InputError(
                "not-an-image", f"{printable(file)}: not an image that fauxto knows; give an image file"
            )
    except InputError as error:
        if output_format is Format.json:
            print(json.dumps({"error": {"code": error.code, "message": error.message}}))
        else:
            print(f"fauxto: {error.message}", file=sys.stderr)
        raise typer.Exit(2) from None
    if output_format is Format.json:
        print(json.dumps({"path": printable(file), **found.to_json()}, indent=2, allow_nan=False))
    else:
        _print_tables(file, found)


def _read(file: str, limits: Limits) -> bytes:
    """The file's bytes, within limits.

    Raises:
        InputError: as `fauxto.images.read_bytes` and `read_stream`.
    """
    from fauxto.images import read_bytes, read_stream

    if file != "-":
        return read_bytes(file, limits=limits)
    try:
        return read_stream(sys.stdin.buffer, name="standard input", limits=limits)
    except InputError as error:
        if error.code != "empty":
            raise
        remedy = "standard input: no bytes; give a file's name, or pipe an image in"
        raise InputError("empty", remedy) from None


def safe(text: str, limit: int = _SHOWN) -> str:
    """Text for a terminal: control characters, escapes and bidi marks escaped, line breaks kept."""
    from fauxto.images import printable

    text = text if len(text) <= limit else text[: limit - 1] + "…"
    return "\n".join(printable(line) for line in text.split("\n"))


def _table(title: str, columns: Iterable[str], rows: Iterable[Iterable[str]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", show_lines=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(safe(cell)) for cell in row))
    return table


def _entries(title: str, entries: Iterable[Entry]) -> Table:
    return _table(title, ("where", "value"), ((entry.name, entry.value) for entry in entries))


def _print_tables(file: str, found: Inspection) -> None:
    from rich.console import Console
    from rich.text import Text

    from fauxto.images import printable

    console = Console(highlight=False)
    console.print(Text(f"{printable(file)}: {found.container}, {found.size} bytes, SHA-256 {found.sha256}"))
    families = (
        ("Structure", found.structure),
        ("EXIF", found.exif),
        ("XMP", found.xmp),
        ("PNG texts", found.png_text),
        ("IPTC", found.iptc),
        ("Comments", found.comments),
    )
    for title, entries in families:
        if entries:
            console.print(_entries(title, entries))
    if found.c2pa:
        console.print(Text("Content Credentials:"))
        console.print(Text(safe(json.dumps(found.c2pa, indent=2, default=str), 200_000)))
    else:
        console.print(Text("Content Credentials: none"))
    _print_watermark(console, found)
    for problem in found.problems:
        console.print(Text(f"Problem: {safe(problem)}"))
    rows = ((row.source, row.claim, row.strength, row.detail) for row in found.evidence)
    columns = ("source", "claim", "strength", "what was found")
    if found.evidence:
        console.print(_table("Evidence", columns, rows))
    else:
        console.print(Text("Evidence: none. A file that says nothing may still be anything."))


def _print_watermark(console: Console, found: Inspection) -> None:
    from rich.text import Text

    if found.watermark_note:
        console.print(Text(f"Open watermark: {safe(found.watermark_note)}"))
        return
    rows = ((r.mark, f"{r.matched} of {r.length}", f"{r.evidence_from}", r.bits) for r in found.watermark)
    title = "Open watermark (chance agrees with half of the bits)"
    console.print(_table(title, ("mark", "bits that agree", "evidence from", "bits read"), rows))
