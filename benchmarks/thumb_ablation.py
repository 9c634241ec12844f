"""What each choice of the first net's recipe is worth: short runs that differ in one thing.

    python benchmarks/thumb_ablation.py --data cifake/train.parquet [--images 30000] [--epochs 4] NAME...

Every run writes a row of results/thumb-ablation.csv; a name that is there already is not run again.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fauxto.train.batches import to_tensor
from fauxto.train.fit import TrainingData, build_net, input_config, load_weights, train
from fauxto.train.nets import FlipAverage
from fauxto.train.prepare import prepare
from fauxto.train.recipe import Recipe, load_recipe

RESULTS = Path("results/thumb-ablation.csv")
COLUMNS = ("variant", "images", "epochs", "seed", "parameters", "val_accuracy", "val_auroc", "with flips")

# Against the first; hard negatives are left out of all, they do not bear on validation accuracy here.
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "base": {},
    "pixels-as-channels": {"net": {"widths": (96, 192), "blocks": (2, 2), "unshuffle": True}},
    "adamw": {"optimizer": {"name": "adamw", "rate": 0.002, "weight_decay": 0.05}},
    "no-degradation": {"augment": {"degrade": 0.0}},
    "no-cutmix": {"augment": {"cutmix": 0.0}},
    "vertical-flip": {"augment": {"vertical_flip": 0.5}},
    "wider": {"net": {"widths": (48, 96, 192), "blocks": (2, 3, 3)}},
}


def variant(recipe: Recipe, name: str, epochs: int) -> Recipe:
    """The recipe with one thing changed and a short schedule."""
    changes = {**VARIANTS[name], "stop": {"epochs": epochs}, "negatives": {"share": 0.0}}
    values = recipe.model_dump()
    for section, fields in changes.items():
        values[section] |= fields
    return Recipe.model_validate(values)


def subset(data: TrainingData, images: int) -> TrainingData:
    """The first images of a fixed shuffle of the training part; validation stays whole."""
    pixels, labels = data.training
    rows = np.sort(np.random.default_rng(0).permutation(len(labels))[:images])
    return TrainingData((pixels[rows], labels[rows]), data.validation, (), data.fingerprint)


def run(recipe: Recipe, data: TrainingData) -> dict[str, str]:
    """Train, and give the last epoch's validation figures; the accuracy with mirror images, too."""
    with tempfile.TemporaryDirectory() as folder:
        train(recipe, data, Path(folder))
        with (Path(folder) / "metrics.csv").open(encoding="utf-8", newline="") as stream:
            last = list(csv.DictReader(stream))[-1]
        net = FlipAverage(load_weights(recipe, Path(folder) / "checkpoints" / "last.ckpt"))
    pixels, labels = data.validation
    with torch.inference_mode():
        parts = [
            net(to_tensor(pixels[row : row + 256], input_config(recipe)))
            for row in range(0, len(labels), 256)
        ]
    correct = (torch.cat(parts).numpy() > 0) == (labels > 0.5)
    return {**last, "with flips": f"{correct.mean():.4f}"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(VARIANTS))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"))
    parser.add_argument("--images", type=int, default=30_000)
    parser.add_argument("--epochs", type=int, default=4)
    arguments = parser.parse_args()
    recipe = load_recipe(Path("recipes/thumb-first.yaml"))
    data = subset(
        prepare(variant(recipe, "base", 1), arguments.data, arguments.cache, None), arguments.images
    )
    done = set()
    if RESULTS.exists():
        with RESULTS.open(encoding="utf-8", newline="") as stream:
            done = {row["variant"] for row in csv.DictReader(stream)}
    for name in arguments.names:
        if name in done:
            continue
        chosen = variant(recipe, name, arguments.epochs)
        last = run(chosen, data)
        row = {
            "variant": name,
            "images": arguments.images,
            "epochs": arguments.epochs,
            "seed": chosen.seed,
            "parameters": sum(p.numel() for p in build_net(chosen).parameters()),
            "val_accuracy": f"{float(last['val_accuracy']):.4f}",
            "val_auroc": f"{float(last['val_auroc']):.5f}",
            "with flips": last["with flips"],
        }
        fresh = not RESULTS.exists()
        with RESULTS.open("a", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
            if fresh:
                writer.writeheader()
            writer.writerow(row)


if __name__ == "__main__":
    main()
