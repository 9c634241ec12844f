"""Whether a long scan grows: memory, descriptors, threads and processes, over repeated good and bad files.

    python benchmarks/soak.py [--images 200000] [--output results/soak.json]

Files are opened in processes of their own, as in every scan of many; their memory counts.

Of ten files eight are bad ones from the corpus, one a photograph outside the model's domain and one a
thumbnail that the model judges: what can leak is the opening of files, and inference alone would take most of
the time.
The first tenth is the warm-up. Exit code 1 where the rest grew: the median memory of its last quarter above
that of its first by more than 5 % and 10 MB, or more of the rest in the median of the last than ever in the
first.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path
from time import perf_counter

TESTS = Path(__file__).parents[1] / "tests"
sys.path.insert(0, str(TESTS / "corpus"))

import growth  # noqa: E402
from bad_files import bad_files  # noqa: E402
from fauxto import Detector  # noqa: E402
from fauxto.scan.found import Found  # noqa: E402
from fauxto.scan.run import Summary, scan  # noqa: E402
from growth import Held, held  # noqa: E402

SAMPLES = 100


@dataclass(frozen=True)
class Sample(Held):
    """What the process held after so many images."""

    images: int


def files(folder: Path) -> list[Path]:
    """Every fifth file of the corpus in eights, after each eight a photograph and a thumbnail."""
    examples = TESTS.parent / "examples"
    photographs, thumbnails = (
        cycle(sorted((examples / kind).glob("*.jpg"))) for kind in ("photos", "thumbnails")
    )
    found = []
    for number, (name, data) in enumerate(list(bad_files().items())[::5], start=1):
        (folder / name).write_bytes(data)
        found.append(folder / name)
        if number % 8 == 0:
            found += [next(photographs), next(thumbnails)]
    return found


def soak(paths: list[Path], images: int) -> Iterator[Sample]:
    """Samples while scanning, the first after the warm-up."""
    inputs = (Found(str(path)) for path in islice(cycle(paths), images))
    summary = Summary()
    every, due = max(1, images * 9 // 10 // SAMPLES), images // 10
    for _ in scan(inputs, Detector("thumb"), summary, isolate_many=True):
        if summary.total >= due:
            yield Sample(**asdict(held(os.getpid())), images=summary.total)
            due += every
    if summary.total != images or not summary.errors or not summary.verdicts:
        raise SystemExit(f"{summary}: these are not the {images} good and bad images that went in")


def grew(samples: list[Sample]) -> list[str]:
    """What grew after the warm-up."""
    return growth.grew(samples, 0.05, 10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=200_000)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    start = perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        samples = list(soak(files(Path(folder)), arguments.images))
    found = grew(samples)
    report = {
        "images": arguments.images,
        "seconds": round(perf_counter() - start, 1),
        "grew": found,
        "samples": [asdict(one) for one in samples],
    }
    if arguments.output:
        arguments.output.write_text(json.dumps(report, indent=1) + "\n")
    print(f"{arguments.images} images; {samples[0]}; {samples[-1]}; grew: {', '.join(found) or 'nothing'}")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
