"""Do the shipped models give their golden scores on other processors? qemu-user plays them.

    apt-get install qemu-user; python benchmarks/processors.py [--output results/processors.json]

Runs the bundles' self-test natively and under qemu as processors with SSE4 (Nehalem), AVX (SandyBridge) and
AVX2 (Haswell): onnxruntime chooses other kernels on each. qemu emulates no AVX-512, so that one is only
seen where the machine itself has it; the result says whether it had.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from pathlib import Path

PROCESSORS = ("Nehalem", "SandyBridge", "Haswell")
INSTRUCTIONS = ("sse4_2", "avx", "avx2", "avx512f", "avx512_vnni", "avx512_bf16")
CHECK = """
import json
from fauxto.models import load_bundle, shipped
print(json.dumps({name: load_bundle(folder, 1).self_test() for name, folder in shipped().items()}))
"""


def difference(command: list[str]) -> dict[str, float]:
    """Each shipped model's greatest difference to its golden scores; raises where one is above 1e-3."""
    found = subprocess.run(
        [*command, sys.executable, "-c", CHECK], check=True, capture_output=True, text=True
    )
    result: dict[str, float] = json.loads(found.stdout)
    return result


def instructions() -> list[str]:
    """Which vector instructions this machine has."""
    flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    return [
        name for name in ("sse4_2", "avx", "avx2", "avx512f", "avx512_vnni", "avx512_bf16") if name in flags
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    rows = {f"native ({', '.join(instructions())})": difference([])}
    for processor in PROCESSORS:
        rows[f"qemu {processor}"] = difference(["qemu-x86_64", "-cpu", processor])
    result = {"machine": platform.machine(), "greatest_difference": rows}
    print(json.dumps(result, indent=2))
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
