"""How the shipped photo model judges pictures that are no photographs, more of them than training measured.

    python -m fauxto.train.nonphotos --only-test --count 300 --seed 1 --photographs faces/test.parquet \\
        --output nonphotos.parquet
    python benchmarks/photo_gate.py --others nonphotos.parquet --output results/photo-gate.json

Every picture is judged as it is and after JPEG 40 (the *hard* chain): how many get a score at all, and how
many `ai`, with the exact one-sided 95 % upper bound of that share.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from fauxto.detector import Detector
from fauxto.images import decode
from fauxto.train.tower.verdicts import let_through
from fauxto.train.tower.views import RUNGS

HARD = "hard"


def pictures(images: list[dict[str, Any]], view: str) -> Iterator[NDArray[np.uint8]]:
    """Every picture's pixels (H, W, 3) in a view."""
    for row in images:
        pixels = decode(row["bytes"], name=row["path"]).pixels
        yield pixels if view == "clean" else RUNGS[view].apply(pixels)


def counted(scores: list[float | None], ai: float) -> dict[str, Any]:
    """How many pictures of a kind were let through and how many called AI-generated."""
    return let_through(len(scores), np.array([score for score in scores if score is not None]), ai)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--others", type=Path, required=True, help="parquet file of fauxto.train.nonphotos")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    detector = Detector("photo")
    config = detector.configs["photo"]
    table = pq.read_table(arguments.others)
    images, kinds = table["image"].to_pylist(), np.array(table["kind"].to_pylist())
    result: dict[str, Any] = {
        "model": f"{config.name} {config.version}",
        "data": arguments.others.name,
        "seed": int(table.schema.metadata[b"seed"]),
        "kinds": {},
    }
    for view in ("clean", HARD):
        scores = [record.score for record in detector.scan_many(pictures(images, view))]
        result["kinds"][view] = {
            str(kind): counted([scores[row] for row in np.flatnonzero(kinds == kind)], config.thresholds.ai)
            for kind in np.unique(kinds)
        }
    arguments.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
