"""How pictures become a model's square: as the frameworks do it that other people's models come from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import ValidationError

from fauxto.models.config import BundleConfig, InputConfig
from fauxto.models.preprocess import fit


def picture(width: int, height: int) -> NDArray[np.uint8]:
    return np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)


def settings(**changes: Any) -> InputConfig:
    return InputConfig.model_validate({"side": 32, "mean": [0.5] * 3, "std": [0.5] * 3, **changes})


@pytest.mark.parametrize("size", [(50, 90), (90, 50), (20, 21), (32, 32)])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_without_antialias_as_torch_samples(size: tuple[int, int], interpolation: str) -> None:
    pixels = picture(*size)
    square = fit(pixels, settings(resize="stretch", interpolation=interpolation, antialias=False))
    tensor = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    mode: dict[str, Any] = {"mode": "nearest-exact"}
    if interpolation == "bilinear":
        mode = {"mode": "bilinear", "align_corners": False}
    expected = torch.nn.functional.interpolate(tensor, (32, 32), **mode)[0].permute(1, 2, 0).numpy()
    assert np.abs(square - expected).max() <= 0.51


def test_with_antialias_all_pixels_count() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    smooth = fit(stripes, settings(side=8, interpolation="bilinear"))
    coarse = fit(stripes, settings(side=8, interpolation="nearest", antialias=False))
    assert np.abs(smooth[:, 1:-1].astype(int) - 127).max() <= 2
    assert set(np.unique(coarse)) <= {0, 255}


def test_shortest_side_then_centre_crop() -> None:
    pixels = np.zeros((80, 160, 3), np.uint8)
    pixels[:, 60:100] = 255  # the middle quarter of the width
    square = fit(pixels, settings(resize="shortest", resize_side=40))
    # At half size the picture is 80 wide; the crop takes columns 24 to 56, of which 30 to 50 are white.
    assert square.shape == (32, 32, 3)
    assert square[16, [8, 16, 24], 0].tolist() == [255, 255, 255]
    assert square[16, [2, 29], 0].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("resize", "expected"), [("square", [255, 255, 255]), ("stretch", [0, 255, 0])], ids=lambda one: str(one)
)
def test_square_cuts_and_stretch_squeezes(resize: str, expected: list[int]) -> None:
    pixels = np.zeros((64, 192, 3), np.uint8)
    pixels[:, 64:128] = 255
    square = fit(pixels, settings(resize=resize, interpolation="box"))
    assert square[16, [4, 16, 28], 0].tolist() == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"resize": "shortest"},
        {"resize_side": 40},
        {"resize": "shortest", "resize_side": 16},
        {"antialias": False, "interpolation": "lanczos"},
        {"std": [0.5, 0.0, 0.5]},
    ],
)
def test_settings_that_do_not_go_together_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings(**changes)


def test_a_config_of_before_keeps_its_meaning() -> None:
    old = settings()
    assert (old.resize, old.antialias, old.interpolation) == ("square", True, "bicubic")
    assert BundleConfig.model_fields["faces"].default is None
    assert BundleConfig.model_fields["output"].default == "logit"
