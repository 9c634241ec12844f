"""A bundle is data that is checked before it is used, and its scores are the same everywhere."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from fauxto.errors import BundleError, UsageError
from fauxto.models import find_bundle, load_bundle, read_config, shipped
from fauxto.models.bundle import FILES
from tiny_bundle import write_bundle


@pytest.fixture
def copy(bright_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bright_bundle, tmp_path / "copy"))


def test_score_is_the_calibrated_probability(bright_bundle: Path) -> None:
    images = [np.full((16, 16, 3), value, dtype=np.uint8) for value in (0, 255)]
    black, white = load_bundle(bright_bundle).scores(images)
    assert black == pytest.approx(1 / (1 + np.exp(4)), abs=1e-6)
    assert white == pytest.approx(1 / (1 + np.exp(-4)), abs=1e-6)


def test_calibration_moves_the_score(tmp_path: Path) -> None:
    calibration = {"slope": 0.5, "intercept": 1.0, "fitted_on": "x"}
    bundle = load_bundle(write_bundle(tmp_path / "b", calibration=calibration))
    (white,) = bundle.scores([np.full((16, 16, 3), 255, dtype=np.uint8)])
    assert white == pytest.approx(1 / (1 + np.exp(-(0.5 * 4 + 1))), abs=1e-6)


@pytest.mark.parametrize("missing", FILES)
def test_missing_file_is_named(copy: Path, missing: str) -> None:
    (copy / missing).unlink()
    with pytest.raises(BundleError, match=missing):
        load_bundle(copy)


def test_changed_model_is_refused(copy: Path) -> None:
    model = bytearray((copy / "model.onnx").read_bytes())
    model[len(model) // 2] ^= 1
    (copy / "model.onnx").write_bytes(model)
    with pytest.raises(BundleError, match="does not match its hash"):
        load_bundle(copy)


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("thresholds", {"ai": 0.2, "no_sign": 0.3, "max_fpr": 0, "max_miss": 0, "chosen_on": ""}, "no-sign"),
        (
            "thresholds",
            {"ai": 1.5, "no_sign": 0.3, "max_fpr": 0, "max_miss": 0, "chosen_on": ""},
            "thresholds.ai",
        ),
        ("calibration", {"slope": float("nan"), "intercept": 0, "fitted_on": ""}, "calibration.slope"),
        ("format", 2, "format"),
        ("surprise", 1, "surprise"),
    ],
)
def test_invalid_config_is_refused_by_field(tmp_path: Path, field: str, value: object, named: str) -> None:
    with pytest.raises(BundleError, match=named):
        read_config(write_bundle(tmp_path / "b", **{field: value}))


def test_config_that_is_no_json_is_refused(copy: Path) -> None:
    (copy / "config.json").write_text("{")
    with pytest.raises(BundleError, match=r"config\.json.*not valid JSON"):
        read_config(copy)


def test_self_test_notices_a_runtime_that_computes_something_else(copy: Path) -> None:
    bundle = load_bundle(copy)
    assert bundle.self_test() < 1e-5
    golden = json.loads((copy / "golden.json").read_text())
    golden["scores"][0] += 0.01
    (copy / "golden.json").write_text(json.dumps(golden))
    with pytest.raises(BundleError, match="differ"):
        bundle.self_test()


def test_unknown_model_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match="thumb"):
        find_bundle("no-such-model")


@pytest.mark.parametrize("name", shipped())
def test_shipped_bundle_gives_its_golden_scores_here(name: str) -> None:
    assert load_bundle(shipped()[name]).self_test() < 1e-3


def test_thumb_is_shipped() -> None:
    assert "thumb" in shipped()
