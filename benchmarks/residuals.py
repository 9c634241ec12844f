"""Statistics of what is left of a picture without its content: the classical second kind of trace.

Co-occurrences of quantised residuals (Fridrich and Kodovský 2012, "Rich models for steganalysis of digital
images", the smallest filters) and radial power spectra (Durall et al. 2020), of luma and both chroma planes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Plane = NDArray[Any]
Statistics = NDArray[np.float32]

_LEVELS = 2  # residuals are cut off at plus and minus this
_RINGS, _SIDE = 41, 384


def residual_statistics(pixels: NDArray[np.uint8]) -> Statistics:
    """(H, W, 3) uint8, sides of at least 32 px, to 1,248 numbers."""
    planes = np.asarray(Image.fromarray(pixels).convert("YCbCr"), dtype=np.float32)
    parts: list[NDArray[Any]] = []
    for plane in np.moveaxis(planes, 2, 0):
        parts += [(_together(rows) + _together(columns)) / 2 for rows, columns in _residuals(plane)]
        parts.append(_spectrum(plane))
    return np.concatenate(parts).astype(np.float32)


def _residuals(x: Plane) -> list[tuple[Plane, Plane]]:
    """First and second differences and a 3 x 3 Laplacian-like filter, along rows and along columns."""
    edges, corners = x[:-2, 1:-1] + x[2:, 1:-1] + x[1:-1, :-2] + x[1:-1, 2:], x[:-2, :-2] + x[:-2, 2:]
    square = (2 * edges - corners - x[2:, :-2] - x[2:, 2:] - 4 * x[1:-1, 1:-1]) / 4
    return [
        (np.diff(x, axis=1), np.diff(x, axis=0).T),
        (np.diff(x, 2, axis=1) / 2, np.diff(x, 2, axis=0).T / 2),
        (square, square.T),
    ]


def _together(residual: Plane) -> Statistics:
    """How often each triple of neighbouring values occurs, (125,), alike for mirrored and negated ones."""
    values = 2 * _LEVELS + 1
    quantised = np.clip(np.rint(residual), -_LEVELS, _LEVELS).astype(np.int32) + _LEVELS
    triples = (quantised[:, :-2] * values + quantised[:, 1:-1]) * values + quantised[:, 2:]
    counts = np.bincount(triples.ravel(), minlength=values**3).astype(np.float64).reshape((values,) * 3)
    counts = counts + counts.transpose(2, 1, 0)
    counts = counts + counts[::-1, ::-1, ::-1]
    found: Statistics = np.sqrt(counts.ravel() / counts.sum()).astype(np.float32)
    return found


def _spectrum(plane: Plane) -> Statistics:
    """Log power by distance from the middle of the spectrum, (41,), of the windowed centre square."""
    height, width = plane.shape
    side = min(height, width, _SIDE)
    top, left = (height - side) // 2, (width - side) // 2
    square = plane[top : top + side, left : left + side]
    window = np.hanning(side)
    power = np.abs(np.fft.rfft2((square - square.mean()) * window[:, None] * window)) ** 2
    radius = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    rings = np.minimum((radius * 2 * (_RINGS - 9)).astype(int), _RINGS - 1)
    sums = np.bincount(rings.ravel(), power.ravel(), _RINGS)
    found: Statistics = np.log(sums / np.bincount(rings.ravel(), minlength=_RINGS) + 1e-3).astype(np.float32)
    return found
