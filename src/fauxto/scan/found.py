"""One thing to judge, and what was passed over on the way to it."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Literal

from fauxto.errors import InputCode, InputError
from fauxto.images import printable

STANDARD_INPUT = "-"

# An image, or what holds many: it is opened only when its turn comes.
Kind = Literal["image", "tar", "zip", "parquet"]

_CONTAINERS: dict[str, Kind] = {
    ".tar": "tar",
    ".tar.gz": "tar",
    ".tgz": "tar",
    ".tar.bz2": "tar",
    ".tar.xz": "tar",
    ".zip": "zip",
    ".parquet": "parquet",
    ".pq": "parquet",
}


@dataclass(frozen=True)
class Found:
    """One input.

    Attributes:
        path: of a file or a remote object, or the name of a member (`shard.tar::member.jpg`).
        kind: an image, or a container of many.
        error: why it cannot be judged.
        data: the bytes, where they came out of a container.
        stamp: size and time of change of a container when it was listed; None where nobody noted them.
    """

    path: str
    kind: Kind = "image"
    error: InputError | None = None
    data: bytes | None = None
    stamp: str | None = None

    def refused(self, code: InputCode, why: str) -> Found:
        """The same input as an error: `why` says what is wrong and what to do."""
        return replace(self, error=InputError(code, f"{printable(self.path)}: {why}"), data=None)


@dataclass
class Skipped:
    """What lay in folders and archives and was not tried."""

    hidden: int = 0
    other: int = 0
    links: int = 0
    containers: int = 0

    def __str__(self) -> str:
        counts = (
            (self.hidden, "hidden"),
            (self.other, "not images by name"),
            (self.links, "symbolic links"),
            (self.containers, "archives or tables (name them to look into them)"),
        )
        return ", ".join(f"{count} {what}" for count, what in counts if count)


def is_remote(path: str) -> bool:
    """Whether a path is the address of a remote object (`s3://bucket/key`)."""
    scheme, separator, _ = path.partition("://")
    return bool(separator) and scheme.isalnum()


def kind_of(path: str) -> Kind:
    """What a path holds, by the end of its name."""
    name = path.partition("?")[0] if is_remote(path) else path
    return next((kind for end, kind in _CONTAINERS.items() if name.lower().endswith(end)), "image")


def stamp_of(path: str) -> str | None:
    """Size and time of change of a local file; None where it cannot be had."""
    try:
        status = os.stat(path)  # noqa: PTH116 (paths may hold any bytes)
    except (OSError, ValueError):
        return None
    return f"{status.st_size}:{status.st_mtime_ns}"
