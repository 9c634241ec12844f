"""The detector: one record for whatever it is given."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from fauxto import Detector, Limits, Record


@pytest.fixture(scope="module")
def detector(bright_bundle: Path) -> Detector:
    return Detector(bright_bundle)


def encoded(value: int, size: tuple[int, int] = (16, 16), kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (value,) * 3).save(buffer, kind)
    return buffer.getvalue()


def test_every_way_in_gives_the_same_score(detector: Detector, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    array = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    path = tmp_path / "a.png"
    Image.fromarray(array).save(path)
    data = path.read_bytes()
    ways = [path, str(path), data, io.BytesIO(data), Image.open(path), array]
    records = [detector.scan(way) for way in ways]
    assert len({record.score for record in records}) == 1
    assert {record.verdict for record in records} == {"uncertain"}
    assert len({record.image.sha256 for record in records[:4] if record.image}) == 1


@pytest.mark.parametrize(("value", "verdict"), [(0, "no-sign"), (128, "uncertain"), (255, "ai")])
def test_thresholds_decide(detector: Detector, value: int, verdict: str) -> None:
    record = detector.scan(encoded(value))
    assert record.verdict == verdict
    assert record.model is not None and (record.model.name, record.model.version) == ("bright", "1.2.3")
    assert "threshold" in record.reason


@pytest.mark.parametrize("size", [(7, 16), (16, 65), (640, 480)])
def test_outside_the_domain_there_is_no_score(detector: Detector, size: tuple[int, int]) -> None:
    record = detector.scan(encoded(255, size))
    assert (record.status, record.verdict, record.score, record.model) == ("ok", "uncertain", None, None)
    assert f"{size[0]}x{size[1]}" in record.reason


def test_a_page_of_text_is_no_photograph() -> None:
    """By the models that come with fauxto, chosen by itself."""
    page = Image.new("RGB", (900, 1200), "white")
    draw = ImageDraw.Draw(page)
    for line in range(48):
        words = "Minutes of the meeting of the harbour committee, item " * 2
        draw.text((60, 40 + 24 * line), f"{line + 1}. {words}", fill="black", font=ImageFont.load_default(15))
    buffer = io.BytesIO()
    page.save(buffer, "JPEG", quality=87)
    record = Detector().scan(buffer.getvalue())
    assert (record.status, record.verdict, record.score) == ("ok", "uncertain", None)
    assert "not a photograph" in record.reason


def test_unreadable_input_is_a_record_without_verdict(detector: Detector, tmp_path: Path) -> None:
    record = detector.scan(tmp_path / "absent.jpg")
    assert (record.status, record.verdict, record.score) == ("error", None, None)
    assert (
        record.error is not None and record.error.code == "not-found" and "absent.jpg" in record.error.message
    )


@pytest.mark.parametrize("wrong", [None, 3, ["a.jpg"], np.zeros((4, 4, 3)), np.zeros((2, 4, 4, 3), np.uint8)])
def test_wrong_type_raises(detector: Detector, wrong: object) -> None:
    with pytest.raises(TypeError):
        detector.scan(wrong)


def test_a_file_opened_as_text_and_a_single_path_for_many_are_refused(
    detector: Detector, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(encoded(0))
    with (
        (tmp_path / "a.png").open(encoding="utf-8") as text,
        pytest.raises(TypeError, match="binary mode"),
    ):
        detector.scan(text)
    for one in (str(tmp_path / "a.png"), tmp_path / "a.png", encoded(0)):
        with pytest.raises(TypeError, match="in a list"):
            next(detector.scan_many(one))  # type: ignore[arg-type]


def test_models_that_have_to_be_asked_for_are_not_named_as_if_they_judged_by_themselves() -> None:
    record = Detector().scan(encoded(128, (100, 100)))
    assert record.verdict == "uncertain" and "photo is for" in record.reason
    assert "face" not in record.reason


def test_one_bad_input_does_not_stop_the_rest(detector: Detector) -> None:
    records = list(detector.scan_many([encoded(0), b"not an image", encoded(255)], batch_size=2))
    assert [record.verdict for record in records] == ["no-sign", None, "ai"]


def test_batch_size_changes_no_score(detector: Detector) -> None:
    rng = np.random.default_rng(1)
    arrays = [rng.integers(0, 256, (16, 16, 3), dtype=np.uint8) for _ in range(9)]
    alone = [record.score for record in detector.scan_many(arrays, batch_size=1)]
    together = [record.score for record in detector.scan_many(arrays, batch_size=9)]
    assert alone == pytest.approx(together, abs=1e-4)


def test_scan_many_is_lazy(detector: Detector) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield encoded(0)

    stream = detector.scan_many(endless(), batch_size=4)
    assert [next(stream).verdict for _ in range(6)] == ["no-sign"] * 6


def test_first_frame_of_an_animation_is_said(detector: Detector) -> None:
    buffer = io.BytesIO()
    frames = [Image.new("RGB", (16, 16), (value,) * 3) for value in (255, 0, 90)]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    record = detector.scan(buffer.getvalue())
    assert record.verdict == "ai"
    assert "first of 3 frames" in record.reason


def test_limits_refuse_before_decoding(bright_bundle: Path) -> None:
    record = Detector(bright_bundle, limits=Limits(max_pixels=100)).scan(encoded(0))
    assert record.error is not None and record.error.code == "too-large"


def test_record_survives_json(detector: Detector) -> None:
    record = detector.scan(encoded(128))
    assert Record.model_validate_json(record.model_dump_json()) == record


def test_the_file_may_say_what_the_model_does_not_see(detector: Detector, tmp_path: Path) -> None:
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    text.add_text(
        "parameters", "a cat\nNegative prompt: dog\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1"
    )
    path = tmp_path / "declared.png"
    Image.new("RGB", (640, 480), "grey").save(path, pnginfo=text)
    record = detector.scan(path)
    assert record.verdict == "ai" and record.score is None
    assert [(row.source, row.claim, row.strength) for row in record.evidence] == [
        ("generator", "ai", "moderate")
    ]
    assert "anybody can write" in record.reason


def test_an_input_of_a_wrong_type_takes_no_record_before_it_along(detector: Detector) -> None:
    records = detector.scan_many([encoded(0), encoded(255), 3, encoded(0)])
    assert [next(records).verdict, next(records).verdict] == ["no-sign", "ai"]
    with pytest.raises(TypeError, match="not builtins"):
        next(records)
