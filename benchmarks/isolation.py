"""What decoding in a child costs: images a second with and without, on thumbnails and on pictures of 12 MP.

    python benchmarks/isolation.py [--rounds 15] [--output results/isolation.json]

Rounds are pairs, one right after the other and the first of them by turns, so that what else the machine
does meets both; the cost is 1 - with/without, its median over the pairs, with the quartiles beside it.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter

import numpy as np
from PIL import Image

from fauxto import Detector
from fauxto.models.threads import usable_cores


def pictures(count: int, width: int, height: int) -> list[bytes]:
    """JPEG of quality 85 of smooth noise."""
    found = []
    for seed in range(count):
        coarse = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(
            buffer, "JPEG", quality=85
        )
        found.append(buffer.getvalue())
    return found


def rate(detector: Detector, files: Sequence[bytes]) -> float:
    """Images a second, opened in as many threads as there are cores, as a scan does it, and judged."""
    start = perf_counter()
    with ThreadPoolExecutor(usable_cores()) as pool:
        for at in range(0, len(files), 32):
            detector.judge(list(pool.map(detector.prepare, files[at : at + 32])))
    return len(files) / (perf_counter() - start)


def pair(here: Detector, apart: Detector, files: Sequence[bytes], number: int) -> tuple[float, float]:
    """Images a second without and with a child, measured in turns."""
    if number % 2:
        isolated = rate(apart, files)
        return rate(here, files), isolated
    return rate(here, files), rate(apart, files)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    here, apart = Detector(), Detector(isolate=True)
    report: dict[str, object] = {"cores": usable_cores(), "rounds": arguments.rounds}
    for name, files in {
        "thumbnails, 32 x 32": pictures(20, 32, 32) * 10,
        "photographs, 4000 x 3000": pictures(4, 4000, 3000) * 2,
    }.items():
        for detector in (here, apart):
            rate(detector, files[:64])
        rates = [pair(here, apart, files, number) for number in range(arguments.rounds)]
        without, within = (median(column) for column in zip(*rates, strict=True))
        costs = quantiles((1 - isolated / alone for alone, isolated in rates), n=4)
        report[name] = {
            "images_per_second": round(without, 2),
            "images_per_second_isolated": round(within, 2),
            "cost": round(costs[1], 4),
            "cost_quartiles": [round(costs[0], 4), round(costs[2], 4)],
        }
    print(json.dumps(report, indent=2))
    if arguments.output:
        arguments.output.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
