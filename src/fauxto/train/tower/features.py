"""Features of many views, computed once and kept in files, so that a run can stop and go on."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fauxto.evaluate.degradations import Rung
from fauxto.models.config import InputConfig
from fauxto.models.preprocess import fit, normalise
from fauxto.train.tower.clip import WIDTH, Tower
from fauxto.train.tower.heads import Features
from fauxto.train.tower.recipe import TowerRecipe, TowerSection
from fauxto.train.tower.views import RUNGS, Pixels, drawn, loosely_cropped, moved, reencoded

BATCH = 32
View = Callable[[int, Pixels], Pixels]
"""The picture at a position, as it is to be looked at: any size, fitted to the model's square afterwards."""


@dataclass(frozen=True)
class Views:
    """Features (N, D) of every picture: clean, encoded anew, moved, drawn, loosely cropped, on each rung."""

    clean: Features
    reencoded: list[Features]
    moved: list[Features]
    draws: list[Features]
    loose: list[Features]
    rungs: dict[str, Features]

    @property
    def fitted(self) -> list[Features]:
        """One of each view that a head sees of a photograph as a whole or in part."""
        return [self.clean, *self.reencoded, *self.moved, *self.draws]

    @property
    def measured(self) -> dict[str, Features]:
        """The views that figures are given of; one draw and one loose crop stand for all."""
        several = {"loose": self.loose, "reencoded": self.reencoded, "draws": self.draws}
        return {"clean": self.clean, **{k: found[0] for k, found in several.items() if found}, **self.rungs}


def compute_views(
    recipe: TowerRecipe,
    tower: Tower,
    pictures: Callable[[], Iterable[Pixels]],
    mark: str,
    cache: Path,
    kind: torch.dtype,
    *,
    rungs: bool = True,
) -> Views:
    """Features of all views that a recipe names, from the cache where they lie there.

    Args:
        recipe: of the run.
        tower: in evaluation mode.
        pictures: gives them decoded, (H, W, 3) each, from the first on at every call.
        mark: tells these pictures from others in the names of files.
        cache: folder of the files.
        kind: what is computed in.
        rungs: whether the recipe's degradations are looked at too.
    """
    config, side, seed, head = recipe.input_config(), recipe.input.side, recipe.seed, recipe.head

    def features(name: str, view: View) -> Features:
        file = cache / f"{name}-{mark}-{recipe.net.mark}.npy"
        return cached_features(file, tower, pictures(), view, config, recipe.net, kind)

    return Views(
        features("clean", lambda _, pixels: pixels),
        [features(f"reencoded-{seed}-{k}", partial(_reencoded, seed, k)) for k in range(head.reencoded)],
        [features(f"moved-{seed}-{k}", partial(_moved, seed, k)) for k in range(head.moved)],
        [features(f"draw-{seed}-{k}", partial(_draw, seed, k, side)) for k in range(head.draws)],
        [features(f"loose-{seed}-{k}", partial(_loose, seed, k)) for k in range(head.loose)],
        {name: features(name, partial(_degraded, RUNGS[name])) for name in recipe.rungs if rungs},
    )


def _draw(seed: int, number: int, side: int, position: int, pixels: Pixels) -> Pixels:
    return drawn(pixels, side, np.random.default_rng([seed, number, position]))


def _reencoded(seed: int, number: int, position: int, pixels: Pixels) -> Pixels:
    return reencoded(pixels, np.random.default_rng([seed, 2000 + number, position]))


def _moved(seed: int, number: int, position: int, pixels: Pixels) -> Pixels:
    return moved(pixels, np.random.default_rng([seed, 3000 + number, position]))


def _loose(seed: int, number: int, position: int, pixels: Pixels) -> Pixels:
    return loosely_cropped(pixels, np.random.default_rng([seed, 1000 + number, position]))


def _degraded(rung: Rung, _position: int, pixels: Pixels) -> Pixels:
    return rung.apply(pixels)


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
