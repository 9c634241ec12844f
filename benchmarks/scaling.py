"""`fauxto scan --engine ray` on clusters of one to four nodes on this machine.

    python benchmarks/scaling.py [--images 10000] [--nodes 1 2 4] [--output results/scaling.json]

Each node is Ray's own processes and its one worker, pinned to a core; the driver's node judges nothing. Nodes
of a whole core are cut to the cores there are, and the result says which were left out. Nodes of a quarter of
a core, a share that the kernel holds them to (cgroup v1, as root; left out elsewhere), are measured as long
as half of the machine is left for the driver: they show what Ray and the driver cost as nodes are added, not
what a network or shared memory costs. Images and parts of such a node are a quarter as many, so both kinds
take as long and store as often.

Every node gets the same number of images, so that each scan takes as long. The rate is that of the middle of
a scan, in which every node is at work; the start of the cluster is stated apart. `core_used` is what a node's
processes got of a core meanwhile: below its share, other programs were in the way, and the ratio says
nothing. Needs the extra `ray`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from bisect import bisect
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memory import write_links

PART = 128
WHOLE, QUARTER = 1.0, 0.25


class Share:
    """Processes that may use a share of a core at most, and what they have used of it (cgroup v1).

    Raises:
        OSError: groups cannot be made here.
    """

    def __init__(self, name: str, share: float) -> None:
        self._before = [_own_group(controller) for controller in ("cpu", "cpuacct")]
        self._groups = [before / f"fauxto-scaling-{name}" for before in self._before]
        self._share = share
        try:
            for group in self._groups:
                group.mkdir(exist_ok=True)
        except OSError:
            self.remove()
            raise

    def hold(self) -> None:
        """Hold its processes to the share from now on; Ray gives up on a node that starts as slowly."""
        quota, period = self._groups[0] / "cpu.cfs_quota_us", self._groups[0] / "cpu.cfs_period_us"
        quota.write_text(str(round(self._share * int(period.read_text()))))

    @contextmanager
    def joined(self) -> Iterator[None]:
        """This process, too, belongs to it within the block, and so does what it starts there, for good."""
        _move_to(self._groups)
        try:
            yield
        finally:
            _move_to(self._before)

    def used(self) -> float:
        """Seconds of a core so far."""
        return int((self._groups[1] / "cpuacct.usage").read_text()) / 1e9

    def remove(self) -> None:
        """Give the group up; its processes have been ended and are gone in a moment."""
        for group in self._groups:
            end = time.monotonic() + 10
            while group.exists():
                try:
                    group.rmdir()
                except OSError:
                    if time.monotonic() > end:
                        raise
                    time.sleep(0.1)


def _own_group(controller: str) -> Path:
    for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return Path("/sys/fs/cgroup", controller, path.lstrip("/"))
    raise OSError(f"no controller {controller} of cgroup v1")


def _move_to(groups: Sequence[Path]) -> None:
    for group in groups:
        (group / "cgroup.procs").write_text("0")


def shares_work() -> bool:
    """Whether groups with a share of a core can be made here."""
    try:
        probe = Share("probe", QUARTER)
        try:
            probe.hold()
        finally:
            probe.remove()
    except OSError:
        return False
    return True


@dataclass(frozen=True)
class Measured:
    """One scan."""

    nodes: int
    share: float
    images_per_s: float
    first_part_s: float
    core_used: float | None


def measure(below: Path, nodes: int, share: float, images: int, counted: bool) -> Measured:
    """A cluster of so many nodes judges so many images a node.

    Args:
        below: an empty folder.
        nodes: their number.
        share: of a core, for each.
        images: for each.
        counted: whether nodes are held to their share and what they use is counted.
    """
    folder, output = write_links(below / "images", images * nodes), below / "records"
    part = round(PART * share)
    with cluster(nodes, share, counted) as (address, shares):
        scan = [sys.executable, "-m", "fauxto", "scan", str(folder), "--model", "thumb"]
        scan += ["--output", str(output), "--part-size", str(part), "--engine", "ray", "--address", address]
        start = time.time()
        used = run(scan, shares)
    moments = sorted(path.stat().st_mtime for path in output.glob("part-*"))
    # The nodes do not begin at the same moment, and at the end some have nothing left to do.
    first, last = len(moments) // 4, len(moments) - 1 - nodes
    seconds = moments[last] - moments[first]
    core_used = None
    if shares:
        core_used = (used_at(used, moments[last]) - used_at(used, moments[first])) / seconds / nodes
    return Measured(nodes, share, (last - first) * part / seconds, moments[0] - start, core_used)


@contextmanager
def cluster(nodes: int, share: float, counted: bool) -> Iterator[tuple[str, list[Share]]]:
    """A cluster of pinned nodes of one worker each: its address, and what holds the nodes to their shares."""
    from ray.cluster_utils import Cluster

    cores = sorted(os.sched_getaffinity(0))
    made: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    shares: list[Share] = []
    try:
        for node in range(nodes):
            # A node's processes inherit both, those that it starts later, too.
            with ExitStack() as stack:
                if counted:
                    shares.append(Share(f"{os.getpid()}-{node}", share))
                    stack.enter_context(shares[-1].joined())
                os.sched_setaffinity(0, {cores[node % len(cores)]})
                stack.callback(os.sched_setaffinity, 0, cores)
                made.add_node(num_cpus=1)
        for each in shares:
            each.hold()
        yield made.address, shares
    finally:
        made.shutdown()
        for each in shares:
            each.remove()


def run(scan: list[str], shares: Sequence[Share]) -> list[tuple[float, float]]:
    """Run a scan; gives, several times a second, the time and the core seconds that all nodes have used."""
    used = []
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(scan, stdout=said, stderr=said)
        while process.poll() is None:
            used.append((time.time(), sum(share.used() for share in shares)))
            time.sleep(0.2)
        said.seek(0)
        if process.returncode not in (0, 1):
            raise SystemExit(said.read())
    return used


def used_at(used: Sequence[tuple[float, float]], moment: float) -> float:
    """What had been used at a moment, from the last look before it."""
    return used[max(0, bisect(used, (moment, 0.0)) - 1)][1]


def counts_of(nodes: Sequence[int], share: float, cores: int) -> list[int]:
    """The numbers of nodes that fit; shares of a core leave half of the machine for the driver."""
    room = cores if share == WHOLE else cores / 2
    return [count for count in nodes if count * share <= room]


def row(each: Measured, one: Measured) -> dict[str, Any]:
    """A line of the result, beside that of one node of the same share."""
    return {
        "nodes": each.nodes,
        "share": each.share,
        "images_per_s": round(each.images_per_s, 1),
        "ratio": round(each.images_per_s / one.images_per_s, 2),
        "core_used": None if each.core_used is None else round(each.core_used, 2),
        "first_part_s": round(each.first_part_s, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=10_000, help="for each node of a whole core")
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    nodes = sorted({1, *arguments.nodes})  # one is what the others are compared with
    counted = shares_work()
    rows: list[dict[str, Any]] = []
    left_out = []
    for share in (WHOLE, QUARTER):
        counts = counts_of(nodes, share, cores) if counted or share == WHOLE else []
        left_out += [{"nodes": count, "share": share} for count in nodes if count not in counts]
        measured: list[Measured] = []
        for count in counts:
            with tempfile.TemporaryDirectory() as name:
                images = round(arguments.images * share)
                measured.append(measure(Path(name), count, share, images, counted))
            rows.append(row(measured[-1], measured[0]))
    result = {
        "images": arguments.images,
        "cores": cores,
        "load_before": round(load, 2),
        "left_out": left_out,
        "nodes": rows,
    }
    print(json.dumps(result, indent=2))
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
