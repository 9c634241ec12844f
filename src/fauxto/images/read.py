"""A path or a stream to bytes, within limits, without ever blocking on a path that is not a file."""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from fauxto.images.refusal import RefusedError, printable

_NOT_FOUND = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})
_FILE_KINDS = {
    stat.S_IFDIR: ("a folder", "name the files in it"),
    stat.S_IFIFO: ("a named pipe", "write its bytes to a file"),
    stat.S_IFSOCK: ("a socket", "write its bytes to a file"),
    stat.S_IFCHR: ("a device", "name a file"),
    stat.S_IFBLK: ("a device", "name a file"),
}
# O_NONBLOCK: should the path become a pipe between stat and open, opening it still cannot hang.
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True)
class Limits:
    """What is refused before it is decoded.

    Attributes:
        max_pixels: width times height.
        max_bytes: length of the encoded file.
    """

    max_pixels: int = 100_000_000
    max_bytes: int = 100_000_000

    def check_bytes(self, count: int) -> None:
        """Refuse a file of `count` bytes that is over the limit."""
        if count > self.max_bytes:
            size, limit = count / 1e6, self.max_bytes / 1e6
            raise RefusedError(
                "too-large",
                f"its {size:.4g} MB are over the limit of {limit:.4g} MB; "
                "save a smaller copy, or raise the limit max_bytes",
            )

    def check_pixels(self, width: int, height: int) -> None:
        """Refuse an image of these sides (pixels) that is over the limit."""
        if width * height > self.max_pixels:
            limit = self.max_pixels / 1e6
            raise RefusedError(
                "too-large",
                f"its {width} x {height} pixels are over the limit of {limit:.4g} megapixels; "
                "shrink it, or raise the limit max_pixels",
            )


_DEFAULT_LIMITS = Limits()


def read_bytes(
    path: str | os.PathLike[str], *, name: str | None = None, limits: Limits = _DEFAULT_LIMITS
) -> bytes:
    """The bytes of a regular file (a symbolic link to one is followed).

    The size is checked before anything is read; pipes, sockets and devices are never opened.

    Args:
        path: of the file.
        name: how the file is called in errors; by default as `path`.
        limits: of bytes.

    Raises:
        InputError: `not-found`, `unreadable`, `empty` or `too-large`.
    """
    name = name or os.fsdecode(path)
    with _explained(path, name):
        return _read_regular(path, limits)


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """A regular file opened for reading, which can seek; of whatever size, unlike with `read_bytes`.

    Raises:
        InputError: `not-found` or `unreadable`.
    """
    with _explained(path, os.fsdecode(path)):
        return os.fdopen(_open(path), "rb")


@contextmanager
def _explained(path: str | os.PathLike[str], name: str) -> Iterator[None]:
    """Whatever opening a path raises, as an `InputError` that calls it `name`."""
    try:
        yield
    except RefusedError as refusal:
        raise refusal.error(name) from None
    except OSError as error:
        raise _refused(error, os.fsdecode(path)).error(name) from error
    except ValueError as error:  # a NUL in the name: no such file can exist
        raise RefusedError("not-found", "no file can have this name").error(name) from error


def _open(path: str | os.PathLike[str]) -> int:
    _check_kind(os.stat(path).st_mode)  # noqa: PTH116 (Path("") would be the current folder)
    descriptor = os.open(path, _OPEN_FLAGS)
    try:
        _check_kind(os.fstat(descriptor).st_mode)
    except RefusedError:
        os.close(descriptor)
        raise
    return descriptor


def _read_regular(path: str | os.PathLike[str], limits: Limits) -> bytes:
    with os.fdopen(_open(path), "rb", buffering=0) as file:
        limits.check_bytes(os.fstat(file.fileno()).st_size)
        data = file.readall()
    if not data:
        raise RefusedError("empty", "the file has no bytes; copy or download it again")
    limits.check_bytes(len(data))
    return data


def _check_kind(mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind, remedy = _FILE_KINDS.get(stat.S_IFMT(mode), ("not a regular file", "name a file"))
        raise RefusedError("unreadable", f"it is {kind}, not an image file; {remedy}")


def _refused(error: OSError, name: str) -> RefusedError:
    if error.errno in _NOT_FOUND:
        if name.startswith(("http://", "https://")):
            return RefusedError("unreadable", "addresses are not opened here; download the image first")
        return RefusedError("not-found", "no such file; check the spelling and the current folder")
    if error.errno in (errno.EACCES, errno.EPERM):
        return RefusedError("unreadable", "permission denied; allow this user to read the file")
    return RefusedError(
        "unreadable", f"the file cannot be read ({error.strerror}); check the disk, or copy it anew"
    )


def read_stream(stream: BinaryIO, *, name: str, limits: Limits = _DEFAULT_LIMITS) -> bytes:
    """Read a binary file object from where it stands to its end, or until it is over the limit.

    Args:
        stream: opened in binary mode.
        name: how the input is called in errors.
        limits: of bytes.

    Raises:
        InputError: `unreadable`, `empty` or `too-large`.
        TypeError: the file object gives text.
    """
    if isinstance(stream, io.TextIOBase):  # before it decodes, which an image's bytes may defeat
        raise TypeError(f"{printable(name)}: open the file in binary mode to read an image from it")
    parts: list[bytes] = []
    left = limits.max_bytes + 1
    try:
        # A raw stream gives what is there at the moment: only an empty answer is the end.
        while left > 0 and (part := stream.read(left)):
            if not isinstance(part, (bytes, bytearray)):
                raise TypeError(f"{printable(name)}: open the file in binary mode to read an image from it")
            parts.append(bytes(part))
            left -= len(part)
        data = b"".join(parts)
        if not data:
            raise RefusedError(
                "empty", "there is nothing to read; send an image, or rewind the file with seek(0)"
            )
        limits.check_bytes(len(data))
    except RefusedError as refusal:
        raise refusal.error(name) from None
    except OSError as error:
        why = f"reading it failed ({error.strerror or error}); try again"
        raise RefusedError("unreadable", why).error(name) from error
    return data
