"""Where in the picture the score comes from, drawn on a fixed scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fauxto.models import Bundle

CELLS = 8
SCALE = 4.0
_LEAST_SIDE = 256


def contributions(bundle: Bundle, square: NDArray[np.uint8]) -> NDArray[np.float64]:
    """How much each part of the picture speaks for AI-generated.

    Some models tell it of every part in one run (`Bundle.cells`); of others it is found by hiding parts.

    Args:
        bundle: the model.
        square: the model's input, (side, side, 3) uint8.

    Returns:
        (cells, cells), in units of the calibrated logit; positive speaks for AI-generated.
    """
    cells = bundle.cells(square)
    return occlusion_map(bundle, square) if cells is None else cells


def occlusion_map(bundle: Bundle, square: NDArray[np.uint8], cells: int = CELLS) -> NDArray[np.float64]:
    """How much each part of the picture speaks for AI-generated (occlusion; Zeiler and Fergus 2014).

    Each window of a quarter of the side is replaced by its own mean colour; the drop of the logit is what it
    contributed, averaged over the windows that cover a cell.

    Args:
        bundle: the model.
        square: the model's input, (side, side, 3) uint8.
        cells: cells a side, at most `side`.

    Returns:
        (cells, cells), in units of the calibrated logit; positive speaks for AI-generated.
    """
    side = square.shape[0]
    edges = np.linspace(0, side, cells + 1).astype(int)
    reach = max(1, cells // 4)
    variants, windows = [square], []
    for row in range(cells - reach + 1):
        for column in range(cells - reach + 1):
            hidden = square.copy()
            window = (slice(edges[row], edges[row + reach]), slice(edges[column], edges[column + reach]))
            hidden[window] = hidden[window].mean((0, 1)).round().astype(np.uint8)
            variants.append(hidden)
            windows.append((row, column))
    logits = bundle.logits(variants) * bundle.config.calibration.slope
    total, count = np.zeros((cells, cells)), np.zeros((cells, cells))
    for (row, column), logit in zip(windows, logits[1:], strict=True):
        covered = (slice(row, row + reach), slice(column, column + reach))
        total[covered] += logits[0] - logit
        count[covered] += 1
    return np.asarray(total / count)


def overlay(square: NDArray[np.uint8], amounts: NDArray[np.float64]) -> Image.Image:
    """The picture in grey under the map in colour.

    The scale is fixed, so pictures that one model judged can be compared: -4 and less is full blue, 0 is
    clear, 4 and more is full red. Hidden parts give smaller amounts than a model that tells of every patch.
    Small pictures are enlarged to 256 pixels.

    Args:
        square: (side, side, 3) uint8.
        amounts: (cells, cells) as `contributions` gives them.
    """
    side = max(_LEAST_SIDE, square.shape[0])
    grey = Image.fromarray(square).convert("L").resize((side, side), Image.Resampling.NEAREST)
    amount = np.clip(amounts / SCALE, -1.0, 1.0).astype(np.float32)
    smooth = np.asarray(Image.fromarray(amount).resize((side, side), Image.Resampling.BILINEAR))
    red, blue = np.array([214, 39, 40.0]), np.array([31, 119, 180.0])
    colour = np.where(smooth[..., None] > 0, red, blue)
    strength = 0.75 * np.abs(smooth)[..., None]
    mixed = np.asarray(grey, dtype=np.float64)[..., None] * (1 - strength) + colour * strength
    return Image.fromarray(mixed.round().astype(np.uint8))
