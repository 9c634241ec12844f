"""The data package is light: it must load beside an inference-only install."""

from __future__ import annotations

import subprocess
import sys


def test_importing_the_package_loads_no_heavy_library() -> None:
    heavy = [
        "torch",
        "pyarrow",
        "sklearn",
        "scipy",
        "kagglehub",
        "requests",
        "rich",
        "matplotlib",
        "onnxruntime",
    ]
    code = f"import sys, fauxto.data; print([name for name in {heavy} if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
