"""The heatmap: where the score comes from, on a scale that does not depend on the picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fauxto.heatmap import occlusion_map, overlay
from fauxto.models import load_bundle


def test_a_window_of_one_colour_contributes_nothing(bright_bundle: Path) -> None:
    # The tiny model sees mean brightness, which hiding a window behind its mean does not change.
    square = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    assert np.abs(occlusion_map(load_bundle(bright_bundle), square)).max() < 0.05


def test_scale_is_fixed() -> None:
    square = np.full((32, 32, 3), 128, dtype=np.uint8)
    weak, strong, beyond = (np.asarray(overlay(square, np.full((8, 8), value))) for value in (1.0, 4.0, 40.0))
    assert weak[0, 0, 0] < strong[0, 0, 0]
    assert (strong == beyond).all()


def test_red_speaks_for_ai_and_blue_against() -> None:
    square = np.full((32, 32, 3), 128, dtype=np.uint8)
    for value, channel in ((4.0, 0), (-4.0, 2)):
        pixel = np.asarray(overlay(square, np.full((8, 8), value)))[128, 128]
        assert pixel.argmax() == channel


def test_small_pictures_are_enlarged_for_the_eye() -> None:
    assert overlay(np.zeros((32, 32, 3), dtype=np.uint8), np.zeros((8, 8))).size == (256, 256)
