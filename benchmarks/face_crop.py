"""How the cascade's box and FFHQ's crop stand to each other, and how many aligned faces are not found.

python benchmarks/face_crop.py --data DATA/faces/train.parquet --output results/face-crop.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fauxto.data import load
from fauxto.models.faces import find_faces, is_aligned

IMAGES, SEED = 400, 0


def spread(values: NDArray[np.float64]) -> dict[str, float]:
    found = np.quantile(values, [0.05, 0.5, 0.95])
    return {name: round(float(one), 3) for name, one in zip(("q05", "median", "q95"), found, strict=True)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="aligned face pictures")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    dataset = load(arguments.data)
    chosen = np.random.default_rng(SEED).permutation(len(dataset))[:IMAGES]
    aligned, rows = 0, []
    for index in chosen:
        pixels = dataset.items[index].decode().pixels
        aligned += is_aligned(pixels)
        faces = find_faces(pixels)
        if faces:
            side, (x, y) = pixels.shape[0], faces[0].centre
            rows.append(
                (side / faces[0].side, (x - side / 2) / faces[0].side, (y - side / 2) / faces[0].side)
            )
    ratio, right, below = np.array(rows).T
    found = {
        "data": arguments.data.name,
        "images": len(chosen),
        "seed": SEED,
        "taken for aligned": aligned,
        "found as in any picture": len(rows),
        "crop side / box side": spread(ratio),
        "box centre right of the crop's, in box sides": spread(right),
        "box centre below the crop's, in box sides": spread(below),
    }
    arguments.output.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
