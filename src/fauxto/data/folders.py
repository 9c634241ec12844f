"""Class folders: the label is a folder's name, at whatever depth it lies."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path, PurePath

from fauxto.data.classes import EXPECTED_CLASSES, Split, label_of, quoted, split_of
from fauxto.data.dataset import ImageFile, Item
from fauxto.errors import DataError
from fauxto.images import FORMAT_EXTENSIONS, printable


@dataclass(frozen=True)
class Listing:
    """What lies below a folder, as sorted paths relative to it; `ignored` counts other files by suffix."""

    images: Sequence[PurePath]
    parquet: Sequence[PurePath]
    ignored: Mapping[str, int]


@dataclass(frozen=True)
class _Place:
    """What the folders above an image say about it; `above` and `below` lie around the class folder."""

    label: int
    split: Split | None
    above: tuple[str, ...]
    below: tuple[str, ...]


def list_files(root: Path) -> Listing:
    """List the files below a folder; hidden files count as ignored, hidden folders are not entered.

    Linked folders are entered, because data sets are often put together from links; a folder that is
    reached twice is listed once, so a loop ends.
    """
    images: list[PurePath] = []
    parquet: list[PurePath] = []
    ignored: Counter[str] = Counter()
    seen: set[tuple[int, int]] = set()
    for folder, subfolders, files in os.walk(root, followlinks=True, onerror=_raise_unlistable):
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in seen:
            subfolders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        relative = PurePath(folder).relative_to(root)
        for name in files:
            suffix = PurePath(name).suffix.lower()
            if name.startswith("."):
                ignored["hidden"] += 1
            elif suffix in FORMAT_EXTENSIONS:
                images.append(relative / name)
            elif suffix in (".parquet", ".pq"):
                parquet.append(relative / name)
            else:
                ignored[printable(suffix) or "no suffix"] += 1
    return Listing(sorted(images), sorted(parquet), dict(sorted(ignored.items())))


def _raise_unlistable(error: OSError) -> None:
    # os.walk passes over a folder that it may not list; a class must not vanish that way.
    raise DataError(
        f"{printable(str(error.filename))}: this folder cannot be listed ({error.strerror})"
    ) from error


def items_of_folder(root: Path, images: Sequence[PurePath]) -> list[Item]:
    """Label images by the class folder that each lies in; where there is none, `root` may be one itself.

    Args:
        root: the data set's folder.
        images: sorted paths relative to it.

    Raises:
        DataError: an image lies in no class folder, or in folders of both classes.
    """
    folders = sorted({image.parent for image in images})
    places = {folder: _place(root, folder) for folder in folders}
    known = {folder: place for folder, place in places.items() if place is not None}
    if not known and (label := label_of(root.resolve().name)) is not None:  # itself a class folder
        known = {folder: _Place(label, None, (), folder.parts) for folder in folders}
    if unknown := [folder for folder in folders if folder not in known]:
        raise DataError(
            f"{printable(str(root))}: images outside class folders, in {quoted(map(_shown, unknown))}; "
            f"expected class folders named {EXPECTED_CLASSES}"
        )
    sources = _sources(known)
    items: list[Item] = []
    for image in images:
        place, source = known[image.parent], sources[image.parent]
        encoded = ImageFile(root / image)
        items.append(Item(printable(str(root / image)), place.label, source, place.split, None, encoded))
    return items


def _shown(folder: PurePath) -> str:
    return "the folder itself" if folder == PurePath() else str(folder)


def _place(root: Path, folder: PurePath) -> _Place | None:
    parts = folder.parts
    labels = {index: label for index, part in enumerate(parts) if (label := label_of(part)) is not None}
    if not labels:
        return None
    splits = [split for part in parts if (split := split_of(part)) is not None]
    if len(set(labels.values())) > 1 or len(set(splits)) > 1:
        raise DataError(
            f"{printable(str(root / folder))}: its path names two classes or two splits, so neither is "
            "certain; rename one of the folders"
        )
    at = min(labels)
    above = tuple(part for part in parts[:at] if split_of(part) is None)
    below = tuple(part for part in parts[at + 1 :] if split_of(part) is None)
    return _Place(labels[at], splits[0] if splits else None, above, below)


def _sources(places: Mapping[PurePath, _Place]) -> dict[PurePath, str]:
    """Name each folder's source: the folder just below the class folder.

    Where there is none and the class folders lie below several folders (GenImage: one a generator), what
    tells those apart is the source.
    """
    above = {place.above for place in places.values()}
    common = sum(1 for _ in takewhile(lambda level: len(set(level)) == 1, zip(*above, strict=False)))
    return {
        folder: printable(place.below[0] if place.below else "/".join(place.above[common:]))
        for folder, place in places.items()
    }
