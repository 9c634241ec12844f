"""A model that judges faces: they are found in any picture, judged one by one, and each is named."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fauxto import Detector
from fauxto.detector import decisive_square
from fauxto.models import load_bundle
from fauxto.models.faces import Box, crop, crop_box, find_faces, is_aligned
from fauxto.models.views import join
from tiny_bundle import SIDE, write_bundle

PHOTOS = Path(__file__).parent.parent / "examples" / "photos"
FACE = (224, 115)  # the middle of the astronaut's face, in pixels


def photo(name: str) -> NDArray[np.uint8]:
    return np.asarray(Image.open(PHOTOS / f"{name}.jpg").convert("RGB"))


@pytest.fixture(scope="module")
def bundle_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Judges faces: the brighter, the more it says AI."""
    domain = {"min_side": 32, "max_side": 4096, "content": "faces", "automatic": False}
    return write_bundle(tmp_path_factory.mktemp("faces") / "bright", faces={}, domain=domain)


@pytest.fixture(scope="module")
def detector(bundle_folder: Path) -> Detector:
    return Detector(bundle_folder)


@pytest.fixture(scope="module")
def aligned() -> NDArray[np.uint8]:
    """The astronaut's face as FFHQ would crop it, 256 pixels."""
    (face,) = find_faces(photo("astronaut"))
    square = Image.fromarray(crop(photo("astronaut"), crop_box(face, SIDE)))
    return np.asarray(square.resize((256, 256), Image.Resampling.BICUBIC))


@pytest.fixture
def without_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)  # importing it fails


def test_the_face_is_found_and_judged(detector: Detector, bundle_folder: Path) -> None:
    record = detector.scan(PHOTOS / "astronaut.jpg")
    (row,) = [row for row in record.evidence if row.source == "face"]
    box = Box(row.data["box"]["left"], row.data["box"]["top"], row.data["box"]["width"])
    assert FACE in box and box.side < 200
    square = crop(photo("astronaut"), crop_box(box, SIDE))
    assert record.score == pytest.approx(load_bundle(bundle_folder).scores([square])[0], abs=1e-6)
    assert row.data["score"] == record.score and row.data["decides"] is True
    assert (row.claim, row.strength) == ("other", "weak")
    assert "one face found" in record.reason and "from the left" in record.reason


def test_of_several_faces_the_highest_score_is_the_pictures(detector: Detector) -> None:
    dark = (photo("astronaut") * 0.5).astype(np.uint8)
    picture = np.concatenate([dark, photo("astronaut")], axis=1)
    record = detector.scan(picture)
    rows = [row for row in record.evidence if row.source == "face"]
    assert len(rows) == 2
    assert record.score == max(row.data["score"] for row in rows) > min(row.data["score"] for row in rows)
    (decisive,) = [row for row in rows if row.data["decides"]]
    assert decisive.data["box"]["left"] > 512  # the bright one stands on the right
    number = rows.index(decisive) + 1
    assert f"highest score of 2 faces is that of face {number}" in record.reason
    assert f"{decisive.data['box']['left']} from the left" in record.reason


def test_a_heatmap_shows_the_face_that_decides(detector: Detector) -> None:
    dark = (photo("astronaut") * 0.5).astype(np.uint8)
    item = detector.prepare(np.concatenate([dark, photo("astronaut")], axis=1))
    (record,) = detector.judge([item])
    square = decisive_square(item, record)
    assert item.views is not None and square is not None
    assert square.mean() == max(one.mean() for one in item.views.squares)


@pytest.mark.parametrize("name", ["cat", "coffee", "rocket", "deep-field"])
def test_without_a_face_nothing_is_said(detector: Detector, name: str) -> None:
    record = detector.scan(PHOTOS / f"{name}.jpg")
    assert (record.verdict, record.score) == ("uncertain", None)
    assert record.reason.startswith("No face was found")
    assert not [row for row in record.evidence if row.source == "face"]


def test_pictures_with_and_without_faces_in_one_batch(detector: Detector) -> None:
    names = ["cat", "astronaut", "coffee", "astronaut"]
    records = list(detector.scan_many(PHOTOS / f"{name}.jpg" for name in names))
    assert [record.score is None for record in records] == [True, False, True, False]
    assert records[1].score == records[3].score


def test_an_aligned_crop_is_judged_whole(
    detector: Detector, bundle_folder: Path, aligned: NDArray[np.uint8]
) -> None:
    record = detector.scan(aligned)
    assert record.score == pytest.approx(load_bundle(bundle_folder).scores([aligned])[0], abs=1e-6)
    assert record.evidence == ()


@pytest.mark.parametrize("name", ["cat", "coffee", "rocket", "deep-field"])
def test_the_shape_of_an_aligned_crop_is_not_enough(detector: Detector, name: str) -> None:
    square = np.asarray(Image.fromarray(photo(name)).resize((256, 256)))
    assert not is_aligned(square)
    assert detector.scan(square).score is None


@pytest.mark.usefixtures("without_extra")
def test_without_the_extra_only_aligned_crops_are_judged(
    detector: Detector, aligned: NDArray[np.uint8]
) -> None:
    record = detector.scan(PHOTOS / "astronaut.jpg")
    assert (record.verdict, record.score) == ("uncertain", None)
    assert "aligned" in record.reason and "fauxto[faces]" in record.reason
    record = detector.scan(aligned)
    assert record.score is not None
    assert "not checked" in record.reason and "fauxto[faces]" in record.reason


def test_in_a_process_of_its_own_the_answer_is_the_same(detector: Detector, bundle_folder: Path) -> None:
    isolated = Detector(bundle_folder, isolate=True)
    for name in ("astronaut", "cat"):
        path = PHOTOS / f"{name}.jpg"
        assert isolated.scan(path) == detector.scan(path)


def test_measuring_takes_the_highest_face_too(
    detector: Detector, bundle_folder: Path, tmp_path: Path
) -> None:
    from fauxto.data import load
    from fauxto.evaluate.scoring import score

    dark = (photo("astronaut") * 0.5).astype(np.uint8)
    for folder, pixels in (
        ("real", photo("cat")),
        ("ai", np.concatenate([dark, photo("astronaut")], axis=1)),
    ):
        (tmp_path / folder).mkdir()
        Image.fromarray(pixels).save(tmp_path / folder / "a.png")
    found = score(load(tmp_path), [load_bundle(bundle_folder)])
    clean = dict(zip(found.labels.tolist(), found.models[0].clean.tolist(), strict=True))
    assert clean[1] == pytest.approx(detector.scan(tmp_path / "ai" / "a.png").score)
    assert np.isnan(clean[0])


def test_a_crop_beyond_the_edge_is_mirrored() -> None:
    picture = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    square = crop(picture, Box(-1, 0, 4))
    assert square.shape == (4, 4, 3)
    assert (square[:, 0] == picture[:, 1]).all() and (square[:, 1:] == picture[:, :3]).all()


def test_a_crop_of_nearly_the_models_side_is_not_resized() -> None:
    face = Box(100, 100, 160)  # its crop has 243 pixels a side
    assert crop_box(face, 256).side == 256
    assert crop_box(face, 128).side == 243
    assert crop_box(face, 256).centre == pytest.approx(crop_box(face, 128).centre, abs=1)


def test_the_highest_score_stands_for_the_picture() -> None:
    assert join([0.2, None, 0.7, 0.7]) == 2
    assert join([None, 0.0]) == 1
    assert join([None]) is None and join([]) is None
