"""From seeds to a parquet file of pictures: the same pipeline as every training photograph went through."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from fauxto.train.negatives import Photograph
from fauxto.train.nonphotos import (
    artwork,
    charts,
    diagrams,
    documents,
    memes,
    posters,
    renders,
    screenshots,
    terminals,
)
from fauxto.train.nonphotos.material import Material, Part, part_of

LONG_SIDE = 480
JPEG_QUALITY = 87
TEST_SHARE = 0.3

Render = Callable[[Sequence[Material]], Iterable[Image.Image]]


def _one_by_one(render: Callable[[Material], Image.Image]) -> Render:
    return lambda materials: map(render, materials)


KINDS: dict[str, Render] = {
    "screenshot": screenshots.render,
    "chart": _one_by_one(charts.render),
    "document": _one_by_one(documents.document),
    "scan": _one_by_one(documents.scan),
    "diagram": _one_by_one(diagrams.render),
    "terminal": _one_by_one(terminals.render),
    "poster": _one_by_one(posters.render),
    "meme": _one_by_one(memes.render),
    "painting": _one_by_one(artwork.painting),
    "drawing": _one_by_one(artwork.drawing),
    "render": _one_by_one(renders.render),
}
FROM_PHOTOGRAPHS = ("meme", "painting", "drawing")
PROGRAMS: dict[str, Callable[[], str]] = {"screenshot": screenshots.browser, "diagram": diagrams.layouter}
"""What finds the program that a kind needs; raises UsageError where it is not installed."""


@dataclass(frozen=True)
class NonPhoto:
    """One picture that is no photograph.

    Attributes:
        encoded: JPEG bytes.
        name: kind, part and number; nothing else is known of it.
        kind: a key of `KINDS`.
        part: `train` or `test`.
    """

    encoded: bytes
    name: str
    kind: str
    part: Part


def encode(picture: Image.Image) -> bytes:
    """The picture with a long side of 480 pixels, as JPEG of quality 87."""
    scale = LONG_SIDE / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    buffer = io.BytesIO()
    picture.convert("RGB").resize(size, Image.Resampling.LANCZOS).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def make(
    kind: str, count: int, photographs: Sequence[Photograph], seed: int, *, only_test: bool = False
) -> Iterator[NonPhoto]:
    """Render `count` pictures of a kind, seven in ten of them for training.

    Args:
        kind: a key of `KINDS`.
        count: how many in all.
        photographs: what memes, paintings and drawings are made from, and what some pages show; their
            origins decide which part may use them.
        seed: the same seed gives the same pictures on a machine with the same fonts and browser.
        only_test: all of them for testing, from photographs of every origin.

    Raises:
        UsageError: a program that the kind needs is not installed.
    """
    tested = count if only_test else round(count * TEST_SHARE)
    parts: tuple[tuple[Part, int], ...] = (("train", count - tested), ("test", tested))
    for part, number in parts:
        pool = [one.pixels for one in photographs if only_test or part_of(one.origin) == part]
        materials = [
            Material(np.random.default_rng([seed, zlib.crc32(f"{kind}/{part}".encode()), index]), pool, part)
            for index in range(number)
        ]
        for index, picture in enumerate(KINDS[kind](materials)):
            yield NonPhoto(encode(picture), f"{kind}-{part}-{index}.jpg", kind, part)


def write(pictures: Sequence[NonPhoto], seed: int, output: Path) -> None:
    """Write a parquet file in the Hugging Face image layout, with `kind` and `split`; replaces it at once.

    Its metadata hold the seed.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(
        {
            "image": [{"bytes": one.encoded, "path": one.name} for one in pictures],
            "kind": [one.kind for one in pictures],
            "split": [one.part for one in pictures],
        }
    )
    table = table.replace_schema_metadata({"seed": str(seed)})
    temporary = output.with_name(output.name + ".part")
    pq.write_table(table, temporary, row_group_size=256)
    temporary.replace(output)
