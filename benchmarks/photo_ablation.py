"""What each choice of the photo recipe is worth, on origins that the head never saw.

    python benchmarks/photo_ablation.py --data photos/wild.parquet --data photos/wild2.parquet ... \
      --weights clip_encoder.int8.onnx --work runs/photo-ablation [--output results/photo-ablation.csv]

The tower runs once for every view (clean, a degraded draw for each seed, the web and hard chains); what it
gave is kept under --work, so that a stopped run goes on. Every row is a set of linear heads, one for each
origin left out. Weights of eight bits throughout. Ten minutes a view on two cores, seconds a row.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fauxto.train.tower.clip import WIDTH, Tower
from fauxto.train.tower.export import rounded_tower
from fauxto.train.tower.features import compute_views, faster_type
from fauxto.train.tower.heads import Features, leave_out, origin_weights
from fauxto.train.tower.measure import figures
from fauxto.train.tower.pictures import Pictures, load_pictures
from fauxto.train.tower.recipe import TowerRecipe, load_tower_recipe
from fauxto.train.tower.verdicts import remake_rows

RECIPE = Path(__file__).parents[1] / "recipes" / "photo.yaml"
READ, BITS = (5, 6, 7, 8, 9), 8
RUNGS = ("web", "hard")


@dataclass(frozen=True)
class Factor:
    """What a head reads and is fitted on."""

    blocks: tuple[int, ...]
    patch_means: bool = True
    clean: int = 1
    draws: int = 1
    l2: float = 0.2
    centred: bool = False
    rungs: bool = False


def factors() -> dict[str, Factor]:
    """A head on class tokens and patch means of blocks 6 to 8, and what differs from it by name."""
    base = Factor((6, 7, 8))
    return {
        "blocks 6-8": base,
        "class tokens only": replace(base, patch_means=False),
        "no degraded draw": replace(base, draws=0),
        "clean three times": replace(base, clean=3),
        **{f"l2 {l2:g}": replace(base, l2=l2) for l2 in (0.02, 0.06, 0.6)},
        **{f"block {one} alone": replace(base, blocks=(one,)) for one in READ},
        "blocks 5-7": replace(base, blocks=(5, 6, 7)),
        "blocks 7-9": replace(base, blocks=(7, 8, 9)),
        "blocks 5-9": replace(base, blocks=READ),
        "centred": replace(base, centred=True),
        "centred, l2 0.4": replace(base, centred=True, l2=0.4),
        "centred, blocks 5-8": replace(base, centred=True, blocks=(5, 6, 7, 8)),
        "centred, blocks 5-9": replace(base, centred=True, blocks=READ),
        "centred, blocks 5-9, web and hard too": replace(base, centred=True, blocks=READ, rungs=True),
    }


def read(features: Features, factor: Factor, blocks: Sequence[int] = READ) -> Features:
    """Of features (N, D) that hold `blocks`, class tokens first, the columns that a factor reads."""
    places = [blocks.index(one) for one in factor.blocks]
    if factor.patch_means:
        places += [len(blocks) + place for place in places]
    return np.concatenate([features[:, WIDTH * place : WIDTH * (place + 1)] for place in places], axis=1)


def rows(
    name: str,
    factor: Factor,
    seed: int,
    views: dict[str, Features],
    pictures: Pictures,
    remakes: NDArray[np.bool_],
) -> list[dict[str, Any]]:
    """The yardstick of a factor on every measured view, one row for each part of the origins."""
    chosen = {view: read(found, factor) for view, found in views.items()}
    training = [chosen["clean"]] * factor.clean + [chosen["draw"]] * factor.draws
    training += [chosen[rung] for rung in RUNGS if factor.rungs]
    weights = origin_weights(pictures.labels, pictures.groups)
    heads = leave_out(
        training, pictures.labels, weights, pictures.groups, l2=factor.l2, centre=factor.centred
    )
    found = []
    for view in ("clean", *RUNGS):
        logits = heads.logits(chosen[view], pictures.groups)
        for part, values in figures(pictures, logits, remakes).items():
            rounded = {k: round(v, 4) if isinstance(v, float) else v for k, v in values.items()}
            found.append({"factor": name, "seed": seed, "view": view, "origins": part, **rounded})
    return found


def views_of(
    recipe: TowerRecipe, tower: Tower, pictures: Pictures, work: Path, seed: int
) -> dict[str, Features]:
    """Every view that heads are fitted or measured on; only the draw depends on the seed."""
    wide = recipe.model_copy(
        update={
            "seed": seed,
            "rungs": RUNGS,
            "net": recipe.net.model_copy(update={"blocks": READ, "patch_means": True, "bits": BITS}),
            "head": recipe.head.model_copy(update={"draws": 1, "loose": 0, "reencoded": 0, "moved": 0}),
        }
    )
    kind = faster_type(tower, recipe.input.side)
    views = compute_views(wide, tower, pictures.pixels, pictures.fingerprint, work, kind)
    return {"clean": views.clean, "draw": views.draws[0], **views.rungs}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--weights", type=Path, required=True, help="of CLIP's image tower")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--output", type=Path, default=Path("results/photo-ablation.csv"))
    arguments = parser.parse_args()
    recipe = load_tower_recipe(RECIPE)
    assert recipe is not None, "recipes/photo.yaml is a tower's recipe"
    tower = rounded_tower(arguments.weights, READ[-1], recipe.input.side, BITS)
    pictures = load_pictures(arguments.data, recipe.together, recipe.folds)
    remakes = remake_rows(pictures, recipe.remakes)
    found: list[dict[str, Any]] = []
    for seed in arguments.seeds:
        views = views_of(recipe, tower, pictures, arguments.work, seed)
        for name, factor in factors().items():
            found += rows(name, factor, seed, views, pictures, remakes)
            print(name, seed, found[-1]["pooled"], flush=True)
    with arguments.output.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(found[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(found)


if __name__ == "__main__":
    main()
