"""The files of a bundle, read as a stranger's: regular files in the folder itself, within bounds of size."""

from __future__ import annotations

import json
import os
import stat
from functools import cache
from pathlib import Path
from typing import Any

from fauxto.errors import BundleError

FILES = ("model.onnx", "config.json", "MODEL_CARD.md", "metrics.json", "golden.json")
MAX_BYTES = {"model.onnx": 1 << 30}
MAX_TEXT_BYTES = 16 << 20
_HERE = Path(__file__).parent
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def check_files(folder: Path) -> None:
    """Check that a bundle is complete and that each file is one, not a link, a pipe or a giant.

    Raises:
        BundleError: says which file and why.
    """
    if not folder.is_dir():
        raise BundleError(f"{folder}: no such bundle folder")
    missing = [name for name in FILES if not os.path.lexists(folder / name)]
    if missing:
        raise BundleError(f"{folder}: the bundle lacks {', '.join(missing)}; install or export it again")
    for name in FILES:
        _check(folder / name, (folder / name).lstat())


def read_file(path: Path) -> bytes:
    """The bytes of one file of a bundle; a symbolic link is not followed.

    Raises:
        BundleError: it cannot be read, is no regular file or is too large.
    """
    try:
        with os.fdopen(os.open(path, _OPEN_FLAGS), "rb") as file:
            _check(path, os.fstat(file.fileno()))
            return file.read()
    except OSError as error:
        if path.is_symlink():
            raise _link(path) from error
        raise BundleError(f"{path}: cannot be read ({error.strerror}); the bundle is incomplete") from error


def _check(path: Path, status: os.stat_result) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise _link(path)
    if not stat.S_ISREG(status.st_mode):
        raise BundleError(f"{path}: is not a regular file; install or export the bundle again")
    limit = MAX_BYTES.get(path.name, MAX_TEXT_BYTES)
    if status.st_size > limit:
        raise BundleError(
            f"{path}: its {status.st_size / 1e6:.0f} MB are over the limit of {limit / 1e6:.0f}"
        )


def _link(path: Path) -> BundleError:
    return BundleError(f"{path}: is a symbolic link; a bundle holds its files itself: copy the file there")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file of a bundle.

    Raises:
        BundleError: it is missing, unreadable or no JSON object.
    """
    try:
        value = json.loads(read_file(path).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path}: is not valid JSON; the bundle is corrupt") from error
    if not isinstance(value, dict):
        raise BundleError(f"{path}: does not hold a JSON object; the bundle is corrupt")
    return value


@cache
def pins() -> dict[str, str]:
    """The sha256 of each file of the shipped bundles, by `name/file`, as `make pins` wrote them."""
    lines = (_HERE / "SHA256SUMS").read_text(encoding="ascii").splitlines()
    return {path: digest for digest, path in (line.split(maxsplit=1) for line in lines)}


def is_released(folder: Path) -> bool:
    """Whether a bundle is one of this installation's own, whose files are pinned."""
    return folder.parent == _HERE


def check_pin(path: Path, digest: str) -> None:
    """A shipped bundle's file must be the one that was released, by its SHA-256; others have no pins.

    Raises:
        BundleError: it is another, or not pinned at all.
    """
    if is_released(path.parent) and digest != pins().get(f"{path.parent.name}/{path.name}"):
        raise BundleError(f"{path}: is not the file that was released with fauxto; reinstall fauxto")
