"""Writing a bundle: whole and checked under its name, or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fauxto.errors import UsageError
from fauxto.images import printable


def require_free(output: Path) -> None:
    """Check, before anything takes time, that a new bundle may have this folder.

    Raises:
        UsageError: something is there already; an empty folder is nothing.
    """
    shown = printable(str(output))
    if output.is_symlink() or (output.exists() and not output.is_dir()):
        raise UsageError(f"{shown}: is not a folder; choose another --output")
    if output.is_dir() and any(output.iterdir()):
        raise UsageError(f"{shown}: exists and is not empty; choose another --output")


@contextmanager
def new_folder(output: Path) -> Iterator[Path]:
    """A folder beside `output` that gets that name when the block has ended, and vanishes where it fails.

    Raises:
        UsageError: it cannot be written.
    """
    partial = output.with_name(f".{output.name}.partial-{os.getpid()}")
    try:
        partial.mkdir(parents=True)
        try:
            yield partial
            if output.is_dir():  # an empty one, which not every system lets a folder take the place of
                output.rmdir()
            partial.rename(output)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    except OSError as error:
        raise UsageError(
            f"{printable(str(output))}: cannot be written ({error.strerror}); choose another --output"
        ) from error


def write_json(path: Path, value: dict[str, Any]) -> None:
    """One of a bundle's JSON files.

    Raises:
        ValueError: a number in it is not finite.
    """
    path.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", encoding="utf-8")
