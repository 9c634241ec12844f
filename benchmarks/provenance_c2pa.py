"""How long reading Content Credentials takes: `python benchmarks/provenance_c2pa.py`.

A JPEG of about a megabyte, unsigned, signed, and signed with its claim in a parent's manifest; container
parsing is timed apart. Medians in milliseconds. The targets: below 1 ms unsigned, below 40 ms signed.
Needs the development extras; the signed files are made by the tests' module for them.
"""

from __future__ import annotations

import io
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "provenance" / "content_credentials"))

from fauxto.provenance.c2pa import read_c2pa
from fauxto.provenance.containers import parse
from signed_files import MADE_BY_AI, Recipe, maker, opened, sign


def one_megabyte() -> bytes:
    """A noisy JPEG of about a megabyte."""
    pixels = np.random.default_rng(0).integers(0, 256, (900, 1200, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=80)
    return out.getvalue()


def median_ms(work: Callable[[], object], repeats: int = 51) -> float:
    """The median time of `work` in milliseconds, after one run to warm up."""
    work()
    times: list[float] = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def main() -> None:
    plain = one_megabyte()
    signed = sign(plain, maker("Studio"), Recipe([MADE_BY_AI]))
    files = {"unsigned": plain, "signed": signed, "claim in a parent": opened(signed, maker("Editor"))}
    print(f"{'file':20} {'kB':>6} {'container':>10} {'read_c2pa':>10}")
    for name, data in files.items():
        container = parse(data)
        parsing = median_ms(partial(parse, data))
        reading = median_ms(partial(read_c2pa, data, container))
        print(f"{name:20} {len(data) // 1000:6} {parsing:10.3f} {reading:10.3f}")


if __name__ == "__main__":
    main()
