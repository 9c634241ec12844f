"""JPEG quality and chroma subsampling from the header alone."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fauxto.data.jpeg import JpegEncoding, read_encoding
from labelled_images import encoded, picture


def encoding(data: bytes) -> JpegEncoding:
    found = read_encoding(data)
    assert found is not None
    return found


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"optimize": True}, {"subsampling": 0}])
def test_the_quality_that_pillow_wrote_is_found_exactly(options: dict[str, Any]) -> None:
    written = {quality: encoding(encoded(0, quality=quality, **options)) for quality in range(1, 101)}
    assert {quality: found.quality for quality, found in written.items()} == {q: q for q in written}
    assert all(found.exact for found in written.values())


def test_a_table_of_another_maker_gives_the_nearest_quality_and_says_so() -> None:
    buffer = io.BytesIO()
    Image.fromarray(picture(0)).save(buffer, "JPEG", quality=80)
    table = Image.open(io.BytesIO(buffer.getvalue())).quantization[0]  # type: ignore[attr-defined]
    shifted = [value + (place % 3 == 0) for place, value in enumerate(table)]
    found = encoding(encoded(0, qtables=[shifted, shifted]))
    assert not found.exact
    assert abs(found.quality - 80) <= 3


@pytest.mark.parametrize(("setting", "name"), [(0, "4:4:4"), (1, "4:2:2"), (2, "4:2:0")])
def test_chroma_subsampling_is_named_as_usual(setting: int, name: str) -> None:
    assert encoding(encoded(0, subsampling=setting)).subsampling == name


def test_a_grey_jpeg_has_no_chroma() -> None:
    buffer = io.BytesIO()
    Image.fromarray(picture(0)).convert("L").save(buffer, "JPEG", quality=60)
    assert encoding(buffer.getvalue()) == JpegEncoding(60, True, "grey")


def test_an_exif_thumbnail_does_not_count() -> None:
    thumbnail = encoded(1, quality=20)
    data = encoded(0, quality=90, exif=b"Exif\x00\x00" + thumbnail)
    assert encoding(data).quality == 90


def test_other_formats_and_damaged_headers_have_no_quality() -> None:
    data = encoded(0)
    assert read_encoding(encoded(0, kind="PNG")) is None
    assert read_encoding(b"") is None
    random = np.random.default_rng(0)
    for cut in range(0, len(data), 7):
        read_encoding(data[:cut])
        damaged = bytearray(data)
        damaged[cut] = int(random.integers(256))
        read_encoding(bytes(damaged))
    assert read_encoding(data[:20]) is None
