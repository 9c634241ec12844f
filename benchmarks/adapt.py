"""What `fauxto adapt` is worth, leaving one generator out.

    python benchmarks/adapt.py --model photo --data wild.parquet wild2.parquet --output results/adapt.csv

The shipped model may have seen every origin, so a head is fitted anew on its features for each held-out one:
without that origin's photographs and AI images, and without the photographs of a fifth of the other origins.
On that fifth the threshold is chosen (1 % of them get `ai`), and on it new accusations are counted. Then ten
AI images of the held-out origin, as many of its photographs, and some photographs of other origins go through
what `fauxto adapt` does; the rest of the origin is the test. Every row is a mean over draws of those images.
Where not only the head but the features were trained on these origins, the figures are too good.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from fauxto.adapt.addition import Features, Labels, Numbers
from fauxto.adapt.run import Described, describe, fit_addition
from fauxto.data import load
from fauxto.data.dataset import origin_of
from fauxto.models import find_bundle, load_bundle

MAX_FPR = 0.01


@dataclass(frozen=True)
class Pool:
    """Every image's features, label, origin, and the pair or the image itself."""

    features: Features
    labels: Labels
    origins: NDArray[np.str_]
    groups: NDArray[np.str_]


@dataclass(frozen=True)
class Row:
    """One origin, mean over draws; shares in [0, 1]."""

    origin: str
    images: int
    further_photographs: int
    draws: int
    tested_ai: int
    tested_photographs: int
    auroc_before: float
    auroc_after: float
    recall_before: float
    recall_after: float
    accused_before: float
    accused_after: float
    newly_accused_elsewhere: float


def elsewhere(pool: Pool, origin: str) -> NDArray[np.bool_]:
    """Photographs of a fifth of the other origins, which no head is fitted on."""
    fifth = {one for one in np.unique(pool.origins) if hashlib.sha256(one.encode()).digest()[0] % 5 == 0}
    return np.asarray((pool.labels == 0) & np.isin(pool.origins, sorted(fifth - {origin})))


def base_log_odds(pool: Pool, training: NDArray[np.bool_]) -> Numbers:
    """Log-odds of every image by a linear head on the training images, both classes weighing alike."""
    scaler = StandardScaler().fit(pool.features[training])
    head = LogisticRegression(C=1e-3, class_weight="balanced", max_iter=300)
    head.fit(scaler.transform(pool.features[training]), pool.labels[training])
    return np.asarray(head.decision_function(scaler.transform(pool.features)), np.float64)


def measure(pool: Pool, origin: str, images: int, further: int, draws: int) -> Row:
    """Leave one origin out, adapt to a few of its images, test on the rest of it."""
    inside, outside = pool.origins == origin, elsewhere(pool, origin)
    log_odds = base_log_odds(pool, ~inside & ~outside)
    photographs = np.sort(log_odds[outside])
    threshold = float(photographs[int(np.ceil((1 - MAX_FPR) * len(photographs))) - 1]) + 1e-9
    found = [
        _draw(pool, inside, outside, log_odds, threshold, images, further, seed) for seed in range(draws)
    ]
    means = {name: round(float(np.mean([one[name] for one in found])), 4) for name in found[0]}
    tested = [int((pool.labels[inside] == label).sum()) - images for label in (1, 0)]
    return Row(origin, images, further, draws, tested[0], tested[1], **means)


def _draw(
    pool: Pool,
    inside: NDArray[np.bool_],
    outside: NDArray[np.bool_],
    log_odds: Numbers,
    threshold: float,
    images: int,
    further: int,
    seed: int,
) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    real = pool.labels == 0
    pools = ((inside & real, images), (inside & ~real, images), (~inside & ~outside & real, further))
    chosen = np.concatenate([rng.permutation(np.flatnonzero(rows))[:count] for rows, count in pools])
    groups = tuple(pool.groups[chosen].tolist())
    known = Described(pool.features[chosen], log_odds[chosen], pool.labels[chosen], groups, (), "", 0, 0)
    addition, _ = fit_addition(known, threshold, MAX_FPR)
    # Remakes of a photograph that was adapted with would be no test.
    test = inside & ~np.isin(pool.groups, pool.groups[chosen])
    labels, before = pool.labels[test], log_odds[test]
    after = before + addition.of(pool.features[test])
    away = log_odds[outside]
    moved = away + addition.of(pool.features[outside])
    return {
        "auroc_before": float(roc_auc_score(labels, before)),
        "auroc_after": float(roc_auc_score(labels, after)),
        "recall_before": float((before[labels == 1] >= threshold).mean()),
        "recall_after": float((after[labels == 1] >= threshold).mean()),
        "accused_before": float((before[labels == 0] >= threshold).mean()),
        "accused_after": float((after[labels == 0] >= threshold).mean()),
        "newly_accused_elsewhere": float(((moved >= threshold) & (away < threshold)).mean()),
    }


def read_pool(model: str, data: list[Path]) -> Pool:
    """Features of labelled images by a bundle; sources name the origins before their first hyphen."""
    bundle = load_bundle(find_bundle(model))
    parts = []
    for path in data:
        dataset = load(path)
        one = describe(dataset, bundle)
        origins = [origin_of(dataset[row].source) for row in one.rows]
        groups = [f"{path.name}: {group}" for group in one.groups]
        parts.append(Pool(one.features, one.labels, np.array(origins), np.array(groups)))
    return Pool(
        np.concatenate([one.features for one in parts]),
        np.concatenate([one.labels for one in parts]),
        np.concatenate([one.origins for one in parts]),
        np.concatenate([one.groups for one in parts]),
    )


def measure_all(pool: Pool, images: int, further: int, draws: int, least: int, output: Path) -> None:
    """Every origin with enough of both classes; the table is written as it grows."""
    with output.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, [field.name for field in fields(Row)], lineterminator="\n")
        writer.writeheader()
        for origin in np.unique(pool.origins):
            counts = np.bincount(pool.labels[pool.origins == origin], minlength=2)
            if counts.min() >= images + least:
                writer.writerow(asdict(measure(pool, str(origin), images, further, draws)))
                stream.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", default="photo")
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--images", type=int, default=10, help="of each class that are adapted with")
    parser.add_argument("--further", type=int, default=100, help="photographs of other origins beside them")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--least", type=int, default=10, help="images of each class left for the test")
    parser.add_argument("--output", type=Path, default=Path("results/adapt.csv"))
    arguments = parser.parse_args()
    pool = read_pool(arguments.model, arguments.data)
    measure_all(pool, arguments.images, arguments.further, arguments.draws, arguments.least, arguments.output)


if __name__ == "__main__":
    main()
