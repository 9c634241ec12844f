"""Images a second of `fauxto scan` on a folder of thumbnails, against decoding and inference alone.

    python benchmarks/throughput.py [--data cifake/test.parquet] [--images 10000] [--output FILE.json]

The bar is 1/(1/decode + 1/inference), both measured in the same run. Without data, noise is written as JPEG.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from fauxto.cli import main as fauxto
from fauxto.models import find_bundle, load_bundle
from fauxto.models.preprocess import normalise
from fauxto.scan.run import BATCH_SIZE


def thumbnails(data: Path | None = None) -> list[bytes]:
    """Encoded thumbnails: those of a data set, or 500 of noise as JPEG."""
    if data is not None:
        from fauxto.data import load

        return [item.read() for item in load(data)]
    encoded = []
    for seed in range(500):
        buffer = io.BytesIO()
        noise = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(noise).save(buffer, "JPEG", quality=75)
        encoded.append(buffer.getvalue())
    return encoded


def write_files(folder: Path, count: int, data: Path | None) -> None:
    """`count` thumbnails as files; a data set that is smaller is repeated."""
    encoded = thumbnails(data)
    for index in range(count):
        (folder / f"{index:06}.jpg").write_bytes(encoded[index % len(encoded)])


def decode_rate(paths: list[Path]) -> float:
    """Images a second of opening and decoding by Pillow alone."""
    start = time.perf_counter()
    for path in paths:
        with Image.open(path) as image:
            np.asarray(image.convert("RGB"))
    return len(paths) / (time.perf_counter() - start)


def inference_rate(images: int) -> float:
    """Images a second of the bare runtime on batches as the scan makes them."""
    bundle = load_bundle(find_bundle("thumb"))
    side = bundle.config.input.side
    batch = normalise(np.zeros((BATCH_SIZE, side, side, 3), dtype=np.uint8), bundle.config.input)
    bundle.run(batch)
    start = time.perf_counter()
    for _ in range(images // BATCH_SIZE):
        bundle.run(batch)
    return images // BATCH_SIZE * BATCH_SIZE / (time.perf_counter() - start)


def scan_rate(folder: Path, images: int) -> float:
    """Images a second of `fauxto scan`, from the command to the last record."""
    sys.argv = ["fauxto", "scan", str(folder), "--model", "thumb", "--format", "jsonl"]
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        fauxto()
    return images / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_files(folder, arguments.images, arguments.data)
        decode = decode_rate(sorted(folder.iterdir()))
        inference = inference_rate(arguments.images // 2)
        scan = scan_rate(folder, arguments.images)
    bar = 1 / (1 / decode + 1 / inference)
    result = {
        "images": arguments.images,
        "decode_per_s": round(decode),
        "inference_per_s": round(inference),
        "bar_per_s": round(bar),
        "scan_per_s": round(scan),
        "share_of_bar": round(scan / bar, 3),
    }
    print(json.dumps(result, indent=2))
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
