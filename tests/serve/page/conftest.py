"""Debian's Chromium, driven by Playwright, and a server for it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from fauxto.serve.settings import Settings
from live_server import LiveServer, running
from visits import Visit

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
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium of the system; Playwright's own browsers are never downloaded."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("needs Chromium; install it with 'apt-get install chromium'")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def server(bright_bundle: Path) -> Iterator[LiveServer]:
    """A server with the tests' model, which knows brightness alone."""
    with running(Settings(model=str(bright_bundle))) as live:
        yield live


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Opens an address as somebody would; afterwards asserts that the browser asked no other host."""
    contexts: list[BrowserContext] = []
    visits: list[Visit] = []

    def open_page(url: str, **options: Any) -> Visit:
        context = browser.new_context(**({"viewport": {"width": 1100, "height": 800}} | options))
        context.set_default_timeout(15_000)
        contexts.append(context)
        page: Page = context.new_page()
        visits.append(Visit(page, url))
        page.goto(url)
        return visits[-1]

    yield open_page
    for one in visits:
        assert one.foreign() == [], "the page asked another host"
        assert one.faults == [], "the page's scripts failed, or its own policy refused something"
    for context in contexts:
        context.close()
