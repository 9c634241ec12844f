"""What libjpeg's draft scaling would gain the model `photo`, and whether it leaves its verdicts alone.

    python benchmarks/draft.py --data DATA/photos/wild.parquet --output results/draft.json

libjpeg can decode a JPEG at a half, a quarter or an eighth of its sides. Each picture is decoded in full and
to the smallest such scale whose shorter side is still at least 224 and 448 pixels, and judged both ways: how
far scores move, and how many verdicts change. Pictures of data sets are too small for that, so they are
enlarged to --enlarge pixels on the longer side by Lanczos and encoded anew; JPEGs named by --pictures are
taken as they are. Rates are medians over rounds in which both ways take turns, so that other work on the
machine slows both; "all" is what the scan of one such picture takes.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fauxto.data import load
from fauxto.data.dataset import Dataset
from fauxto.detector import Detector
from fauxto.images import decode
from fauxto.models import Bundle, find_bundle, load_bundle
from fauxto.models.config import InputConfig
from fauxto.models.preprocess import fit, normalise
from fauxto.provenance.containers import parse
from fauxto.provenance.watermark import jpeg_keeps_mark
from large_pictures import QUALITY, large_picture

ROOT = Path(__file__).parents[1]
LEAST = (224, 448)  # shorter side in pixels that a draft must keep: the model's own, and twice that
SIZES = ((1280, 720), (4000, 3000))


def draft(data: bytes, least: int) -> NDArray[np.uint8]:
    """A JPEG's pixels (H, W, 3) at libjpeg's smallest scale whose shorter side is at least `least`."""
    with Image.open(io.BytesIO(data)) as image:
        image.draft("RGB", (least, least))
        return np.asarray(image.convert("RGB"))


def drafted_square(data: bytes, least: int, config: InputConfig) -> NDArray[np.uint8]:
    """The model's square (side, side, 3) of such a draft."""
    return fit(draft(data, least), config)


def full(data: bytes) -> NDArray[np.uint8]:
    """All pixels of a JPEG, (H, W, 3)."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def encoded(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def enlarged(pixels: NDArray[np.uint8], side: int) -> bytes:
    """A JPEG of a picture (H, W, 3) whose longer side is `side` pixels."""
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    return encoded(
        Image.fromarray(pixels).resize(
            (round(width * scale), round(height * scale)), Image.Resampling.LANCZOS
        )
    )


def chosen(dataset: Dataset, each: int, seed: int) -> list[int]:
    """The rows of `each` pictures of either class, at random, or of all where there are fewer."""
    rng = np.random.default_rng(seed)
    rows = [rng.permutation(np.flatnonzero(dataset.labels == label))[:each] for label in (0, 1)]
    return [int(row) for row in np.concatenate(rows)]


def judged(bundle: Bundle, data: bytes) -> dict[str, tuple[float | None, str]]:
    """Score (None where the gate turns the picture away) and band, in full and by each draft."""
    ways = {"full": full(data)} | {str(least): draft(data, least) for least in LEAST}
    squares = np.stack([fit(pixels, bundle.config.input) for pixels in ways.values()])
    outputs = bundle.outputs(normalise(squares, bundle.config.input))
    scores = bundle.calibrate(outputs.logits).tolist()
    found: dict[str, tuple[float | None, str]] = {}
    for way, score, accepted in zip(ways, scores, outputs.accepted, strict=True):
        kept = float(score) if accepted else None
        found[way] = (kept, bundle.thresholds.band(kept))
    return found


def compared(bundle: Bundle, pictures: Iterator[bytes]) -> dict[str, Any]:
    """How far each draft moves scores and how many verdicts it changes; scores may also come and go."""
    rows = [judged(bundle, data) for data in pictures]
    result: dict[str, Any] = {"pictures": len(rows)}
    for least in map(str, LEAST):
        pairs = [(row["full"][0], row[least][0]) for row in rows]
        moved = [abs(a - b) for a, b in pairs if a is not None and b is not None]
        changed = [f"{row['full'][1]} to {row[least][1]}" for row in rows if row["full"][1] != row[least][1]]
        result[f"at least {least} px"] = {
            "with a score both ways": len(moved),
            "largest difference of scores": round(max(moved, default=0.0), 4),
            "mean difference of scores": round(statistics.fmean(moved), 4) if moved else 0.0,
            "verdicts changed": len(changed),
            "which": {kind: changed.count(kind) for kind in sorted(set(changed))},
        }
    return result


def seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def rates(bundle: Bundle, detector: Detector, size: tuple[int, int], rounds: int) -> dict[str, Any]:
    """Images a second of decoding and fitting to the model's square, in full and by drafts, and of all."""
    data = large_picture(size)
    config = bundle.config.input
    ways: dict[str, Callable[[], object]] = {
        "decode in full": lambda: full(data),
        "decode and fit in full": lambda: fit(full(data), config),
        "all": lambda: detector.scan(data),
    }
    for least in LEAST:
        ways[f"decode to {least}"] = partial(draft, data, least)
        ways[f"decode and fit to {least}"] = partial(drafted_square, data, least, config)
    for way in ways.values():
        way()
    taken = [{name: seconds(way) for name, way in ways.items()} for _ in range(rounds)]
    found = {f"{name}, per s": 1 / statistics.median(one[name] for one in taken) for name in ways}
    for least in LEAST:
        pairs = [(one["decode in full"], one[f"decode to {least}"]) for one in taken]
        found[f"decoding to {least}, times as fast"] = statistics.median(a / b for a, b in pairs)
        found[f"share of all that {least} saves"] = statistics.median(
            (one["decode and fit in full"] - one[f"decode and fit to {least}"]) / one["all"] for one in taken
        )
    return {name: round(value, 3) for name, value in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="labelled pictures, as fauxto.data takes them"
    )
    parser.add_argument("--pictures", type=Path, nargs="*", help="JPEGs; those of examples/photos by default")
    parser.add_argument("--each", type=int, default=200, help="pictures of either class")
    parser.add_argument("--enlarge", type=int, default=1600, help="longer side in pixels")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    bundle = load_bundle(find_bundle("photo"))
    dataset = load(arguments.data)
    rows = chosen(dataset, arguments.each, arguments.seed)
    files = [dataset[row].read() for row in rows]
    pictures = arguments.pictures or sorted((ROOT / "examples" / "photos").glob("*.jpg"))
    jpegs = [parsed for parsed in map(parse, files) if parsed.kind == "jpeg"]
    named = zip(rows, files, strict=True)
    made = (enlarged(decode(data, name=f"row {row}").pixels, arguments.enlarge) for row, data in named)
    result = {
        "model": f"{bundle.config.name} {bundle.config.version}",
        "data": arguments.data.name,
        "seed": arguments.seed,
        "enlarged to": arguments.enlarge,
        "quality": QUALITY,
        "cores": len(os.sched_getaffinity(0)),
        "enlarged": compared(bundle, made),
        "as they are": compared(bundle, (path.read_bytes() for path in pictures)),
        "files whose watermark reader needs all pixels": {
            "jpegs": len(jpegs),
            "of them": sum(jpeg_keeps_mark(one.jpeg_segments) for one in jpegs),
        },
    }
    detector = Detector("photo")
    result["rates"] = {
        f"{width}x{height}": rates(bundle, detector, (width, height), arguments.rounds)
        for width, height in SIZES
    }
    print(json.dumps(result, indent=2))
    arguments.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
