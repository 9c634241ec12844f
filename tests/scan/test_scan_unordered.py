"""`--unordered`: a slow input holds only its own batch; the records are those of a scan in order."""

from __future__ import annotations

import contextlib
import http.server
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from bad_files import bad_files
from command import fauxto
from fauxto import Detector
from fauxto.errors import UsageError
from fauxto.models.threads import usable_cores
from fauxto.scan import run
from fauxto.scan.found import Found
from fauxto.scan.pipeline import BATCH_SIZE, as_ready
from scan_runs import lines, pictures, png, start, tar_of

PATIENCE = 60  # seconds after which a held input is let go, so that a failing test ends


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Pictures, bad files of every kind, and an archive of a few batches."""
    folder = pictures(tmp_path / "mixed", 150)
    for index, data in enumerate(bad_files().values()):
        (folder / f"bad-{index:04}.jpg").write_bytes(data)
    (tmp_path / "shard.tar").write_bytes(tar_of({f"{index}.png": png(index) for index in range(100)}))
    return folder


@pytest.mark.parametrize("format", ["jsonl", "csv"])
def test_the_records_are_the_same_but_for_their_order(
    capsys: pytest.CaptureFixture[str], mixed: Path, bright_bundle: Path, format: str
) -> None:
    scan = ("scan", mixed, mixed.parent / "shard.tar", "--model", bright_bundle, "--format", format)
    ordered, unordered = fauxto(capsys, *scan), fauxto(capsys, *scan, "--unordered")
    assert sorted(unordered.out.splitlines()) == sorted(ordered.out.splitlines())
    assert len(ordered.out.splitlines()) > 250
    assert (unordered.code, unordered.err) == (ordered.code, ordered.err)


def test_report_and_heatmaps_hold_the_same_results(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, bright_bundle: Path
) -> None:
    images = pictures(tmp_path / "images", 3 * BATCH_SIZE)
    shown = []
    for way in ((), ("--unordered",)):
        out = tmp_path / f"out{len(way)}"
        options = ("--model", bright_bundle, "--heatmap", out, "--report", tmp_path / "report.html", *way)
        fauxto(capsys, "scan", images, *options)
        page = (tmp_path / "report.html").read_text(encoding="utf-8")
        overlays = {path.name: path.read_bytes() for path in out.iterdir()}
        shown.append((overlays, [name in page for name in sorted(path.name for path in images.iterdir())]))
    assert shown[0] == shown[1]
    assert len(shown[0][0]) == 3 * BATCH_SIZE - 1 and all(shown[0][1])


def the_rest(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What a process still writes; `communicate` would lose what `readline` has read ahead."""
    assert process.stdout is not None and process.stderr is not None
    with process:
        return process.stdout.read(), process.stderr.read()


@pytest.fixture
def slow_server() -> Iterator[tuple[str, threading.Event]]:
    """A web server whose picture is not sent before the event is set."""
    released = threading.Event()

    class Slow(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            released.wait(PATIENCE)
            with contextlib.suppress(ConnectionError):  # a scan that was interrupted is gone
                self.send_response(200)
                self.send_header("Content-Length", str(len(png(255))))
                self.end_headers()
                self.wfile.write(png(255))

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", released
    released.set()
    server.shutdown()
    server.server_close()


def test_a_slow_server_holds_only_the_batch_of_its_picture(
    slow_server: tuple[str, threading.Event], tmp_path: Path, bright_bundle: Path
) -> None:
    address, released = slow_server
    images = pictures(tmp_path / "images", 12 * BATCH_SIZE - 1)
    scan = (f"{address}/slow.png", images, "--model", bright_bundle, "--format", "jsonl")
    process = start(*scan, "--allow-network", "--unordered")
    assert process.stdout is not None
    # These lines come while the server sends nothing; in order, none would.
    before = [process.stdout.readline() for _ in range(11 * BATCH_SIZE)]
    released.set()
    after, err = the_rest(process)
    assert process.returncode == 2, err
    names = [Path(record["path"]).name for record in lines("".join(before))]
    assert sorted(names) == [f"{index:05}.png" for index in range(BATCH_SIZE - 1, 12 * BATCH_SIZE - 1)]
    late = lines(after)
    assert [Path(record["path"]).name for record in late] == [
        "slow.png", *(f"{index:05}.png" for index in range(BATCH_SIZE - 1))
    ]  # fmt: skip
    assert late[0]["verdict"] == "ai"


def test_more_slow_batches_than_cores_hold_nothing_else(
    slow_server: tuple[str, threading.Event], tmp_path: Path, bright_bundle: Path
) -> None:
    address, released = slow_server
    fast = [Found(str(path)) for path in sorted(pictures(tmp_path / "images", 640).iterdir())]
    inputs = list(fast)
    for batch in range(usable_cores()):
        inputs.insert(batch * BATCH_SIZE, Found(f"{address}/{batch}.png"))
    summary = run.Summary()
    with closing(run.scan(inputs, Detector(bright_bundle), summary, ordered=False)) as batches:
        early = [record for _ in range(20 - usable_cores()) for record in next(batches)]
        released.set()
        late = [record for records in batches for record in records]
    assert not any(record.path.startswith(address) for record in early)
    assert len([record for record in late if record.path.startswith(address)]) == usable_cores()
    assert summary.total == len(inputs)


def slow_first(released: threading.Event) -> Callable[[int], int]:
    """Work that the item 0 keeps waiting."""

    def work(item: int) -> int:
        if item == 0:
            released.wait(PATIENCE)
        return -item

    return work


def test_what_is_in_hand_is_bounded_while_an_item_waits() -> None:
    taken, released = 0, threading.Event()

    def endless() -> Iterator[int]:
        nonlocal taken
        for item in count():
            taken += 1
            yield item

    with closing(as_ready(endless(), slow_first(released), 3)) as ready:
        results = [next(ready) for _ in range(200)]
        time.sleep(0.3)  # time in which threads that did not wait would run on
        # Each of three threads holds one, and one waits in the queue.
        assert taken <= 200 + 3 + 1
        released.set()
    assert (0, 0) not in results and len(set(results)) == 200
    assert all(made == -item for item, made in results)


def test_a_slow_list_of_inputs_does_not_hold_what_is_ready() -> None:
    released = threading.Event()

    def slow_list() -> Iterator[int]:
        yield 1
        released.wait(PATIENCE)
        yield 2

    ready = as_ready(slow_list(), abs, 2)
    assert next(ready) == (1, 1)
    assert not released.is_set()
    released.set()
    assert list(ready) == [(2, 2)]


def test_an_error_of_a_stage_reaches_whoever_asks_and_the_threads_end() -> None:
    def fails(item: int) -> int:
        if item == 40:
            raise ZeroDivisionError
        return item

    with pytest.raises(ZeroDivisionError):
        list(as_ready(range(1_000_000), fails, 2))
    wait_for_the_threads()


def test_an_error_of_the_list_of_inputs_comes_through(tmp_path: Path, bright_bundle: Path) -> None:
    def listed() -> Iterator[Found]:
        yield from (Found(str(path)) for path in sorted(pictures(tmp_path / "images", 40).iterdir()))
        raise UsageError("the disk is gone")

    with pytest.raises(UsageError, match="the disk is gone"):
        list(run.scan(listed(), Detector(bright_bundle), run.Summary(), ordered=False))
    wait_for_the_threads()


def test_whoever_stops_asking_lets_the_threads_end() -> None:
    ready = as_ready(count(), abs, 3)
    next(ready)
    ready.close()
    wait_for_the_threads()


def wait_for_the_threads() -> None:
    """Fail unless the threads that prepare end."""
    end = time.monotonic() + PATIENCE
    while any(thread.name.startswith("fauxto-prepare") for thread in threading.enumerate()):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_interrupting_finishes_the_batch_in_hand(tmp_path: Path, bright_bundle: Path) -> None:
    images = pictures(tmp_path / "images", 4000)
    process = start(images, "--model", bright_bundle, "--format", "jsonl", "--unordered")
    assert process.stdout is not None
    first = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    rest, err = the_rest(process)
    assert process.returncode == 130 and "Traceback" not in err and "interrupted" in err
    paths = [record["path"] for record in lines(first + rest)]
    assert len(paths) == len(set(paths)) < 4000 and len(paths) % BATCH_SIZE == 0


def test_interrupting_does_not_wait_for_a_slow_server(
    slow_server: tuple[str, threading.Event], tmp_path: Path, bright_bundle: Path
) -> None:
    address, _ = slow_server
    images = pictures(tmp_path / "images", 4000)
    scan = (f"{address}/slow.png", images, "--model", bright_bundle, "--format", "jsonl")
    process = start(*scan, "--allow-network", "--unordered")
    assert process.stdout is not None
    first = process.stdout.readline()
    interrupted = time.monotonic()
    process.send_signal(signal.SIGINT)
    rest, err = the_rest(process)
    assert time.monotonic() - interrupted < PATIENCE / 2, "it waited for the server"
    assert process.returncode == 130 and "Traceback" not in err
    assert len(lines(first + rest)) % BATCH_SIZE == 0


@pytest.mark.parametrize(
    "arguments",
    [("--output", "DIR"), ("--output", "DIR", "--resume"), ("--output", "DIR", "--engine", "ray")],
)
def test_parts_are_in_order(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "DIR").mkdir()
    options = [tmp_path / argument if argument == "DIR" else argument for argument in arguments]
    result = fauxto(capsys, "scan", tmp_path, "--unordered", *options)
    assert result.code == 2 and "--unordered" in result.err and len(result.err.splitlines()) == 1
    assert not list((tmp_path / "DIR").iterdir())
