"""`fauxto calibrate`: a promise about false positives that the images given can bear."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from coloured import write_bundle, write_images
from fauxto.cli.calibrate import calibrate as command
from fauxto.data import load
from fauxto.errors import BundleError, DataError, UsageError
from fauxto.evaluate import Recalibration, recalibrate
from fauxto.evaluate.intervals import upper_bound
from fauxto.models import load_bundle, read_config
from fauxto.models.bundle import FILES


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 photographs that the model scores too high, 100 AI-generated images, a model."""
    folder = tmp_path_factory.mktemp("place")
    write_images(folder / "photos" / "real" / "camera", 300, redness=0, seed=1)
    write_images(folder / "both" / "ai" / "generator", 100, redness=80, seed=2)
    (folder / "both" / "real").symlink_to(folder / "photos" / "real")
    shutil.copytree(folder / "photos" / "real", folder / "both" / "0_real")
    (folder / "both" / "real").unlink()
    write_bundle(folder / "model", slope=0.5, intercept=0.25)
    return folder


def fit(place: Path, data: str, output: Path, max_fpr: float = 0.01) -> Recalibration:
    found = load(place / data, on_error="skip")
    return recalibrate(found, load_bundle(place / "model"), max_fpr=max_fpr, output=output)


def scores(bundle: Path, data: Path) -> dict[str, np.ndarray[Any, Any]]:
    model, found = load_bundle(bundle), load(data)
    values = model.scores([item.decode().pixels for item in found])
    return {"ai": values[found.labels == 1], "not-ai": values[found.labels == 0]}


def test_photographs_alone_move_only_the_ai_threshold(place: Path, tmp_path: Path) -> None:
    found = fit(place, "photos", tmp_path / "new")
    old, new = read_config(place / "model"), read_config(tmp_path / "new")
    assert new.calibration == old.calibration
    assert new.thresholds.no_sign == old.thresholds.no_sign
    assert new.thresholds.ai != old.thresholds.ai
    assert (new.thresholds.max_fpr, new.version) == (0.01, "1.2.4")
    values = scores(tmp_path / "new", place / "photos")["not-ai"]
    assert (values >= new.thresholds.ai).sum() == found.false_positives == 0
    assert (values >= new.thresholds.ai - 2e-4).sum() == 1  # hardly more than what it takes


def test_the_exact_bound_is_stated(place: Path, tmp_path: Path) -> None:
    found = fit(place, "photos", tmp_path / "new")
    assert found.fpr_upper_bound == pytest.approx(1 - 0.05 ** (1 / 300))
    card = (tmp_path / "new" / "MODEL_CARD.md").read_text()
    assert "0.9936 %" in card
    assert "0 of the 300 images" in card
    assert found.fingerprint in card
    assert card.startswith("# coloured 1.2.4\n")
    assert "Sees colours." in card
    stated = json.loads((tmp_path / "new" / "metrics.json").read_text())
    assert stated["validation"] == {"accuracy": 0.5}
    assert stated["recalibration"]["fpr_upper_bound"] == found.fpr_upper_bound


def test_more_images_allow_errors_as_far_as_the_bound_does(place: Path, tmp_path: Path) -> None:
    found = fit(place, "photos", tmp_path / "new", max_fpr=0.05)
    assert found.false_positives > 0
    assert found.fpr_upper_bound <= 0.05 < upper_bound(found.false_positives + 1, 300)


def test_both_classes_fit_calibration_and_both_thresholds(place: Path, tmp_path: Path) -> None:
    found = fit(place, "both", tmp_path / "new", max_fpr=0.05)
    values = scores(tmp_path / "new", place / "both")
    truth = np.r_[np.ones(100), np.zeros(300)]
    mean = np.r_[values["ai"], values["not-ai"]].mean()
    assert mean == pytest.approx(truth.mean(), abs=0.01)  # what calibration means
    config = read_config(tmp_path / "new")
    assert (values["not-ai"] >= config.thresholds.ai).sum() == found.false_positives
    assert (values["ai"] < config.thresholds.no_sign).sum() == found.missed
    assert upper_bound(found.false_positives, 300) <= 0.05
    assert upper_bound(found.missed, 100) <= config.thresholds.max_miss
    assert config.thresholds.no_sign <= config.thresholds.ai
    assert "300 images that are not AI-generated and 100 that are" in config.calibration.fitted_on


def test_the_new_bundle_is_complete_and_scores_its_golden_images_as_stated(
    place: Path, tmp_path: Path
) -> None:
    fit(place, "both", tmp_path / "new", max_fpr=0.05)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(FILES)
    assert load_bundle(tmp_path / "new").self_test() < 1e-4
    old, new = (
        json.loads((folder / "golden.json").read_text()) for folder in (place / "model", tmp_path / "new")
    )
    assert new["scores"] != old["scores"]
    assert new["evaluator"] == old["evaluator"]


def test_golden_scores_that_were_saturated_are_still_right(place: Path, tmp_path: Path) -> None:
    write_bundle(tmp_path / "steep", slope=40.0, weights=(8.0, 0.0, -8.0))
    data, bundle = load(place / "both"), load_bundle(tmp_path / "steep")
    recalibrate(data, bundle, max_fpr=0.05, output=tmp_path / "new")
    assert load_bundle(tmp_path / "new").self_test() < 1e-4


def test_classes_that_scores_separate_are_cut_between(tmp_path: Path) -> None:
    write_images(tmp_path / "d" / "ai", 80, redness=150, seed=1, spread=5)
    write_images(tmp_path / "d" / "real", 80, redness=-150, seed=2, spread=5)
    bundle = load_bundle(write_bundle(tmp_path / "model"))
    found = recalibrate(load(tmp_path / "d"), bundle, max_fpr=0.05, output=tmp_path / "new")
    assert found.ai_threshold == found.no_sign_threshold == 0.5
    assert (found.false_positives, found.missed) == (0, 0)


@pytest.mark.parametrize(("max_fpr", "images"), [(0.009, 332), (0.001, 2995)])
def test_too_few_photographs_is_an_error_that_says_how_many(
    place: Path, tmp_path: Path, max_fpr: float, images: int
) -> None:
    with pytest.raises(DataError, match=f"at least {images} images that are not AI-generated.* not 300"):
        fit(place, "photos", tmp_path / "new", max_fpr)
    assert not list(tmp_path.iterdir())


def test_too_few_ai_images_is_an_error_that_says_how_many(place: Path, tmp_path: Path) -> None:
    write_images(tmp_path / "d" / "ai", 58, redness=80, seed=2)
    shutil.copytree(place / "photos" / "real", tmp_path / "d" / "real")
    with pytest.raises(DataError, match="at least 59 AI-generated images, not 58"):
        fit(place, str(tmp_path / "d"), tmp_path / "new")


def test_ai_images_alone_cannot_bound_false_positives(place: Path, tmp_path: Path) -> None:
    write_images(tmp_path / "d" / "ai", 5, redness=80)
    with pytest.raises(DataError, match=r"299 images that are not AI-generated.* not 0"):
        fit(place, str(tmp_path / "d"), tmp_path / "new")


def test_copies_and_images_outside_the_domain_do_not_count(place: Path, tmp_path: Path) -> None:
    data = tmp_path / "d" / "real"
    shutil.copytree(place / "photos" / "real", data)
    for number in range(2):
        (data / "camera" / f"{number:04}.png").unlink()
        shutil.copy(data / "camera" / "0299.png", data / "camera" / f"copy{number}.png")
    write_images(data / "large", 3, redness=0, side=100)
    (data / "camera" / "empty.png").write_bytes(b"")
    with pytest.raises(
        DataError, match=r"not 298 \(left out: 3 outside .* 2 copies of another, 1 unreadable\)"
    ):
        fit(place, str(tmp_path / "d"), tmp_path / "new")


def test_one_image_under_both_labels_is_an_error(place: Path, tmp_path: Path) -> None:
    for label in ("ai", "real"):
        write_images(tmp_path / "d" / label, 3, redness=0, seed=1)
    with pytest.raises(DataError, match="same bytes are also labelled as the other class"):
        fit(place, str(tmp_path / "d"), tmp_path / "new")


def test_swapped_labels_are_an_error(place: Path, tmp_path: Path) -> None:
    write_images(tmp_path / "d" / "ai", 60, redness=-80, seed=1)
    write_images(tmp_path / "d" / "real", 60, redness=80, seed=2)
    with pytest.raises(DataError, match="lower scores than the others"):
        fit(place, str(tmp_path / "d"), tmp_path / "new", max_fpr=0.05)


def test_scores_at_their_ceiling_cannot_keep_a_promise(tmp_path: Path) -> None:
    write_images(tmp_path / "d" / "real", 40, redness=150)
    bundle = load_bundle(write_bundle(tmp_path / "steep", slope=100.0))
    with pytest.raises(DataError, match="highest score there is"):
        recalibrate(load(tmp_path / "d"), bundle, max_fpr=0.1, output=tmp_path / "new")


def test_a_runtime_that_does_not_give_the_golden_scores_is_refused(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "model", tmp_path / "model")
    (tmp_path / "model" / "golden.json").write_text(json.dumps({"scores": [0.5] * 12}))
    with pytest.raises(BundleError, match="golden"):
        fit(tmp_path, str(place / "photos"), tmp_path / "new")


@pytest.mark.parametrize("max_fpr", [0.0, 1.0, -0.1, float("nan")])
def test_a_rate_outside_0_to_1_is_wrong_usage(place: Path, tmp_path: Path, max_fpr: float) -> None:
    with pytest.raises(UsageError, match="--max-fpr"):
        fit(place, "photos", tmp_path / "new", max_fpr)


def test_nothing_is_overwritten_and_nothing_else_is_written(place: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    for taken in (tmp_path / "full", tmp_path / "full" / "file"):
        with pytest.raises(UsageError, match="choose another --output"):
            fit(place, "photos", taken)
    before = {path: path.stat().st_mtime_ns for path in place.rglob("*")}
    (tmp_path / "empty").mkdir()
    fit(place, "photos", tmp_path / "empty")
    assert {path: path.stat().st_mtime_ns for path in place.rglob("*")} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "full"]


def test_the_command_prints_the_promise(place: Path, tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(command)
    arguments = [
        place / "photos",
        "--model",
        place / "model",
        "--output",
        tmp_path / "new",
        "--max-fpr",
        "0.02",
    ]
    result = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0
    assert "exact one-sided 95 % upper bound" in result.output
    assert "asked for: 2 %" in result.output
    assert read_config(tmp_path / "new").thresholds.max_fpr == 0.02
