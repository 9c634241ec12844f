"""The pictures of a run: bytes, labels, and the origins that training and test never share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fauxto.data import Item, fingerprint, load
from fauxto.data.dataset import origin_of
from fauxto.errors import DataError
from fauxto.images import printable
from fauxto.train.tower.views import Pixels


@dataclass(frozen=True)
class Pictures:
    """Labelled pictures of several data sets, in a fixed order.

    Attributes:
        items: where they lie.
        labels: AI-generated = 1, shape (N,).
        sources: camera, collection or generator, shape (N,).
        groups: the origin, or the origins that are left out together, shape (N,).
        collections: the data set that each is from, shape (N,).
        fingerprint: of all data sets.
    """

    items: tuple[Item, ...]
    labels: NDArray[np.int64]
    sources: NDArray[np.str_]
    groups: NDArray[np.str_]
    collections: NDArray[np.str_]
    fingerprint: str

    def __len__(self) -> int:
        return len(self.items)

    def pixels(self) -> Iterator[Pixels]:
        """Every picture decoded, (H, W, 3), one at a time.

        Raises:
            InputError: one cannot be decoded.
        """
        return (item.decode().pixels for item in self.items)

    @property
    def matched(self) -> NDArray[np.bool_]:
        """Whether a picture's group holds both classes, so that it tells how well they are told apart."""
        both = {
            group
            for group in np.unique(self.groups)
            if len(np.unique(self.labels[self.groups == group])) == 2
        }
        return np.array([group in both for group in self.groups])


def load_pictures(
    paths: Sequence[Path], together: Sequence[Sequence[str]], folds: int | None = None
) -> Pictures:
    """Load data sets for leaving origins, or folds, out. A declared test split is not touched.

    An origin is what comes before the first hyphen of an image's source. Data sets that declare a split (such
    as a file named train.parquet) keep to themselves: their sources are origins of their own.

    Args:
        paths: data sets, each as `fauxto.data.load` takes them.
        together: origins that share pictures.
        folds: parts by content hash in place of origins, so that duplicates stay together.

    Raises:
        DataError: one cannot be read or names no sources, or there are not two origins, or folds, of both
            classes.
    """
    joined = {origin: group[0] for group in together for origin in group}
    items: list[Item] = []
    groups: list[str] = []
    collections: list[str] = []
    prints: list[str] = []
    for path in paths:
        dataset = load(path)
        if folds is None and not all(dataset.sources):
            raise DataError(f"{path}: leaving origins out needs a source for every image (column `source`)")
        for item, digest in zip(dataset, dataset.hashes, strict=True):
            if item.split == "test":
                continue
            items.append(item)
            collections.append(path.name)
            if folds is not None:
                groups.append(f"fold {int(digest[:8], 16) % folds}")
                continue
            origin = origin_of(item.source) if item.split is None else item.source
            groups.append(joined.get(origin, origin))
        prints.append(fingerprint(dataset))
    found = Pictures(
        tuple(items),
        np.array([item.label for item in items], dtype=np.int64),
        np.array([item.source for item in items]),
        np.array(groups),
        np.array(collections),
        "-".join(part[:16] for part in prints),
    )
    both = len(np.unique(found.groups[found.matched]))
    if both < 2:
        what = "origin holds" if folds is None else "fold holds"
        raise DataError(
            f"{', '.join(printable(str(path)) for path in paths)}: {both or 'no'} {what} photographs and "
            "AI-generated pictures, and at least two must, so that each can be left out; an origin is what "
            "comes before the first hyphen of a picture's source (or set `folds` in the recipe)"
        )
    return found


def group_folds(groups: NDArray[np.str_], folds: int = 5) -> NDArray[np.int64]:
    """A fold of 0 to `folds` - 1 for each picture, (N,), so that a group lies in one fold."""
    return np.unique(groups, return_inverse=True)[1].astype(np.int64) % folds
