"""What a result says, and how."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import Locator, expect

from fauxto.report.words import PLACES
from fauxto.serve.settings import Settings
from live_server import LiveServer, picture, running
from signed_files import MADE_BY_AI, Recipe, maker, sign
from visits import Visit, payload

Open = Callable[..., Visit]
VERDICTS = {0: "No sign of AI found", 128: "Cannot tell", 255: "Likely made by AI"}


def labelled(size: tuple[int, int] = (16, 16)) -> bytes:
    """A grey picture that says which program made it, and which camera took it."""
    texts, buffer = PngInfo(), io.BytesIO()
    texts.add_text("parameters", "a lighthouse\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1")
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = "Canon", "EOS R5"
    exif.get_ifd(ExifTags.IFD.Exif).update(
        {
            ExifTags.Base.ExposureTime: 0.01,
            ExifTags.Base.ISOSpeedRatings: 100,
            ExifTags.Base.MakerNote: bytes(64),
        }
    )
    Image.new("RGB", size, (128, 128, 128)).save(buffer, "PNG", pnginfo=texts, exif=exif)
    return buffer.getvalue()


def judged(seen: Visit, content: bytes, name: str = "a.png") -> Locator:
    seen.choose(payload(name, content))
    return seen.card(name)


def test_each_verdict_has_words_an_icon_and_a_colour_of_its_own(visit: Open, page_server: LiveServer) -> None:
    seen = visit(page_server.url)
    icons, colours = set(), set()
    for level, words in VERDICTS.items():
        card = judged(seen, picture(level), f"{level}.png")
        verdict = card.locator(".verdict")
        expect(verdict).to_have_text(words)
        icons.add(card.locator("header use").get_attribute("href"))
        colours.add(verdict.evaluate("(words) => getComputedStyle(words).color"))
        assert card.locator("header svg").evaluate("(icon) => icon.getBBox().width") > 0
    assert len(icons) == len(colours) == len(VERDICTS)


def test_the_score_stands_on_a_scale_with_both_thresholds(visit: Open, page_server: LiveServer) -> None:
    scale = judged(visit(page_server.url), picture(128)).get_by_role("img", name="Score 0.50")
    expect(scale).to_have_attribute(
        "aria-label",
        "Score 0.50 on a scale from 0 to 1. Below 0.30 the model sees no sign of AI, from 0.90 on it says "
        "AI, between them it cannot tell.",
    )
    assert scale.locator(".tick-label").all_text_contents() == ["0.30", "0.90"]
    left, width = scale.evaluate("(s) => { const b = s.getBoundingClientRect(); return [b.left, b.width]; }")

    def place(part: str, index: int = 0) -> float:
        box = scale.locator(part).nth(index).bounding_box()
        assert box is not None
        return float((box["x"] + box["width"] / 2 - left) / width)

    places = [place(".tick", 0), place(".tick", 1), place(".pointer")]
    assert places == pytest.approx([0.3, 0.9, 0.5], abs=0.01)


def test_a_card_names_reason_model_and_file(visit: Open, page_server: LiveServer) -> None:
    card = judged(visit(page_server.url), picture(255))
    expect(card.locator(".reason")).to_contain_text("at or above")
    expect(card.locator("footer")).to_contain_text("Model bright 1.2.3")
    expect(card.locator("footer")).to_contain_text("PNG, 16 × 16 pixels")
    expect(card.get_by_role("img", name="a.png")).to_be_visible()


def test_what_the_model_cannot_judge_is_said(visit: Open, page_server: LiveServer) -> None:
    card = judged(visit(page_server.url), picture(255))
    card.get_by_text("What the model cannot judge").click()
    expect(card.get_by_text("bright 1.2.3 is for test pictures.")).to_be_visible()
    expect(card.get_by_text("It only sees brightness.")).to_be_visible()


def test_without_a_score_there_is_no_scale_but_a_word(visit: Open, page_server: LiveServer) -> None:
    card = judged(visit(page_server.url), labelled((100, 100)))
    expect(card.locator(".scale")).to_have_count(0)
    expect(card.get_by_text("No score: no model here judges a picture like this one.")).to_be_visible()
    expect(card.get_by_role("button", name="What decided the score?")).to_have_count(0)


def test_moderate_and_weak_evidence_are_told_apart(visit: Open, page_server: LiveServer) -> None:
    card = judged(visit(page_server.url), labelled())
    moderate, weak = card.locator(".group").all()
    expect(moderate).to_contain_text("Moderate counts, but anybody could have written it")
    expect(moderate).to_contain_text("Traces of a generator program says: made by AI")
    expect(weak).to_contain_text("Weak shown for your own judgement; decides nothing")
    expect(weak).to_contain_text("Camera data")
    expect(moderate.locator("code").first).to_have_text("parameters")
    moderate.get_by_text("Raw values").click()
    expect(moderate.get_by_role("region")).to_contain_text("lighthouse")


def test_signed_evidence_is_strong_and_comes_first(visit: Open, bright_bundle: Path, tmp_path: Path) -> None:
    studio, trusted = maker("Studio"), tmp_path / "trusted.pem"
    trusted.write_bytes(studio.root.pem)
    signed = sign(picture(0), studio, Recipe([MADE_BY_AI]), "image/png")
    with running(Settings(model=str(bright_bundle), trust_list=trusted)) as server:
        card = judged(visit(server.url), signed)
        expect(card.locator(".verdict")).to_have_text("Likely made by AI")
        first = card.locator(".group").first
        expect(first).to_contain_text("Strong signed, and only the signer holds the key")
        expect(first).to_contain_text("Content Credentials says: made by AI")
        expect(first).to_contain_text("Studio")


def test_advice_leads_to_other_peoples_sites_only_by_plain_links(
    visit: Open, page_server: LiveServer
) -> None:
    card = judged(visit(page_server.url), picture(128))  # where nobody can tell it is unfolded
    expect(card.get_by_text("Look for a larger or earlier copy")).to_be_visible()
    links = card.locator(".more a")
    assert [link.get_attribute("href") for link in links.all()] == [place.url for place in PLACES]
    for link in links.all():
        expect(link).to_be_visible()
        assert "noreferrer" in (link.get_attribute("rel") or "")


def test_the_heatmap_comes_on_request_and_a_slider_sets_its_strength(
    visit: Open, page_server: LiveServer
) -> None:
    seen = visit(page_server.url)
    seen.choose(payload("night.png", picture(0)), payload("snow.png", picture(255)))
    card = seen.card("night.png")
    card.get_by_role("button", name="What decided the score?").click()
    slider = card.get_by_role("slider")
    expect(slider).to_be_focused()
    below, above = card.locator(".heat img").all()
    assert below.bounding_box() == above.bounding_box()
    for value, opacity in (("0", "0"), ("100", "1"), ("40", "0.4")):
        slider.fill(value)
        expect(above).to_have_css("opacity", opacity)
    expect(card.get_by_text("speaks for AI")).to_be_visible()
    # The card was replaced in its place, and the table still leads to it.
    assert seen.page.locator(".card .file").all_inner_texts() == ["night.png", "snow.png"]
    assert seen.page.locator("#rows a").first.get_attribute("href") == f"#{card.get_attribute('id')}"


def test_a_heatmap_that_fails_leaves_the_card_and_may_be_asked_for_again(
    visit: Open, page_server: LiveServer
) -> None:
    seen = visit(page_server.url)
    card = judged(seen, picture(255))
    seen.page.route("**/results", lambda route: route.fulfill(status=503, body="busy"), times=1)
    card.get_by_role("button", name="What decided the score?").click()
    again = card.get_by_role("button", name="The server is busy: try again")
    expect(again).to_be_focused()
    again.click()
    expect(card.get_by_role("slider")).to_be_visible()


def test_names_and_metadata_are_shown_and_never_run(visit: Open, page_server: LiveServer) -> None:
    markup = "<img src=x onerror=alert(1)>"
    texts, buffer = PngInfo(), io.BytesIO()
    texts.add_text("parameters", f"{markup} `{markup}`\nSteps: 20, Sampler: {markup}, CFG scale: 7, Seed: 1")
    Image.new("RGB", (16, 16)).save(buffer, "PNG", pnginfo=texts)
    card = judged(visit(page_server.url), buffer.getvalue(), f"{markup}.png")
    expect(card.locator("pre").first).to_contain_text(markup)
    expect(card.locator("img[src=x]")).to_have_count(0)


def test_no_card_ever_calls_a_picture_real(visit: Open, page_server: LiveServer) -> None:
    seen = visit(page_server.url)
    seen.choose(*(payload(f"{level}.png", picture(level)) for level in VERDICTS))
    text = seen.page.locator("body").inner_text().lower()
    assert "real" not in text.replace("r/isthisai", "").split()
    expect(seen.card("0.png")).to_contain_text("does not prove")
