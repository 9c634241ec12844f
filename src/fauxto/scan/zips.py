"""Members of a zip archive."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from functools import partial
from typing import IO

from fauxto.images import Limits
from fauxto.images.refusal import RefusedError
from fauxto.scan.containers import (
    Expansion,
    Member,
    check_name,
    damaged,
    is_image_member,
    open_container,
)
from fauxto.scan.found import Skipped

# zipfile holds the whole directory as objects, some ten times its size.
_DIRECTORY_LIMIT = 256 << 20
_END, _END64, _LOCATOR = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_ENCRYPTED = 0x1
_SYMBOLIC_LINK = 0o120000


def zip_members(path: str, limits: Limits, skipped: Skipped) -> Iterator[Member]:
    """The images of a zip archive, in the order of its directory.

    Raises:
        InputError: the archive cannot be opened, is damaged, or is a decompression bomb.
    """
    with open_container(path) as file:
        try:
            size = file.seek(0, 2)
            _check_directory(file, size)
            file.seek(0)
            with zipfile.ZipFile(file) as archive:
                _check_overlap(archive, size)
                expansion = Expansion()
                for entry in archive.infolist():
                    if not entry.is_dir() and is_image_member(entry.filename, skipped):
                        expansion.packed += entry.compress_size
                        expansion.unpacked += entry.file_size
                        expansion.check()
                        yield Member(f"{path}::{entry.filename}", partial(_read, archive, entry, limits))
        except RefusedError as refusal:
            raise refusal.error(path) from None
        except (zipfile.BadZipFile, OSError, ValueError, struct.error, EOFError) as error:
            raise damaged(error, path, "archive") from error


def _check_directory(file: IO[bytes], size: int) -> None:
    """Refuse a directory too large for memory before zipfile reads it."""
    start = max(0, size - (1 << 16) - 22)
    file.seek(start)
    tail = file.read()
    at = tail.rfind(_END)
    if at < 0:
        raise zipfile.BadZipFile("it has no directory at its end")
    (length,) = struct.unpack_from("<L", tail, at + 12)
    locator = tail[max(0, at - 20) : at]
    if length == 0xFFFFFFFF and locator.startswith(_LOCATOR):
        file.seek(struct.unpack_from("<Q", locator, 8)[0])
        record = file.read(56)
        if record.startswith(_END64):
            (length,) = struct.unpack_from("<Q", record, 40)
    if length > _DIRECTORY_LIMIT:
        raise RefusedError("too-large", "its directory is too large to hold in memory; split the archive")


def _check_overlap(archive: zipfile.ZipFile, size: int) -> None:
    if sum(entry.compress_size for entry in archive.infolist()) > size:
        raise RefusedError("corrupt", "its members overlap, as in decompression bombs; pack it again")


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, limits: Limits) -> bytes:
    check_name(entry.filename)
    if (entry.external_attr >> 16) & 0o170000 == _SYMBOLIC_LINK:
        raise RefusedError(
            "unsupported", "it is a link inside an archive, which is not followed; pack the image"
        )
    if entry.flag_bits & _ENCRYPTED:
        raise RefusedError("unsupported", "it is encrypted; unpack the archive with its password")
    limits.check_bytes(entry.file_size)
    if not entry.file_size:
        raise RefusedError("empty", "the member has no bytes; pack the image again")
    try:
        with archive.open(entry) as file:
            return file.read(entry.file_size)
    except NotImplementedError as error:
        raise RefusedError(
            "unsupported", f"its compression is not supported ({error}); pack it as deflate"
        ) from error
    except (
        zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, ValueError,
    ) as error:  # fmt: skip
        raise RefusedError(
            "corrupt", f"it cannot be unpacked ({error}); copy or download the archive again"
        ) from error
