"""`fauxto scan --engine ray` on clusters of one to four nodes with one core each, on this machine.

    python benchmarks/scaling.py [--images 20000] [--nodes 1 2 4] [--output results/scaling.json]

Each node is Ray's own processes, its workers pinned to a core of its own; the driver's node judges nothing.
More nodes than cores would share cores, so the nodes are cut to the cores there are, and the result says
how many there were. The rate is that of the steady part: from the first stored part to the last, so that
the start of the cluster, which does not grow with the images, is left out and stated apart. Needs the extra
`ray`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memory import write_links

PART = 128


@dataclass(frozen=True)
class Measured:
    """One scan."""

    nodes: int
    images_per_s: float
    first_part_s: float


def measure(folder: Path, output: Path, nodes: int) -> Measured:
    """A cluster of so many nodes judges the folder."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        cores = sorted(os.sched_getaffinity(0))
        for node in range(nodes):
            added = cluster.add_node(num_cpus=1)
            pin(added, cores[node])
        start = time.time()
        scan = [sys.executable, "-m", "fauxto", "scan", str(folder), "--model", "thumb"]
        scan += ["--output", str(output), "--part-size", str(PART)]
        scan += ["--engine", "ray", "--address", cluster.address]
        done = subprocess.run(scan, check=False, capture_output=True, text=True)
        if done.returncode not in (0, 1):
            raise SystemExit(done.stderr)
    finally:
        cluster.shutdown()
    moments = sorted(part.stat().st_mtime for part in output.glob("part-*"))
    steady = moments[-1] - moments[nodes - 1]
    return Measured(nodes, (len(moments) - nodes) * PART / steady, moments[0] - start)


def pin(node: Any, core: int) -> None:
    """Hold a node's processes to one core; workers that it starts inherit that."""
    for kind in node.all_processes.values():
        for entry in kind:
            os.sched_setaffinity(entry.process.pid, {core})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    counts = [nodes for nodes in arguments.nodes if nodes <= cores]
    with tempfile.TemporaryDirectory() as name:
        folder = write_links(Path(name) / "images", arguments.images)
        measured = [measure(folder, Path(name) / f"records-{nodes}", nodes) for nodes in counts]
    result = {
        "images": arguments.images,
        "cores": cores,
        "left_out_for_want_of_cores": [nodes for nodes in arguments.nodes if nodes > cores],
        "nodes": [
            {
                "nodes": each.nodes,
                "images_per_s": round(each.images_per_s, 1),
                "ratio": round(each.images_per_s / measured[0].images_per_s, 2),
                "first_part_s": round(each.first_part_s, 1),
            }
            for each in measured
        ],
    }
    print(json.dumps(result, indent=2))
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
