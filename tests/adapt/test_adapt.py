"""`fauxto adapt` from labelled images to a bundle that every command takes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command import fauxto
from fauxto.adapt.run import adapt, describe
from fauxto.data import load
from fauxto.errors import BundleError, DataError, UsageError
from fauxto.images import open_image
from fauxto.models import load_bundle, read_config
from fauxto.models.faces import crop, crop_box, find_faces
from featured_bundle import SIDE, write_featured

PHOTOS = Path(__file__).parents[2] / "examples" / "photos"


def picture(seed: int, generated: bool) -> Image.Image:
    """Grey noise of one brightness; the generator makes the upper left corner blue."""
    rng = np.random.default_rng([seed, generated])
    pixels = rng.integers(90, 130, (32, 32, 3))
    if generated:
        pixels[:16, :16] += np.array([-50, -50, 100])
    return Image.fromarray(pixels.astype(np.uint8))


def write_data(folder: Path, photographs: int = 20, generated: int = 12, start: int = 0) -> Path:
    """Class folders."""
    for name, count in (("real", photographs), ("fake", generated)):
        (folder / name).mkdir(parents=True)
        for seed in range(start, start + count):
            picture(seed, name == "fake").save(folder / name / f"{seed}.png")
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "data")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_featured(tmp_path / "photo")


def pixels(generated: bool) -> list[np.ndarray]:
    """Images that no fit has seen."""
    return [np.asarray(picture(seed, generated)) for seed in range(100, 130)]


@pytest.mark.parametrize("rank", [1, 2])
def test_the_new_bundle_knows_the_generator_and_spares_photographs(
    rank: int, data: Path, tmp_path: Path
) -> None:
    before = load_bundle(write_featured(tmp_path / "model", rank))
    found = adapt(load(data), before, tmp_path / "adapted")
    after = load_bundle(tmp_path / "adapted")
    ai = after.thresholds.ai
    assert (before.scores(pixels(True)) < ai).all()
    assert (after.scores(pixels(True)) >= ai).mean() > 0.8
    assert (after.scores(pixels(False)) < ai).all()
    assert (after.scores(pixels(False)) >= before.scores(pixels(False)) - 1e-6).all()
    assert found.found_before == 0
    assert found.found_after > 0.8
    assert (found.ai, found.not_ai) == (12, 20)


def test_calibration_and_thresholds_stay_and_the_bundle_tells_what_it_is(
    data: Path, bundle: Path, tmp_path: Path
) -> None:
    found = adapt(load(data), load_bundle(bundle), tmp_path / "adapted")
    old, new = read_config(bundle), read_config(tmp_path / "adapted")
    assert (new.calibration, new.thresholds, new.domain) == (old.calibration, old.thresholds, old.domain)
    assert (new.name, new.version) == ("photo-adapted", "0.1.1")
    assert new.model_sha256 != old.model_sha256
    metrics = json.loads((tmp_path / "adapted" / "metrics.json").read_text())
    assert metrics["validation"] == {"auroc": 0.5}
    assert metrics["adaptation"]["found_after"] == found.found_after
    card = (tmp_path / "adapted" / "MODEL_CARD.md").read_text()
    assert card.startswith("# photo-adapted 0.1.1\n")
    assert "12 AI-generated images and 20 photographs" in card
    load_bundle(tmp_path / "adapted").self_test()


def test_an_adapted_bundle_can_be_adapted_again(data: Path, bundle: Path, tmp_path: Path) -> None:
    adapt(load(data), load_bundle(bundle), tmp_path / "once")
    adapt(load(data), load_bundle(tmp_path / "once"), tmp_path / "twice")
    once, twice = load_bundle(tmp_path / "once"), load_bundle(tmp_path / "twice")
    assert (twice.config.name, twice.config.version) == ("photo-adapted", "0.1.2")
    assert (twice.scores(pixels(True)) >= once.scores(pixels(True)) - 1e-6).all()


def test_copies_and_images_outside_the_domain_are_left_out(data: Path, bundle: Path, tmp_path: Path) -> None:
    picture(0, False).save(data / "real" / "copy.png")
    Image.new("RGB", (200, 200)).save(data / "real" / "large.png")
    (data / "real" / "broken.png").write_bytes(b"\x89PNG")
    found = adapt(load(data, on_error="skip"), load_bundle(bundle), tmp_path / "adapted")
    assert (found.not_ai, found.left_out) == (20, 3)


def test_what_the_gate_turns_away_is_not_learnt_from_and_is_counted(data: Path, tmp_path: Path) -> None:
    gate = {"threshold": -0.5, "what": "a photograph"}  # bright pictures are none
    bundle = load_bundle(write_featured(tmp_path / "gated", gate=gate))
    for seed, name in enumerate(("real", "fake", "fake")):
        bright = np.random.default_rng(seed).integers(230, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(bright).save(data / name / f"bright{seed}.png")
    found = adapt(load(data), bundle, tmp_path / "adapted")
    assert (found.ai, found.not_ai, found.left_out, found.turned_away) == (12, 20, 0, 3)
    assert "turns away 3 more" in (tmp_path / "adapted" / "MODEL_CARD.md").read_text()
    known = describe(load(data), bundle)
    assert not any("bright" in load(data)[row].name for row in known.rows)


def test_a_gate_that_turns_all_away_is_named(data: Path, tmp_path: Path) -> None:
    bundle = load_bundle(write_featured(tmp_path / "gated", gate={"threshold": 2.0, "what": "a photograph"}))
    with pytest.raises(DataError, match="turns away all"):
        adapt(load(data), bundle, tmp_path / "adapted")
    assert not (tmp_path / "adapted").exists()


def test_more_photographs_bound_new_accusations_more_tightly(bundle: Path, tmp_path: Path) -> None:
    bounds = []
    for count in (10, 60):
        data = write_data(tmp_path / f"data{count}", photographs=count)
        found = adapt(load(data), load_bundle(bundle), tmp_path / f"adapted{count}")
        bounds.append(found.newly_accused_upper_bound)
    assert 1 > bounds[0] > bounds[1] > 0.04


def test_too_few_images_are_refused_with_their_number(bundle: Path, tmp_path: Path) -> None:
    few = write_data(tmp_path / "few", generated=9)
    with pytest.raises(DataError, match=r"9 AI-generated images .* at least 10"):
        adapt(load(few), load_bundle(bundle), tmp_path / "adapted")
    assert not (tmp_path / "adapted").exists()


def test_images_that_the_features_do_not_tell_apart_are_refused(bundle: Path, tmp_path: Path) -> None:
    for name, level in (("real", 1), ("fake", 9)):  # the same pictures in other bytes
        (tmp_path / "same" / name).mkdir(parents=True)
        for seed in range(12):
            picture(seed, False).save(tmp_path / "same" / name / f"{seed}.png", compress_level=level)
    with pytest.raises(DataError, match="nothing was learnt"):
        adapt(load(tmp_path / "same"), load_bundle(bundle), tmp_path / "adapted")
    assert not (tmp_path / "adapted").exists()


def test_a_model_that_judges_faces_learns_from_the_faces_that_are_found(tmp_path: Path) -> None:
    domain = {"min_side": 32, "max_side": 4096, "content": "faces", "automatic": False}
    bundle = load_bundle(write_featured(tmp_path / "model", faces={}, domain=domain))
    for name, folder in (("astronaut", "real"), ("cat", "fake")):
        (tmp_path / "data" / folder).mkdir(parents=True)
        shutil.copy(PHOTOS / f"{name}.jpg", tmp_path / "data" / folder)
    found = describe(load(tmp_path / "data"), bundle)
    assert (found.labels.tolist(), found.left_out) == ([0], 1), "the cat has no face that it knows"
    picture = open_image(PHOTOS / "astronaut.jpg").pixels
    (face,) = find_faces(picture)
    logits = bundle.logits([crop(picture, crop_box(face, SIDE))])
    assert found.log_odds == pytest.approx(2.0 * logits - 0.5, abs=1e-5)


def test_a_model_without_features_is_refused(data: Path, bright_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="gives no features"):
        adapt(load(data), load_bundle(bright_bundle), tmp_path / "adapted")


def test_an_output_in_use_is_refused_and_untouched(data: Path, bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "note.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        adapt(load(data), load_bundle(bundle), tmp_path / "mine")
    assert [one.name for one in (tmp_path / "mine").iterdir()] == ["note.txt"]


def test_the_command_and_a_scan_with_its_bundle(
    data: Path, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = fauxto(capsys, "adapt", data, "--model", bundle, "--output", tmp_path / "adapted")
    assert answer.code == 0, answer.err
    assert "the verdict ai went from 0%" in answer.out
    assert "upper bound" in answer.out
    picture(200, True).save(tmp_path / "new.png")
    scanned = fauxto(
        capsys, "scan", tmp_path / "new.png", "--model", tmp_path / "adapted", "--format", "json"
    )
    assert scanned.code == 1
    assert '"photo-adapted"' in scanned.out


def test_the_command_refuses_what_is_missing_in_one_line(
    tmp_path: Path, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = fauxto(capsys, "adapt", tmp_path / "none", "--model", bundle, "--output", tmp_path / "adapted")
    assert answer.code == 2
    assert answer.err.startswith("fauxto: ")
    assert "no such file or folder" in answer.err
