"""Runs the reference recipes without pretrained weights on a part of the data, for the record that they run.

    python benchmarks/reference.py --data FOLDER --output results/reference.json

FOLDER holds cifake/train.parquet and faces/{train,test}.parquet. What this measures is a ResNet50 from random
weights after minutes of a CPU, not the published systems: those start from ImageNet's weights and learn from
all images, which takes a GPU and a network (`fauxto train recipes/reference-*.yaml`).
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from fauxto.train.fit import read_run_info
from fauxto.train.recipe import load_recipe
from fauxto.train.run import Options, run

ROOT = Path(__file__).parents[1]
# Recipe, where its data lie, how many images a CPU gets through in minutes, how many at once (None: a batch).
RUNS = {
    "reference-cifake-resnet50": ("cifake/train.parquet", 2000, None),
    "reference-faces-resnet50": ("faces", 500, 50),
}


def measured(name: str, data: Path, images: int, micro_batch: int | None, folder: Path) -> dict[str, Any]:
    """Run a recipe end to end, and give what can be told of it."""
    recipe = ROOT / "recipes" / f"{name}.yaml"
    run(recipe, [data], folder, Options(pretrained=False, images=images, micro_batch=micro_batch))
    info = read_run_info(folder)
    found = json.loads((folder / "test" / "metrics.json").read_text(encoding="utf-8"))
    epochs = (folder / "metrics.csv").read_text(encoding="utf-8").splitlines()[1:]
    result = found["result"]
    return {
        "images": images,
        "weights": info.weights,
        "training_images": info.training_images,
        "validation_images": info.validation_images,
        "available_images": info.available_images,
        "epochs": len(epochs),
        "most_epochs": load_recipe(recipe).stop.epochs,
        "seed": info.seed,
        "test": found["data"],
        "figures": result["figures"],
        "confusion": result["confusion"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(RUNS), help="recipes; all by default")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    found: dict[str, Any] = {}
    if arguments.output.exists():
        found = json.loads(arguments.output.read_text(encoding="utf-8"))
    for name in arguments.names:
        place, images, micro_batch = RUNS[name]
        with tempfile.TemporaryDirectory() as folder:
            found[name] = measured(name, arguments.data / place, images, micro_batch, Path(folder))
        arguments.output.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
