"""Two processes by DDP on gloo learn what one process learns on the same images."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

RECIPE = """
seed: 3
precision: float32
net: {{widths: [8, 16], blocks: [1, 1], unshuffle: true}}
input: {{side: 16}}
split: {{validation: 0.25}}
optimizer: {{name: adamw, rate: 0.005, weight_decay: 0.01, batch_size: {batch}}}
stop: {{epochs: 5}}
bundle:
  name: tiny
  version: 0.0.1
  domain: {{min_side: 16, max_side: 16, content: coloured noise}}
  limits: [It knows noise only.]
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise; AI-generated here means a faint checkerboard in it."""
    root, rng = tmp_path_factory.mktemp("tree"), np.random.default_rng(0)
    for index in range(400):
        image = rng.integers(60, 190, (16, 16, 3)).astype(np.uint8)
        image[::2, ::2] += 30 * (index % 2)
        folder = root / ("FAKE" if index % 2 else "REAL")
        folder.mkdir(exist_ok=True)
        Image.fromarray(image).save(folder / f"{index}.png")
    return root


def losses(tree: Path, folder: Path, batch: int, devices: int, seed: int = 3) -> NDArray[np.float64]:
    """Training and validation loss of every epoch, shape (epochs, 2)."""
    folder.mkdir()
    recipe = folder / "recipe.yaml"
    recipe.write_text(RECIPE.format(batch=batch).replace("seed: 3", f"seed: {seed}"))
    run = folder / "run"
    arguments = ["train", recipe, "--data", tree, "--output", run, "--devices", devices, "--workers", 0]
    done = subprocess.run(
        [sys.executable, "-m", "fauxto", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("bundle:") == 1
    assert (run / "bundle" / "model.onnx").is_file()
    assert json.loads((run / "run.json").read_text())["seed"] == seed
    with (run / "metrics.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    return np.array([[float(row["train_loss"]), float(row["val_loss"])] for row in rows])


@pytest.mark.long
def test_two_processes_give_the_loss_curve_of_one_within_noise(tree: Path, tmp_path: Path) -> None:
    # A batch of two processes is one half each: the same images a step, the same number of steps.
    one = losses(tree, tmp_path / "one", batch=32, devices=1)
    two = losses(tree, tmp_path / "two", batch=16, devices=2)
    other = losses(tree, tmp_path / "other", batch=32, devices=1, seed=4)
    noise = np.abs(other - one).max()
    assert one.shape == two.shape == (5, 2)
    assert one[-1, 0] < one[0, 0] - 0.1 and two[-1, 0] < two[0, 0] - 0.1, "both must learn"
    assert np.abs(two - one).max() <= max(noise, 0.05) * 1.5
