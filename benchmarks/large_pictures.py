"""What large photographs cost `photo`, beside a ResNet50 at 224 px in onnxruntime, in one run.

    python benchmarks/large_pictures.py [--work FOLDER] --output results/large-pictures.json

1280x720: images a second of `fauxto scan` and of the ResNet50, decoding included, each in its own
environment, as benchmarks/peers/measure.py measures them. 12 megapixels: the wall time of judging one JPEG of
4000x3000 in a warm process, against decoding it with Pillow and one run of the ResNet50. Both take turns, so
that other work on the machine slows both; ratios are medians over the rounds.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from PIL import Image

from fauxto.detector import Detector

sys.path.append(str(Path(__file__).parent / "peers"))  # as where it is run as a command

from measure import COUNT, ROOT, crops, environment, images_per_s, peers, take_turns
from resnet50 import write_resnet50

SIZE, LARGE = (1280, 720), (4000, 3000)
QUALITY = 90


def rates(work: Path, rounds: int) -> dict[str, Any]:
    """Images a second of both on JPEGs of 1280x720."""
    chosen = [peer for peer in peers("photo", work) if peer.name in ("fauxto", "onnxruntime")]
    homes = {peer.name: environment(work, peer) for peer in chosen}
    with tempfile.TemporaryDirectory() as name:
        paths = sorted(crops(Path(name) / "crops", SIZE).iterdir())
        runs = take_turns(chosen, homes, paths, rounds)
    found = {name: [images_per_s(COUNT, *pair) for pair in pairs] for name, pairs in runs.items()}
    ratios = [ours / theirs for ours, theirs in zip(found["fauxto"], found["onnxruntime"], strict=True)]
    return {
        "images": COUNT,
        "rounds": rounds,
        "fauxto, images per s": round(statistics.median(found["fauxto"]), 1),
        "ResNet50, images per s": round(statistics.median(found["onnxruntime"]), 1),
        "share of its rate": round(statistics.median(ratios), 3),
    }


def large_picture(size: tuple[int, int] = LARGE) -> bytes:
    """A JPEG of `size` (width, height), enlarged from an example photograph."""
    buffer = io.BytesIO()
    with Image.open(ROOT / "examples" / "photos" / "coffee.jpg") as picture:
        enlarged = picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    enlarged.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def decoded(data: bytes) -> object:
    """The pixels by Pillow alone, as Pillow holds them."""
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGB")


def milliseconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - start)


def one_large(resnet50: Path, rounds: int) -> dict[str, Any]:
    """Judging one picture of 12 megapixels, and what its parts and those of the ResNet50's way take."""
    data, detector = large_picture(), Detector("photo")
    session = onnxruntime.InferenceSession(resnet50, providers=["CPUExecutionProvider"])
    batch = np.random.default_rng(0).standard_normal((1, 3, 224, 224)).astype(np.float32)
    prepared = detector.prepare(data)
    ways: dict[str, Callable[[], object]] = {
        "judged": lambda: detector.scan(data),
        "decoded by Pillow": lambda: decoded(data),
        "ResNet50": lambda: session.run(None, {"image": batch}),
        "of it before the model": lambda: detector.prepare(data),
        "of it the model": lambda: detector.judge([prepared]),
    }
    for way in ways.values():
        way()
    taken = [{name: milliseconds(way) for name, way in ways.items()} for _ in range(rounds)]
    ratios = [one["judged"] / (one["decoded by Pillow"] + one["ResNet50"]) for one in taken]
    return {
        "bytes": len(data),
        "rounds": rounds,
        **{f"{name}, ms": round(statistics.median(one[name] for one in taken), 1) for name in ways},
        "times as long as decoding and ResNet50": round(statistics.median(ratios), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "peers")
    parser.add_argument("--rounds", type=int, default=3, help="of the 200 pictures of 1280x720")
    parser.add_argument("--large-rounds", type=int, default=15)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    resnet50 = arguments.work / "resnet50.onnx"
    write_resnet50(resnet50)
    result = {
        "cores": len(os.sched_getaffinity(0)),
        "model": "photo",
        "{}x{}".format(*LARGE): one_large(resnet50, arguments.large_rounds),
        "{}x{}".format(*SIZE): rates(arguments.work, arguments.rounds),
    }
    print(json.dumps(result, indent=2))
    arguments.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
