"""A labelled data set: items whose bytes are read only when asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, Protocol, overload

import numpy as np
from numpy.typing import NDArray

from fauxto.data.classes import SPLITS, Split, quoted, split_of
from fauxto.errors import DataError, InputError
from fauxto.images import DecodedImage, decode, read_bytes

OnError = Literal["raise", "skip"]


class EncodedImage(Protocol):
    """Where the bytes of one image lie: a file, or a row of a table."""

    def read(self) -> bytes:
        """Give the encoded bytes, or raise an `InputError` that names the place."""


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image in a file of its own."""

    path: Path

    def read(self) -> bytes:
        """Read the file.

        Raises:
            InputError: it is missing, empty, not readable, or larger than fauxto takes.
        """
        return read_bytes(self.path)


@dataclass(frozen=True, slots=True)
class Item:
    """One labelled image.

    Attributes:
        name: what error messages and prediction tables call it. File names betray the class in CIFAKE, so
            this never reaches a model or a split.
        label: 1 for AI-generated, 0 for not.
        source: the camera, collection or generator it came from, or ''.
        split: the split that the data set itself declares, or None.
        pair: what joins a photograph and its remake by a model, or None.
        encoded: where the bytes are.
    """

    name: str
    label: int
    source: str
    split: Split | None
    pair: str | None
    encoded: EncodedImage

    def read(self) -> bytes:
        """Give the encoded bytes as they were found.

        Raises:
            InputError: they cannot be read.
        """
        return self.encoded.read()

    def decode(self) -> DecodedImage:
        """Decode the image.

        Raises:
            InputError: it cannot be read or decoded.
        """
        return decode(self.read(), name=self.name)


class Dataset(Sequence[Item]):
    """Labelled images in a fixed order, by position; no image is held in memory.

    Items lie in storage order, so going through them once reads every file and row group once; access in
    random order works too (parquet row groups are cached up to a fixed number of bytes).

    Attributes:
        location: the path it was loaded from, for messages.
        on_error: what a pass does with an image that cannot be read: `raise` a DataError, or `skip` it
            and keep the error in `unreadable`.
        unreadable: position to error, for every image that a pass has skipped so far.
        ignored: how many files of each suffix lie among the images and are not images.
    """

    def __init__(
        self,
        items: Iterable[Item],
        *,
        location: str,
        on_error: OnError = "raise",
        ignored: Mapping[str, int] | None = None,
    ) -> None:
        self.items = tuple(items)
        self.location = location
        self.on_error: OnError = on_error
        self.ignored = dict(ignored or {})
        self.unreadable: dict[int, InputError] = {}

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> Dataset: ...
    def __getitem__(self, index: int | slice) -> Item | Dataset:
        if isinstance(index, slice):
            return self.subset(range(*index.indices(len(self))))
        return self.items[index]

    @cached_property
    def labels(self) -> NDArray[np.int8]:
        """Labels, shape (N,), 1 for AI-generated."""
        return np.array([item.label for item in self.items], np.int8)

    @property
    def sources(self) -> tuple[str, ...]:
        """Sources, '' where unknown."""
        return tuple(item.source for item in self.items)

    @property
    def pairs(self) -> tuple[str | None, ...]:
        """Pair names, None where an image belongs to none."""
        return tuple(item.pair for item in self.items)

    @property
    def splits(self) -> tuple[Split, ...]:
        """The declared splits that hold images, in the order train, validation, test."""
        held = {item.split for item in self.items}
        return tuple(split for split in SPLITS if split in held)

    @cached_property
    def hashes(self) -> tuple[str, ...]:
        """SHA-256 of every image's encoded bytes, in hex; '' where they could not be read and are skipped.

        Reads the whole data set once.

        Raises:
            DataError: an image cannot be read and `on_error` is `raise`.
        """
        hashes = [""] * len(self)
        for index, item in enumerate(self.items):
            try:
                hashes[index] = hashlib.sha256(item.read()).hexdigest()
            except InputError as error:
                self.report_unreadable(index, error)
        return tuple(hashes)

    def decoded(self) -> Iterator[tuple[int, DecodedImage]]:
        """Decode every image in order, with its position.

        Raises:
            DataError: an image cannot be read and `on_error` is `raise`.
        """
        for index, item in enumerate(self.items):
            try:
                image = item.decode()
            except InputError as error:
                self.report_unreadable(index, error)
            else:
                yield index, image

    def report_unreadable(self, index: int, error: InputError) -> None:
        """Apply `on_error` to one image: raise, or remember the error.

        Raises:
            DataError: `on_error` is `raise`.
        """
        if self.on_error == "raise":
            remedy = "repair or remove it, or load with on_error='skip', which leaves it out and counts it"
            raise DataError(f"{self.location}: {error.message}; {remedy}") from error
        self.unreadable[index] = error

    def subset(self, indices: Iterable[int]) -> Dataset:
        """Give the items at these positions, in this order, as a data set."""
        rows = list(indices)
        chosen = Dataset((self.items[row] for row in rows), location=self.location, on_error=self.on_error)
        if "hashes" in self.__dict__:  # known already, so the parts of a split are not read again for theirs
            chosen.__dict__["hashes"] = tuple(self.hashes[row] for row in rows)
        return chosen

    def select(self, split: str) -> Dataset:
        """Give the items of one declared split (`valid` and `val` mean `validation`).

        Raises:
            DataError: the data set declares no such split.
        """
        wanted = split_of(split)
        if wanted is None or wanted not in self.splits:
            declared = f"it declares {quoted(self.splits)}" if self.splits else "it declares no splits"
            raise DataError(f"{self.location}: no split '{split}'; {declared}")
        return self.subset(index for index, item in enumerate(self.items) if item.split == wanted)


def fingerprint(dataset: Dataset) -> str:
    """Give the SHA-256, in hex, over the sorted pairs of content hash and label.

    The same images with the same labels give the same fingerprint whatever they are called, wherever they
    lie and in whatever order. Images that cannot be read and are skipped do not count.

    Raises:
        DataError: an image cannot be read and the data set's `on_error` is `raise`.
    """
    readable = [row for row, content in enumerate(dataset.hashes) if content]
    return content_fingerprint([dataset.hashes[row] for row in readable], dataset.labels[readable])


def content_fingerprint(hashes: Sequence[str], labels: Sequence[int] | NDArray[np.int8]) -> str:
    """Give the same fingerprint from content hashes and labels that are already at hand."""
    rows = sorted(zip(hashes, map(int, labels), strict=True))
    return hashlib.sha256("".join(f"{content}:{label}\n" for content, label in rows).encode()).hexdigest()


def origin_of(source: str) -> str:
    """The origin in a source's name: what comes before the first hyphen; never split between parts."""
    return source.split("-", 1)[0]
