"""Records to text and tables: one small class a format."""

from __future__ import annotations

import csv
import io
import json
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Literal, Protocol

from fauxto.errors import MissingExtraError, UsageError
from fauxto.images import printable
from fauxto.record import Record
from fauxto.scan.locks import lock

Format = Literal["table", "json", "jsonl", "csv", "parquet"]

COLUMNS = (
    "path", "status", "verdict", "score", "model", "model_version", "reason", "error_code", "error_message",
    "width", "height", "format", "sha256", "evidence",
)  # fmt: skip


class Writer(Protocol):
    """Takes records as they come; `close` completes the output."""

    def write(self, records: Sequence[Record]) -> None:
        """Append records."""

    def close(self) -> None:
        """Write what a complete file needs at its end."""


def flat(record: Record) -> dict[str, Any]:
    """A record as one row of `COLUMNS`; evidence is a JSON list."""
    model, error, image = record.model, record.error, record.image
    evidence = [row.model_dump(mode="json") for row in record.evidence]
    return {
        "path": record.path,
        "status": record.status,
        "verdict": record.verdict,
        "score": record.score,
        "model": model and model.name,
        "model_version": model and model.version,
        "reason": printable(record.reason),
        "error_code": error and error.code,
        "error_message": error and error.message,
        "width": image and image.width,
        "height": image and image.height,
        "format": image and image.format,
        "sha256": image and image.sha256,
        "evidence": json.dumps(evidence),
    }


class JsonLinesWriter:
    """One JSON object a line, each batch flushed, so that a reader can follow."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, records: Sequence[Record]) -> None:
        """Append one line a record."""
        self._stream.writelines(record.to_json() + "\n" for record in records)
        self._stream.flush()

    def close(self) -> None:
        """Nothing to complete."""


class JsonWriter:
    """One JSON array; valid also when there was nothing to scan."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._separator = "[\n"

    def write(self, records: Sequence[Record]) -> None:
        """Append the records to the array."""
        for record in records:
            self._stream.write(self._separator + record.to_json())
            self._separator = ",\n"

    def close(self) -> None:
        """End the array."""
        self._stream.write("[]\n" if self._separator == "[\n" else "\n]\n")
        self._stream.flush()


class CsvWriter:
    """Comma-separated values with a header line; empty cells stand for null."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._rows = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        self._rows.writeheader()

    def write(self, records: Sequence[Record]) -> None:
        """Append one row a record."""
        self._rows.writerows(flat(record) for record in records)
        self._stream.flush()

    def close(self) -> None:
        """Nothing to complete."""


class ParquetWriter:
    """A parquet file with `COLUMNS`; its schema does not depend on the records."""

    def __init__(self, to: Path | IO[bytes]) -> None:
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError as error:
            raise MissingExtraError("--format parquet", "parquet") from error
        numbers = {"score": pyarrow.float64(), "width": pyarrow.int32(), "height": pyarrow.int32()}
        self._schema = pyarrow.schema([(name, numbers.get(name, pyarrow.string())) for name in COLUMNS])
        self._table = pyarrow.Table
        self._sink = os.fdopen(_claimed(to), "wb") if isinstance(to, Path) else to
        self._file = pyarrow.parquet.ParquetWriter(self._sink, self._schema)

    def write(self, records: Sequence[Record]) -> None:
        """Append a row group."""
        self._file.write_table(
            self._table.from_pylist([flat(record) for record in records], schema=self._schema)
        )

    def close(self) -> None:
        """Write the footer."""
        self._file.close()
        self._sink.flush()


class TableWriter:
    """For a person: verdict, score and file on a line, below it the reason and what the file says."""

    _COLOURS = {"ai": "red", "ai-edited": "magenta", "uncertain": "yellow", "no-sign": "cyan", "error": "red"}  # noqa: RUF012

    def __init__(self, stream: IO[str], *, colour: bool) -> None:
        self._stream, self._colour = stream, colour

    def write(self, records: Sequence[Record]) -> None:
        """Append a block a record."""
        self._stream.writelines(self._block(record) for record in records)
        self._stream.flush()

    def close(self) -> None:
        """Nothing to complete."""

    def _block(self, record: Record) -> str:
        label = record.verdict or "error"
        score = "    -" if record.score is None else f"{record.score:.3f}"
        lines = io.StringIO()
        lines.write(f"{self._paint(label)}{' ' * (10 - len(label))} {score}  {record.path}\n")
        # Reason and detail may quote the file's own text: no terminal escape gets through.
        lines.write(f"{'':17} {printable(record.reason)}\n")
        for row in record.evidence:
            lines.write(f"{'':17} [{row.source}: {row.claim}, {row.strength}] {printable(row.detail)}\n")
        return lines.getvalue()

    def _paint(self, label: str) -> str:
        if not self._colour:
            return label
        from typer import style

        return style(label, fg=self._COLOURS[label], bold=True)


def open_writer(kind: Format, output: Path | None, stdout: IO[str]) -> Writer:
    """The writer of a format, to a file or to standard output.

    Raises:
        UsageError: the file cannot be written, another scan is writing to it, or parquet was asked for
            without one.
        MissingExtraError: parquet without pyarrow.
    """
    if kind == "parquet":
        if output is None:
            raise UsageError("--format parquet needs --output FILE: it is not text")
        return ParquetWriter(output)
    if output is None and kind != "table" and isinstance(stdout, io.TextIOWrapper):
        stdout.reconfigure(encoding="utf-8")  # as files are; the letters of a terminal are for people
    stream = stdout if output is None else os.fdopen(_claimed(output), "w", encoding="utf-8", newline="")
    match kind:
        case "json":
            return JsonWriter(stream)
        case "jsonl":
            return JsonLinesWriter(stream)
        case "csv":
            return CsvWriter(stream)
        case _:
            return TableWriter(stream, colour=output is None and stdout.isatty())


def _claimed(output: Path) -> int:
    """A descriptor of the emptied file, which no second scan gets for as long as it is open."""
    try:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):  # not a terminal, a pipe or /dev/null
            lock(descriptor)
            os.ftruncate(descriptor, 0)
        return descriptor
    except BlockingIOError:
        raise UsageError(
            f"{output}: another scan is writing to it; wait for it, or choose another --output"
        ) from None
    except OSError as error:
        raise UsageError(
            f"{output}: cannot be written ({error.strerror}); choose another --output"
        ) from error
