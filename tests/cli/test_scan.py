"""`fauxto scan` as scripts and people use it."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from command import fauxto

BLACK, GREY, WHITE = 0, 128, 255


def picture(path: Path, value: int, size: tuple[int, int] = (16, 16)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value,) * 3).save(path, "PNG")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One image a verdict, and what a folder scan must pass over."""
    root = tmp_path / "folder"
    picture(root / "b-white.png", WHITE)
    picture(root / "a-black.png", BLACK)
    picture(root / "sub" / "grey.JPG", GREY)
    picture(root / ".hidden.png", WHITE)
    (root / "notes.txt").write_text("not an image")
    (root / "link.png").symlink_to(root / "b-white.png")
    return root


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_folder_is_walked_in_order_and_what_is_passed_over_is_counted(
    capsys: pytest.CaptureFixture[str], folder: Path, bright_bundle: Path
) -> None:
    result = fauxto(capsys, "scan", folder, "--model", bright_bundle, "--format", "jsonl")
    names = [Path(str(record["path"])).name for record in lines(result.out)]
    assert names == ["a-black.png", "b-white.png", "grey.JPG"]
    assert "3 images: 1 ai, 0 ai-edited, 1 uncertain, 1 no-sign, 0 errors" in result.err
    assert "1 hidden, 1 not images by name, 1 symbolic links" in result.err


@pytest.mark.parametrize(
    ("values", "code"),
    [([BLACK], 0), ([GREY], 0), ([BLACK, WHITE], 1), ([WHITE, None], 2), ([BLACK, None], 2)],
)
def test_exit_code_carries_the_verdict(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    bright_bundle: Path,
    values: list[int | None],
    code: int,
) -> None:
    paths = []
    for index, value in enumerate(values):
        path = tmp_path / f"{index}.png"
        if value is None:
            path.write_bytes(b"")
        else:
            picture(path, value)
        paths.append(path)
    assert fauxto(capsys, "scan", *paths, "--model", bright_bundle).code == code


def test_one_bad_file_never_stops_the_rest(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, bright_bundle: Path
) -> None:
    good = picture(tmp_path / "good.png", WHITE)
    (tmp_path / "text.jpg").write_text("hello")
    (tmp_path / "cut.png").write_bytes(good.read_bytes()[:40])
    result = fauxto(
        capsys, "scan", tmp_path / "absent.png", tmp_path / "text.jpg", tmp_path / "cut.png", good,
        "--model", bright_bundle, "--format", "jsonl",
    )  # fmt: skip
    records = lines(result.out)
    codes = [record["error"] and record["error"]["code"] for record in records]  # type: ignore[index]
    assert codes == ["not-found", "not-an-image", "truncated", None]
    assert [record["verdict"] for record in records] == [None, None, None, "ai"]
    assert result.code == 2
    assert "Traceback" not in result.err


def test_a_named_file_is_tried_whatever_it_is_called(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, bright_bundle: Path
) -> None:
    path = picture(tmp_path / ".hidden-without-extension", WHITE)
    assert fauxto(capsys, "scan", path, "--model", bright_bundle).code == 1


def test_nothing_to_scan_is_an_error(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, bright_bundle: Path
) -> None:
    (tmp_path / "notes.txt").write_text("x")
    result = fauxto(capsys, "scan", tmp_path, "--model", bright_bundle, "--format", "json")
    assert result.code == 2
    assert json.loads(result.out) == []
    assert "nothing to scan" in result.err and "1 not images by name" in result.err


@pytest.mark.parametrize("argument", [(), ("--format", "jpeg", "x"), ("--model", "no-such", "x")])
def test_wrong_usage_is_exit_code_2(capsys: pytest.CaptureFixture[str], argument: tuple[str, ...]) -> None:
    result = fauxto(capsys, "scan", *argument)
    assert result.code == 2
    assert result.err and not result.out


def test_standard_input(tmp_path: Path, bright_bundle: Path) -> None:
    data = picture(tmp_path / "a.png", WHITE).read_bytes()
    command = [
        sys.executable,
        "-m",
        "fauxto",
        "scan",
        "-",
        "--model",
        str(bright_bundle),
        "--format",
        "jsonl",
    ]
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    assert done.returncode == 1
    assert json.loads(done.stdout)["path"] == "-"
    empty = subprocess.run(command, input=b"", capture_output=True, check=False)
    assert empty.returncode == 2
    assert json.loads(empty.stdout)["error"]["code"] == "empty"


def test_formats_say_the_same(
    capsys: pytest.CaptureFixture[str], folder: Path, bright_bundle: Path, tmp_path: Path
) -> None:
    def run(kind: str, *more: object) -> str:
        return fauxto(capsys, "scan", folder, "--model", bright_bundle, "--format", kind, *more).out

    records = lines(run("jsonl"))
    assert json.loads(run("json")) == records
    rows = list(csv.DictReader(io.StringIO(run("csv"))))
    assert [float(row["score"]) for row in rows] == pytest.approx([record["score"] for record in records])
    table = run("table")
    for record in records:
        assert str(record["path"]) in table and str(record["reason"]) in table
    output = tmp_path / "records.parquet"
    assert run("parquet", "--output", output) == ""
    from pyarrow import parquet

    stored = parquet.read_table(output).to_pylist()
    assert [row["verdict"] for row in stored] == [record["verdict"] for record in records]


def test_parquet_without_a_file_or_without_pyarrow_says_what_to_do(
    capsys: pytest.CaptureFixture[str], folder: Path, bright_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = ("scan", folder, "--model", bright_bundle, "--format", "parquet")
    assert "--output" in fauxto(capsys, *scan).err
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    result = fauxto(capsys, *scan, "--output", folder.parent / "r.parquet")
    assert result.code == 2 and "fauxto[parquet]" in result.err


def test_output_never_overwrites_an_image(
    capsys: pytest.CaptureFixture[str], folder: Path, bright_bundle: Path
) -> None:
    image = folder / "a-black.png"
    before = image.read_bytes()
    result = fauxto(capsys, "scan", folder, "--model", bright_bundle, "--format", "csv", "--output", image)
    assert result.code == 2 and "one of the inputs" in result.err
    assert image.read_bytes() == before


@pytest.mark.parametrize("name", ["list.csv", "shard.zip", "table.parquet"])
@pytest.mark.parametrize("pattern", [False, True])
@pytest.mark.parametrize("option", ["--output", "--report"])
def test_nothing_that_is_scanned_is_written_over(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    bright_bundle: Path,
    name: str,
    pattern: bool,
    option: str,
) -> None:
    table = tmp_path / name
    table.write_text("path\na.png\n")
    named = tmp_path / f"*{table.suffix}" if pattern else table
    result = fauxto(capsys, "scan", named, "--model", bright_bundle, "--format", "csv", option, table)
    assert result.code == 2 and "one of the inputs" in result.err and option in result.err
    assert table.read_text() == "path\na.png\n"


def test_a_path_that_ends_in_a_slash_is_a_folder(
    capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path, bright_bundle: Path
) -> None:
    scan = ("scan", folder, "--model", bright_bundle)
    fauxto(capsys, *scan, "--output", f"{tmp_path}/records/")
    assert len(list((tmp_path / "records").glob("part-*.jsonl"))) == 1
    (tmp_path / "file").write_text("records of before")
    result = fauxto(capsys, *scan, "--output", f"{tmp_path}/file/")
    assert result.code == 2 and "is a file" in result.err and len(result.err.splitlines()) == 1
    assert (tmp_path / "file").read_text() == "records of before"


def test_nothing_is_written_beside_the_files(
    capsys: pytest.CaptureFixture[str], folder: Path, bright_bundle: Path
) -> None:
    before = sorted(path for path in folder.rglob("*"))
    fauxto(capsys, "scan", folder, "--model", bright_bundle)
    assert sorted(folder.rglob("*")) == before


def test_heatmaps_only_when_asked_and_only_with_a_score(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, bright_bundle: Path
) -> None:
    small, large = picture(tmp_path / "s.png", WHITE), picture(tmp_path / "l.png", WHITE, (640, 480))
    maps = tmp_path / "maps"
    fauxto(capsys, "scan", small, large, "--model", bright_bundle, "--heatmap", maps)
    (heatmap,) = maps.iterdir()
    assert heatmap.name.startswith("s-")
    with Image.open(heatmap) as opened:
        assert opened.format == "PNG"


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux only")
def test_name_that_is_not_utf8(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, bright_bundle: Path
) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9\n.png"
    Path(os.fsdecode(path)).write_bytes(picture(tmp_path / "a.png", WHITE).read_bytes())
    result = fauxto(capsys, "scan", os.fsdecode(path), "--model", bright_bundle, "--format", "jsonl")
    assert result.code == 1
    assert str(lines(result.out)[0]["path"]).endswith("caf\\xe9\\n.png")


def test_a_hostile_name_or_text_does_not_reach_the_terminal(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, bright_bundle: Path
) -> None:
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    text.add_text("Software", "NovelAI\x1b]0;owned\x07")
    text.add_text(
        "parameters", "\x1b[2Jcat\nNegative prompt: x\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: 1"
    )
    path = tmp_path / "\x1b[31mred\u202egnp.png"
    Image.new("RGB", (16, 16)).save(path, pnginfo=text)
    result = fauxto(capsys, "scan", path, "--model", bright_bundle)
    assert "\x1b" not in result.out + result.err and "\u202e" not in result.out + result.err


@pytest.mark.parametrize("broken", ["model.onnx", "config.json", "golden.json", "metrics.json"])
def test_broken_bundle_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, bright_bundle: Path, broken: str
) -> None:
    import shutil

    copy = tmp_path / "bundle"
    shutil.copytree(bright_bundle, copy)
    (copy / broken).write_bytes(b"junk")
    result = fauxto(capsys, "scan", picture(tmp_path / "a.png", WHITE), "--model", copy)
    assert result.code == 2
    assert broken in result.err and len(result.err.splitlines()) == 1


def test_scan_imports_neither_torch_nor_what_only_other_commands_need(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png", GREY, (32, 32))
    code = (
        "import sys; sys.argv = ['fauxto', 'scan', sys.argv[1]]\n"
        "from fauxto.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "never = {'torch', 'sklearn', 'matplotlib', 'pyarrow', 'pandas', 'c2pa', 'requests'}\n"
        "heavy = never & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, capture_output=True)


def test_report_is_not_written_over_an_image_or_the_records(
    capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path, bright_bundle: Path
) -> None:
    image = folder / "b-white.png"
    before = image.read_bytes()
    result = fauxto(capsys, "scan", folder, "--model", bright_bundle, "--report", image)
    assert result.code == 2 and "choose another --report" in result.err
    assert image.read_bytes() == before
    both = tmp_path / "both.html"
    result = fauxto(capsys, "scan", folder, "--model", bright_bundle, "--report", both, "--output", both)
    assert result.code == 2 and "--report and --output name one file" in result.err


@pytest.mark.parametrize("format", ["table", "json", "jsonl", "csv"])
def test_a_name_that_the_terminal_cannot_show_ends_nothing(
    tmp_path: Path, bright_bundle: Path, format: str
) -> None:
    picture(tmp_path / "caf\u00e9.png", BLACK)
    done = subprocess.run(
        [sys.executable, "-m", "fauxto", "scan", tmp_path, "--model", bright_bundle, "--format", format],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == 0, done.stderr
    shown = r"caf\xe9.png" if format == "table" else "caf\u00e9.png"
    assert shown in done.stdout.decode("utf-8")


@pytest.mark.parametrize("format", ["jsonl", "parquet"])
def test_two_scans_do_not_write_into_one_file(
    capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path, bright_bundle: Path, format: str
) -> None:
    output = tmp_path / "records"
    command = ("scan", folder, "--model", bright_bundle, "--format", format, "--output", output)
    fauxto(capsys, *command)
    written = output.read_bytes()
    with output.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        result = fauxto(capsys, *command)
    assert result.code == 2 and "another scan is writing to it" in result.err
    assert output.read_bytes() == written


def test_a_name_with_a_dash_in_front_is_told_from_an_option(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture(tmp_path / "-dash.png", BLACK)
    monkeypatch.chdir(tmp_path)
    result = fauxto(capsys, "scan", "-dash.png")
    assert result.code == 2 and "write ./ before a file name" in result.err
