"""The page with the models that ship, on the examples; here its screenshots are made, too.

SCREENSHOTS=docs/screenshots python -m pytest tests/serve/page/test_shipped_models.py
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import FilePayload, Locator, Page, expect

from fauxto.serve.settings import Settings
from live_server import LiveServer, running
from test_everybody import PHONE
from visits import Visit, payload

Open = Callable[..., Visit]
EXAMPLES = Path(__file__).parents[3] / "examples"
WIDE = {"viewport": {"width": 1000, "height": 760}}


def example(name: str) -> FilePayload:
    return payload(Path(name).name, (EXAMPLES / name).read_bytes())


def photograph(what: Page | Locator, name: str) -> None:
    """Save a screenshot, where the folder for them was named."""
    if folder := os.environ.get("SCREENSHOTS"):
        shot = Image.open(io.BytesIO(what.screenshot(animations="disabled"))).convert("RGB")
        shot.save(Path(folder) / f"{name}.png", optimize=True)


@pytest.fixture(scope="module")
def shipped() -> Iterator[LiveServer]:
    with running(Settings()) as live:
        yield live


def test_the_start_says_what_the_models_are_for(visit: Open, shipped: LiveServer) -> None:
    seen = visit(shipped.url, **WIDE)
    about = seen.page.locator("#about")
    expect(about).to_contain_text("photographs and pictures that look like them, with sides from 200 pixels")
    expect(about).to_contain_text(
        "tiny images like CIFAR-10's (one object, 32x32 pixels), with sides of 24 to 64 pixels"
    )
    expect(about.get_by_text("face")).to_have_count(0)  # `auto` does not take it
    photograph(seen.page, "start")


def test_a_photograph(visit: Open, shipped: LiveServer) -> None:
    seen = visit(shipped.url, **WIDE)
    seen.choose(example("photos/cat.jpg"))
    card = seen.card("cat.jpg")
    expect(card).to_contain_text("Model photo")
    expect(card.get_by_role("img", name="Score 0.")).to_be_visible()
    photograph(seen.page, "photograph")


def test_a_thumbnail_with_its_heatmap_in_the_dark(visit: Open, shipped: LiveServer) -> None:
    seen = visit(shipped.url, color_scheme="dark", **WIDE)
    seen.choose(example("thumbnails/cat-32.jpg"))
    card = seen.card("cat-32.jpg")
    card.get_by_role("button", name="What decided the score?").click()
    expect(card.get_by_role("slider")).to_be_visible()
    expect(card).to_contain_text("Model thumb")
    photograph(card, "heatmap-dark")


def test_several_pictures(visit: Open, shipped: LiveServer) -> None:
    torn = payload("torn.jpg", (EXAMPLES / "photos/rocket.jpg").read_bytes()[:9000], "image/jpeg")
    seen = visit(shipped.url, **WIDE)
    seen.choose(
        example("declared/demo-webui-parameters.png"),
        example("photos/cat.jpg"),
        example("thumbnails/coffee-32.jpg"),
        torn,
    )
    assert seen.verdicts()[0] == "Likely made by AI"
    expect(seen.card("demo-webui-parameters.png").locator(".no-scale")).to_contain_text("does not judge")
    photograph(seen.page, "several")


def test_on_a_phone(visit: Open, shipped: LiveServer) -> None:
    seen = visit(shipped.url, **PHONE)
    seen.choose(example("declared/demo-iptc-source-type.jpg"))
    expect(seen.cards).to_contain_text("IPTC label")
    assert not seen.is_wider_than_its_window()
    photograph(seen.page, "phone")
