"""Golden images: a dozen pictures that anybody can draw again from a seed, to check a runtime with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

COUNT = 12
SEED = 20261124


def golden_images(side: int) -> list[NDArray[np.uint8]]:
    """Draw the dozen, each (side, side, 3) uint8, the same on every machine.

    Integer arithmetic and numpy's PCG64 only, whose stream is stable across versions and processors;
    no resampling or JPEG, whose last bit depends on the build.
    """
    rng = np.random.Generator(np.random.PCG64(SEED))
    rows, columns = np.mgrid[0:side, 0:side].astype(np.int64)
    images = []
    for index in range(COUNT):
        base = rng.integers(0, 256, 3)
        slope = rng.integers(-4, 5, (2, 3))
        waves = (rows * int(rng.integers(1, 9)) ^ columns * int(rng.integers(1, 9))) % int(
            rng.integers(5, 64)
        )
        grain = rng.integers(0, 1 + 6 * index, (side, side, 3))
        pixels = base + rows[..., None] * slope[0] + columns[..., None] * slope[1] + waves[..., None] + grain
        images.append(np.ascontiguousarray(np.clip(pixels, 0, 255).astype(np.uint8)))
    return images
