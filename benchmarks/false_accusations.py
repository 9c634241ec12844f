"""Does the thumbnail model accuse what it was not made for? Shrunk photographs and drawn graphics.

    python benchmarks/false_accusations.py --photographs photos/*.parquet [--output FILE.json]

Every photograph is shrunk to 32, 48 and 64 px by three filters each; graphics are drawn from a seed that
training did not use. Figures for photographs are shown apart by the part that their origin had in training.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fauxto.data import Dataset, fingerprint, load
from fauxto.data.dataset import origin_of
from fauxto.models import Bundle, find_bundle, load_bundle
from fauxto.train.graphics import KINDS, draw_graphic
from fauxto.train.negatives import SHRUNK_FILTERS, SHRUNK_SIDES, part_of, shrink

SEED = 77


def share(flags: list[bool]) -> dict[str, Any]:
    """Number, flagged, and the share flagged."""
    return {"images": len(flags), "ai": sum(flags), "share_ai": round(sum(flags) / len(flags), 5)}


def photographs(bundle: Bundle, files: list[Path]) -> dict[str, Any]:
    """Share of `ai` by size and filter, and by the part that the origin had in training."""
    flags: dict[str, list[bool]] = defaultdict(list)
    fingerprints = {}
    for file in files:
        dataset = load(file)
        real = dataset.subset(np.flatnonzero(dataset.labels == 0).tolist())
        fingerprints[file.name] = fingerprint(real)
        _judge(bundle, real, flags)
    return {"data": fingerprints, **{name: share(flags[name]) for name in sorted(flags)}}


def _judge(bundle: Bundle, real: Dataset, flags: dict[str, list[bool]]) -> None:
    for index, image in real.decoded():
        part = part_of(origin_of(real[index].source))
        variants = {
            f"{side} px {resampling.name.lower()}": shrink(image.pixels, side, resampling)
            for side in SHRUNK_SIDES
            for resampling in SHRUNK_FILTERS
        }
        scores = bundle.scores(list(variants.values()))
        for name, score in zip(variants, scores, strict=True):
            for group in (name, f"origins of the {part} part", "all"):
                flags[group].append(bool(score >= bundle.thresholds.ai))


def graphics(bundle: Bundle, count: int = 1000) -> dict[str, Any]:
    """Share of `ai` among drawn graphics, by kind."""
    rng = np.random.default_rng(SEED)
    found = {}
    for kind in KINDS:
        drawn: list[NDArray[np.uint8]] = [
            draw_graphic(int(rng.integers(24, 65)), rng, kind) for _ in range(count)
        ]
        found[kind] = share([bool(score >= bundle.thresholds.ai) for score in bundle.scores(drawn)])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photographs", type=Path, nargs="+", required=True)
    parser.add_argument("--model", default="thumb")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    bundle = load_bundle(find_bundle(arguments.model))
    result = {
        "model": f"{bundle.config.name} {bundle.config.version}",
        "threshold_ai": bundle.thresholds.ai,
        "seed": SEED,
        "photographs": photographs(bundle, arguments.photographs),
        "graphics": graphics(bundle),
    }
    print(json.dumps(result, indent=2))
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
