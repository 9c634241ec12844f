"""Images in the rows of a parquet table."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from fauxto.errors import MissingExtraError
from fauxto.images import Limits
from fauxto.images.refusal import RefusedError
from fauxto.scan.containers import Expansion, Member, damaged, open_container

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

# So few rows are in memory at a time: one value may be as large as a member of an archive.
_BATCH_ROWS = 16


def rows(path: str, limits: Limits) -> Iterator[Member]:
    """The images of a parquet table, row by row: in its column `image`, or in its only binary one.

    Raises:
        InputError: the table cannot be read, or it is not plain which column holds the images.
        MissingExtraError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError("reading parquet", "parquet") from error
    with open_container(path) as file:
        try:
            table = pq.ParquetFile(file, pre_buffer=False)
            column = _image_column(table.schema_arrow)
            _check_expansion(table, column)
            batches = table.iter_batches(_BATCH_ROWS, columns=[column], use_threads=False)
            number = 0
            for batch in batches:
                values = _values(batch)
                for offset in range(len(values)):
                    yield Member(f"{path}#{number}", partial(_read, values, offset, limits))
                    number += 1
        except RefusedError as refusal:
            raise refusal.error(path) from None
        except (pa.ArrowException, OSError) as error:
            raise damaged(error, path, "table") from error


def _image_column(schema: pa.Schema) -> str:
    """The path of the leaf that holds the encoded images."""
    import pyarrow as pa

    def is_binary(kind: pa.DataType) -> bool:
        return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))

    def leaf(field: pa.Field) -> str | None:
        if is_binary(field.type):
            return str(field.name)
        if pa.types.is_struct(field.type):
            inside = [field.type.field(index) for index in range(field.type.num_fields)]
            if any(one.name == "bytes" and is_binary(one.type) for one in inside):
                return f"{field.name}.bytes"
        return None

    leaves = {field.name: leaf(field) for field in schema}
    candidates = [name for name in leaves.values() if name is not None]
    if leaves.get("image"):
        return str(leaves["image"])
    if len(candidates) == 1:
        return candidates[0]
    raise RefusedError(
        "unsupported",
        f"its columns are {', '.join(map(repr, schema.names))}; the encoded images must "
        "lie in a column `image`, binary or {bytes, path}",
    )


def _check_expansion(table: pq.ParquetFile, column: str) -> None:
    expansion = Expansion()
    for group in range(table.num_row_groups):
        row_group = table.metadata.row_group(group)
        for index in range(row_group.num_columns):
            chunk = row_group.column(index)
            if chunk.path_in_schema == column:
                expansion.packed += chunk.total_compressed_size
                expansion.unpacked += chunk.total_uncompressed_size
    expansion.check()


def _values(batch: pa.RecordBatch) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    column = batch.column(0)
    # struct_field keeps the nulls of the struct itself; .field() on the array would lose them.
    return pc.struct_field(column, "bytes") if pa.types.is_struct(column.type) else column


def _read(values: Any, offset: int, limits: Limits) -> bytes:
    data = values[offset].as_py()
    if not data:
        raise RefusedError("empty", "the row holds no image bytes; embed the files' bytes in the table")
    limits.check_bytes(len(data))
    return bytes(data)
