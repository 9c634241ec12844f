"""From what a person named to the inputs that are tried, in a stable order and without a list of them all."""

from __future__ import annotations

import csv
import fnmatch
import io
import os
import re
from collections.abc import Iterable, Iterator
from typing import TextIO

from fauxto.errors import InputError
from fauxto.images import FORMAT_EXTENSIONS, printable
from fauxto.images.read import open_regular
from fauxto.images.refusal import RefusedError
from fauxto.scan.found import STANDARD_INPUT, Found, Skipped, is_remote, kind_of, stamp_of

__all__ = ["STANDARD_INPUT", "Found", "Skipped", "find", "named_files"]

_LINE_LIMIT = 1 << 20  # of a table of paths: a file without line ends is none
_MAGIC = re.compile(r"[*?\[]")
_NOT_FETCHED = "it lies on a web server, which is asked only with --allow-network"


def find(paths: Iterable[str], skipped: Skipped, *, allow_network: bool = False) -> Iterator[Found]:
    """List what is named: images, and archives and tables that are opened when their turn comes.

    In folders, hidden entries, symbolic links and names without an image's extension are passed over and
    counted; what is named explicitly, or matches a pattern, is always tried. Entries come in the order of
    their names, folder by folder, so that two runs give the same records; only the names of the folders on
    the way to the current entry are in memory.

    Args:
        paths: files, folders, patterns (`photos/**/*.jpg`), tables of paths (`list.csv`), addresses of remote
            objects or folders, or `-` for standard input.
        skipped: counts what was passed over.
        allow_network: whether web servers may be asked; object stores are the user's own and always may.

    Raises:
        MissingExtraError: a remote path without the extra that reads it.
    """
    for path in paths:
        for found in _listing(path, skipped, allow_network):
            if found.error is None and _is_web(found.path) and not allow_network:
                yield found.refused("unreadable", _NOT_FETCHED)
            else:
                yield found


def _listing(path: str, skipped: Skipped, allow_network: bool) -> Iterator[Found]:
    if path == STANDARD_INPUT:
        yield Found(path)
    elif is_remote(path):
        from fauxto.scan.remote import find_remote

        if _is_table_of_paths(path) and (allow_network or not _is_web(path)):
            yield from _rows(path)
        else:
            yield from find_remote(path, skipped)
    elif _is_pattern(path):
        nothing = True
        for match in _matches(path):
            nothing = False
            yield from _named(match, skipped)
        if nothing:
            yield Found(path).refused("not-found", "no file matches this pattern; check the spelling")
    else:
        yield from _named(path, skipped)


def named_files(paths: Iterable[str]) -> Iterator[str]:
    """The local files and folders that are named or match a pattern, the tables of paths themselves too."""
    for path in paths:
        if path != STANDARD_INPUT and not is_remote(path):
            yield from _matches(path) if _is_pattern(path) else [path]


def _is_pattern(path: str) -> bool:
    return _MAGIC.search(path) is not None and not os.path.lexists(path)


def _is_web(path: str) -> bool:
    return path.lower().startswith(("http://", "https://"))


def _named(path: str, skipped: Skipped) -> Iterator[Found]:
    if os.path.isdir(path):  # noqa: PTH112
        yield from _walk(path, skipped)
    elif _is_table_of_paths(path):
        yield from _rows(path)
    else:
        yield _single(path)


def _single(path: str) -> Found:
    if is_remote(path):
        return _single_remote(path)
    if path == STANDARD_INPUT:  # a file of this name; standard input is never meant by a pattern or a table
        path = os.path.join(".", path)  # noqa: PTH118
    kind = kind_of(path)
    return Found(path, kind, stamp=None if kind == "image" else stamp_of(path))


def _single_remote(url: str) -> Found:
    from fauxto.scan.remote import check_address

    try:
        check_address(url)
    except RefusedError as refusal:
        return Found(url, error=refusal.error(url))
    return Found(url, kind_of(url))


# Folders


def _walk(folder: str, skipped: Skipped) -> Iterator[Found]:
    """In a loop: folders may be nested deeper than functions may call themselves."""
    way = [_entries(folder, skipped)]
    while way:
        match next(way[-1], None):
            case None:
                way.pop()
            case str(inner):
                way.append(_entries(inner, skipped))
            case found:
                yield found


def _entries(folder: str, skipped: Skipped) -> Iterator[Found | str]:
    """What lies in a folder, folders as strings."""
    try:
        names = _names(folder, skipped)
    except OSError as error:
        reason = error.strerror or "no access"
        yield Found(folder).refused("unreadable", f"the folder cannot be listed ({reason})")
        return
    for name in names:
        path = os.path.join(folder, name.rstrip("\0"))  # noqa: PTH118
        yield path if name.endswith("\0") else Found(path)


def _names(folder: str, skipped: Skipped) -> list[str]:
    """Names of images and folders, in order; a folder ends in NUL, which no name holds and sorts first.

    Strings alone are a tenth of what the entries of `os.scandir` take in a folder of a million files.
    """
    names = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                skipped.hidden += 1
            elif entry.is_symlink():
                skipped.links += 1
            elif entry.is_dir(follow_symlinks=False):
                names.append(entry.name + "\0")
            elif os.path.splitext(entry.name)[1].lower() in FORMAT_EXTENSIONS:  # noqa: PTH122
                names.append(entry.name)
            elif kind_of(entry.name) != "image":
                skipped.containers += 1
            else:
                skipped.other += 1
    names.sort()
    return names


# Patterns


def _matches(pattern: str) -> Iterator[str]:
    """As the shell does; `**` is any number of folders, and hidden names need the dot in the pattern."""
    head, *parts = re.split(r"/+", pattern)
    folder, parts = ("/", parts) if not head else ("", [head, *parts])
    # A second `**` in a row adds nothing but the same matches once more.
    parts = [
        part
        for index, part in enumerate(parts)
        if part and (part != "**" or parts[index - 1 : index] != ["**"])
    ]
    way = [iter([(folder, parts)])]
    while way:
        match next(way[-1], None):
            case None:
                way.pop()
            case (path, []):
                yield path
            case (inner, left):
                way.append(_step(inner, left))


def _step(folder: str, parts: list[str]) -> Iterator[tuple[str, list[str]]]:
    """What the first part of a pattern matches in a folder, and the parts that are left to match."""
    first, *rest = parts
    if not _MAGIC.search(first):
        path = os.path.join(folder, first)  # noqa: PTH118
        if os.path.lexists(path):
            yield path, rest
        return
    if first == "**" and rest:
        # One pass in the order of names; `**` last is the same as a folder.
        yield folder, rest
        yield from ((path, parts) for path in _folders(folder))
        return
    matches = re.compile(fnmatch.translate("*" if first == "**" else first)).match
    names = _listed(folder)
    if names is None:
        yield folder, []  # walking it says why it cannot be listed
        return
    for name in names:
        if matches(name) and (first.startswith(".") or not name.startswith(".")):
            path = os.path.join(folder, name)  # noqa: PTH118
            if not rest or os.path.isdir(path):  # noqa: PTH112
                yield path, rest


def _folders(folder: str) -> Iterator[str]:
    """The folders in a folder that `**` goes down to."""
    for name in _listed(folder) or ():
        path = os.path.join(folder, name)  # noqa: PTH118
        if not name.startswith(".") and os.path.isdir(path) and not os.path.islink(path):  # noqa: PTH112, PTH114
            yield path


def _listed(folder: str) -> list[str] | None:
    """The names in a folder, none where it is none, None where they may not be seen."""
    try:
        return sorted(os.listdir(folder or "."))  # noqa: PTH208
    except PermissionError:
        return None
    except OSError:
        return []


# Tables of paths


def _is_table_of_paths(path: str) -> bool:
    return path.partition("?")[0].lower().endswith(".csv")


def _rows(table: str) -> Iterator[Found]:
    """The images that a CSV names in its column `path` or `url`, relative paths from the CSV's folder."""
    here = Found(table)
    try:
        with _open_text(table) as lines:
            yield from _table_rows(here, lines)
    except InputError as error:
        yield Found(table, error=error)
    except (OSError, ValueError, csv.Error) as error:
        yield here.refused("unreadable", f"not a readable CSV in UTF-8 ({printable(str(error))})")


def _open_text(table: str) -> TextIO:
    if is_remote(table):
        from fauxto.scan.remote import open_remote

        return io.TextIOWrapper(open_remote(table), encoding="utf-8-sig", newline="")
    return io.TextIOWrapper(open_regular(table), encoding="utf-8-sig", newline="")


def _lines(table: TextIO) -> Iterator[str]:
    while line := table.readline(_LINE_LIMIT):
        if len(line) == _LINE_LIMIT:
            raise ValueError(f"a line of more than {_LINE_LIMIT} characters")
        yield line


def _table_rows(here: Found, table: TextIO) -> Iterator[Found]:
    rows = csv.DictReader(_lines(table))
    columns = {(name or "").strip().lower(): name for name in rows.fieldnames or ()}
    column = columns.get("path", columns.get("url"))
    if column is None:
        yield here.refused(
            "unsupported",
            "its first line names neither a column `path` nor `url`; name the column of the images",
        )
        return
    folder = here.path.rpartition("/")[0] + "/" if is_remote(here.path) else os.path.dirname(here.path)  # noqa: PTH120
    for row in rows:
        value = (row[column] or "").strip()
        if not value:
            yield here.refused(
                "not-found", f"line {rows.line_num} names no image; fill in or remove the line"
            )
        elif is_remote(value):
            yield _single(value)
        elif is_remote(here.path):
            yield _single(folder + value)
        else:
            yield _single(os.path.join(folder, value))  # noqa: PTH118
