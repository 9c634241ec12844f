"""Whether the thumbnail model may compute in int8: accuracy on validation, and the rate beside float32.

    python benchmarks/int8.py --data cifake/train.parquet [--output results/int8.json]

Static quantisation by onnxruntime (QDQ, weights by channel), ranges from a thousand training images. Weights
of a reduced range, 7 bits, because processors without VNNI add up products of 8 in 16 bits that overflow; the
full range beside it shows what that costs here. Rates alternate, medians are kept.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from fauxto.models import find_bundle, load_bundle
from fauxto.models.preprocess import normalise
from fauxto.models.threads import usable_cores
from fauxto.train.prepare import prepare
from fauxto.train.recipe import NegativesSection, load_recipe

RECIPE = Path(__file__).parents[1] / "recipes" / "thumb.yaml"
BATCH, ROUNDS, CALIBRATION = 32, 7, 1000

Batch = NDArray[np.float32]


class Batches(CalibrationDataReader):  # type: ignore[misc]
    """What activations are measured on."""

    def __init__(self, name: str, batches: Iterator[Batch]) -> None:
        self._name, self._batches = name, batches

    def get_next(self) -> dict[str, Batch] | None:
        """The next batch under the input's name, None at the end."""
        batch = next(self._batches, None)
        return None if batch is None else {self._name: batch}


def session(model: Path) -> ort.InferenceSession:
    """On all cores that this process may use."""
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = usable_cores(), 4
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def logits_of(found: ort.InferenceSession, batches: Callable[[], Iterator[Batch]]) -> NDArray[np.float64]:
    """Logits (N,) of all batches."""
    name, output = found.get_inputs()[0].name, found.get_outputs()[0].name
    parts = [found.run([output], {name: batch})[0].reshape(-1) for batch in batches()]
    return np.concatenate(parts).astype(np.float64)


def rate(found: ort.InferenceSession, batch: Batch) -> float:
    """Images a second."""
    name, start = found.get_inputs()[0].name, time.perf_counter()
    for _ in range(20):
        found.run(None, {name: batch})
    return 20 * len(batch) / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"))
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    bundle = load_bundle(find_bundle("thumb"))
    recipe = load_recipe(RECIPE).model_copy(update={"negatives": NegativesSection()})
    data = prepare(recipe, arguments.data, arguments.cache, None)
    chosen = np.sort(np.random.default_rng(0).permutation(len(data.training[1]))[:CALIBRATION])

    def batches(pixels: NDArray[np.uint8]) -> Iterator[Batch]:
        for start in range(0, len(pixels), BATCH):
            yield normalise(np.asarray(pixels[start : start + BATCH]), bundle.config.input)

    pixels, labels = data.validation
    with tempfile.TemporaryDirectory() as name:
        plain = bundle.folder / "model.onnx"
        prepared = Path(name) / "prepared.onnx"
        quant_pre_process(plain, prepared, skip_symbolic_shape=True)
        sessions = {"float32": session(plain)}
        for kind, reduced in (("int8, reduced range", True), ("int8, full range", False)):
            file = Path(name) / f"{reduced}.onnx"
            reader = Batches(sessions["float32"].get_inputs()[0].name, batches(data.training[0][chosen]))
            quantize_static(
                prepared, file, reader, quant_format=QuantFormat.QDQ, per_channel=True, reduce_range=reduced,
                activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
            )  # fmt: skip
            sessions[kind] = session(file)
    batch = next(batches(pixels))
    rates = [{kind: rate(one, batch) for kind, one in sessions.items()} for _ in range(ROUNDS)]
    logits = {kind: logits_of(one, lambda: batches(pixels)) for kind, one in sessions.items()}
    rows: dict[str, dict[str, Any]] = {}
    for kind, found in logits.items():
        correct = (bundle.calibrate(found) >= 0.5) == (labels > 0.5)
        rows[kind] = {
            "accuracy": round(float(correct.mean()), 4),
            "images_per_s": round(median(row[kind] for row in rates)),
            "largest difference of logits": round(float(np.abs(found - logits["float32"]).max()), 3),
        }
    result = {
        "model": f"{bundle.config.name} {bundle.config.version}",
        "validation images": len(labels),
        "cores": len(os.sched_getaffinity(0)),
        "kinds": rows,
    }
    print(json.dumps(result, indent=2))
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
