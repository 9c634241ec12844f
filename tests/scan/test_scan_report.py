"""`fauxto scan --report`: one HTML file of all results that needs nothing else."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest
from PIL import Image

from command import fauxto


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
