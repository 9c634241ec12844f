"""The page is for everybody: axe-core finds nothing; a keyboard, a small phone or the dark will do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from fauxto.serve.settings import Settings
from live_server import LiveServer, picture, running
from test_card import labelled
from visits import Visit, payload

Open = Callable[..., Visit]
PHONE: dict[str, Any] = {"viewport": {"width": 320, "height": 640}, "has_touch": True, "is_mobile": True}
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": PHONE,
}
LONG_NAME = "IMG_20260101_120000_" + "edited_" * 12 + "final.png"
EVERY_KIND = (
    payload(LONG_NAME, labelled()),
    payload("night.png", picture(0)),
    payload("fog.png", picture(128)),
    payload("large.png", picture(0, (100, 100))),
    payload("torn.png", picture(255, (64, 64))[:-20]),
)


@pytest.fixture(scope="module")
def small_server(bright_bundle: object) -> Iterator[LiveServer]:
    with running(Settings(model=str(bright_bundle), max_body=1_000)) as live:
        yield live


def with_heatmap(seen: Visit, name: str) -> None:
    card = seen.card(name)
    card.get_by_role("button", name="What decided the score?").click()
    expect(card.get_by_role("slider")).to_be_visible()


def is_dark(page: Page) -> bool:
    background: str = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    return sum(map(int, background.removeprefix("rgb(").removesuffix(")").split(","))) < 3 * 64


@pytest.mark.parametrize("look", LOOKS)
class TestEveryPage:
    def test_the_start(self, visit: Open, page_server: LiveServer, look: str) -> None:
        seen = visit(page_server.url, **LOOKS[look])
        assert is_dark(seen.page) == (look == "dark")
        assert seen.violations() == []
        assert not seen.is_wider_than_its_window()

    def test_several_results_of_every_kind(self, visit: Open, page_server: LiveServer, look: str) -> None:
        seen = visit(page_server.url, **LOOKS[look])
        seen.choose(*EVERY_KIND)
        with_heatmap(seen, "fog.png")
        assert len(set(seen.verdicts())) == 4
        assert seen.violations() == []
        assert not seen.is_wider_than_its_window()

    def test_a_refusal(self, visit: Open, small_server: LiveServer, look: str) -> None:
        seen = visit(small_server.url, **LOOKS[look])
        seen.choose(payload("huge.png", bytes(2_000)))
        assert seen.verdicts() == ["Not judged"]
        assert seen.violations() == []
        assert not seen.is_wider_than_its_window()

    def test_the_description_of_the_api(self, visit: Open, page_server: LiveServer, look: str) -> None:
        seen = visit(f"{page_server.url}/docs", **LOOKS[look])
        assert seen.violations() == []
        assert not seen.is_wider_than_its_window()


def test_the_page_without_its_scripts(visit: Open, page_server: LiveServer) -> None:
    seen = visit(page_server.url)
    # axe-core is a script itself, so these stand for JavaScript that is switched off.
    seen.page.route("**/*.js", lambda route: route.abort())
    seen.page.reload()
    assert seen.violations() == []
    seen.page.set_input_files("#files", EVERY_KIND)
    seen.page.get_by_label("where in a picture its score comes from").check()
    seen.page.get_by_role("button", name="Check").click()
    expect(seen.cards).to_have_count(len(EVERY_KIND))
    expect(seen.page.locator(".heat")).to_have_count(3)
    assert seen.violations() == []
    seen.faults.clear()  # the browser's own notes on the scripts


def tab_to(page: Page, wanted: Locator) -> None:
    """Press the tabulator until this has the focus, which must be seen at every stop."""
    for _ in range(60):
        page.keyboard.press("Tab")
        assert page.evaluate(
            """() => {
                const style = getComputedStyle(document.activeElement);
                return style.outlineStyle !== "none" || style.boxShadow !== "none";
            }"""
        ), f"no visible focus on {page.evaluate('document.activeElement.outerHTML')[:200]}"
        if wanted.evaluate("(element) => element === document.activeElement"):
            return
    raise AssertionError("the tabulator does not get there")


def test_a_keyboard_is_enough(visit: Open, page_server: LiveServer) -> None:
    seen = visit(page_server.url)
    page = seen.page
    tab_to(page, page.get_by_label("Choose pictures"))
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files([payload("snow.png", picture(255)), payload("night.png", picture(0))])
    seen.wait_for(2)
    tab_to(page, page.get_by_role("columnheader", name="Score").get_by_role("button"))
    page.keyboard.press("Enter")
    assert page.locator("tbody th").all_inner_texts() == ["night.png", "snow.png"]
    card = seen.card("snow.png")
    tab_to(page, card.get_by_role("button", name="What decided the score?"))
    page.keyboard.press("Enter")
    slider = card.get_by_role("slider")
    expect(slider).to_be_focused()
    before = float(slider.input_value())
    page.keyboard.press("ArrowRight")
    assert float(slider.input_value()) > before
    advice = card.get_by_text("look for a second, independent sign")
    expect(advice).to_be_hidden()
    tab_to(page, card.locator("summary").filter(has_text="What now?"))
    page.keyboard.press("Enter")
    expect(advice).to_be_visible()


def test_the_skip_link_leads_to_the_results(visit: Open, page_server: LiveServer) -> None:
    seen = visit(page_server.url)
    seen.choose(payload("snow.png", picture(255)))
    seen.page.reload()
    seen.page.keyboard.press("Tab")
    expect(seen.page.get_by_role("link", name="fauxto")).to_be_focused()
    seen.choose(payload("snow.png", picture(255)))
    skip = seen.page.get_by_role("link", name="Skip to the results")
    skip.focus()
    expect(skip).to_be_in_viewport()
    seen.page.keyboard.press("Enter")
    expect(seen.page.locator("#results")).to_be_focused()


def test_the_table_can_be_sorted_on_a_phone(visit: Open, page_server: LiveServer) -> None:
    seen = visit(page_server.url, **PHONE)
    seen.choose(*EVERY_KIND[1:3])
    seen.page.get_by_role("button", name="Image").tap()
    assert seen.page.locator("tbody th").all_inner_texts() == ["fog.png", "night.png"]
