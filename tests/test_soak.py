"""A long scan keeps its size. The benchmark judges; `make test-long` runs it at full length."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).parents[1] / "benchmarks" / "soak.py"
sys.path.append(str(SOAK.parent))  # as where it is run as a command
MODULE = runpy.run_path(str(SOAK))


def run(tmp_path: Path, *options: str) -> dict[str, object]:
    output = tmp_path / "soak.json"
    command = [sys.executable, str(SOAK), "--output", str(output), *options]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(json.loads(output.read_text()))


def test_a_leak_is_told() -> None:
    sample = MODULE["Sample"]
    steady = [sample(at, 200.0, 10, 4) for at in range(20)]
    assert MODULE["grew"](steady) == []
    assert MODULE["grew"]([sample(at, 200.0 + 5 * at, 10, 4) for at in range(20)])
    assert MODULE["grew"]([sample(at, 200.0, 10 + at, 4) for at in range(20)])
    assert MODULE["grew"]([sample(at, 200.0, 10, 4 + at) for at in range(20)])


@pytest.mark.long
def test_an_isolated_scan_of_two_hundred_thousand_files_does_not_grow(tmp_path: Path) -> None:
    assert run(tmp_path, "--images", "200000", "--isolate")["grew"] == []
