"""A scan into a folder loses nothing, whatever ends it."""

from __future__ import annotations

import errno
import os
import random
import resource
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from command import fauxto
from fauxto.scan.folder import open_folder
from fauxto.scan.found import Found, Skipped
from scan_runs import command, lines, options, parts, pictures, png, start, stored, tar_of


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pictures(tmp_path_factory.mktemp("images") / "many", 2000)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, images: Path) -> Path:
    path = tmp_path_factory.mktemp("archive") / "shard.tar"
    with tarfile.open(path, "w") as tar:
        for image in sorted(images.iterdir())[:300]:
            tar.add(image, image.name)
    return path


@pytest.fixture
def few(tmp_path: Path) -> Path:
    return pictures(tmp_path / "few", 100)


def test_a_folder_of_parts_holds_the_records_of_an_ordinary_scan(
    capsys: pytest.CaptureFixture[str], few: Path, bright_bundle: Path, tmp_path: Path
) -> None:
    scan = ("scan", few, "--model", bright_bundle)
    plain = fauxto(capsys, *scan, "--format", "jsonl")
    output = tmp_path / "out"
    result = fauxto(capsys, *scan, "--output", output, "--resume", "--part-size", 40)
    assert stored(output) == lines(plain.out)
    assert len(parts(output)) == 3
    assert result.code == plain.code == 2 and result.out == ""
    assert "100 images" in result.err


def test_parquet_parts_are_one_table(
    capsys: pytest.CaptureFixture[str], few: Path, bright_bundle: Path, tmp_path: Path
) -> None:
    from pyarrow import parquet

    scan = ("scan", few, "--model", bright_bundle, "--format", "parquet")
    fauxto(capsys, *scan, "--output", tmp_path / "one.parquet")
    fauxto(capsys, *scan, "--output", tmp_path / "out", "--resume", "--part-size", 40)
    assert parquet.read_table(tmp_path / "out").equals(parquet.read_table(tmp_path / "one.parquet"))
    again = fauxto(capsys, *scan, "--output", tmp_path / "out", "--resume", "--part-size", 40)
    assert again.code == 2 and "100 images" in again.err and "1 error" in again.err


def kill_at_random(scan: list[object], output: Path, times: int, seed: int) -> int:
    """Start and kill the scan so often, each time a little after a random number of new parts."""
    dice, kills = random.Random(seed), 0
    for _ in range(times):
        before = len(parts(output))
        process = start(*scan)
        more, wait = dice.randint(0, 3), dice.uniform(0, 0.05)
        while process.poll() is None and len(parts(output)) < before + more:
            time.sleep(0.001)
        time.sleep(wait + (dice.uniform(0, 1) if more == 0 else 0))
        process.kill()
        kills += process.wait() == -signal.SIGKILL
        process.communicate()
    return kills


@pytest.mark.parametrize(
    ("times", "least", "seed"),
    [(3, 3, 1), *(pytest.param(20, 12, seed, marks=pytest.mark.long) for seed in (2, 3))],
)
def test_killed_at_any_moment_and_resumed_gives_the_records_of_an_uninterrupted_scan(
    images: Path, archive: Path, bright_bundle: Path, tmp_path: Path, times: int, least: int, seed: int
) -> None:
    scan: list[object] = [images, archive, images / "absent.png", "--model", bright_bundle, "--part-size", 64]
    plain = subprocess.run(command(*scan, "--format", "jsonl"), capture_output=True, text=True, check=False)
    output = tmp_path / "out"
    resumable = [*scan, "--output", output, "--resume"]
    assert kill_at_random(resumable, output, times, seed) >= least, "the scan was over before it was killed"
    done = subprocess.run(command(*resumable), capture_output=True, text=True, check=False)
    assert stored(output) == lines(plain.stdout)
    assert done.returncode == plain.returncode == 2
    assert done.stderr == plain.stderr
    assert sorted(path.name for path in (output / "_fauxto").iterdir()) == [
        "inputs.jsonl.gz",
        "lock",
        "state.json",
    ]


def test_ctrl_c_stores_the_batch_in_hand_and_says_how_to_go_on(
    images: Path, bright_bundle: Path, tmp_path: Path
) -> None:
    scan: list[object] = [images, "--model", bright_bundle, "--output", tmp_path / "out", "--resume"]
    process = start(*scan)
    while not (tmp_path / "out" / "_fauxto" / "state.json").exists():
        time.sleep(0.001)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    assert "--resume to go on" in err and "Traceback" not in err
    begun = len(stored(tmp_path / "out"))
    assert begun % 32 == 0 and begun < 2000
    subprocess.run(command(*scan), capture_output=True, check=False)
    names = [Path(record["path"]).name for record in stored(tmp_path / "out")]
    assert names == [f"{index:05}.png" for index in range(2000)]


def test_a_full_disk_is_exit_code_2_and_what_is_stored_stays(
    few: Path, bright_bundle: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    scan = command(few, "--model", bright_bundle, "--output", output, "--resume", "--part-size", 96)

    def small_files_only() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    full = subprocess.run(scan, capture_output=True, text=True, check=False, preexec_fn=small_files_only)
    assert full.returncode == 2
    assert "cannot be written" in full.stderr and "--resume" in full.stderr
    assert len(full.stderr.splitlines()) == 1
    assert not parts(output)
    subprocess.run(scan, capture_output=True, check=False)
    assert len(stored(output)) == 100


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_under_one_file_is_one_line(few: Path, bright_bundle: Path) -> None:
    scan = command(few, "--model", bright_bundle, "--format", "jsonl", "--output", "/dev/full")
    full = subprocess.run(scan, capture_output=True, text=True, check=False)
    assert full.returncode == 2
    assert "No space left" in full.stderr and len(full.stderr.splitlines()) == 1


def in_parts(folder: Path, model: Path, output: Path) -> tuple[object, ...]:
    """A scan that stores three parts and can be gone on with."""
    return ("scan", folder, "--model", model, "--output", output, "--resume", "--part-size", 40)


def test_what_comes_and_goes_meanwhile_changes_no_stored_record(
    capsys: pytest.CaptureFixture[str], few: Path, bright_bundle: Path, tmp_path: Path
) -> None:
    scan = in_parts(few, bright_bundle, tmp_path / "out")
    fauxto(capsys, *scan)
    before = stored(tmp_path / "out")
    parts(tmp_path / "out")[2].unlink()  # as if the scan had been killed there
    (few / "00003b.png").write_bytes(png(0))
    (few / "00090.png").unlink()
    result = fauxto(capsys, *scan)
    after = stored(tmp_path / "out")
    assert [record["path"] for record in after] == [record["path"] for record in before]
    changed = [new for old, new in zip(before, after, strict=True) if old != new]
    assert [record["error"]["code"] for record in changed] == ["not-found"]
    assert result.code == 2 and "2 errors" in result.err


def test_a_part_that_was_removed_is_made_again(
    capsys: pytest.CaptureFixture[str], few: Path, bright_bundle: Path, tmp_path: Path
) -> None:
    scan = in_parts(few, bright_bundle, tmp_path / "out")
    fauxto(capsys, *scan)
    before = stored(tmp_path / "out")
    parts(tmp_path / "out")[1].unlink()
    fauxto(capsys, *scan)
    assert stored(tmp_path / "out") == before


@pytest.mark.parametrize("harm", ["touched", "gone"])
def test_an_archive_that_is_no_longer_the_same_is_an_error_when_a_scan_goes_on(
    capsys: pytest.CaptureFixture[str], bright_bundle: Path, tmp_path: Path, harm: str
) -> None:
    archive = tmp_path / "a.tar"
    archive.write_bytes(tar_of({f"{index:02}.png": png(0) for index in range(40)}))
    scan = ("scan", archive, "--model", bright_bundle, "--output", tmp_path / "out", "--resume")
    assert fauxto(capsys, *scan, "--part-size", 32).code == 0
    parts(tmp_path / "out")[1].unlink()  # as if the scan had been killed there
    if harm == "touched":
        os.utime(archive, (1, 1))
    else:
        archive.unlink()
    result = fauxto(capsys, *scan, "--part-size", 32)
    assert result.code == 2 and "33 images" in result.err and "1 error" in result.err
    assert stored(tmp_path / "out")[-1]["path"] == str(archive)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        (("--part-size", 41), "--part-size"),
        (("--format", "parquet"), "--format"),
        (("--max-pixels", 1000), "--max-pixels"),
        (("--model", "thumb"), "--model"),
    ],
)
def test_going_on_with_other_options_is_refused(
    capsys: pytest.CaptureFixture[str],
    few: Path,
    bright_bundle: Path,
    tmp_path: Path,
    changed: tuple[object, ...],
    named: str,
) -> None:
    scan = in_parts(few, bright_bundle, tmp_path / "out")
    fauxto(capsys, *scan)
    result = fauxto(capsys, *scan, *changed)
    assert result.code == 2 and named in result.err and len(result.err.splitlines()) == 1


def test_going_on_with_a_changed_model_or_other_paths_is_refused(
    capsys: pytest.CaptureFixture[str], few: Path, bright_bundle: Path, tmp_path: Path
) -> None:
    import shutil

    copy = shutil.copytree(bright_bundle, tmp_path / "model")
    options = ("--model", copy, "--output", tmp_path / "out", "--resume")
    fauxto(capsys, "scan", few, *options)
    other = fauxto(capsys, "scan", few / "00001.png", *options)
    assert other.code == 2 and "paths" in other.err
    config = copy / "config.json"
    config.write_text(config.read_text().replace('"ai": 0.9', '"ai": 0.8'))
    changed = fauxto(capsys, "scan", few, *options)
    assert changed.code == 2 and "models" in changed.err


def test_relative_paths_are_resumed_from_the_folder_they_were_given_in(
    capsys: pytest.CaptureFixture[str],
    few: Path,
    bright_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scan = ("scan", few.name, "--model", bright_bundle, "--output", tmp_path / "out", "--resume")
    monkeypatch.chdir(few.parent)
    assert "1 error" in fauxto(capsys, *scan).err
    monkeypatch.chdir(few)
    result = fauxto(capsys, *scan)
    assert result.code == 2 and str(few.parent) in result.err


def test_a_folder_that_holds_something_else_is_left_alone(
    capsys: pytest.CaptureFixture[str], few: Path, bright_bundle: Path
) -> None:
    before = sorted(few.iterdir())
    result = fauxto(capsys, "scan", few, "--model", bright_bundle, "--output", few, "--resume")
    assert result.code == 2 and "neither empty nor a scan's output" in result.err
    assert sorted(few.iterdir()) == before


def test_a_scan_is_gone_on_with_only_when_asked(
    capsys: pytest.CaptureFixture[str], few: Path, bright_bundle: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    scan = ("scan", few, "--model", bright_bundle, "--output", tmp_path / "out")
    assert "100 images" in fauxto(capsys, *scan).err
    again = fauxto(capsys, *scan)
    assert again.code == 2 and "--resume" in again.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("--resume",),
        ("--resume", "--output", "FILE"),
        ("--output", "DIR", "--format", "csv"),
        ("--address", "x:1"),
    ],
)
def test_options_that_do_not_go_together(
    capsys: pytest.CaptureFixture[str], few: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "DIR").mkdir()
    (tmp_path / "FILE").write_text("records of before")
    paths = [tmp_path / argument if argument.isupper() else argument for argument in arguments]
    result = fauxto(capsys, "scan", few, *paths)
    assert result.code == 2 and len(result.err.splitlines()) == 1
    assert (tmp_path / "FILE").read_text() == "records of before"


def test_standard_input_cannot_be_resumed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    result = fauxto(capsys, "scan", "-", "--output", tmp_path / "out", "--resume")
    assert result.code == 2 and "standard input" in result.err


def test_two_scans_do_not_write_into_one_folder(
    capsys: pytest.CaptureFixture[str], few: Path, tmp_path: Path
) -> None:
    with open_folder(tmp_path / "out", options(), lambda: [], Skipped(), resume=True):
        result = fauxto(capsys, "scan", few, "--output", tmp_path / "out", "--resume")
    assert result.code == 2 and "another scan is writing here" in result.err


def test_a_disk_that_keeps_no_locks_can_be_written_to(
    capsys: pytest.CaptureFixture[str], few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", flock)
    for output in (tmp_path / "out", tmp_path / "out.jsonl"):
        assert fauxto(capsys, "scan", few, "--output", output).err.startswith("100 images: ")


def test_the_list_of_inputs_is_not_held_in_memory(tmp_path: Path) -> None:
    import tracemalloc

    def many() -> Iterator[Found]:
        return (Found(f"/a/folder/of/images/{index:09}.jpg") for index in range(20_000))

    tracemalloc.start()
    with open_folder(tmp_path / "out", options(), many, Skipped(), resume=True) as folder:
        assert sum(len(each.inputs) for each in folder.plan.partitions()) == folder.plan.images == 20_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000


def test_a_damaged_state_or_list_is_named(
    capsys: pytest.CaptureFixture[str], few: Path, bright_bundle: Path, tmp_path: Path
) -> None:
    scan = ("scan", few, "--model", bright_bundle, "--output", tmp_path / "out", "--resume")
    fauxto(capsys, *scan)
    listed = tmp_path / "out" / "_fauxto" / "inputs.jsonl.gz"
    listed.write_bytes(listed.read_bytes()[:-20])
    result = fauxto(capsys, *scan)
    assert result.code == 2 and "inputs.jsonl.gz" in result.err
    (listed.parent / "state.json").write_text("{}")
    result = fauxto(capsys, *scan)
    assert result.code == 2 and "state.json" in result.err


def test_a_second_interruption_does_not_wait_for_a_model_that_is_running() -> None:
    program = """
import hashlib, os, sys
from fauxto.scan.interrupt import Interruption
def leave():
    print("left", flush=True)
    os._exit(interruption.exit_code)
with Interruption(leave) as interruption:
    print("busy", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 100_000_000)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "busy\n"
        for _ in range(2):
            process.send_signal(signal.SIGINT)
            time.sleep(0.2)
        assert process.wait(timeout=20) == 128 + signal.SIGINT
        assert process.stdout.read() == "left\n"
