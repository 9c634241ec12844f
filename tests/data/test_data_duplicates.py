"""Duplicates: the same bytes, and the same picture in other bytes."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from fauxto.data.duplicates import exact_groups, grey_thumbnail, perceptual_groups
from labelled_images import picture

Pixels = NDArray[np.uint8]


def jpeg(quality: int) -> Callable[[Image.Image], Image.Image]:
    def reencode(image: Image.Image) -> Image.Image:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality)
        return Image.open(buffer)

    return reencode


def scaled(side: int) -> Callable[[Image.Image], Image.Image]:
    return lambda image: image.resize((side, side), Image.Resampling.LANCZOS)


def groups(pictures: list[Pixels]) -> list[list[int]]:
    return perceptual_groups(np.stack([grey_thumbnail(pixels) for pixels in pictures]))


@pytest.mark.parametrize("side", [32, 256])
@pytest.mark.parametrize(
    "change",
    [
        jpeg(95),
        jpeg(75),
        jpeg(50),
        scaled(24),
        scaled(64),
        lambda image: image.filter(ImageFilter.BoxBlur(1)),
    ],
    ids=["q95", "q75", "q50", "to 24 px", "to 64 px", "blurred"],
)
def test_a_reencoded_or_rescaled_copy_is_found(
    side: int, change: Callable[[Image.Image], Image.Image]
) -> None:
    originals = [picture(seed, side) for seed in range(20)]
    copies = [np.asarray(change(Image.fromarray(pixels)).convert("RGB")) for pixels in originals]
    found = groups(originals + copies)
    assert sorted(found) == [[row, row + 20] for row in range(20)]


def test_different_pictures_are_not_paired() -> None:
    assert groups([picture(seed) for seed in range(400)]) == []


def test_pictures_without_contrast_are_not_paired() -> None:
    assert groups([np.full((32, 32, 3), level, np.uint8) for level in range(0, 250, 10)]) == []


def test_a_thousand_copies_are_one_group() -> None:
    noise = np.random.default_rng(0).integers(-2, 3, (1000, 32, 32, 3))
    copies = np.clip(picture(1).astype(int) + noise, 0, 255).astype(np.uint8)
    assert groups([*copies, picture(2)]) == [list(range(1000))]


def test_equal_hashes_are_exact_duplicates() -> None:
    assert exact_groups(["a", "b", "a", "c", "b", "a"]) == [[0, 2, 5], [1, 4]]
