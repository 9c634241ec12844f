"""How long one thumbnail takes from a cold process, against the bare imports that inference needs.

    python benchmarks/startup.py [--runs 15] [--output results/startup.json]

The two commands alternate, so that a noisy machine slows both.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

BARE = [sys.executable, "-c", "import onnxruntime, PIL.Image, numpy"]


def seconds(command: list[str], bytecode: Path) -> float:
    """Wall time of one run; `bytecode` is a folder for compiled modules, which pip makes when it installs."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(bytecode)
    start = time.perf_counter()
    # A verdict of `ai` on the noise would be exit code 1; the time is the same.
    done = subprocess.run(command, check=False, capture_output=True, env=environment)
    assert done.returncode in (0, 1), done.stderr
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "thumbnail.jpg"
        noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path, quality=75)
        # What the installed command does.
        scan = f"import sys\nfrom fauxto.cli import entry\nsys.argv = ['fauxto', 'scan', {str(path)!r}]\n"
        ours = [sys.executable, "-c", scan + "entry()"]
        bytecode = Path(folder) / "bytecode"
        for command in (BARE, ours):
            seconds(command, bytecode)
        pairs = [(seconds(BARE, bytecode), seconds(ours, bytecode)) for _ in range(arguments.runs)]
    result = {
        "bare_imports_s": round(statistics.median(bare for bare, _ in pairs), 3),
        "scan_s": round(statistics.median(scan for _, scan in pairs), 3),
        "ratio": round(statistics.median(scan / bare for bare, scan in pairs), 2),
        "runs": arguments.runs,
        "python": platform.python_version(),
    }
    print(json.dumps(result, indent=2))
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
