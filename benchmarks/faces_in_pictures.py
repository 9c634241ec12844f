"""What a face model loses where it has to find the face first.

Aligned faces are put into a picture at their own size, found, cropped and judged:
python benchmarks/faces_in_pictures.py --data DATA/faces/test.parquet --output results/faces-in-pictures.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.metrics import roc_auc_score

from fauxto.data import load
from fauxto.models import Bundle, find_bundle, load_bundle
from fauxto.models.faces import CROP_RISE, CROP_TO_BOX, Box, crop, crop_box, find_faces
from fauxto.models.preprocess import fit

SEED, LEFT, TOP = 0, 200, 150
HERE = Path(__file__).parent


def measured(bundle: Bundle, squares: list[NDArray[np.uint8]], labels: NDArray[np.int64]) -> dict[str, float]:
    parts = [bundle.scores(squares[start : start + 16]) for start in range(0, len(squares), 16)]
    scores, limits = np.concatenate(parts), bundle.thresholds
    found = {
        "AUROC": float(roc_auc_score(labels, scores)),
        "accuracy at 0.5": float(((scores > 0.5) == labels).mean()),
        "called ai, of AI-generated": float((scores[labels == 1] >= limits.ai).mean()),
        "called ai, of photographs": float((scores[labels == 0] >= limits.ai).mean()),
        "called no-sign, of AI-generated": float((scores[labels == 1] < limits.no_sign).mean()),
    }
    return {name: round(value, 4) for name, value in found.items()}


def resized_box(face: Box) -> Box:
    """The crop without regard to the model's side."""
    side = round(CROP_TO_BOX * face.side)
    x, y = face.centre
    return Box(round(x - side / 2), round(y - CROP_RISE * face.side - side / 2), side)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="aligned face pictures with labels")
    parser.add_argument("--model", default="face")
    parser.add_argument("--images", type=int, default=240)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    bundle = load_bundle(find_bundle(arguments.model))
    dataset = load(arguments.data)
    chosen = np.random.default_rng(SEED).permutation(len(dataset))[: arguments.images]
    scene = np.asarray(Image.open(HERE.parent / "examples/photos/deep-field.jpg").convert("RGB"))
    squares: dict[str, list[NDArray[np.uint8]]] = {"aligned": [], "found, resized": [], "found": []}
    labels, extra = [], 0
    for index in chosen:
        face, picture = dataset.items[index].decode().pixels, scene.copy()
        picture[TOP : TOP + face.shape[0], LEFT : LEFT + face.shape[1]] = face
        faces = find_faces(picture)
        if not faces:
            continue
        extra += len(faces) > 1
        labels.append(int(dataset.labels[index]))
        squares["aligned"].append(fit(face, bundle.config.input))
        squares["found, resized"].append(fit(crop(picture, resized_box(faces[0])), bundle.config.input))
        box = crop_box(faces[0], bundle.config.input.side)
        squares["found"].append(fit(crop(picture, box), bundle.config.input))
    found: dict[str, Any] = {
        "model": f"{bundle.config.name} {bundle.config.version}",
        "data": arguments.data.name,
        "images": len(chosen),
        "seed": SEED,
        "face found": len(labels),
        "more than one face found": extra,
        **{kind: measured(bundle, them, np.array(labels)) for kind, them in squares.items()},
    }
    arguments.output.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
