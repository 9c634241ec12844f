"""From the paths that a person gave to the files that are tried, in a stable order."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fauxto.errors import InputError
from fauxto.images import FORMAT_EXTENSIONS, printable

STANDARD_INPUT = "-"


@dataclass(frozen=True)
class Found:
    """One input: a file's path, or the reason why a folder could not be walked."""

    path: str
    error: InputError | None = None


@dataclass
class Skipped:
    """What lay in the folders and was not tried."""

    hidden: int = 0
    other: int = 0
    links: int = 0

    def __str__(self) -> str:
        counts = ((self.hidden, "hidden"), (self.other, "not images by name"), (self.links, "symbolic links"))
        return ", ".join(f"{count} {what}" for count, what in counts if count)


def find(paths: Iterable[str], skipped: Skipped) -> Iterator[Found]:
    """Walk folders; what is named explicitly is always tried, whatever it is called.

    In folders, hidden entries, symbolic links and names without an image's extension are passed over and
    counted. Entries come in the order of their names, so that two runs give the same records.

    Args:
        paths: files, folders, or `-` for standard input.
        skipped: counts what was passed over.
    """
    for path in paths:
        if path != STANDARD_INPUT and os.path.isdir(path):  # noqa: PTH112 (paths may hold any bytes)
            yield from _walk(path, skipped)
        else:
            yield Found(path)


def _walk(folder: str, skipped: Skipped) -> Iterator[Found]:
    try:
        with os.scandir(folder) as entries:
            ordered = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        reason = error.strerror or "no access"
        yield Found(
            folder, InputError("unreadable", f"{printable(folder)}: the folder cannot be listed ({reason})")
        )
        return
    for entry in ordered:
        if entry.name.startswith("."):
            skipped.hidden += 1
        elif entry.is_symlink():
            skipped.links += 1
        elif entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path, skipped)
        elif os.path.splitext(entry.name)[1].lower() not in FORMAT_EXTENSIONS:  # noqa: PTH122
            skipped.other += 1
        else:
            yield Found(entry.path)
