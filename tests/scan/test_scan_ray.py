"""Ray: several nodes, each a set of processes of its own, give the records of one; a lost node loses none."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from command import fauxto
from fauxto.scan.cluster import scan_on_ray
from fauxto.scan.folder import open_folder
from fauxto.scan.found import Found, Skipped
from fauxto.scan.interrupt import Interruption
from fauxto.scan.run import Summary
from scan_runs import command, lines, options, parts, pictures, start, stored


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pictures(tmp_path_factory.mktemp("images") / "many", 400)


@contextmanager
def cluster_of(nodes: int) -> Iterator[Any]:
    """A cluster of nodes with one core each; the first, which the driver is at, does not judge."""
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "object_store_memory": 80 << 20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(nodes):
            add_node(cluster)
        yield cluster
    finally:
        cluster.shutdown()


def add_node(cluster: Any) -> None:
    """One core more. Ray gives a node half a minute to start, which a busy machine may not keep."""
    for attempt in range(3):
        try:
            cluster.add_node(num_cpus=1, object_store_memory=80 << 20)
        except Exception as error:
            if "timed out during startup" not in str(error) or attempt == 2:
                raise
        else:
            return


def ordinary(scan: list[object]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*scan, "--format", "jsonl"), capture_output=True, text=True, check=False)


@pytest.mark.parametrize("nodes", [2, pytest.param(4, marks=pytest.mark.long)])
def test_a_cluster_gives_the_records_of_one_machine_though_a_node_dies(
    images: Path, bright_bundle: Path, tmp_path: Path, nodes: int
) -> None:
    scan: list[object] = [images, images / "absent.png", "--model", bright_bundle, "--part-size", 8]
    plain = ordinary(scan)
    output = tmp_path / "out"
    with cluster_of(nodes) as cluster:
        on_ray = [*scan, "--output", output, "--engine", "ray", "--address", cluster.address]
        process = start(*on_ray)
        wait_for(lambda: bool(parts(output)), process)
        cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
        left = sum(1 for _ in parts(output))
        _, err = process.communicate(timeout=120)
    assert process.returncode == plain.returncode == 2, err
    assert err.splitlines()[-1] == plain.stderr.strip()
    assert left < len(parts(output)), "the scan was over before the node died"
    assert stored(output) == lines(plain.stdout)


def wait_for(condition: Any, process: subprocess.Popen[str], seconds: float = 90) -> None:
    """Until it holds; fails where the process has ended before."""
    until = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.long
def test_without_an_address_this_machine_is_the_cluster_and_a_killed_scan_goes_on(
    images: Path, bright_bundle: Path, tmp_path: Path
) -> None:
    scan: list[object] = [images, "--model", bright_bundle, "--part-size", 8]
    output = tmp_path / "out"
    on_ray = [*scan, "--output", output, "--engine", "ray", "--resume"]
    process = start(*on_ray)
    wait_for(lambda: bool(parts(output)), process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    if process.returncode == 130:
        assert "--resume to go on" in err and "Traceback" not in err
    begun = {path: path.stat().st_mtime_ns for path in parts(output)}
    # What one engine began, the other ends: the parts are the same.
    local = subprocess.run(
        command(*scan, "--output", output, "--resume"), capture_output=True, text=True, check=False
    )
    assert local.returncode == 2
    assert stored(output) == lines(ordinary(scan).stdout)
    assert all(path.stat().st_mtime_ns == moment for path, moment in begun.items())


def test_options_that_do_not_go_together_with_ray(
    capsys: pytest.CaptureFixture[str], images: Path, bright_bundle: Path, tmp_path: Path
) -> None:
    for given, named in (
        (("--engine", "ray"), "--output DIR"),
        (("--engine", "ray", "--output", tmp_path / "o", "--heatmap", tmp_path / "h"), "--heatmap"),
    ):
        result = fauxto(capsys, "scan", images, *given)
        assert result.code == 2 and named in result.err and len(result.err.splitlines()) == 1


def test_a_missing_extra_is_named(
    capsys: pytest.CaptureFixture[str],
    images: Path,
    bright_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    scan = ("scan", images, "--model", bright_bundle, "--output", tmp_path / "out", "--engine", "ray")
    result = fauxto(capsys, *scan)
    assert result.code == 2 and "fauxto[ray]" in result.err


def test_a_request_to_terminate_is_noted_though_ray_has_a_handler_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Ray that does what the real one does to the handler, and whose cluster has no core."""

    def init(**_: object) -> None:
        signal.signal(signal.SIGTERM, lambda *_: pytest.fail("Ray's handler was asked"))

    def cluster_resources() -> dict[str, float]:
        signal.raise_signal(signal.SIGTERM)
        return {}

    ray = SimpleNamespace(init=init, cluster_resources=cluster_resources, shutdown=lambda: None)
    monkeypatch.setitem(sys.modules, "ray", ray)
    before = signal.getsignal(signal.SIGTERM)
    listed = [Found(str(tmp_path / "a.png"))]
    with (
        Interruption() as interruption,
        open_folder(tmp_path / "out", options(), lambda: listed, Skipped(), resume=True) as folder,
    ):
        scan_on_ray(folder, Summary(), Skipped(), address=None, interruption=interruption)
    assert interruption.signal == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before
