"""What a face model says of faces by generators that it did not learn from, and of photographs of people.

python benchmarks/face_sources.py --data DATA/photos/train.parquet --output results/face-sources.json

Each picture is judged as in use, where its faces are found first, and as if the whole of it were a face crop.
The groups are small, so each share has its exact interval, and each AUROC that of a bootstrap.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fauxto.data import load
from fauxto.data.dataset import content_fingerprint
from fauxto.evaluate.measure import AI, UNCERTAIN, Bootstrap, figure_statistic, figures, proportion, verdicts
from fauxto.evaluate.scoring import Pass, score
from fauxto.models import find_bundle, load_bundle
from fauxto.verdict import Thresholds

GENERATED = ("stylegan2-faces", "flux1-sdxl-dalle3-faces", "sd3-portraits")
PHOTOGRAPHS = ("ffhq-1024", "unsplash-people")
SEED, RESAMPLES = 0, 2000


def group(scores: NDArray[np.float64], thresholds: Thresholds) -> dict[str, Any]:
    """Verdicts on the pictures of one source, whose file says nothing; NaN is a picture without a score."""
    called = verdicts(scores, thresholds)
    return {
        "images": len(scores),
        "with a score": int(np.isfinite(scores).sum()),
        "ai": proportion(called == AI).model_dump(),
        "uncertain": proportion(called == UNCERTAIN).model_dump(),
    }


def auroc(found: Pass, generated: str, photographs: tuple[str, ...]) -> dict[str, Any]:
    """One source of AI-generated pictures against photographs, among those with a score."""
    among = np.isin(found.sources, [generated, *photographs])
    labels, scores = found.labels[among], found.models[0].clean[among]
    scored = np.isfinite(scores)
    samples = Bootstrap(labels, RESAMPLES, SEED).run({"figures": figure_statistic(labels, scores, scored)})
    return figures(labels[scored], scores[scored], samples).auroc.model_dump()


def groups(found: Pass, thresholds: Thresholds) -> dict[str, Any]:
    """Verdicts on every source."""
    sources, scores = np.array(found.sources), found.models[0].clean
    return {
        kind: {name: group(scores[sources == name], thresholds) for name in names}
        for kind, names in (("AI-generated", GENERATED), ("photographs", PHOTOGRAPHS))
    }


def measured(found: Pass, thresholds: Thresholds) -> dict[str, Any]:
    """Verdicts on every source, and how well each generator is told from the photographs."""
    against = {"both": PHOTOGRAPHS, **{name: (name,) for name in PHOTOGRAPHS}}
    areas = {
        name: {kind: auroc(found, name, photographs) for kind, photographs in against.items()}
        for name in GENERATED
    }
    return {**groups(found, thresholds), "AUROC against photographs": areas}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="labelled pictures with these sources")
    parser.add_argument("--model", default="face", help="name or folder of a bundle")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    bundle = load_bundle(find_bundle(arguments.model))
    dataset = load(arguments.data)
    wanted = [*GENERATED, *PHOTOGRAPHS]
    rows = [row for row, item in enumerate(dataset.items) if item.source in wanted]
    chosen = dataset.subset(rows)
    found = score(chosen, [bundle])
    # Cut from the middle of large portraits, most are parts of a face in which no whole one is found.
    as_crops = replace(bundle, config=bundle.config.model_copy(update={"faces": None}))
    result = {
        "model": f"{bundle.config.name} {bundle.config.version}",
        "model_sha256": bundle.config.model_sha256,
        "data": arguments.data.name,
        "fingerprint": content_fingerprint(found.hashes, found.labels.tolist()),
        "seed": SEED,
        "resamples": RESAMPLES,
        "faces found": groups(found, bundle.thresholds),
        "taken for face crops": measured(score(chosen, [as_crops]), bundle.thresholds),
    }
    arguments.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
