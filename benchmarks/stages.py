"""What each stage of a scan costs alone, and threads against processes for reading and decoding.

    python benchmarks/stages.py [--data cifake/test.parquet] [--images 4000] [--output results/stages.json]

Images a second on one core: reading, hashing, decoding, everything before the model, the model, writing. Then
reading and decoding by as many threads and as many processes as there are cores. docs/scale.md draws the
conclusion. OpenVINO is measured beside onnxruntime where it is installed.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import io
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fauxto.detector import Detector
from fauxto.models import find_bundle, load_bundle
from fauxto.models.preprocess import normalise
from fauxto.scan.folder import encoded
from fauxto.scan.pipeline import BATCH_SIZE
from throughput import write_files


def rate(work: Callable[[Path], object], paths: Sequence[Path]) -> float:
    """Images a second of doing this to each, in this thread."""
    work(paths[0])
    start = time.perf_counter()
    for path in paths:
        work(path)
    return len(paths) / (time.perf_counter() - start)


def decode(path: Path) -> None:
    """By Pillow alone."""
    with Image.open(path) as image:
        np.asarray(image.convert("RGB"))


_detector: Detector | None = None


def prepare(paths: Sequence[Path]) -> int:
    """Everything before the model: read, hash, decode, provenance, cut the square."""
    global _detector
    _detector = _detector or Detector("thumb", threads=1)
    for path in paths:
        _detector.prepare(path)
    return len(paths)


def prepared_squares(paths: Sequence[Path]) -> list[Any]:
    """As `prepare`, and what a process then has to send back: evidence and squares."""
    global _detector
    _detector = _detector or Detector("thumb", threads=1)
    items = [_detector.prepare(path) for path in paths]
    return [(item.path, item.image, item.evidence, item.views) for item in items]


def pooled(pool: Executor, work: Callable[[Sequence[Path]], Any], paths: Sequence[Path]) -> float:
    """Images a second over a pool, batch by batch; workers are warm."""
    batches = [paths[start : start + BATCH_SIZE] for start in range(0, len(paths), BATCH_SIZE)]
    list(pool.map(work, batches[: 2 * (os.cpu_count() or 1)]))
    start = time.perf_counter()
    list(pool.map(work, batches))
    return len(paths) / (time.perf_counter() - start)


def inference(threads: int, images: int) -> float:
    """Images a second of onnxruntime on so many threads."""
    import onnxruntime

    folder = find_bundle("thumb")
    config = load_bundle(folder).config.input
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    batch = normalise(np.zeros((BATCH_SIZE, config.side, config.side, 3), dtype=np.uint8), config)
    session.run(None, {name: batch})
    start = time.perf_counter()
    for _ in range(max(1, images // BATCH_SIZE)):
        session.run(None, {name: batch})
    return max(1, images // BATCH_SIZE) * BATCH_SIZE / (time.perf_counter() - start)


def openvino(images: int) -> dict[str, float] | None:
    """OpenVINO's own runtime in its default precision and in float32; None where it is not installed.

    Returns:
        Images a second of both, and by how much their logits differ from onnxruntime's at most.
    """
    if importlib.util.find_spec("openvino") is None:
        return None
    import openvino as ov

    bundle = load_bundle(find_bundle("thumb"))
    side = bundle.config.input.side
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (BATCH_SIZE, side, side, 3), dtype=np.uint8)
    batch = normalise(pixels, bundle.config.input)
    expected = bundle.run(batch)
    found: dict[str, float] = {}
    for name, settings in (("default", {}), ("float32", {"INFERENCE_PRECISION_HINT": "f32"})):
        model = ov.Core().compile_model(str(bundle.folder / "model.onnx"), "CPU", settings)
        given = np.asarray(model([batch])[0]).reshape(-1)
        start, batches = time.perf_counter(), max(1, images // BATCH_SIZE)
        for _ in range(batches):
            model([batch])
        found[f"{name}_per_s"] = round(batches * BATCH_SIZE / (time.perf_counter() - start))
        found[f"{name}_logit_difference"] = float(f"{np.abs(given - expected).max():.2g}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--images", type=int, default=4_000)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as name:
        write_files(Path(name), arguments.images, arguments.data)
        paths = sorted(Path(name).iterdir())
        detector = Detector("thumb", threads=1)
        records = list(detector.scan_many(paths[:BATCH_SIZE]))
        start, repeats = time.perf_counter(), 50
        for _ in range(repeats):
            io.BytesIO().write(encoded(records, "jsonl"))
        written = repeats * len(records) / (time.perf_counter() - start)
        one_core = {
            "read": rate(Path.read_bytes, paths),
            "read_and_hash": rate(lambda path: hashlib.sha256(path.read_bytes()).digest(), paths),
            "decode": rate(decode, paths),
            "prepare": rate(lambda path: prepare([path]), paths),
            "model": inference(1, arguments.images // 4),
            "write": written,
        }
        with ThreadPoolExecutor(cores) as pool:
            threads = pooled(pool, prepared_squares, paths)
        with ProcessPoolExecutor(cores) as pool:
            processes = pooled(pool, prepared_squares, paths)
    vino = openvino(arguments.images // 4)
    result = {
        "images": arguments.images,
        "cores": cores,
        "one_core_images_per_s": {stage: round(value) for stage, value in one_core.items()},
        "prepare_by_threads_per_s": round(threads),
        "prepare_by_processes_per_s": round(processes),
        "model_by_threads_per_s": {
            str(count): round(inference(count, arguments.images // 4))
            for count in sorted({1, cores, 2 * cores})
        },
        "record_bytes": round(len(encoded(records, "jsonl")) / len(records)),
        "openvino": vino,
    }
    print(json.dumps(result, indent=2))
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
