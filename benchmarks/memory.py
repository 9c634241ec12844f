"""Peak memory of `fauxto scan` on few and on many images: it must not grow with their number.

    python benchmarks/memory.py [--few 1000] [--many 100000] [--output results/memory.json]

The images are links of 500 thumbnails' files, so that the folder fits any disk; each scan is a process of
its own, and the figure is what the operating system counted as its greatest resident set.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from throughput import thumbnails

MEASURED = """
import resource, sys
from fauxto.cli import main
sys.argv = ["fauxto", *sys.argv[1:]]
try:
    main()
except SystemExit as end:
    if end.code == 2:
        raise
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def write_links(folder: Path, count: int) -> Path:
    """`count` names of a few hundred files."""
    encoded = thumbnails()
    originals = folder.parent / "originals"
    originals.mkdir(exist_ok=True)
    for index, data in enumerate(encoded):
        (originals / f"{index}.jpg").write_bytes(data)
    for index in range(count):
        below = folder / f"{index // 10_000:03}"
        below.mkdir(parents=True, exist_ok=True)
        # Hard links: a scan passes symbolic ones over.
        os.link(originals / f"{index % len(encoded)}.jpg", below / f"{index:07}.jpg")
    return folder


def peak_mb(folder: Path, output: Path) -> float:
    """Peak resident memory of a scan of the folder, MB."""
    arguments = ["scan", str(folder), "--model", "thumb", "--output", str(output), "--resume"]
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *arguments], check=True, capture_output=True, text=True
    )
    return int(done.stdout.splitlines()[-1]) / 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--few", type=int, default=1_000)
    parser.add_argument("--many", type=int, default=100_000)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    peaks = {}
    with tempfile.TemporaryDirectory() as name:
        for count in (arguments.few, arguments.many):
            folder = write_links(Path(name) / f"images-{count}", count)
            peaks[count] = peak_mb(folder, Path(name) / f"records-{count}")
    result = {
        "few": arguments.few,
        "many": arguments.many,
        "peak_few_mb": round(peaks[arguments.few], 1),
        "peak_many_mb": round(peaks[arguments.many], 1),
        "growth_mb": round(peaks[arguments.many] - peaks[arguments.few], 1),
    }
    print(json.dumps(result, indent=2))
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
