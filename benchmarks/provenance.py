"""Time of the provenance readers: python benchmarks/provenance.py [FILE...]

Prints milliseconds (median and worst of 200 runs, of processor time) for files made here: an unsigned JPEG of
about 1 MB at quality 85 (no watermark reader) and at quality 95 (with it), a thumbnail, a PNG, and the
watermark reader a megapixel. Signed files are given as arguments.
"""

from __future__ import annotations

import io
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fauxto.provenance import read_evidence
from fauxto.provenance.containers import parse
from fauxto.provenance.watermark import block_votes

Pixels = NDArray[np.uint8]


def measure(run: Callable[[], object], repeats: int = 200) -> tuple[float, float]:
    """Median and worst milliseconds of processor time."""
    run()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        times.append((time.process_time() - start) * 1000)
    return statistics.median(times), max(times)


def noise(height: int, width: int) -> Pixels:
    """Coarse noise, which compresses about as photographs do."""
    coarse = np.random.default_rng(0).integers(0, 256, (height // 3, width // 3, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def encode(pixels: Pixels, kind: str, **options: int) -> bytes:
    """The picture as a file."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind, **options)
    return out.getvalue()


def report(name: str, run: Callable[[], object]) -> None:
    """One line of the table."""
    median, worst = measure(run)
    print(f"{name:<58} {median:9.3f} {worst:9.3f}")


def report_file(name: str, data: bytes, pixels: Pixels | None) -> None:
    """The line of one file through all readers."""
    size = f"{len(data) / 1e6:.2f} MB"
    report(f"{name}, {size}", lambda: read_evidence(data, pixels=pixels))


def main() -> None:
    """Print the table."""
    print(f"{'what':<58} {'median':>9} {'worst':>9}  (ms)")
    large, small = noise(1500, 2000), noise(33, 33)[:32, :32]
    report_file("unsigned JPEG, quality 85", encode(large, "JPEG", quality=85), large)
    report_file(
        "unsigned JPEG, quality 95, 3 MP, with the watermark", encode(large, "JPEG", quality=95), large
    )
    report_file("thumbnail, 32 px JPEG", encode(small, "JPEG"), small)
    report_file("thumbnail, 32 px PNG", encode(small, "PNG"), small)
    square = noise(999, 1002)
    report_file("PNG, 1 MP, stealth channel and watermark", encode(square, "PNG"), square)
    data = encode(large, "JPEG", quality=85)
    report("containers.parse of the first file", lambda: parse(data))
    report("watermark votes, 1 MP", lambda: block_votes(square))
    for name in sys.argv[1:]:
        report_file(Path(name).name, Path(name).read_bytes(), None)


if __name__ == "__main__":
    main()
