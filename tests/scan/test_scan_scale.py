"""Memory does not grow with the number of images, and progress tells how far a scan is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fauxto.scan import pipeline
from scan_runs import command, pictures

PEAK = """
import resource, sys
from fauxto.cli import main
sys.argv = ["fauxto", *sys.argv[1:]]
try:
    main()
except SystemExit as end:
    assert end.code in (1, 2), end.code
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000, file=sys.stderr)
"""


def links(folder: Path, originals: Path, count: int) -> Path:
    """`count` further names of the same files."""
    folder.mkdir()
    files = sorted(originals.iterdir())
    for index in range(count):
        os.link(files[index % len(files)], folder / f"{index:06}.png")
    return folder


def peak_mb(images: Path, bundle: Path, output: Path) -> float:
    """The greatest resident memory of a scan, MB."""
    scan = [sys.executable, "-c", PEAK, "scan", images, "--model", bundle, "--output", output, "--resume"]
    done = subprocess.run([*map(str, scan)], capture_output=True, text=True, check=True)
    return float(done.stderr.splitlines()[-1])


@pytest.mark.parametrize("many", [6_000, pytest.param(100_000, marks=pytest.mark.long)])
def test_memory_does_not_grow_with_the_number_of_images(
    bright_bundle: Path, tmp_path: Path, many: int
) -> None:
    originals = pictures(tmp_path / "originals", 100)
    few = peak_mb(links(tmp_path / "few", originals, 1_000), bright_bundle, tmp_path / "few-out")
    more = peak_mb(links(tmp_path / "many", originals, many), bright_bundle, tmp_path / "many-out")
    assert more - few < 50


def test_progress_for_machines_ends_with_the_whole_and_is_silent_elsewhere(
    bright_bundle: Path, tmp_path: Path
) -> None:
    images = pictures(tmp_path / "images", 120)
    scan = [images, "--model", bright_bundle, "--format", "jsonl"]
    quiet = subprocess.run(command(*scan), capture_output=True, text=True, check=False)
    assert len(quiet.stderr.splitlines()) == 1, "not a terminal: the summary alone"
    told = subprocess.run(
        command(*scan, "--progress", "json", "--output", tmp_path / "out", "--resume"),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    *reports, summary = told.stderr.splitlines()
    last = json.loads(reports[-1])
    flagged = sum(json.loads(line)["verdict"] == "ai" for line in quiet.stdout.splitlines())
    assert (last["done"], last["total"], last["errors"], last["flagged"]) == (120, 120, 2, flagged)
    assert last["rate"] > 0 and last["seconds_left"] == 0
    assert summary == quiet.stderr.splitlines()[0]


def test_what_is_listed_ahead_is_bounded() -> None:
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    items = pipeline.prefetched(endless(), 2)
    assert [next(items) for _ in range(5)] == [1, 2, 3, 4, 5]
    # Of those not asked for, two wait in the queue and one in the hand of the thread that fills it.
    assert taken <= 8
