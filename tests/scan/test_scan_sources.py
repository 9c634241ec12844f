"""What is named, and what is tried, in which order."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from command import fauxto
from fauxto.errors import InputError
from fauxto.images import Limits
from fauxto.scan.found import Skipped
from fauxto.scan.remote import open_remote, read_remote
from fauxto.scan.sources import find
from scan_runs import lines, png


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (
        "b/2.png",
        "b/10.jpg",
        "b/notes.txt",
        "a.png",
        "a/1.png",
        "a/.hid/3.png",
        "a/x/y/4.png",
        "c.tar",
    ):
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(128))
    monkeypatch.chdir(tmp_path / "tree")
    return tmp_path / "tree"


def names(*paths: str) -> list[str]:
    return [
        found.path if found.error is None else f"{found.error.code}: {found.path}"
        for found in find(paths, Skipped())
    ]


def test_folders_come_in_the_order_of_their_names(tree: Path) -> None:
    assert names(".") == ["./a/1.png", "./a/x/y/4.png", "./a.png", "./b/10.jpg", "./b/2.png"]


def test_archives_in_a_folder_are_passed_over_and_said(tree: Path) -> None:
    skipped = Skipped()
    list(find(["."], skipped))
    assert (
        str(skipped) == "1 hidden, 1 not images by name, 1 archives or tables (name them to look into them)"
    )


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.png", ["a.png"]),
        ("b/*", ["b/10.jpg", "b/2.png", "b/notes.txt"]),
        ("?/[12].png", ["a/1.png", "b/2.png"]),
        ("**/*.png", ["a.png", "a/1.png", "a/x/y/4.png", "b/2.png"]),
        ("a/**/y/*.png", ["a/x/y/4.png"]),
        ("a/**/**/4.png", ["a/x/y/4.png"]),
        ("a/.h*/*", ["a/.hid/3.png"]),
        ("a/*/y", ["a/x/y/4.png"]),
        ("*.webp", ["not-found: *.webp"]),
    ],
)
def test_patterns_match_as_in_a_shell(tree: Path, pattern: str, expected: list[str]) -> None:
    assert names(pattern) == expected
    assert names(str(tree / pattern)) == [
        entry.replace(pattern, str(tree / pattern)) if "not-found" in entry else str(tree / entry)
        for entry in expected
    ]


def test_a_file_whose_name_is_a_pattern_is_that_file(tree: Path) -> None:
    Path("[1].png").write_bytes(png(0))
    assert names("[1].png") == ["[1].png"]


def test_a_csv_names_images_beside_it(
    capsys: pytest.CaptureFixture[str], tree: Path, bright_bundle: Path
) -> None:
    Path("b/list.csv").write_text("\ufeffPath,label\n2.png,ai\n../a.png,\n\nabsent.png,x\n,empty\n", "utf-8")
    result = fauxto(capsys, "scan", "b/list.csv", "--model", bright_bundle, "--format", "jsonl")
    records = lines(result.out)
    assert [record["path"] for record in records] == ["b/2.png", "b/../a.png", "b/absent.png", "b/list.csv"]
    assert [record["status"] for record in records] == ["ok", "ok", "error", "error"]
    assert "line 6" in records[3]["error"]["message"]
    assert result.code == 2


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"name\nx.png\n", "unsupported"), (b"", "unsupported"), (b"path\n\xff\n", "unreadable")],
)
def test_a_csv_that_names_no_images_is_an_error_record(tree: Path, content: bytes, code: str) -> None:
    Path("list.csv").write_bytes(content)
    assert names("list.csv") == [f"{code}: list.csv"]
    assert names("absent.csv") == ["not-found: absent.csv"]


def test_parquet_rows_are_judged_and_named_by_number(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, bright_bundle: Path
) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    rows = [
        {"bytes": png(255), "path": "w.png"},
        None,
        {"bytes": b"hello, this is text", "path": "t"},
        {"bytes": png(0)},
    ]
    table = tmp_path / "t.parquet"
    parquet.write_table(pa.table({"label": [1, 0, 0, 0], "image": rows}), table)
    result = fauxto(capsys, "scan", table, "--model", bright_bundle, "--format", "jsonl")
    records = lines(result.out)
    assert [record["path"] for record in records] == [f"{table}#{row}" for row in range(4)]
    assert [record["verdict"] for record in records] == ["ai", None, None, "no-sign"]
    assert [record["error"]["code"] for record in records[1:3]] == ["empty", "not-an-image"]


def test_a_parquet_table_without_images_or_damaged_is_an_error_record(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, bright_bundle: Path
) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    buffer = io.BytesIO()
    parquet.write_table(pa.table({"name": ["a"], "size": [1]}), buffer)
    (tmp_path / "names.parquet").write_bytes(buffer.getvalue())
    (tmp_path / "cut.parquet").write_bytes(buffer.getvalue()[:-9])
    (tmp_path / "good.png").write_bytes(png(0))
    paths = [tmp_path / name for name in ("names.parquet", "cut.parquet", "none.parquet", "good.png")]
    result = fauxto(capsys, "scan", *paths, "--model", bright_bundle, "--format", "jsonl")
    codes = [record["error"] and record["error"]["code"] for record in lines(result.out)]
    assert codes == ["unsupported", "corrupt", "not-found", None]


def test_a_file_called_dash_is_a_file_unless_it_is_named_as_such(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("b")
    Path("-").write_bytes(png(0))
    Path("list.csv").write_text("path\n-\n")
    assert names("*") == ["./-", "10.jpg", "2.png", "./-", "notes.txt"]
    assert names("-") == ["-"]


def test_folders_may_be_nested_deeper_than_functions(tree: Path) -> None:
    deep = sys.getrecursionlimit() + 100
    for _ in range(deep):
        Path("n").mkdir()
        os.chdir("n")
    Path("z.png").write_bytes(png(0))
    os.chdir(tree)
    path = "/".join(["n"] * deep) + "/z.png"
    try:
        assert names("n") == names("n/**/*.png") == [path]
    finally:
        subprocess.run(["rm", "-r", "n"], check=True)  # shutil's own way is recursive


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/hostname",
        "ftp://127.0.0.1:1/x.jpg",
        "zip://x.jpg::http://127.0.0.1:1/a",
        "zip://x.tar::http://127.0.0.1:1/a",
        "s3://bucket/x.jpg::http://127.0.0.1:1/a",
        "s3://bucket/x.tar::file:///etc/hostname",
    ],
)
def test_rows_name_no_other_schemes_than_a_command_line_may(tree: Path, address: str) -> None:
    Path("list.csv").write_text(f"path\n{address}\n")
    assert names("list.csv") == names(address) == [f"unsupported: {address}"]
    # A list of inputs that somebody else made is no way around it.
    for read in (lambda: read_remote(address, Limits()), lambda: open_remote(address)):
        with pytest.raises(InputError) as caught:
            read()
        assert caught.value.code == "unsupported"
