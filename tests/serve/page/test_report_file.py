"""The file that `fauxto scan --report` writes, in a browser without a network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from command import fauxto
from live_server import picture
from test_everybody import LOOKS
from visits import Visit

Open = Callable[..., Visit]


@pytest.fixture
def report(tmp_path: Path, bright_bundle: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """A report on two folders that hold files of one name, and one that is broken."""
    for folder, level in (("private", 255), ("secret", 0)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.png").write_bytes(picture(level))
    (tmp_path / "secret" / "torn.png").write_bytes(picture(size=(64, 64))[:-20])
    path = tmp_path / "report.html"
    folders = (tmp_path / "private", tmp_path / "secret")
    result = fauxto(capsys, "scan", *folders, "--model", bright_bundle, "--report", path)
    assert result.code == 2
    return path.as_uri()


@pytest.mark.parametrize("look", LOOKS)
def test_everybody_can_read_it(visit: Open, report: str, look: str) -> None:
    seen = visit(report, offline=True, **LOOKS[look])
    assert seen.verdicts() == ["Likely made by AI", "No sign of AI found", "Could not be read"]
    assert seen.violations() == []
    assert not seen.is_wider_than_its_window()


def test_it_asks_for_nothing(visit: Open, report: str) -> None:
    seen = visit(report)
    seen.page.mouse.wheel(0, 5000)
    seen.page.wait_for_load_state("networkidle")
    assert [url for url in seen.requested if not url.startswith("data:")] == [report]


def test_it_names_files_without_the_folders_of_whoever_made_it(
    visit: Open, report: str, tmp_path: Path
) -> None:
    seen = visit(report)
    assert seen.page.locator("#rows th").all_inner_texts() == ["a.png", "a.png (2)", "torn.png"]
    expect(seen.card("torn.png").locator(".reason")).to_contain_text("torn.png: the file ends within")
    source = Path(report.removeprefix("file://")).read_text(encoding="utf-8")
    for folder in ("private", "secret", tmp_path.name):
        assert folder not in source


def test_verdicts_can_be_hidden_and_rows_sorted(visit: Open, report: str) -> None:
    seen = visit(report)
    seen.page.get_by_label("1 × Could not be read").uncheck()
    expect(seen.page.locator("#rows tr:visible")).to_have_count(2)
    expect(seen.card("torn.png")).to_be_hidden()
    seen.page.get_by_role("button", name="Score").click()
    assert seen.page.locator("#rows tr:visible th").all_inner_texts() == ["a.png (2)", "a.png"]


def test_without_javascript_everything_is_shown(visit: Open, report: str) -> None:
    seen = visit(report, java_script_enabled=False)
    expect(seen.page.locator("#rows tr:visible")).to_have_count(3)
    expect(seen.page.get_by_role("checkbox")).to_have_count(0)
    seen.card("a.png").get_by_text("What now?").click()
    expect(seen.card("a.png").get_by_text("look for a second, independent sign")).to_be_visible()
