"""Features of many views, computed once and kept in files, so that a run can stop and go on."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fauxto.models.config import InputConfig
from fauxto.models.preprocess import fit, normalise
from fauxto.train.tower.clip import WIDTH, Tower
from fauxto.train.tower.recipe import TowerSection
from fauxto.train.tower.views import Pixels

BATCH = 32
View = Callable[[int, Pixels], Pixels]
"""The picture at a position, as it is to be looked at: any size, fitted to the model's square afterwards."""


def faster_type(tower: Tower, side: int) -> torch.dtype:
    """bfloat16 where this processor computes it faster than float32, measured on one batch."""
    if torch.cuda.is_available():
        return torch.bfloat16
    seconds = {}
    for kind in (torch.float32, torch.bfloat16):
        block = copy.deepcopy(tower.blocks[0]).to(kind)
        tokens = torch.randn(8, (side // 16) ** 2 + 1, WIDTH, dtype=kind)
        with torch.inference_mode():
            block(tokens)
            start = time.perf_counter()
            block(tokens)
        seconds[kind] = time.perf_counter() - start
    return min(seconds, key=lambda kind: seconds[kind])


def cached_features(
    file: Path,
    tower: Tower,
    pictures: Iterable[Pixels],
    view: View,
    config: InputConfig,
    section: TowerSection,
    kind: torch.dtype,
) -> NDArray[np.float32]:
    """Features of a view of every picture, from `file` where it is there already.

    Args:
        file: .npy, written at the end under a temporary name.
        tower: in evaluation mode.
        pictures: decoded, (H, W, 3) each.
        view: (position, pixels) to pixels of any size.
        config: how those become the model's square.
        section: what is read of which blocks.
        kind: what is computed in; the file holds float16.

    Returns:
        (N, D).
    """
    if not file.is_file():
        # A copy: weights that went through bfloat16 do not come back.
        device = "cuda" if torch.cuda.is_available() else "cpu"
        net = copy.deepcopy(tower).to(device=device, dtype=kind)
        parts, squares = [], []
        for position, pixels in enumerate(pictures):
            squares.append(fit(view(position, pixels), config))
            if len(squares) == BATCH:
                parts.append(tower_features(net, np.stack(squares), config, section))
                squares.clear()
        if squares:
            parts.append(tower_features(net, np.stack(squares), config, section))
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".part")
        with partial.open("wb") as stream:
            np.save(stream, np.concatenate(parts).astype(np.float16))
        partial.replace(file)
    found: NDArray[np.float32] = np.load(file).astype(np.float32)
    return found


def tower_features(
    tower: Tower, squares: Pixels, config: InputConfig, section: TowerSection
) -> NDArray[np.float32]:
    """Squares (N, side, side, 3) to features (N, D), computed where the tower lies and as it is."""
    weights = tower.cls
    images = torch.from_numpy(normalise(squares, config)).to(device=weights.device, dtype=weights.dtype)
    with torch.inference_mode():
        found = tower.features(images, section.blocks, patch_means=section.patch_means)
    return found.float().cpu().numpy()
