"""How pictures get onto the page, and what is seen while they are judged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest
from playwright.sync_api import Route, expect

from fauxto.serve.pool import Judged
from fauxto.serve.settings import Settings
from fauxto.serve.uploads import Upload
from live_server import LiveServer, picture, running
from visits import Visit, payload

Open = Callable[..., Visit]
BLACK, WHITE = payload("night.png", picture(0)), payload("snow.png", picture(255))
BROKEN = payload("torn.jpg", picture(255, (64, 64), "JPEG")[:-200], "image/jpeg")


def test_a_chosen_picture_is_judged_at_once(visit: Open, page_server: LiveServer) -> None:
    seen = visit(page_server.url)
    seen.choose(WHITE)
    assert seen.verdicts() == ["Likely made by AI"]
    expect(seen.page.get_by_role("status")).to_have_text("1 of 1 judged. snow.png: Likely made by AI")
    expect(seen.page.locator("#results-title")).to_be_visible()


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_a_dropped_or_pasted_picture_is_judged(visit: Open, page_server: LiveServer, kind: str) -> None:
    seen = visit(page_server.url)
    seen.hand_over(kind, BLACK)
    seen.wait_for(1)
    assert seen.verdicts() == ["No sign of AI found"]
    expect(seen.card("night.png")).to_be_in_viewport()


def test_the_page_shows_that_something_may_be_dropped(visit: Open, page_server: LiveServer) -> None:
    seen = visit(page_server.url)
    at_rest = seen.page.locator("#drop").evaluate("(box) => getComputedStyle(box).borderStyle")
    seen.hand_over("dragover", WHITE)
    assert seen.page.locator("#drop").evaluate("(box) => getComputedStyle(box).borderStyle") != at_rest


def test_a_click_anywhere_in_the_box_opens_the_dialogue(visit: Open, page_server: LiveServer) -> None:
    seen = visit(page_server.url)
    with seen.page.expect_file_chooser() as chooser:
        seen.page.locator("#drop").click(position={"x": 8, "y": 8})
    assert chooser.value.is_multiple()


def test_one_that_cannot_be_read_does_not_stop_the_others(visit: Open, page_server: LiveServer) -> None:
    seen = visit(page_server.url)
    seen.choose(WHITE, BROKEN, BLACK)
    assert seen.verdicts() == ["Likely made by AI", "Could not be read", "No sign of AI found"]
    card = seen.card("torn.jpg")
    expect(card.locator(".reason")).to_contain_text("the file ends before")
    expect(card.locator("footer")).to_contain_text("truncated")
    expect(card.get_by_text("Save or download the picture again")).to_be_visible()


def test_each_picture_has_a_line_until_it_is_judged(
    visit: Open, page_server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool, released = page_server.app.state.services.pool, set()
    judge = pool.judge

    async def held(uploads: Sequence[Upload]) -> Sequence[Judged]:
        while uploads[0].name not in released:
            await asyncio.sleep(0.01)
        return list(await judge(uploads))

    monkeypatch.setattr(pool, "judge", held)
    seen = visit(page_server.url)
    seen.page.set_input_files("#files", [payload(f"{number}.png", picture()) for number in range(4)])
    lines = seen.page.locator("#jobs li")
    expect(lines).to_have_count(4)
    expect(lines.filter(has_text="looking at it")).to_have_count(3)
    expect(lines.nth(3)).to_contain_text("3.png")
    expect(lines.nth(3)).to_contain_text("waiting")
    assert lines.nth(3).get_by_role("progressbar").get_attribute("value") == "0"
    expect(lines.nth(0).get_by_role("progressbar", name="0.png")).to_be_visible()
    released.add("1.png")
    expect(lines).to_have_count(3)
    expect(seen.cards).to_have_count(1)
    expect(lines.filter(has_text="waiting")).to_have_count(0)
    released.add("3.png")
    expect(lines).to_have_count(2)
    released.update(("0.png", "2.png"))
    seen.wait_for(4)
    # They came in another order than the one in which they were chosen.
    names = [f"{number}.png" for number in range(4)]
    assert seen.page.locator(".card .file").all_inner_texts() == names
    assert seen.page.locator("#rows th").all_inner_texts() == names


def test_a_busy_server_is_asked_again(visit: Open, page_server: LiveServer) -> None:
    seen = visit(page_server.url)
    answers = [503]

    def busy_once(route: Route) -> None:
        if answers:
            route.fulfill(status=answers.pop(), headers={"Retry-After": "1"}, body="busy")
        else:
            route.continue_()

    seen.page.route("**/results", busy_once)
    seen.page.set_input_files("#files", [WHITE])
    expect(seen.page.locator("#jobs")).to_contain_text("the server is busy, waiting")
    seen.wait_for(1)
    assert seen.verdicts() == ["Likely made by AI"]


def test_a_server_that_is_gone_is_said_so(visit: Open, page_server: LiveServer) -> None:
    seen = visit(page_server.url)
    seen.page.route("**/results", lambda route: route.abort())
    seen.page.set_input_files("#files", [WHITE])
    expect(seen.page.locator("#jobs")).to_contain_text("snow.png was not sent: the server did not answer.")
    seen.faults.clear()  # the browser's own note on the connection


def test_what_the_server_refuses_is_explained(visit: Open, bright_bundle: object) -> None:
    with running(Settings(model=str(bright_bundle), max_bytes=1_000_000, max_body=1_100_000)) as small:
        seen = visit(small.url)
        seen.choose(payload("huge.png", bytes(1_200_000)))
        assert seen.verdicts() == ["Not judged"]
        expect(seen.cards).to_contain_text("over the limit of 1.1 MB")
        expect(seen.cards).to_contain_text("too-large")


class TestWithoutJavaScript:
    def test_a_form_does_it(self, visit: Open, page_server: LiveServer) -> None:
        seen = visit(page_server.url, java_script_enabled=False)
        page = seen.page
        page.set_input_files("#files", [WHITE, BROKEN])
        page.get_by_role("button", name="Check").click()
        expect(seen.cards).to_have_count(2)
        assert seen.verdicts() == ["Likely made by AI", "Could not be read"]
        expect(page.get_by_role("row")).to_have_count(3)
        with page.expect_download() as download:
            page.get_by_role("button", name="CSV").click()
        assert "snow.png,ok" in download.value.path().read_text()

    def test_the_heatmap_lies_beside_the_picture(self, visit: Open, page_server: LiveServer) -> None:
        seen = visit(page_server.url, java_script_enabled=False)
        seen.page.set_input_files("#files", [WHITE])
        seen.page.get_by_label("where in a picture its score comes from").check()
        seen.page.get_by_role("button", name="Check").click()
        expect(seen.cards.locator(".heat img")).to_have_count(2)
        expect(seen.cards.locator(".slider")).to_be_hidden()

    def test_a_refusal_is_a_page(self, visit: Open, bright_bundle: object) -> None:
        with running(Settings(model=str(bright_bundle), max_files=1)) as small:
            seen = visit(small.url, java_script_enabled=False)
            seen.page.set_input_files("#files", [WHITE, BLACK])
            seen.page.get_by_role("button", name="Check").click()
            expect(seen.page.get_by_role("heading", name="This could not be judged")).to_be_visible()
            expect(seen.cards).to_contain_text("More than 1 files in one request")
            expect(seen.page.get_by_label("Choose pictures")).to_be_visible()

    def test_nothing_that_needs_a_script_is_offered(self, visit: Open, page_server: LiveServer) -> None:
        seen = visit(page_server.url, java_script_enabled=False)
        expect(seen.page.get_by_text("drop them anywhere")).to_be_hidden()
        seen.page.set_input_files("#files", [WHITE])
        seen.page.get_by_role("button", name="Check").click()
        for name in ("Print", "Clear", "What decided the score?"):
            expect(seen.page.get_by_role("button", name=name)).to_be_hidden()


class TestAddresses:
    def test_the_field_is_there_only_where_fetching_is_allowed(
        self, visit: Open, page_server: LiveServer
    ) -> None:
        expect(visit(page_server.url).page.get_by_label("Or the address of a picture")).to_have_count(0)

    def test_a_picture_is_fetched_and_its_heatmap_drawn_on_request(
        self, visit: Open, bright_bundle: object, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def fetched(_services: object, url: str) -> Upload:
            return Upload(url, picture(255))

        monkeypatch.setattr("fauxto.serve.page.fetched", fetched)
        with running(Settings(model=str(bright_bundle), allow_network=True)) as open_server:
            seen = visit(open_server.url)
            seen.page.get_by_label("Or the address of a picture").fill("https://pictures.example/snow.png")
            seen.page.get_by_role("button", name="Fetch").click()
            expect(seen.cards).to_have_count(1)
            expect(seen.page.get_by_role("status")).to_have_text("Likely made by AI")
            seen.page.get_by_role("button", name="What decided the score?").click()
            expect(seen.cards.get_by_role("slider")).to_be_focused()
            expect(seen.cards).to_have_count(1)

    def test_a_refused_address_is_explained(self, visit: Open, bright_bundle: object) -> None:
        with running(Settings(model=str(bright_bundle), allow_network=True)) as open_server:
            seen = visit(open_server.url)
            seen.page.get_by_label("Or the address of a picture").fill("http://127.0.0.1/a.png")
            seen.page.get_by_role("button", name="Fetch").click()
            expect(seen.cards.locator(".verdict")).to_have_text("Not judged")
            expect(seen.page.get_by_role("button", name="Fetch")).to_be_enabled()
