"""Decoding by fauxto against plain Pillow, single-threaded, on images made here.

    python benchmarks/decode.py

Plain Pillow is `np.asarray(Image.open(...).convert("RGB"))`: no hash, no limits, no check for truncation.
Prints microseconds an image, the best of several rounds, and the ratio of the two.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable

import numpy as np
from PIL import Image

from fauxto.images import decode

ROUNDS = 7


def pillow(data: bytes) -> object:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def fauxto(data: bytes) -> object:
    return decode(data, name="benchmark")


def microseconds(function: Callable[[bytes], object], data: bytes, repeats: int) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(repeats):
            function(data)
        best = min(best, (time.perf_counter() - start) / repeats)
    return best * 1e6


def picture(width: int, height: int) -> Image.Image:
    """Smooth shapes with some grain, so that files are about as large as those of photographs."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (max(2, height // 16), max(2, width // 16), 3), np.uint8))
    grain = rng.integers(-6, 7, (height, width, 3))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).astype(int)
    return Image.fromarray((smooth + grain).clip(0, 255).astype(np.uint8))


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def main() -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    small, large = picture(32, 32), picture(4000, 3000)
    cases = {
        "32 x 32 JPEG": (encoded(small, "JPEG"), 1000),
        "32 x 32 PNG": (encoded(small, "PNG"), 1000),
        "12 MP JPEG": (encoded(large, "JPEG", quality=90), 2),
        "12 MP JPEG, turned": (encoded(large, "JPEG", quality=90, exif=turned), 2),
        "12 MP PNG": (encoded(large, "PNG", compress_level=1), 1),
    }
    print(f"{'':20}{'bytes':>10}{'Pillow':>12}{'fauxto':>12}{'ratio':>8}")
    for name, (data, repeats) in cases.items():
        plain, ours = (microseconds(function, data, repeats) for function in (pillow, fauxto))
        print(f"{name:20}{len(data):>10}{plain:>12.1f}{ours:>12.1f}{ours / plain:>8.2f}")


if __name__ == "__main__":
    main()
