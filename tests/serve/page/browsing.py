"""Fixtures: Debian's Chromium, driven by Playwright, and a server for it (a plugin of tests/conftest.py)."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    # What does not test the page must not wait for these.
    from playwright.sync_api import Browser

    from live_server import LiveServer
    from visits import Visit

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


# Not for the session: while Playwright runs, no other test of this process could run an event loop.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium of the system; Playwright's own browsers are never downloaded."""
    chromium = next(filter(None, map(shutil.which, NAMES)), None)
    if chromium is None:
        pytest.skip("needs Chromium; install it, on Debian with 'apt-get install chromium'")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def page_server(bright_bundle: Path) -> Iterator[LiveServer]:
    """A server with the tests' model, which knows brightness alone."""
    from fauxto.serve.settings import Settings
    from live_server import running

    with running(Settings(model=str(bright_bundle))) as live:
        yield live


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Opens an address as somebody would; afterwards asserts that the browser asked no other host."""
    from visits import Visit

    visits: list[Visit] = []

    def open_page(url: str, **options: Any) -> Visit:
        context = browser.new_context(**({"viewport": {"width": 1100, "height": 800}} | options))
        context.set_default_timeout(20_000)
        visits.append(Visit(context.new_page(), url))
        visits[-1].page.goto(url)
        return visits[-1]

    yield open_page
    for one in visits:
        one.page.context.close()
    for one in visits:
        assert one.foreign() == [], "the page asked another host"
        assert one.faults == [], "the page's scripts failed, or its own policy refused something"
