"""Images decoded once into memory-mapped arrays.

Decoding CIFAKE anew in every epoch costs more than a small net's training step; as an array it is 290 MB that
the operating system shares between processes. `decode_small` is for images of one size and resizes nothing,
because resizing changes the traces that a detector looks for; `decode_squares` takes images of any size as a
model would see them, 197 kB each at 256 x 256.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import PIL
from numpy.typing import NDArray

from fauxto.data.dataset import Dataset
from fauxto.errors import DataError, InputError
from fauxto.images import DecodedImage
from fauxto.models.config import InputConfig
from fauxto.models.preprocess import fit

# Part of the key: raised when the layout of the files below, or what decoding does, changes.
_LAYOUT = 1


@dataclass(frozen=True)
class SmallArrays:
    """Decoded images, row by row.

    Attributes:
        images: RGB, uint8, shape (N, side, side, 3), memory-mapped and read-only.
        labels: shape (N,), 1 for AI-generated.
        hashes: SHA-256 of each image's encoded bytes, in hex.
        sources: source of each image, '' where unknown.
        rows: position of each image in the data set, shape (N,); those that could not be read are missing
            here and named in `Dataset.unreadable`.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int8]
    hashes: tuple[str, ...]
    sources: tuple[str, ...]
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)


def decode_small(
    dataset: Dataset,
    *,
    side: int,
    cache: str | os.PathLike[str],
    progress: Callable[[int], object] | None = None,
) -> SmallArrays:
    """Decode a data set of small images, or map what an earlier call decoded.

    The cache is keyed by the images' contents, their order and the decoder's version, so changed data are
    decoded anew and labels always come from the data set. A run that is killed leaves nothing that looks
    complete, and of several processes that want the same data one decodes while the others wait.

    Args:
        dataset: images that are all `side` x `side` pixels.
        side: in pixels.
        cache: folder for the arrays; made if it is missing.
        progress: called with the number of images done, now and then, while decoding.

    Raises:
        DataError: an image has another size or cannot be read (and the data set's `on_error` is `raise`),
            or the cache cannot be written.
    """
    return _decoded(dataset, _Shape(side), Path(cache), progress)


def decode_squares(
    dataset: Dataset,
    config: InputConfig,
    *,
    cache: str | os.PathLike[str],
    progress: Callable[[int], object] | None = None,
) -> SmallArrays:
    """As `decode_small`, for images of any sizes: each is cut and resized as the model will see it.

    Args:
        dataset: images.
        config: side and interpolation; normalisation is left to training.
        cache: folder for the arrays; made if it is missing.
        progress: called with the number of images done, now and then, while decoding.

    Raises:
        DataError: an image cannot be read (and the data set's `on_error` is `raise`), or the cache cannot be
            written.
    """
    return _decoded(dataset, _Shape(config.side, config), Path(cache), progress)


@dataclass(frozen=True)
class _Shape:
    """The one size of an array's images, and how others are brought to it; None where they are an error."""

    side: int
    config: InputConfig | None = None

    @property
    def key(self) -> str:
        if self.config is None:
            return f"side {self.side}"
        how = self.config.model_dump_json(exclude={"mean", "std"})
        return f"squares {how}"

    def pixels(self, image: DecodedImage, name: str) -> NDArray[np.uint8]:
        """The image as (side, side, 3)."""
        if self.config is not None:
            return fit(image.pixels, self.config)
        if image.pixels.shape != (self.side, self.side, 3):
            raise DataError(
                f"{name}: {image.width} x {image.height} pixels, not {self.side} x {self.side}; "
                "images of other sizes are resized only where the recipe says input.resize: true"
            )
        return image.pixels


def _decoded(
    dataset: Dataset, shape: _Shape, cache: Path, progress: Callable[[int], object] | None
) -> SmallArrays:
    key = _key(dataset, shape)
    folder = cache / key
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with _lock(cache / f"{key}.lock"):
            if not _complete(folder, shape.side):
                _write(dataset, shape, folder, progress)
    except OSError as error:
        raise DataError(f"{cache}: decoded images cannot be kept here ({error.strerror or error})") from error
    return _open(dataset, folder)


def _key(dataset: Dataset, shape: _Shape) -> str:
    head = f"layout {_LAYOUT}, Pillow {PIL.__version__}, {shape.key}\n"
    return hashlib.sha256((head + "\n".join(dataset.hashes)).encode()).hexdigest()[:32]


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold a lock that the operating system releases however this process ends."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _complete(folder: Path, side: int) -> bool:
    """Tell whether the arrays are there and whole; a damaged disk may have cut them short."""
    try:
        images = np.load(folder / "images.npy", mmap_mode="r")
        rows = np.load(folder / "rows.npy")
        json.loads((folder / "unreadable.json").read_text())
    except (OSError, ValueError, EOFError):
        return False
    return bool(images.shape == (len(rows), side, side, 3))


def _write(dataset: Dataset, shape: _Shape, folder: Path, progress: Callable[[int], object] | None) -> None:
    """Write everything under another name, then rename: an interrupted write never looks complete."""
    partial = folder.with_name(f"{folder.name}.partial")
    for leftover in (partial, folder):
        shutil.rmtree(leftover, ignore_errors=True)
    partial.mkdir()
    with (partial / "images.npy").open("wb") as file:
        rows = _write_images(dataset, shape, file, progress)
        _sync(file)
    with (partial / "rows.npy").open("wb") as file:
        np.save(file, rows)
        _sync(file)
    unreadable = {index: [error.code, error.message] for index, error in dataset.unreadable.items()}
    (partial / "unreadable.json").write_text(json.dumps(unreadable))
    partial.rename(folder)


def _write_images(
    dataset: Dataset, shape: _Shape, file: BinaryIO, progress: Callable[[int], object] | None
) -> NDArray[np.int64]:
    """Append pixel rows to an .npy file; ordinary writes report a full disk, a memory map would crash."""
    _write_header(file, len(dataset), shape.side)
    rows: list[int] = []
    for index, image in dataset.decoded():
        file.write(shape.pixels(image, dataset.items[index].name).tobytes())
        rows.append(index)
        if progress and len(rows) % 1000 == 0:
            progress(index + 1)
    # numpy pads the header so that the first dimension can change without moving the data.
    file.seek(0)
    _write_header(file, len(rows), shape.side)
    return np.array(rows, np.int64)


def _write_header(file: BinaryIO, count: int, side: int) -> None:
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, side, side, 3)}
    np.lib.format.write_array_header_1_0(file, header)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _open(dataset: Dataset, folder: Path) -> SmallArrays:
    for index, (code, message) in json.loads((folder / "unreadable.json").read_text()).items():
        dataset.report_unreadable(int(index), InputError(code, message))
    rows: NDArray[np.int64] = np.load(folder / "rows.npy")
    if not len(rows):
        raise DataError(f"{dataset.location}: not one image could be decoded")
    hashes, sources = dataset.hashes, dataset.sources
    return SmallArrays(
        images=np.load(folder / "images.npy", mmap_mode="r"),
        labels=dataset.labels[rows],
        hashes=tuple(hashes[row] for row in rows),
        sources=tuple(sources[row] for row in rows),
        rows=rows,
    )
