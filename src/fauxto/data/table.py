"""A CSV of paths and labels."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from fauxto.data.classes import EXPECTED_CLASSES, label_of, split_of
from fauxto.data.dataset import ImageFile, Item
from fauxto.errors import DataError
from fauxto.images import printable


def items_of_csv(path: Path) -> list[Item]:
    """Read a CSV with the columns `path` and `label` and, where it has them, `source`, `pair` and `split`.

    Relative paths are relative to the CSV. Whether the files exist shows when they are read.

    Raises:
        DataError: the table cannot be read, lacks a column, or a row has no path or an unknown label.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            table = csv.DictReader(lines, strict=True)
            columns = {(name or "").strip().lower(): name for name in table.fieldnames or ()}
            if missing := [name for name in ("path", "label") if name not in columns]:
                raise DataError(
                    f"{printable(str(path))}: no column '{missing[0]}'; the first line must name the columns "
                    "path and label (and may name source, pair and split), separated by commas"
                )
            return [
                _item(path, table.line_num, {name: row[column] or "" for name, column in columns.items()})
                for row in table
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{printable(str(path))}: not a readable CSV in UTF-8 ({error})") from error


def _item(table: Path, line: int, row: Mapping[str, str]) -> Item:
    where = f"{printable(str(table))}, line {line}"
    if not row["path"].strip():
        raise DataError(f"{where}: the path is empty")
    label = label_of(row["label"])
    if label is None:
        number = "a number does not say which class it is; " if row["label"].strip().isdigit() else ""
        raise DataError(
            f"{where}: unknown label '{row['label']}'; {number}write class names as in {EXPECTED_CLASSES}"
        )
    split = row.get("split", "").strip()
    if split and split_of(split) is None:
        raise DataError(f"{where}: unknown split '{split}'; expected train, validation or test")
    file = table.parent / row["path"].strip()
    return Item(
        name=printable(str(file)),
        label=label,
        source=row.get("source", "").strip(),
        split=split_of(split),
        pair=row.get("pair", "").strip() or None,
        encoded=ImageFile(file),
    )
