"""Parquet files in the Hugging Face image layout: `image: {bytes, path}`, `label`, and more.

`label` is a number whose name stands in the file's metadata. The published CIFAKE numbers FAKE 0 and REAL 1,
other sets the other way round, so only the name is believed.
"""

from __future__ import annotations

import bisect
import json
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fauxto.data.classes import EXPECTED_CLASSES, Split, label_of, quoted, split_of, split_of_file
from fauxto.data.dataset import Item
from fauxto.errors import DataError, InputError, MissingExtraError
from fauxto.images import printable

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_BATCH_ROWS = 64
_CACHE_BYTES = 256 * 2**20
_OPTIONAL_COLUMNS = ("source", "pair", "split")


def items_of_parquet(paths: Sequence[Path], *, root: Path | None) -> list[Item]:
    """List the images of parquet files; only the columns beside the image bytes are read now.

    Args:
        paths: the files, in order.
        root: the folder that was asked for; its subfolders and the files' names may then name a split.
            None where one file was named: it is what the user says it is.

    Raises:
        DataError: a file cannot be read, lacks a column, or a label has no known name.
        MissingExtraError: pyarrow is not installed.
    """
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise MissingExtraError("reading parquet", "parquet") from None
    images = ParquetImages(paths)
    items: list[Item] = []
    for number, path in enumerate(paths):
        declared = None if root is None else _declared_split(path.relative_to(root))
        items += _items_of_file(images, number, declared)
    return items


def _declared_split(relative: Path) -> Split | None:
    named = [split_of(part) for part in relative.parent.parts]
    return next((split for split in named if split), split_of_file(relative.stem))


@dataclass(frozen=True, slots=True)
class ParquetRow:
    """An image in a row of one of several parquet files."""

    images: ParquetImages
    file: int
    row: int

    def read(self) -> bytes:
        """Read the row's bytes.

        Raises:
            InputError: the row holds no bytes, or its part of the file cannot be decoded.
        """
        import pyarrow as pa

        name = f"{printable(str(self.images.paths[self.file]))}#{self.row}"
        try:
            encoded = self.images.read(self.file, self.row)
        except (pa.ArrowException, OSError) as error:
            raise InputError("unreadable", f"{name}: the parquet file is damaged here ({error})") from error
        if encoded is None:
            raise InputError(
                "empty", f"{name}: the row holds no image bytes; embed the files' bytes in the parquet file"
            )
        return encoded


class ParquetImages:
    """The encoded images of several parquet files, by row, in bounded memory.

    Row groups are streamed in small batches, so of a file with one huge row group only a page at a time is in
    memory (1,024 rows as pyarrow writes them). Going through the rows in order decodes everything once;
    access in random order is served from a cache of 256 MiB and costs a part of a row group where that does
    not hold the row. Pickling (to a worker process) takes the paths along and no data.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)
        self._forget()

    def __getstate__(self) -> dict[str, Any]:
        return {"paths": self.paths}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.paths = state["paths"]
        self._forget()

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._files: dict[int, tuple[pq.ParquetFile, list[int]]] = {}
        self._cache: OrderedDict[tuple[int, int, int], pa.Array] = OrderedDict()
        self._cached_bytes = 0
        self._stream: Iterator[pa.RecordBatch] = iter(())
        self._streamed: tuple[int, int] | None = None
        self._next_batch = 0

    def open(self, number: int) -> pq.ParquetFile:
        """Open one of the files, once.

        Raises:
            DataError: it is no parquet file, or damaged.
        """
        return self._open(number)[0]

    def _open(self, number: int) -> tuple[pq.ParquetFile, list[int]]:
        if number not in self._files:
            import pyarrow as pa
            import pyarrow.parquet as pq

            path = self.paths[number]
            try:
                file = pq.ParquetFile(path, memory_map=True, pre_buffer=False)
            except (pa.ArrowException, OSError) as error:
                raise DataError(f"{printable(str(path))}: not a readable parquet file ({error})") from error
            rows = (file.metadata.row_group(group).num_rows for group in range(file.num_row_groups))
            self._files[number] = file, [0, *accumulate(rows)]
        return self._files[number]

    def read(self, number: int, row: int) -> bytes | None:
        """Give the image bytes in a row of a file, or None where the row has none."""
        with self._lock:
            _, starts = self._open(number)
            group = bisect.bisect_right(starts, row) - 1
            batch, offset = divmod(row - starts[group], _BATCH_ROWS)
            value = self._batch(number, group, batch)[offset].as_py()
        return value if value is None else bytes(value)

    def _batch(self, number: int, group: int, batch: int) -> pa.Array:
        key = (number, group, batch)
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        if self._streamed != (number, group) or batch < self._next_batch:
            self._start_stream(number, group)
        # Forgotten until the batch is there, so that nobody goes on reading after an error.
        self._streamed = None
        for record in self._stream:
            passed = (number, group, self._next_batch)
            self._keep(passed, _image_bytes(record))
            self._next_batch += 1
            if passed == key:
                self._streamed = (number, group)
                return self._cache[key]
        raise OSError("a row group holds fewer rows than the file says")

    def _start_stream(self, number: int, group: int) -> None:
        file, _ = self._open(number)
        column = "image.bytes" if _has_struct_image(file) else "image"
        self._stream = file.iter_batches(_BATCH_ROWS, row_groups=[group], columns=[column], use_threads=False)
        self._next_batch = 0

    def _keep(self, key: tuple[int, int, int], values: pa.Array) -> None:
        if replaced := self._cache.pop(key, None):
            self._cached_bytes -= replaced.nbytes
        self._cache[key] = values
        self._cached_bytes += values.nbytes
        while self._cached_bytes > _CACHE_BYTES and len(self._cache) > 1:
            _, oldest = self._cache.popitem(last=False)
            self._cached_bytes -= oldest.nbytes


def _has_struct_image(file: pq.ParquetFile) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_struct(file.schema_arrow.field("image").type))


def _image_bytes(batch: pa.RecordBatch) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    column = batch.column(0)
    # struct_field keeps the nulls of the struct itself; .field() on the array would lose them.
    return pc.struct_field(column, "bytes") if pa.types.is_struct(column.type) else column


def _items_of_file(images: ParquetImages, number: int, declared: Split | None) -> list[Item]:
    import pyarrow as pa

    file, path = images.open(number), images.paths[number]
    shown = printable(str(path))
    _require_columns(file.schema_arrow, shown)
    present = [name for name in _OPTIONAL_COLUMNS if name in file.schema_arrow.names]
    in_struct = _has_struct_image(file) and "path" in _names_in(file.schema_arrow.field("image").type)
    leaves = ["label", *present, *(["image.path"] if in_struct else [])]
    try:
        columns = file.read(columns=leaves, use_threads=False).to_pydict()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{shown}: a damaged parquet file ({error})") from error
    labels = _labels(columns["label"], file.schema_arrow, shown)
    blank = [None] * len(labels)
    sources, pairs, splits = (columns.get(name, blank) for name in _OPTIONAL_COLUMNS)
    inner = [image and image["path"] for image in columns["image"]] if in_struct else blank
    return [
        Item(
            name=f"{shown}#{row}" + (f" ({printable(str(inner[row]))})" if inner[row] else ""),
            label=label,
            source=printable(str(sources[row] or "")),
            split=_split(splits[row], declared, f"{shown}#{row}"),
            pair=str(pairs[row]) if pairs[row] not in (None, "") else None,
            encoded=ParquetRow(images, number, row),
        )
        for row, label in enumerate(labels)
    ]


def _names_in(struct: pa.DataType) -> list[str]:
    return [struct.field(index).name for index in range(struct.num_fields)]


def _require_columns(schema: pa.Schema, shown: str) -> None:
    import pyarrow as pa

    for name in ("image", "label"):
        if name not in schema.names:
            raise DataError(
                f"{shown}: no column '{name}'; it has {quoted(schema.names)}; expected the Hugging Face "
                "image layout, image: {bytes, path} and label"
            )
    if pa.types.is_nested(schema.field("label").type):
        raise DataError(
            f"{shown}: the column 'label' is {schema.field('label').type}; expected one class an image"
        )
    kind = schema.field("image").type
    values = kind.field("bytes").type if pa.types.is_struct(kind) and "bytes" in _names_in(kind) else kind
    if not (pa.types.is_binary(values) or pa.types.is_large_binary(values)):
        raise DataError(f"{shown}: the column 'image' is {kind}; expected {{bytes: binary, path: string}}")


def _labels(values: Sequence[object], schema: pa.Schema, shown: str) -> list[int]:
    """Map each row's label to 0 or 1 by its name."""
    names = _class_names(schema)
    by_value: dict[object, int] = {}
    for row, value in enumerate(values):
        if value not in by_value:
            by_value[value] = _label(value, names, f"{shown}#{row}")
    return [by_value[value] for value in values]


def _label(value: object, names: Sequence[str] | None, where: str) -> int:
    if value is None:
        raise DataError(f"{where}: the label is missing")
    name = value
    if isinstance(value, int):
        if names is None:
            raise DataError(
                f"{where}: the label is the number {value} and the file does not say what it stands for; "
                "store names in place of numbers, or write the file with the datasets library and a "
                "ClassLabel feature that names its classes"
            )
        if not 0 <= value < len(names):
            raise DataError(f"{where}: the label {value} has no name; the file names {quoted(names)}")
        name = names[value]
    label = label_of(name) if isinstance(name, str) else None
    if label is None:
        raise DataError(f"{where}: unknown class '{name}'; expected names as in {EXPECTED_CLASSES}")
    return label


def _class_names(schema: pa.Schema) -> list[str] | None:
    """Read the names of a ClassLabel from the schema metadata that the datasets library writes, if any."""
    raw = (schema.metadata or {}).get(b"huggingface", b"{}")
    try:
        names = json.loads(raw)["info"]["features"]["label"]["names"]
    except (ValueError, KeyError, TypeError):
        return None
    return [str(name) for name in names] if isinstance(names, list) else None


def _split(value: object, declared: Split | None, where: str) -> Split | None:
    if value in (None, ""):
        return declared
    split = split_of(str(value))
    if split is None:
        raise DataError(f"{where}: unknown split '{value}'; expected train, validation or test")
    return split
