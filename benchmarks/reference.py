"""Runs the reference recipes without pretrained weights on a part of the data, for the record that they run.

    python benchmarks/reference.py --data FOLDER --output results/reference.json

FOLDER holds cifake/train.parquet and faces/{train,test}.parquet. What this measures is a ResNet50 from random
weights after minutes of a CPU, not the published systems: those start from ImageNet's weights and learn from
all images, which takes a GPU and a network (`fauxto train recipes/reference-*.yaml`). --images takes more of
the data, for a machine that has more time.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fauxto.train.fit import read_run_info
from fauxto.train.recipe import load_recipe
from fauxto.train.run import Options, run

ROOT = Path(__file__).parents[1]
CURVES = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")


@dataclass(frozen=True)
class Part:
    """Where a recipe's data lie, how many images of them, and how many go through the net at once."""

    place: str
    images: int
    micro_batch: int | None


# Few enough for a core to be done in minutes; an image of the second, at 128 px, costs as much as ten of the
# first.
RUNS = {
    "reference-cifake-resnet50": Part("cifake/train.parquet", 1000, None),
    "reference-faces-resnet50": Part("faces", 120, 24),
}


def measured(name: str, data: Path, part: Part, folder: Path) -> dict[str, Any]:
    """Run a recipe end to end, and give what can be told of it."""
    recipe = ROOT / "recipes" / f"{name}.yaml"
    options = Options(pretrained=False, images=part.images, micro_batch=part.micro_batch)
    run(recipe, [data / part.place], folder, options)
    info = read_run_info(folder)
    found = json.loads((folder / "test" / "metrics.json").read_text(encoding="utf-8"))
    epochs = curves(folder / "metrics.csv")
    return {
        "command": command(name, part),
        "weights": info.weights,
        "training_images": info.training_images,
        "validation_images": info.validation_images,
        "test_images": info.test_images,
        "available_images": info.available_images,
        "epochs": len(epochs),
        "most_epochs": load_recipe(recipe).stop.epochs,
        "seed": info.seed,
        "curves": epochs,
        "test_fingerprint": found["data"]["fingerprint"],
        "figures": found["result"]["figures"],
        "confusion": found["result"]["confusion"],
        "classification_report": found["result"]["classification_report"],
    }


def curves(log: Path) -> list[dict[str, float]]:
    """Loss and accuracy by epoch, as curves.png draws them."""
    with log.open(encoding="utf-8", newline="") as stream:
        return [{name: round(float(row[name]), 6) for name in CURVES} for row in csv.DictReader(stream)]


def command(name: str, part: Part) -> str:
    """The command line that does the same."""
    words = f"fauxto train recipes/{name}.yaml --data {part.place} --output run --no-pretrained"
    pieces = "" if part.micro_batch is None else f" --micro-batch {part.micro_batch}"
    return f"{words} --images {part.images}{pieces}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(RUNS), help="recipes; all by default")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--images", type=int, help="so many images for each recipe instead of the few above")
    arguments = parser.parse_args()
    found: dict[str, Any] = {}
    if arguments.output.exists():
        found = json.loads(arguments.output.read_text(encoding="utf-8"))
    for name in arguments.names:
        part = RUNS[name]
        if arguments.images is not None:
            part = Part(part.place, arguments.images, part.micro_batch)
        with tempfile.TemporaryDirectory() as folder:
            found[name] = measured(name, arguments.data, part, Path(folder))
        arguments.output.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
