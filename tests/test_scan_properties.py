"""What must hold for every image: one record schema, one answer by every way in, in any order and batch."""

from __future__ import annotations

import io
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image

from bad_files import bad_files
from fauxto import Detector, Record

EXAMPLES = Path(__file__).parents[1] / "examples"
PROPERTY = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector("thumb")


pixels = st.tuples(st.integers(24, 64), st.integers(24, 64)).flatmap(
    lambda sides: arrays(np.uint8, (*sides, 3), elements=st.integers(0, 255))
)


def lossless(array: NDArray[np.uint8], kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind, **({"lossless": True} if kind == "WEBP" else {}))
    return buffer.getvalue()


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from(sorted(bad_files().items())))[1])
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        data[at : at + 1] = bytes([draw(st.integers(0, 255))])
    return bytes(data)


@PROPERTY
@given(data=damaged() | st.binary(max_size=200))
def test_a_record_is_valid_whatever_the_bytes(detector: Detector, data: bytes) -> None:
    record = detector.scan(data)
    assert (record.verdict is None) == (record.status == "error") == (record.error is not None)
    assert (record.image is None) == (record.status == "error")
    assert (record.score is None) == (record.model is None)
    assert record.score is None or 0 <= record.score <= 1
    assert Record.model_validate_json(record.model_dump_json()) == record


@PROPERTY
@given(array=pixels, kind=st.sampled_from(["PNG", "WEBP", "TIFF", "BMP"]))
def test_path_bytes_stream_and_pixels_give_one_answer(
    detector: Detector, array: NDArray[np.uint8], kind: str
) -> None:
    data = lossless(array, kind)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture"
        path.write_bytes(data)
        records = [detector.scan(way) for way in (path, data, io.BytesIO(data), array)]
    assert len({record.score for record in records}) == 1
    assert len({record.verdict for record in records}) == 1
    first, second, third, _ = (record.model_copy(update={"path": ""}) for record in records)
    assert first == second == third


def examples() -> list[Path]:
    return sorted(path for path in EXAMPLES.rglob("*") if path.suffix in (".jpg", ".png"))


def judged(detector: Detector, paths: Sequence[Path], batch_size: int) -> dict[str, Record]:
    return {record.path: record for record in detector.scan_many(paths, batch_size=batch_size)}


@settings(PROPERTY, max_examples=8)
@given(seed=st.integers(0, 1_000_000), batch_size=st.integers(1, 40))
def test_order_and_batch_change_no_verdict_and_no_score(
    detector: Detector, seed: int, batch_size: int
) -> None:
    paths = examples()
    expected = judged(detector, paths, 1)
    random.Random(seed).shuffle(paths)
    found = judged(detector, paths, batch_size)
    assert found.keys() == expected.keys()
    for path, record in found.items():
        other = expected[path]
        assert (record.score is None) == (other.score is None)
        assert record.score is None or abs(record.score - (other.score or 0)) < 1e-4
        assert record.model_copy(update={"score": None}) == other.model_copy(update={"score": None})


def test_order_alone_changes_nothing_at_all(detector: Detector) -> None:
    paths = examples()
    assert judged(detector, paths, 1) == judged(detector, paths[::-1], 1)
