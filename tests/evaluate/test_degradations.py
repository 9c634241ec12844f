"""The ladder of degradations: what each rung does, and that it knows nothing but the pixels."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from fauxto.evaluate.degradations import LADDERS, Rung, blur, chain, crop, jpeg, ladder_for, noise, rescale_to

RUNGS = [rung for ladder in LADDERS.values() for rung in ladder]
CHANGE_SIDES = {"crop-80", "web", "hard"}


def picture(width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    smooth = 128 + 60 * np.sin(rows / 7)[..., None] + 40 * np.cos(columns / 5)[..., None] * [1, 0.5, -1]
    noisy: NDArray[np.float64] = smooth + rng.normal(0, 12, (height, width, 3))
    return noisy.clip(0, 255).astype(np.uint8)


def test_the_ladders_are_those_of_the_protocol() -> None:
    assert " ".join(rung.name for rung in LADDERS["photo"]) == (
        "jpeg-90 jpeg-70 jpeg-50 jpeg-30 webp-80 blur-0.5 blur-1 blur-2 resize-0.5 resize-0.25 "
        "noise-0.02 noise-0.05 noise-0.1 brightness-20 brightness+20 contrast-20 contrast+20 "
        "saturation-20 saturation+20 crop-80 web hard"
    )
    assert " ".join(rung.name for rung in LADDERS["small"]) == (
        "jpeg-90 jpeg-75 jpeg-60 jpeg-50 jpeg-40 jpeg-25 jpeg-10 blur-0.3 blur-0.5 blur-1 blur-1.5 "
        "noise-2 noise-8 noise-16 noise-32 rescale-24 rescale-16 rescale-12"
    )


@pytest.mark.parametrize(
    ("sides", "ladder"),
    [((32, 32), "small"), ((64, 64), "small"), ((65, 20), "photo"), ((640, 480), "photo")],
)
def test_only_images_with_both_sides_up_to_64_get_the_small_ladder(
    sides: tuple[int, int], ladder: str
) -> None:
    assert ladder_for(*sides) == ladder


@pytest.mark.parametrize("rung", RUNGS, ids=lambda rung: f"{rung.ladder}-{rung.name}")
def test_a_rung_is_a_function_of_the_pixels_alone(rung: Rung) -> None:
    pixels = picture(40, 32) if rung.ladder == "small" else picture(100, 70)
    before = pixels.copy()
    pixels.flags.writeable = False  # as decoded images are
    once, again = rung.apply(pixels), rung.apply(pixels.copy())
    assert once.dtype == np.uint8
    assert (once == again).all()
    assert (pixels == before).all()
    if rung.name in CHANGE_SIDES:
        assert once.shape[2] == 3
    else:
        assert once.shape == pixels.shape
    assert once.shape != pixels.shape or (once != pixels).any()


@pytest.mark.parametrize("rung", RUNGS, ids=lambda rung: f"{rung.ladder}-{rung.name}")
def test_a_rung_takes_a_single_pixel(rung: Rung) -> None:
    assert rung.apply(np.full((1, 1, 3), 90, np.uint8)).shape == (1, 1, 3)


def test_lower_jpeg_quality_harms_more() -> None:
    pixels = picture(64, 64)
    harm = [np.abs(jpeg(pixels, quality).astype(int) - pixels).mean() for quality in (90, 70, 50, 30, 10)]
    assert harm == sorted(harm)


def test_blur_spreads_a_point_by_sigma_and_keeps_its_light() -> None:
    point = np.zeros((31, 31, 3), np.uint8)
    point[15, 15] = 255
    spread = blur(point, 1.0).astype(float)[:, :, 0]
    places = np.arange(31) - 15
    assert spread.sum() == pytest.approx(255, rel=0.06)  # rounding to whole values takes the faint rim
    assert (spread.sum(axis=0) * places**2).sum() / spread.sum() == pytest.approx(1.0, abs=0.12)


def test_noise_has_the_stated_strength_and_differs_between_images() -> None:
    grey = np.full((200, 200, 3), 128, np.uint8)
    grain = noise(grey, 0.05).astype(float) - 128
    assert grain.std() == pytest.approx(255 * 0.05, rel=0.02)
    assert abs(grain.mean()) < 0.2
    other = noise(np.full((200, 200, 3), 129, np.uint8), 0.05).astype(float) - 129
    assert abs(np.corrcoef(grain.ravel(), other.ravel())[0, 1]) < 0.02


def test_enhancements_scale_what_they_name() -> None:
    photo = {rung.name: rung for rung in LADDERS["photo"]}
    pixels = picture(100, 70)
    levels = pixels.astype(float)
    assert photo["brightness-20"].apply(pixels).mean() == pytest.approx(0.8 * levels.mean(), abs=1)
    assert photo["contrast-20"].apply(pixels).std() < 0.85 * levels.std()
    colour, less = levels.std(axis=2).mean(), photo["saturation-20"].apply(pixels).std(axis=2).mean()
    assert less == pytest.approx(0.8 * colour, rel=0.05)


def test_the_crop_keeps_the_middle_at_native_resolution() -> None:
    pixels = picture(100, 50)
    assert (crop(pixels, 0.8) == pixels[5:45, 10:90]).all()


@pytest.mark.parametrize(("longest", "sides"), [(768, (512, 768)), (512, (341, 512))])
def test_the_chains_shrink_large_images(longest: int, sides: tuple[int, int]) -> None:
    assert chain(picture(1200, 800), longest, 60).shape[:2] == sides


def test_the_chains_never_enlarge() -> None:
    assert chain(picture(300, 200), 512, 40).shape[:2] == (200, 300)


def test_rescaling_to_a_size_leaves_smaller_images_alone() -> None:
    pixels = picture(16, 20)
    assert (rescale_to(pixels, 16) == pixels).all()
    assert (rescale_to(pixels, 12) != pixels).any()
