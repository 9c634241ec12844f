"""How long the provenance readers take, all of them together.

    python benchmarks/provenance.py [--output results/provenance.json] [FILE...]

Median wall time in milliseconds, after a run to warm up, on files made here: unsigned, signed, and signed
with the claim in a parent's manifest. Needs the development extras; the signed files are made by the tests'
own module for them.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "provenance" / "content_credentials"))

from fauxto.provenance import read_evidence
from fauxto.provenance.watermark import block_votes
from signed_files import MADE_BY_AI, Recipe, maker, opened, sign

Pixels = NDArray[np.uint8]


def median_ms(work: Callable[[], object], repeats: int = 51) -> float:
    """The median wall time of `work` in milliseconds."""
    work()
    times: list[float] = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return round(1000 * statistics.median(times), 3)


def noise(height: int, width: int) -> Pixels:
    """Coarse noise, which compresses about as photographs do."""
    coarse = np.random.default_rng(0).integers(0, 256, (height // 3, width // 3, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def encoded(pixels: Pixels, kind: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def files() -> dict[str, tuple[bytes, Pixels | None]]:
    """Name to file and pixels."""
    large, square, small = noise(1500, 2000), noise(999, 1002), noise(33, 33)[:32, :32]
    plain = encoded(large, "JPEG", quality=85)
    signed = sign(plain, maker("Studio"), Recipe([MADE_BY_AI]))
    return {
        "JPEG of about 1 MB, unsigned": (plain, large),
        "JPEG of about 1 MB, signed": (signed, large),
        "JPEG of about 1 MB, claim in a parent's manifest": (opened(signed, maker("Editor")), large),
        "JPEG quality 95, 3 megapixels, with the watermark reader": (
            encoded(large, "JPEG", quality=95),
            large,
        ),
        "PNG, 1 megapixel, with stealth channel and watermark reader": (encoded(square, "PNG"), square),
        "JPEG, 32 pixels": (encoded(small, "JPEG"), small),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    cases = files() | {path.name: (path.read_bytes(), None) for path in arguments.files}
    rows = {}
    for name, (data, pixels) in cases.items():
        milliseconds = median_ms(lambda data=data, pixels=pixels: read_evidence(data, pixels=pixels))  # type: ignore[misc]
        rows[name] = {"bytes": len(data), "median_ms": milliseconds}
        print(f"{name:62} {len(data):>9} bytes {milliseconds:9.3f} ms")
    square = noise(999, 1002)
    per_megapixel = median_ms(lambda: block_votes(square))
    print(f"watermark reader, a megapixel: {per_megapixel:.3f} ms")
    if arguments.output:
        result = {"all_readers": rows, "watermark_ms_per_megapixel": per_megapixel}
        arguments.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
