"""`fauxto scan --report`: one HTML file of all results that needs nothing else."""

from __future__ import annotations

import errno
import html
import io
import re
import tempfile
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from command import fauxto
from fauxto.report.writer import name_of


def test_one_page_holds_every_result_and_reaches_for_nothing(
    tmp_path: Path, bright_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, level in (("white", 255), ("black", 0)):
        Image.new("RGB", (32, 32), (level,) * 3).save(tmp_path / f"{name}.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    report = tmp_path / "report.html"
    result = fauxto(
        capsys, "scan", tmp_path, "--model", bright_bundle, "--report", report, "--format", "jsonl"
    )
    assert result.code == 2
    page = report.read_text(encoding="utf-8")
    for name in ("white.png", "black.png", "broken.png"):
        assert name in page
    assert page.count("data:image/") >= 2
    assert not re.search(r"""(src=["']?|<link[^>]*|url\(["']?)https?:""", page)
    assert "default-src 'none'" in html.unescape(page)


def test_it_can_be_passed_on_since_it_names_no_folder(
    tmp_path: Path, bright_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "private"
    folder.mkdir()
    Image.new("RGB", (32, 32)).save(folder / "a.png")
    with zipfile.ZipFile(folder / "holiday.zip", "w") as archive:
        archive.write(folder / "a.png", "hidden-away/a.png")
        archive.writestr("hidden-away/torn.png", b"\x89PNG")
    (folder / "torn.zip").write_bytes((folder / "holiday.zip").read_bytes()[:100])
    report = tmp_path / "report.html"
    inputs = (folder / "a.png", folder / "holiday.zip", folder / "torn.zip", folder / "gone.png")
    assert fauxto(capsys, "scan", *inputs, "--model", bright_bundle, "--report", report).code == 2
    page = html.unescape(report.read_text(encoding="utf-8"))
    names = re.findall(r'<th scope="row" data-sort="([^"]+)"', page)
    assert names == ["a.png", "a.png (2)", "torn.png", "torn.zip", "gone.png"]
    for word in ("private", "hidden-away", tmp_path.name):
        assert word not in page


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/home/somebody/pictures/a.png", "a.png"),
        ("https://pictures.example/folder/a.png?token=secret", "a.png"),
        ("s3://bucket/folder/a.png", "a.png"),
        ("folder/shard.tar::inner/a.png", "a.png"),
        ("folder/table.parquet#12", "table.parquet#12"),
        ("-", "-"),
        ("a://[b.png", "[b.png"),
        ("http://[x/folder/a.jpg?token=secret", "a.jpg"),
    ],
)
def test_a_name_is_the_last_part_of_a_path(path: str, name: str) -> None:
    assert name_of(path) == name


def test_it_does_not_go_with_a_folder_of_parts(
    tmp_path: Path, bright_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (32, 32)).save(tmp_path / "a.png")
    (tmp_path / "out").mkdir()
    result = fauxto(
        capsys, "scan", tmp_path / "a.png", "--report", tmp_path / "r.html", "--output", tmp_path / "out"
    )
    assert result.code == 2
    assert "--report" in result.err


def test_a_name_that_looks_like_an_address_and_is_none_does_not_end_the_report(
    tmp_path: Path, bright_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "r.html"
    inputs = ("a://[b.png", "http://[x/a.jpg")
    result = fauxto(capsys, "scan", *inputs, "--model", bright_bundle, "--report", report)
    assert result.code == 2 and "2 errors" in result.err
    assert "[b.png" in html.unescape(report.read_text(encoding="utf-8"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_under_the_report_names_the_report(
    tmp_path: Path, bright_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (32, 32)).save(tmp_path / "a.png")
    result = fauxto(capsys, "scan", tmp_path / "a.png", "--model", bright_bundle, "--report", "/dev/full")
    assert result.code == 2 and len(result.err.splitlines()) == 1
    assert "/dev/full: the report cannot be written" in result.err


class Full(io.StringIO):
    """A temporary file on a disk without room."""

    def write(self, _: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_under_what_waits_for_the_report_is_said(
    tmp_path: Path, bright_bundle: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (32, 32)).save(tmp_path / "a.png")
    monkeypatch.setattr("fauxto.report.writer._temporary", Full)
    scan = ("scan", tmp_path / "a.png", "--model", bright_bundle, "--report", tmp_path / "r.html")
    result = fauxto(capsys, *scan)
    assert result.code == 2 and len(result.err.splitlines()) == 1
    assert result.err.startswith(f"fauxto: {tempfile.gettempdir()}: ") and "make room" in result.err
