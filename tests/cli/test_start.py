"""What a command does before its work: little, and nothing that changes the work."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from command import fauxto
from fauxto.cli import importing

EXAMPLES = Path(__file__).parents[2] / "examples" / "thumbnails"


def test_the_garbage_collector_is_back_after_imports_that_fail_too() -> None:
    with importing():
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ImportError), importing():
        raise ImportError
    assert gc.isenabled()


CLOSED = (
    "import os, sys; os.close({}); os.execv(sys.executable, [sys.executable, '-m', 'fauxto', *sys.argv[1:]])"
)


def without(descriptor: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    """`fauxto ARGUMENTS...` with one of its standard streams closed."""
    command = [sys.executable, "-c", CLOSED.format(descriptor), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def test_a_closed_stream_is_neither_a_traceback_nor_a_verdict(tmp_path: Path) -> None:
    picture, output = EXAMPLES / "astronaut-32.jpg", tmp_path / "records.jsonl"
    silent = without(1, "scan", picture)
    assert silent.returncode == 2 and "it is closed" in silent.stderr
    assert "Traceback" not in silent.stderr
    for command in (["--version"], ["models"], ["inspect", picture]):
        assert without(1, *command).returncode == 2
    for descriptor in (1, 2):  # the records go into a file, so nothing is lost
        done = without(descriptor, "scan", picture, "--output", output, "--format", "jsonl")
        assert done.returncode == 0 and "Traceback" not in done.stderr
        assert len(output.read_text().splitlines()) == 1, descriptor
    for name in ("scan", "inspect"):
        done = without(0, name, "-")
        assert done.returncode == 2 and "defect" not in done.stderr


def test_nothing_is_kept_at_home_and_no_use_is_reported(tmp_path: Path) -> None:
    """By itself onnxruntime reports its use, with a number for this user that it keeps at home."""
    switch = ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")
    environment = {k: v for k, v in os.environ.items() if k not in switch} | {"HOME": str(tmp_path)}
    pictures = [EXAMPLES / "astronaut-32.jpg"] * 3
    command = [sys.executable, "-m", "fauxto", "scan", *map(str, pictures), "--format", "jsonl"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert len(done.stdout.splitlines()) == 3
    code = "from fauxto import Detector; import onnxruntime, os; Detector(); print(os.environ['{}'])"
    done = subprocess.run(
        [sys.executable, "-c", code.format(switch[0])], capture_output=True, text=True, env=environment
    )
    assert done.stdout.strip() == "1", done.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_folder_for_heatmaps_is_tried_before_the_first_image(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    result = fauxto(
        capsys, "scan", EXAMPLES, "--heatmap", tmp_path / "file", "--output", tmp_path / "records.json"
    )
    assert result.code == 2 and "--heatmap" in result.err
    assert not (tmp_path / "records.json").exists()


def test_a_command_looks_for_no_plugins_among_the_installed_distributions() -> None:
    code = (
        "import importlib.metadata as metadata, sys\n"
        "def distributions(**_): raise SystemExit('searched')\n"
        "metadata.distributions = metadata.entry_points = distributions\n"
        "from fauxto.cli import main\n"
        "sys.argv = ['fauxto', 'models']\n"
        "main()\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "PYDANTIC_DISABLE_PLUGINS"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "thumb" in done.stdout


def test_a_file_that_says_nothing_of_itself_costs_no_readers(tmp_path: Path) -> None:
    Image.new("RGB", (32, 32), "grey").save(tmp_path / "silent.jpg")
    code = (
        "import sys\n"
        "from fauxto.cli import main\n"
        f"sys.argv = ['fauxto', 'scan', {str(tmp_path / 'silent.jpg')!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "readers = ('fauxto.provenance.generators', 'fauxto.provenance.xmp', 'c2pa', 'cryptography')\n"
        "sys.exit(str([name for name in readers if name in sys.modules] or ''))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "silent.jpg" in done.stdout and "[" not in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            PermissionError(13, "Permission denied", "/somewhere/a\x1b.png"),
            r"/somewhere/a\x1b.png: Permission denied",
        ),
        (OSError(5, "Input/output error"), "reading or writing failed: Input/output error; check the disk"),
        (ZeroDivisionError("by nought"), "a defect of fauxto (models/__init__.py, line "),
    ],
)
def test_what_nobody_foresaw_is_one_line_and_no_verdict(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    """Exit code 1 would say that an image is AI-generated."""

    def shipped() -> None:
        raise error

    monkeypatch.setattr("fauxto.models.shipped", shipped)
    result = fauxto(capsys, "scan", "a.png", "--model", "any")
    assert result.code == 2
    assert words in result.err and len(result.err.splitlines()) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("command", ["models", "info", "--help"])
def test_an_output_without_room_is_one_line_about_it(command: str) -> None:
    with Path("/dev/full").open("wb") as full:
        run = [sys.executable, "-m", "fauxto", command]
        done = subprocess.run(run, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert "cannot be written" in done.stderr and len(done.stderr.splitlines()) == 1


def test_what_goes_online_is_said_by_trust_update(capsys: pytest.CaptureFixture[str]) -> None:
    said = " ".join(fauxto(capsys, "trust", "update", "--help").out.split())
    named = ("--allow-network", "object store", "Ray cluster", "models import hf:", "data download", "stream")
    assert [one for one in (*named, "align", "train on pretrained weights") if one not in said] == []


@pytest.mark.parametrize(
    "arguments", [("scan", str(EXAMPLES), "--format", "jsonl", "--no-isolate"), ("models",), ("--help",)]
)
def test_a_reader_that_goes_away_is_no_verdict_and_no_words(arguments: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "fauxto", *arguments]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr and "Broken" not in done.stderr


@pytest.mark.parametrize("arguments", [("scan", "a.png", "--model", "no-such"), ("scan", "--no-such")])
def test_trouble_that_cannot_be_told_is_no_verdict_either(arguments: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "fauxto", *arguments]
    assert subprocess.run(command, stderr=writing, check=False).returncode == 2
    os.close(writing)
