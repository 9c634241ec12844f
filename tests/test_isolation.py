"""A decoder that crashes, hangs or eats memory costs one record; everything else is as without a child."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import made
from bad_files import bad_files
from fauxto import Detector, Limits
from fauxto.errors import InputError
from fauxto.isolation import Children, _Child
from fauxto.models import read_config
from fauxto.opening import OpeningRules, open_file
from fauxto.provenance import ProvenanceOptions
from fauxto.scan.found import Skipped
from fauxto.scan.run import Summary, scan
from fauxto.scan.sources import find
from misbehaving import CHATTER, CRASH, EAT, FAIL, HANG, misbehaving_child


@pytest.fixture
def rules(bright_bundle: Path) -> OpeningRules:
    return OpeningRules(Limits(), ProvenanceOptions(), (read_config(bright_bundle),))


@pytest.fixture
def children(rules: OpeningRules) -> Iterator[Children]:
    children = Children(rules, seconds=2, command=misbehaving_child())
    yield children
    children.close()


@pytest.mark.parametrize(("data", "said"), [(CRASH, "crashed"), (FAIL, "crashed"), (EAT, "crashed")])
def test_a_crash_is_one_error_and_the_next_file_is_opened(children: Children, data: bytes, said: str) -> None:
    lost = children.open_file(data, "a.png")
    assert lost.error is not None and lost.error.code == "corrupt"
    assert lost.error.message.startswith("a.png: ") and said in lost.error.message
    assert children.open_file(made.png(), "b.png").error is None


def test_a_hang_is_stopped_after_its_seconds(children: Children) -> None:
    children.open_file(made.png(), "warm.png")
    start = time.monotonic()
    lost = children.open_file(HANG, "a.png")
    assert 1.5 < time.monotonic() - start < 10
    assert lost.error is not None and "stopped after 2 seconds" in lost.error.message
    assert children.open_file(made.png(), "b.png").error is None


def test_what_a_library_prints_does_not_come_between_the_answers(children: Children) -> None:
    answer = children.open_file(CHATTER, "a.png")
    assert answer.error is not None and answer.error.code == "not-an-image"


def test_a_child_is_kept_and_one_that_was_killed_is_replaced(children: Children) -> None:
    children.open_file(made.png(), "a.png")
    first = children._idle.queue[0].process
    children.open_file(made.png(), "b.png")
    assert [child.process.pid for child in children._idle.queue] == [first.pid]
    os.kill(first.pid, 9)
    first.wait()
    assert children.open_file(made.png(), "c.png").error is None
    assert children._idle.queue[0].process.pid != first.pid


def test_a_child_ends_after_its_files(rules: OpeningRules) -> None:
    children = Children(rules, files=2)
    children.open_file(made.png(), "a.png")
    first = children._idle.queue[0].process
    assert children.open_file(made.png(), "b.png").error is None
    assert first.returncode is not None and not children._idle.queue
    assert children.open_file(made.png(), "c.png").error is None
    children.close()


def test_in_a_scan_of_many_files_a_crash_costs_one_record(
    tmp_path: Path, bright_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fauxto.isolation.child_program", misbehaving_child)
    for number in range(40):
        (tmp_path / f"{number:02}.png").write_bytes(CRASH if number == 7 else made.png())
    inputs = find([str(tmp_path)], Skipped())
    batches = scan(inputs, Detector(bright_bundle), Summary(), isolate_many=True)
    records = [record for batch in batches for record in batch]
    assert [number for number, record in enumerate(records) if record.error is not None] == [7]
    assert records[7].error is not None and records[7].error.code == "corrupt"


def test_a_scan_of_a_few_files_starts_no_process(
    tmp_path: Path, bright_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fauxto.isolation.Children", None)
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(made.png())
    summary = Summary()
    list(scan(find([str(tmp_path)], Skipped()), Detector(bright_bundle), summary, isolate_many=True))
    assert summary.total == 3 and not summary.errors


def test_closing_ends_the_processes(children: Children) -> None:
    children.open_file(made.png(), "a.png")
    process = children._idle.queue[0].process
    children.close()
    assert process.returncode is not None


def test_closing_stops_a_process_at_work(rules: OpeningRules) -> None:
    children = Children(rules, seconds=600, command=misbehaving_child())
    children.open_file(made.png(), "warm.png")
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(children.open_file, HANG, "a.png")
        while not children._busy:
            time.sleep(0.01)
        children.close()
        lost = hanging.result(30)
    assert lost.error is not None and "crashed" in lost.error.message


def test_after_closing_no_process_is_started_or_kept(rules: OpeningRules) -> None:
    children = Children(rules)
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(children.open_file, made.png(), "a.png") for _ in range(200)]
        answers[0].result()
        children.close()
    assert answers[0].result().error is None
    assert children.open_file(made.png(), "b.png").error is not None
    assert not children._busy and not children._idle.queue


def test_a_child_that_stops_reading_is_stopped_in_time(rules: OpeningRules) -> None:
    program = "import os, sys, time; os.read(0, 1); time.sleep(60)"
    children = Children(rules, seconds=1, command=(sys.executable, "-c", program))
    start, large = time.monotonic(), bytes(1 << 20)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fauxto.isolation._START_SECONDS", 1.0)
        lost = children.open_file(large, "a.png")
    assert time.monotonic() - start < 20
    assert lost.error is not None and "stopped after 1 seconds" in lost.error.message


def test_a_child_whose_parent_is_gone_ends_though_its_decoder_hangs(rules: OpeningRules) -> None:
    child = _Child(misbehaving_child(), rules, 1.0)
    child._send({"name": "a.png", "what": "open"}, HANG, time.monotonic() + 60)
    try:
        assert child.process.wait(60) == -signal.SIGALRM
    finally:
        child.end()


def test_a_process_that_cannot_be_started_is_an_error_that_says_so(rules: OpeningRules) -> None:
    lost = Children(rules, command=("/nowhere/python",)).open_file(made.png(), "a.png")
    assert lost.error is not None and lost.error.code == "unreadable"
    assert "no process can be started" in lost.error.message and "--no-isolate" in lost.error.message


def test_a_child_ends_with_its_parent(children: Children) -> None:
    children.open_file(made.png(), "a.png")
    process = children._idle.queue[0].process
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(10) == 0


def test_a_child_does_not_import_from_the_current_folder(
    rules: OpeningRules, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    children = Children(rules)
    assert children.open_file(made.png(), "a.png").error is None
    children.close()


def test_records_are_the_same_in_a_child_and_here(bright_bundle: Path) -> None:
    here, apart = Detector(bright_bundle), Detector(bright_bundle, isolate=True)
    files = [made.png(parameters=made.WEBUI), made.encode(made.picture(), "JPEG"), b"no image", b""]
    files += list(bad_files().values())[::20]
    assert [apart.scan(data) for data in files] == [here.scan(data) for data in files]


def test_threads_may_open_files_at_once(children: Children, rules: OpeningRules) -> None:
    files = [made.encode(made.picture(seed=seed)) for seed in range(24)]
    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(lambda data: children.open_file(data, "a.png"), files))
    assert [one.image for one in opened] == [open_file(data, "a.png", rules).image for data in files]
    assert children._idle.qsize() <= 4


def test_what_a_file_says_is_read_in_a_child_too(children: Children, bright_bundle: Path) -> None:
    data = made.png(parameters=made.WEBUI)
    assert children.inspect(data, "a.png") == json.loads(
        json.dumps(Detector(bright_bundle).inspect(data, ""))
    )
    with pytest.raises(InputError, match=r"a.png: its decoder crashed") as caught:
        children.inspect(CRASH, "a.png")
    assert caught.value.code == "corrupt"
