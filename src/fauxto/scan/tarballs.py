"""Members of a tar archive, plain or compressed, in one forward pass."""

from __future__ import annotations

import lzma
import tarfile
import zlib
from collections.abc import Iterator
from functools import partial
from typing import IO, cast

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

_HEADER_LIMIT = 1 << 20
_EXTENDED = frozenset(
    {
        tarfile.XHDTYPE,
        tarfile.XGLTYPE,
        tarfile.SOLARIS_XHDTYPE,
        tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
    }
)


class _Header(tarfile.TarInfo):
    """A member's header, checked before tarfile believes it.

    Extended headers are read into memory whole; and a header that it cannot read is the end of an archive to
    tarfile, whatever comes after it.
    """

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Header:
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if len(buf) == tarfile.BLOCKSIZE == buf.count(0):
                raise  # the end mark
            why = "a header in it is damaged" if len(buf) == tarfile.BLOCKSIZE else "it has no end mark"
            raise RefusedError(
                "corrupt", f"{why}, so members may be missing; copy, download or pack the archive again"
            ) from error
        if header.size < 0 or (header.type in _EXTENDED and header.size > _HEADER_LIMIT):
            raise RefusedError("corrupt", "a header in it claims an impossible size; pack it again")
        return header


class _Metered:
    """The decompressed stream of an archive, stopped where it turns out to be a bomb."""

    def __init__(self, packed: IO[bytes], unpacked: IO[bytes]) -> None:
        self._packed, self._unpacked, self._expansion = packed, unpacked, Expansion()

    def read(self, size: int) -> bytes:
        data = self._unpacked.read(size)
        self._expansion.unpacked += len(data)
        self._expansion.packed = self._packed.tell()
        self._expansion.check()
        return data


def tar_members(path: str, limits: Limits, skipped: Skipped) -> Iterator[Member]:
    """The images of a tar archive, in its order.

    An archive ends with two blocks of zeros, of which one is enough here. Without any it is an error though
    its last member be whole, and some programs write it so: one whose copying was cut short between two
    members looks the same, and nobody must take that for all of its images.

    Raises:
        InputError: the archive cannot be opened, is damaged, or is a decompression bomb.
    """
    with open_container(path) as packed:
        try:
            metered = cast("IO[bytes]", _Metered(packed, _decompressed(packed)))
            with tarfile.open(fileobj=metered, mode="r|", tarinfo=_Header) as archive:
                while (header := archive.next()) is not None:
                    archive.members = []  # type: ignore[attr-defined] # tarfile would keep every header
                    if not header.isdir() and is_image_member(header.name, skipped):
                        yield Member(f"{path}::{header.name}", partial(_read, archive, header, limits))
                _check_end(archive)
        except RefusedError as refusal:
            raise refusal.error(path) from None
        except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError, ValueError) as error:
            raise damaged(error, path, "archive") from error


def _check_end(archive: tarfile.TarFile) -> None:
    """Refuse an archive that goes on after its end mark: a hole in it, or another archive behind it."""
    rest = cast("IO[bytes]", archive.fileobj)
    while block := rest.read(1 << 16):
        if block.count(0) < len(block):
            raise RefusedError(
                "corrupt",
                "it goes on after its end mark, and what is there was not read; "
                "copy or download it again, or split archives that were joined",
            )


def _decompressed(packed: IO[bytes]) -> IO[bytes]:
    """By what the bytes are, not by the name."""
    magic = packed.read(6)
    packed.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        import gzip

        return cast("IO[bytes]", gzip.GzipFile(fileobj=packed))
    if magic.startswith(b"BZh"):
        import bz2

        return cast("IO[bytes]", bz2.BZ2File(packed))
    if magic.startswith(b"\xfd7zXZ\0"):
        return cast("IO[bytes]", lzma.LZMAFile(packed))
    return packed


def _read(archive: tarfile.TarFile, header: tarfile.TarInfo, limits: Limits) -> bytes:
    check_name(header.name)
    if header.issym() or header.islnk():
        raise RefusedError(
            "unsupported", "it is a link inside an archive, which is not followed; pack the image"
        )
    if not header.isreg() or header.issparse():
        raise RefusedError("unsupported", "it is not a plain file inside the archive; pack the image as one")
    limits.check_bytes(header.size)
    cut = RefusedError("truncated", "the archive ends within it; copy or download the archive again")
    file = archive.extractfile(header)
    try:
        data = b"" if file is None else file.read()
    except (tarfile.ReadError, EOFError):
        raise cut from None
    except (zlib.error, lzma.LZMAError, OSError) as error:
        raise RefusedError(
            "corrupt", f"the archive is damaged within it ({error}); copy or download the archive again"
        ) from error
    if len(data) < header.size:
        raise cut
    if not data:
        raise RefusedError("empty", "the member has no bytes; pack the image again")
    return data
