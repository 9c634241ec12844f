"""A server that is asked for long keeps its size. The benchmark judges; `make test-long` runs its hour."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SOAK = ROOT / "benchmarks" / "serve_soak.py"


def run(tmp_path: Path, *options: str) -> tuple[dict[str, Any], int]:
    output = tmp_path / "serve-soak.json"
    command = [sys.executable, str(SOAK), "--output", str(output), *options]
    done = subprocess.run(command, capture_output=True, text=True)
    assert output.exists(), done.stdout + done.stderr
    return dict(json.loads(output.read_text())), done.returncode


def test_a_leak_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SOAK.parent))
    module = runpy.run_path(str(SOAK))
    held, grew = module["Held"], module["grew"]
    assert grew([held(400.0, 20, 8, 3)] * 20) == []
    assert grew([held(400.0 + 5 * at, 20, 8, 3) for at in range(20)]) == ["memory: 410 to 485 MB"]
    assert grew([held(400.0, 20 + at, 8, 3) for at in range(20)]) == ["descriptors: 24 to 37"]
    assert grew([held(400.0, 20, 8 + at, 3) for at in range(20)]) == ["threads: 12 to 25"]
    assert grew([held(400.0, 20, 8, 3 + at) for at in range(20)]) == ["processes: 7 to 20"]


def test_ten_seconds_of_good_and_bad_requests_leave_no_descriptor_thread_or_process(tmp_path: Path) -> None:
    report, _ = run(tmp_path, "--seconds", "10", "--model", "thumb")
    assert report["faults"] == []
    assert {"200", "400", "422"} <= set(report["answers"])
    # Memory is still growing into its caches after ten seconds; nothing else is.
    assert [what for what in report["grew"] if not what.startswith("memory")] == []
