"""What each stage of a scan costs alone, and threads against processes for reading and decoding.

    python benchmarks/stages.py [--data cifake/test.parquet] [--images 4000] [--output results/stages.json]

Images a second on one core: reading, hashing, decoding, everything before the model, the model, writing. Then
reading and decoding by as many threads and as many processes as there are cores. docs/scale.md draws the
conclusion. OpenVINO is measured beside onnxruntime where it is installed, for `thumb` and for `photo`.
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
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fauxto.detector import Detector
from fauxto.models import Bundle, find_bundle, load_bundle
from fauxto.models.openvino import import_openvino
from fauxto.models.preprocess import normalise
from fauxto.scan.folder import encoded
from fauxto.scan.pipeline import BATCH_SIZE
from throughput import write_files

# A batch takes seconds.
PHOTO_BATCHES = 2


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


class AsItComes:
    """OpenVINO with its own settings, which fauxto does not use; see `fauxto.models.openvino`."""

    def __init__(self, model: bytes) -> None:
        core = import_openvino().Core()
        self._model = core.compile_model(core.read_model(model), "CPU")
        self.outputs = tuple(output.any_name for output in self._model.outputs)

    def run(self, batch: NDArray[np.float32], names: Sequence[str]) -> list[NDArray[Any]]:
        found = self._model([batch])
        return [np.asarray(found[name]) for name in names]


def openvino(reference: Bundle, batches: int) -> dict[str, float] | None:
    """A model in OpenVINO's default precision and, as fauxto uses it, in float32; None where not installed.

    Returns:
        Images a second of both, and by how much their logits differ from onnxruntime's at most.
    """
    if importlib.util.find_spec("openvino") is None:
        return None
    batch = noise(reference)
    expected = reference.run(batch)
    found: dict[str, float] = {}
    default = AsItComes((reference.folder / "model.onnx").read_bytes())
    for name, bundle in (
        ("default", replace(reference, session=default)),
        ("float32", load_bundle(reference.folder, runtime="openvino")),
    ):
        difference = np.abs(bundle.run(batch) - expected).max()
        found[f"{name}_per_s"] = model_rate(bundle, batches)
        found[f"{name}_logit_difference"] = float(f"{difference:.2g}")
    return found


def photo(batches: int) -> dict[str, Any]:
    """The model for photographs on all cores, in onnxruntime and OpenVINO: images a second."""
    bundle = load_bundle(find_bundle("photo"))
    bundle.run(noise(bundle)[:1])
    return {"onnxruntime_per_s": model_rate(bundle, batches), "openvino": openvino(bundle, batches)}


def model_rate(bundle: Bundle, batches: int) -> float:
    """Images a second of a model that has run before."""
    batch = noise(bundle)
    start = time.perf_counter()
    for _ in range(batches):
        bundle.run(batch)
    return float(f"{batches * BATCH_SIZE / (time.perf_counter() - start):.3g}")


def noise(bundle: Bundle) -> NDArray[np.float32]:
    """A batch for a model."""
    side = bundle.config.input.side
    pixels = np.random.default_rng(0).integers(0, 256, (BATCH_SIZE, side, side, 3), dtype=np.uint8)
    return normalise(pixels, bundle.config.input)


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
        "openvino": openvino(load_bundle(find_bundle("thumb")), max(1, arguments.images // 4 // BATCH_SIZE)),
        "photo": photo(PHOTO_BATCHES),
    }
    print(json.dumps(result, indent=2))
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
