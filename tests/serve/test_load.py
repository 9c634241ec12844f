"""Sixty-four clients at once get answers, or are told to come again. benchmarks/load.py sends and judges."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

LOAD = Path(__file__).parents[2] / "benchmarks" / "load.py"


@pytest.mark.parametrize("seconds", [10, pytest.param(60, marks=pytest.mark.long)])
def test_sixty_four_clients(tmp_path: Path, seconds: int) -> None:
    output = tmp_path / "load.json"
    command = [sys.executable, str(LOAD), "--seconds", str(seconds), "--output", str(output)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(output.read_text())
    assert report["clients"] == 64
    assert report["answers"]["200"] > 64
    assert set(report["answers"]) <= {"200", "429", "503"}
    assert 0 < report["milliseconds"]["p50"] <= report["milliseconds"]["p99"] < 30_000
