"""Every file of the corpus gets a typed error or a verdict, soon, within memory, as valid JSON."""

from __future__ import annotations

import json
import math
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import get_args

import pytest

import made
from bad_files import bad_files
from command import fauxto
from fauxto import Detector, Record
from fauxto.errors import InputCode

SECONDS, MEGABYTES = 2.0, 500
# The peak of this program alone; what the parent counts for a child holds its own memory at the fork.
SCAN_AND_TELL_PEAK = """
import re, sys
from pathlib import Path
from fauxto.cli import main
try:
    main()
finally:
    status = Path("/proc/self/status").read_text()
    print(re.search(r"VmHWM:\\s+(\\d+)", status)[1], file=sys.stderr)
"""
VERDICTS = {"ai", "ai-edited", "uncertain", "no-sign"}
STEERING = ("\x1b", "\u202e", "\u2066", "\x07", "\n", "\r")


def test_the_corpus_is_large_in_number_and_small_in_bytes() -> None:
    assert len(bad_files()) >= 300
    assert sum(map(len, bad_files().values())) < 5_000_000


@pytest.fixture(scope="module")
def detector(bright_bundle: Path) -> Detector:
    return Detector(bright_bundle)


def check(record: Record) -> None:
    """A record is complete: a verdict or a typed error, never both, numbers finite, nothing that steers."""
    if record.error is None:
        assert record.verdict in VERDICTS and record.image is not None and record.reason
    else:
        assert record.verdict is None and record.score is None
        assert record.error.code in get_args(InputCode)
    assert record.score is None or math.isfinite(record.score)
    text = record.model_dump_json()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert Record.model_validate_json(text) == record
    shown = " ".join([record.path, record.reason, *(row.detail for row in record.evidence)])
    assert not any(mark in shown for mark in STEERING)
    failed = [row.detail for row in record.evidence if "reader failed on this file" in row.detail]
    assert not failed, failed


@pytest.mark.parametrize("name", bad_files())
def test_a_bad_file_gets_a_typed_error_or_a_verdict_within_two_seconds(detector: Detector, name: str) -> None:
    start = time.process_time()
    record = detector.scan(bad_files()[name])
    assert time.process_time() - start < SECONDS
    check(record)
    if name.startswith("cut-"):
        # A HEIC without its picture data may still hold a box of small data: the decoder then says "corrupt".
        codes = ("truncated", "corrupt") if name.endswith(".heic") else ("truncated",)
        assert record.error is not None and record.error.code in codes, record
    if name in ("bomb.png", "bomb.tiff", "bomb-scans.jpg"):
        assert record.error is not None and record.error.code == "too-large"


def test_the_whole_corpus_stays_within_memory_and_gives_one_json_line_a_file(tmp_path: Path) -> None:
    for name, data in bad_files().items():
        (tmp_path / f"{name}.jpg").write_bytes(data)
    # The smallest model: what is bounded here is what a file can cost, not the weights of a large one.
    arguments = ["scan", str(tmp_path), "--format", "jsonl", "--model", "thumb"]
    command = [sys.executable, "-c", SCAN_AND_TELL_PEAK, *arguments]
    done = subprocess.run(command, capture_output=True)
    assert done.returncode == 2 and b"Traceback" not in done.stderr
    records = [Record.model_validate_json(line) for line in done.stdout.splitlines()]
    assert len(records) == len(bad_files())
    assert int(done.stderr.split()[-1]) / 1024 < MEGABYTES


NAMES = [
    "a\nb.png", "\x1b[31mred.png", "x\u202egnp.exe.png", "\udcff.png", "tab\t.png", "\x9b31m\x7f\u2028.png",
]  # fmt: skip


def steers(text: str) -> list[str]:
    """What in a text that was printed is neither visible nor the end of a line."""
    # Pico's style sheet holds one zero-width space.
    return sorted({c for c in text if not c.isprintable() and c not in "\n\u200b"})


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_never_printed_raw(capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"no image")
    with tarfile.open(tmp_path / "shard.tar", "w") as archive:
        archive.add(tmp_path / name, name)
    (tmp_path / "list.csv").write_text(f'path\n"{name}"\n', encoding="utf-8", errors="surrogateescape")
    report = tmp_path / "report.html"
    for path in (tmp_path / name, tmp_path / "shard.tar", tmp_path / "list.csv"):
        for kind in ("table", "jsonl", "csv", "json"):
            options = ("--format", kind, "--report", report, "--progress", "json", "--model", "thumb")
            result = fauxto(capsys, "scan", path, *options)
            assert result.code == 2
            for text in (result.out, result.err, report.read_text()):
                assert steers(text) == [] and "a\nb" not in text
    for words in (("inspect", tmp_path / name), ("models", tmp_path / name), ("scan", f"--{name}")):
        result = fauxto(capsys, *words)
        assert result.code == 2 and steers(result.out + result.err) == [] and "a\nb" not in result.err


def test_a_name_is_never_written_raw_to_a_folder_of_records(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in NAMES:
        (tmp_path / name).write_bytes(b"no image")
    fauxto(capsys, "scan", tmp_path, "--output", tmp_path / "records", "--resume", "--model", "thumb")
    written = [path.read_text() for path in (tmp_path / "records").rglob("*.jsonl")]
    assert sum(text.count("\n") for text in written) == len(NAMES)
    assert [steers(text) for text in written] == [[]] * len(written)


def test_text_that_a_file_holds_steers_no_terminal_and_no_page(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    hostile = "\x1b[31m\x9b31m\x7f\u202e\u2066\u200f\u2028<script>alert(1)</script>"
    chunk = made.itext("parameters", f"{hostile}\n{made.WEBUI}{hostile}")
    (tmp_path / "a.png").write_bytes(made.with_chunks(chunk))
    report = tmp_path / "report.html"
    for kind in ("table", "jsonl", "csv", "json"):
        options = ("--format", kind, "--report", report, "--model", "thumb")
        result = fauxto(capsys, "scan", tmp_path / "a.png", *options)
        assert result.code == 0 and steers(result.out + result.err) == []
        if kind == "jsonl":  # escaped, and not lost
            assert hostile in Record.model_validate_json(result.out).evidence[0].data["value"]
        page = report.read_text()
        assert "alert(1)" in page and "<script>alert" not in page and steers(page) == []
    result = fauxto(capsys, "inspect", tmp_path / "a.png")
    assert result.code == 0 and steers(result.out) == []


def test_the_card_of_a_strangers_bundle_steers_no_terminal(
    capsys: pytest.CaptureFixture[str], bright_bundle: Path, tmp_path: Path
) -> None:
    bundle = Path(shutil.copytree(bright_bundle, tmp_path / "bundle"))
    (bundle / "MODEL_CARD.md").write_text("# A card\n\x1b]0;owned\x07\u202e")
    result = fauxto(capsys, "models", bundle)
    assert result.code == 0 and "# A card\n" in result.out and steers(result.out) == []


def test_pipes_sockets_and_devices_in_the_place_of_files_are_errors_and_do_not_hang(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    os.mkfifo("pipe.png")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket.png")
        Path("device.png").symlink_to("/dev/zero")
        Path("folder.png").mkdir()
        start = time.monotonic()
        result = fauxto(capsys, "scan", "pipe.png", "socket.png", "device.png", "--format", "jsonl")
    assert time.monotonic() - start < 10
    records = [Record.model_validate_json(line) for line in result.out.splitlines()]
    assert result.code == 2
    assert [record.error and record.error.code for record in records] == ["unreadable"] * 3


@pytest.mark.parametrize("end", [".tar", ".tar.gz", ".zip", ".parquet", ".csv"])
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_pipes_and_devices_in_the_place_of_archives_and_tables_do_not_hang(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, end: str, kind: str
) -> None:
    path = tmp_path / f"images{end}"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    start = time.monotonic()
    result = fauxto(capsys, "scan", path, "--format", "jsonl", "--model", "thumb")
    assert time.monotonic() - start < 10
    record = Record.model_validate_json(result.out)
    assert result.code == 2 and record.error is not None and record.error.code == "unreadable"


def test_a_table_of_paths_without_line_ends_is_an_error(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "list.csv").write_bytes(b"path\n" + bytes(3 << 20))
    result = fauxto(capsys, "scan", tmp_path / "list.csv", "--format", "jsonl", "--model", "thumb")
    record = Record.model_validate_json(result.out)
    assert record.error is not None and record.error.code == "unreadable"
    assert "a line of more than" in record.error.message
