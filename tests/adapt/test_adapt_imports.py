"""Adapting needs no torch."""

from __future__ import annotations

import subprocess
import sys


def test_adapting_loads_no_torch() -> None:
    code = "import sys, fauxto.adapt.run, fauxto.adapt.graph; print('torch' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"
