"""Images inside tar and zip archives and parquet tables, read in place: nothing is ever unpacked to disk.

A member that cannot be judged is an error record and the rest goes on; damage that ends the archive is a last
error record under the archive's own name.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO

from fauxto.errors import InputError, MissingExtraError
from fauxto.images import FORMAT_EXTENSIONS, Limits, printable
from fauxto.images.read import open_regular
from fauxto.images.refusal import RefusedError
from fauxto.scan.found import Found, Skipped, is_remote, stamp_of


@dataclass(frozen=True)
class Member:
    """An image in a container: what the record calls it, and how its bytes are read while it is its turn."""

    path: str
    read: Callable[[], bytes]


def contents(found: Found, limits: Limits, skipped: Skipped, start: int = 0) -> Iterator[Found]:
    """The images of a container, with their bytes; the container itself as an error where it is damaged.

    Args:
        found: a container.
        limits: the bytes that a member may have.
        skipped: counts members that are no images by name.
        start: so many are passed over unread: their records exist already.

    Raises:
        MissingExtraError: parquet without pyarrow, a remote container without fsspec.
    """
    number = -1
    try:
        _check_unchanged(found)
        for number, member in enumerate(_members(found, limits, skipped)):
            if number >= start:
                yield _loaded(member)
        if number + 1 < start:
            raise _changed(found.path)
    except InputError as error:
        if not (error.code in _DAMAGE and number + 2 == start):
            yield Found(found.path, error=error)
    except MissingExtraError:
        raise
    except Exception as error:
        # A store's own errors, whatever they are, come through its file object in the middle of an archive.
        if not is_remote(found.path):
            raise
        yield Found(found.path, error=damaged(error, found.path, found.kind))


# What lies in the bytes ends an unchanged container at the same place each time: where one record more than
# its members exists, it is this error's. One that is gone or has changed may well have been read before.
_DAMAGE = frozenset({"corrupt", "truncated", "too-large", "unsupported"})


def _members(found: Found, limits: Limits, skipped: Skipped) -> Iterator[Member]:
    if found.kind == "parquet":
        from fauxto.scan.tables import rows

        return rows(found.path, limits)
    if found.kind == "tar":
        from fauxto.scan.tarballs import tar_members

        return tar_members(found.path, limits, skipped)
    from fauxto.scan.zips import zip_members

    return zip_members(found.path, limits, skipped)


def _loaded(member: Member) -> Found:
    try:
        return Found(member.path, data=member.read())
    except RefusedError as refusal:
        return Found(member.path, error=refusal.error(member.path))


def _check_unchanged(found: Found) -> None:
    """Refuse a container that is not the one that was listed: its members would be others."""
    if found.stamp is None:
        return
    if is_remote(found.path):
        from fauxto.scan.remote import stamp_of_remote

        now = stamp_of_remote(found.path)
    else:
        now = stamp_of(found.path)
    if now is not None and now != found.stamp:
        raise _changed(found.path)


def _changed(path: str) -> InputError:
    return RefusedError("unreadable", "it has changed since the scan began; scan it anew").error(path)


def open_container(path: str) -> IO[bytes]:
    """A local or remote file that can seek.

    Raises:
        InputError: `not-found` or `unreadable`.
        MissingExtraError: a remote one without fsspec.
    """
    if is_remote(path):
        from fauxto.scan.remote import open_remote

        return open_remote(path)
    return open_regular(path)


def is_image_member(name: str, skipped: Skipped) -> bool:
    """Whether a member's name is an image's; others are counted."""
    base = posixpath.basename(name)
    if base.startswith("."):
        skipped.hidden += 1
    elif posixpath.splitext(base)[1].lower() in FORMAT_EXTENSIONS:
        return True
    else:
        skipped.other += 1
    return False


def check_name(name: str) -> None:
    """Refuse a name that leads out of the archive: what it names is a trap for those who unpack."""
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or (len(parts[0]) == 2 and parts[0][1] == ":"):
        raise RefusedError(
            "unsupported", "its name leads out of the archive; pack the image under a plain name"
        )


@dataclass
class Expansion:
    """How much a container has become by decompression, against what it was.

    Image data hardly compress, so an honest archive stays far below these bounds.
    """

    packed: int = 0
    unpacked: int = 0

    FREE = 1 << 30
    RATIO = 100

    def check(self) -> None:
        """Refuse to go on with a bomb."""
        if self.unpacked > self.FREE and self.unpacked > self.RATIO * self.packed:
            raise RefusedError(
                "too-large",
                f"it expands to more than {self.RATIO} times its size, as decompression bombs do; "
                "unpack it yourself if you trust it",
            )


def damaged(error: Exception, path: str, what: str) -> InputError:
    """The error of an archive that ends or breaks in the middle."""
    said = printable(str(error)).rstrip(".") or type(error).__name__
    return RefusedError(
        "corrupt", f"the {what} is damaged here ({said[:200]}); copy or download it again"
    ).error(path)
