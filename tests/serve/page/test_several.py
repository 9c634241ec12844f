"""Several results: the table, and what can be taken away."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import expect

from fauxto.record import Record
from live_server import LiveServer, picture
from visits import Visit, payload

Open = Callable[..., Visit]
BATCH = (
    payload("b.png", picture(128)),
    payload("a.png", picture(255, (40, 40))),
    payload("torn.png", picture(255, (64, 64))[:-20]),
    payload("c.png", picture(0, (20, 30))),
)


def names(seen: Visit) -> list[str]:
    return seen.page.locator("tbody th").all_inner_texts()


def test_a_single_result_needs_no_table(visit: Open, page_server: LiveServer) -> None:
    seen = visit(page_server.url)
    seen.choose(BATCH[0])
    expect(seen.page.get_by_role("table")).to_be_hidden()
    seen.choose(BATCH[1])
    expect(seen.page.get_by_role("table")).to_be_visible()


def test_the_table_sorts_by_each_column(visit: Open, page_server: LiveServer) -> None:
    seen = visit(page_server.url)
    seen.choose(*BATCH)
    assert names(seen) == ["b.png", "a.png", "torn.png", "c.png"]
    expect(seen.page.locator("#rows img")).to_have_count(3)
    rising = {
        "Image": ["a.png", "b.png", "c.png", "torn.png"],
        "Verdict": ["a.png", "b.png", "c.png", "torn.png"],
        "Score": ["torn.png", "c.png", "b.png", "a.png"],
        "Size": ["torn.png", "b.png", "c.png", "a.png"],
    }
    for column, order in rising.items():
        heading = seen.page.get_by_role("columnheader", name=column)
        heading.get_by_role("button").click()
        assert names(seen) == order, column
        expect(heading).to_have_attribute("aria-sort", "ascending")
        heading.get_by_role("button").click()
        assert names(seen) == order[::-1], column
        expect(heading).to_have_attribute("aria-sort", "descending")


def test_a_row_leads_to_its_card(visit: Open, page_server: LiveServer) -> None:
    seen = visit(page_server.url)
    seen.choose(*BATCH)
    seen.page.get_by_role("link", name="c.png").click()
    expect(seen.card("c.png")).to_be_in_viewport()


def saved(seen: Visit, button: str) -> Path:
    with seen.page.expect_download() as download:
        seen.page.get_by_role("button", name=button, exact=True).click()
    return Path(download.value.path())


def test_results_are_saved_as_csv_and_json(visit: Open, page_server: LiveServer) -> None:
    seen = visit(page_server.url)
    seen.choose(*BATCH)
    rows = list(csv.DictReader(io.StringIO(saved(seen, "CSV").read_text(encoding="utf-8"))))
    assert [row["path"] for row in rows] == names(seen)
    assert [row["verdict"] for row in rows] == ["uncertain", "ai", "", "no-sign"]
    records = [
        Record.model_validate(one) for one in json.loads(saved(seen, "JSON").read_text(encoding="utf-8"))
    ]
    assert [record.path for record in records] == names(seen)
    assert records[2].error is not None
    assert records[1].score == float(rows[1]["score"])


def test_a_report_opens_without_a_network(visit: Open, page_server: LiveServer, tmp_path: Path) -> None:
    seen = visit(page_server.url)
    seen.choose(*BATCH)
    seen.card("b.png").get_by_role("button", name="What decided the score?").click()
    expect(seen.card("b.png").get_by_role("slider")).to_be_visible()
    saved(seen, "Save report").rename(tmp_path / "report.html")
    report = visit((tmp_path / "report.html").as_uri(), offline=True)
    assert report.verdicts() == seen.verdicts()
    assert report.requested == [report.url, *[url for url in report.requested if url.startswith("data:")]]
    expect(report.card("b.png").get_by_role("slider")).to_be_visible()
    expect(report.card("a.png").get_by_role("img", name="a.png")).to_be_visible()
    expect(report.page.get_by_role("button", name="What decided the score?")).to_have_count(0)


def test_clearing_leaves_an_empty_page(visit: Open, page_server: LiveServer) -> None:
    seen = visit(page_server.url)
    seen.choose(*BATCH)
    seen.page.get_by_role("button", name="Clear").click()
    expect(seen.cards).to_have_count(0)
    expect(seen.page.locator("#results")).to_be_hidden()
    expect(seen.page.get_by_label("Choose pictures")).to_be_focused()
    seen.choose(BATCH[0])
    assert seen.verdicts() == ["Cannot tell"]


def test_a_print_unfolds_what_was_found_and_leaves_out_what_is_for_the_screen(
    visit: Open, page_server: LiveServer
) -> None:
    seen = visit(page_server.url)
    seen.choose(BATCH[1])
    limits = seen.card("a.png").get_by_text("It only sees brightness.")
    expect(limits).to_be_hidden()
    seen.page.emulate_media(media="print")
    seen.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(limits).to_be_visible()
    for name in ("Save report", "What decided the score?"):
        expect(seen.page.get_by_role("button", name=name)).to_be_hidden()
    expect(seen.card("a.png").get_by_text("What now?")).to_be_hidden()
    seen.page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(limits).to_be_hidden()
