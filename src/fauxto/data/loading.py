"""From a path to a data set: class folders, Hugging Face parquet, or a CSV of paths and labels."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from fauxto.data.classes import EXPECTED_CLASSES, quoted
from fauxto.data.dataset import Dataset, Item, OnError
from fauxto.data.folders import Listing, items_of_folder, list_files
from fauxto.data.parquet import items_of_parquet
from fauxto.data.table import items_of_csv
from fauxto.errors import DataError
from fauxto.images import printable


def load(path: str | os.PathLike[str], *, split: str | None = None, on_error: OnError = "raise") -> Dataset:
    """Load labelled images; their bytes are read later, image by image.

    Args:
        path: a folder with class folders (REAL/FAKE, real/fake, real/ai, 0_real/1_fake, nature/ai, in any
            case and at any depth, also below train/, valid/, test/); a parquet file or a folder of them in
            the Hugging Face image layout; or a CSV with the columns path and label.
        split: only the images of this declared split (`train`, `validation`, `test`, or the names that
            stand for them).
        on_error: what later passes do with an image that cannot be read: `raise` a DataError, or `skip`
            it and keep the error in `Dataset.unreadable`.

    Returns:
        The data set, in a fixed order.

    Raises:
        DataError: nothing there, no images, unknown class names, or layouts mixed.
        MissingExtraError: a parquet input without pyarrow.
    """
    location = printable(os.fspath(path))
    items, ignored = _items(Path(path), location)
    if not items:
        raise DataError(f"{location}: no images in it")
    _require_uniform_splits(items, location)
    dataset = Dataset(items, location=location, on_error=on_error, ignored=ignored)
    return dataset if split is None else dataset.select(split)


def _items(path: Path, location: str) -> tuple[list[Item], Mapping[str, int]]:
    if path.is_dir():
        return _items_of_directory(path, location)
    if not path.exists():
        raise DataError(f"{location}: no such file or folder")
    if path.suffix.lower() in (".parquet", ".pq"):
        return items_of_parquet([path], root=None), {}
    if path.suffix.lower() == ".csv":
        return items_of_csv(path), {}
    raise DataError(
        f"{location}: not a data set; expected a folder with class folders, a .parquet file or folder, "
        "or a .csv of paths and labels"
    )


def _items_of_directory(root: Path, location: str) -> tuple[list[Item], Mapping[str, int]]:
    listing = list_files(root)
    if listing.parquet and listing.images:
        raise DataError(
            f"{location}: holds both parquet files ({quoted(map(str, listing.parquet), limit=2)}) and "
            f"image files ({quoted(map(str, listing.images), limit=2)}); load one of them by its own path"
        )
    if listing.parquet:
        return items_of_parquet([root / relative for relative in listing.parquet], root=root), listing.ignored
    if listing.images:
        return items_of_folder(root, listing.images), listing.ignored
    raise DataError(f"{location}: no images and no parquet files in it{_hint(listing)}")


def _hint(listing: Listing) -> str:
    if ".csv" in listing.ignored:
        return "; for a table of paths and labels give the path of the .csv itself"
    return f"; expected class folders named {EXPECTED_CLASSES}"


def _require_uniform_splits(items: list[Item], location: str) -> None:
    """Refuse data where only some images name a split: guessing the rest would leak test into training."""
    undeclared = next((item for item in items if item.split is None), None)
    declared = next((item for item in items if item.split is not None), None)
    if undeclared and declared:
        raise DataError(
            f"{location}: '{declared.name}' belongs to the split {declared.split} and '{undeclared.name}' to "
            "none; put every image below train/, valid/ or test/, or none, or load one part by its own path"
        )
