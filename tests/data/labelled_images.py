"""Small labelled data sets for the tests, written as users have them."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def picture(seed: int, side: int = 32) -> NDArray[np.uint8]:
    """A smooth random RGB picture; another seed gives one that nobody would take for the same."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC))


def encoded(seed: int, side: int = 32, kind: str = "JPEG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture(seed, side)).save(buffer, kind, **options)
    return buffer.getvalue()


def write_tree(root: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def write_parquet(
    path: Path,
    images: Sequence[bytes | None],
    labels: Sequence[object],
    *,
    names: Sequence[str] | None = ("FAKE", "REAL"),
    row_group_size: int = 3,
    **columns: Sequence[object],
) -> Path:
    """Write the Hugging Face image layout; `names` are those of the ClassLabel, None for no metadata."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [{"bytes": data, "path": f"{number}.jpg"} for number, data in enumerate(images)]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({"image": pa.array(rows, kind), "label": list(labels), **columns})
    if names is not None:
        features = {"image": {"_type": "Image"}, "label": {"names": list(names), "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=row_group_size)
    return path
