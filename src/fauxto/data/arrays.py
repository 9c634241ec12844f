"""Small images, decoded once into memory-mapped arrays.

Decoding CIFAKE anew in every epoch costs more than a small net's training step; as an array it is 290 MB that
the operating system shares between processes. For images of one small size only: nothing is resized here,
because resizing changes the traces that a detector looks for.
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
    key = _key(dataset, side)
    folder = Path(cache) / key
    try:
        Path(cache).mkdir(parents=True, exist_ok=True)
        with _lock(Path(cache) / f"{key}.lock"):
            if not _complete(folder, side):
                _write(dataset, side, folder, progress)
    except OSError as error:
        raise DataError(f"{cache}: decoded images cannot be kept here ({error.strerror or error})") from error
    return _open(dataset, folder)


def _key(dataset: Dataset, side: int) -> str:
    head = f"layout {_LAYOUT}, Pillow {PIL.__version__}, side {side}\n"
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


def _write(dataset: Dataset, side: int, folder: Path, progress: Callable[[int], object] | None) -> None:
    """Write everything under another name, then rename: an interrupted write never looks complete."""
    partial = folder.with_name(f"{folder.name}.partial")
    for leftover in (partial, folder):
        shutil.rmtree(leftover, ignore_errors=True)
    partial.mkdir()
    with (partial / "images.npy").open("wb") as file:
        rows = _write_images(dataset, side, file, progress)
        _sync(file)
    with (partial / "rows.npy").open("wb") as file:
        np.save(file, rows)
        _sync(file)
    unreadable = {index: [error.code, error.message] for index, error in dataset.unreadable.items()}
    (partial / "unreadable.json").write_text(json.dumps(unreadable))
    partial.rename(folder)


def _write_images(
    dataset: Dataset, side: int, file: BinaryIO, progress: Callable[[int], object] | None
) -> NDArray[np.int64]:
    """Append pixel rows to an .npy file; ordinary writes report a full disk, a memory map would crash."""
    _write_header(file, len(dataset), side)
    rows: list[int] = []
    for index, image in dataset.decoded():
        if image.pixels.shape != (side, side, 3):
            raise DataError(
                f"{dataset.items[index].name}: {image.width} x {image.height} pixels, not {side} x {side}; "
                "only images of one small size can be decoded into one array"
            )
        file.write(image.pixels.tobytes())
        rows.append(index)
        if progress and len(rows) % 1000 == 0:
            progress(index + 1)
    # numpy pads the header so that the first dimension can change without moving the data.
    file.seek(0)
    _write_header(file, len(rows), side)
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
