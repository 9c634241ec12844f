"""One self-contained HTML file of any number of results."""

from __future__ import annotations

import base64
import hashlib
import io
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import fauxto
from fauxto.errors import UsageError
from fauxto.models import BundleConfig
from fauxto.record import Record
from fauxto.report.render import Shown, asset, card_of, render
from fauxto.report.words import VERDICTS

STYLES = ("pico.min.css", "fauxto.css", "report.css")


class Report:
    """Rows and cards as they come, and the document that they add up to.

    It is made to be passed on: files are called by their names, without the folders of whoever made it.
    Names that occur several times are numbered, in the order of the results.

    Args:
        configs: of the models by name, for thresholds and limits; each may come as late as its first result.
        spool: makes the two places where rows and cards wait: in memory, or in temporary files, so that
            thousands of results need no memory and the counts can still stand at the top.
    """

    def __init__(
        self, configs: Mapping[str, BundleConfig], spool: Callable[[], IO[str]] = io.StringIO
    ) -> None:
        self._configs, self._rows, self._cards = configs, spool(), spool()
        self._counts: Counter[str] = Counter()
        self._names: Counter[str] = Counter()

    def add(self, shown: Shown) -> None:
        """Append one result.

        Raises:
            UsageError: there is no room for it.
        """
        named = shown.model_copy(update={"record": self._named(shown.record)})
        card = card_of(named, self._configs, f"card-{self._counts.total() + 1}")
        self._counts[card.key] += 1
        try:
            self._rows.write(render("_row.html", card=card))
            self._cards.write(render("_card.html", card=card))
        except OSError as error:
            raise UsageError(
                f"{tempfile.gettempdir()}: the report cannot be kept here until it is written "
                f"({error.strerror or error}); make room"
            ) from error

    def _named(self, record: Record) -> Record:
        """The record with a name instead of its path, also where a sentence says it."""
        name = name_of(record.path)
        self._names[name] += 1
        if self._names[name] > 1:
            name = f"{name} ({self._names[name]})"
        reason = record.reason
        for path, called in ((record.path, name), (outer := record.path.partition("::")[0], name_of(outer))):
            # An error's sentence begins with the path, of the archive where that could not be read.
            if reason.startswith(f"{path}: "):
                reason = called + reason.removeprefix(path)
        return record.model_copy(update={"path": name, "reason": reason})

    def write(self, stream: IO[str]) -> None:
        """Write the document; it opens without a network and may not reach for one (its own policy)."""
        style, script = "\n".join(map(asset, STYLES)), asset("fauxto.js")
        head, middle, end = render(
            "report.html",
            style=style,
            script=script,
            policy=f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; "
            f"script-src '{_hash(script)}'",
            summary=[(words, key, self._counts[key]) for key, words in VERDICTS.items() if self._counts[key]],
            total=self._counts.total(),
            made=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
            version=fauxto.__version__,
        ).split("<!--part-->")
        stream.write(head)
        _append(self._rows, stream)
        stream.write(middle)
        _append(self._cards, stream)
        stream.write(end)

    def close(self) -> None:
        """Give up the temporary files."""
        self._rows.close()
        self._cards.close()


def name_of(path: str) -> str:
    """The name of a file: the last part of a path, of an address, or of the place in an archive."""
    if "://" in path:
        try:
            path = urlsplit(path).path or path
        except ValueError:  # `a://[b.png` is no address, but somebody may have named it
            path = path.partition("://")[2].partition("?")[0]
    return path.rstrip("/").rpartition("::")[2].rpartition("/")[2] or path


@contextmanager
def report_file(path: Path, configs: Mapping[str, BundleConfig]) -> Iterator[Report]:
    """A report that is written to `path` when the block ends, with what was added until then.

    Args:
        path: of the HTML file.
        configs: as for `Report`.

    Raises:
        UsageError: the file cannot be written, which is tried before anything is added, too.
    """
    try:
        path.open("a", encoding="utf-8").close()
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}); choose another --report") from error
    report = Report(configs, _temporary)
    try:
        yield report
    finally:
        try:
            with path.open("w", encoding="utf-8") as stream:
                report.write(stream)
            report.close()
        except OSError as error:
            raise UsageError(
                f"{path}: the report cannot be written ({error.strerror or error}); make room"
            ) from error


def write_report(results: Iterable[Shown], path: Path, *, configs: Mapping[str, BundleConfig]) -> None:
    """Write a report of results; they are taken one by one.

    Args:
        results: records with their pictures.
        path: of the HTML file.
        configs: of the models by name.

    Raises:
        UsageError: the file cannot be written.
    """
    with report_file(path, configs) as report:
        for shown in results:
            report.add(shown)


def _temporary() -> IO[str]:
    return tempfile.TemporaryFile("w+", encoding="utf-8", prefix="fauxto-report-")


def _append(part: IO[str], stream: IO[str]) -> None:
    part.seek(0)
    shutil.copyfileobj(part, stream)


def _hash(text: str) -> str:
    """The source expression by which a content security policy names an inline element."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
