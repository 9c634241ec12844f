"""A long scan keeps its size. The benchmark judges; `make test-long` runs it at full length."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

SOAK = Path(__file__).parents[1] / "benchmarks" / "soak.py"
sys.path.append(str(SOAK.parent))  # as where it is run as a command
MODULE = runpy.run_path(str(SOAK))


def test_a_leak_is_told() -> None:
    sample = MODULE["Sample"]
    steady = [sample(200.0, 10, 4, 2, at) for at in range(20)]
    assert MODULE["grew"](steady) == []
    assert MODULE["grew"]([sample(200.0 + 5 * at, 10, 4, 2, at) for at in range(20)])
    assert MODULE["grew"]([sample(200.0, 10 + at, 4, 2, at) for at in range(20)])
    assert MODULE["grew"]([sample(200.0, 10, 4 + at, 2, at) for at in range(20)])
    assert MODULE["grew"]([sample(200.0, 10, 4, 2 + at, at) for at in range(20)])
