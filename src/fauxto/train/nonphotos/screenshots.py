"""Screenshots: pages that the templates write, as headless Chromium shows them."""

from __future__ import annotations

import base64
import html
import io
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from fauxto.errors import UsageError
from fauxto.train.nonphotos.material import Material

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
SHEET_PAGES = 6  # pages in one start of the browser: starting takes longer than drawing
TIMEOUT_SECONDS = 180
SIZES = ((1280, 800), (1366, 768), (1024, 768), (390, 844), (360, 740), (820, 1180), (1440, 900))


@dataclass(frozen=True)
class Page:
    """A page's HTML and the window it is seen through, in CSS pixels."""

    markup: str
    width: int
    height: int


Write = Callable[[Material], str]


def _picture(material: Material, style: str) -> str:
    """An `img` with a photograph, or a coloured box where there are none."""
    if not material.photographs or material.chance(0.2):
        return f'<div style="{style};background:{material.hex_colour()}"></div>'
    picture = material.photograph()
    picture.thumbnail((320, 320))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=85)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img style="{style};object-fit:cover" src="data:image/jpeg;base64,{data}">'


def _language(material: Material) -> str:
    return material.one_of("en", "en", "de", "fr", "zh")


def article(material: Material) -> str:
    """A newspaper's article with a header, a column of text and sometimes pictures."""
    language = _language(material)
    parts = [f"<h1>{material.sentence(language)}</h1><p><i>{material.words(4, language)}</i></p>"]
    for _ in range(material.whole(4, 9)):
        if material.chance(0.2):
            parts.append(_picture(material, f"width:100%;height:{material.whole(120, 320)}px"))
        if material.chance(0.3):
            parts.append(f"<h3>{material.words(5, language)}</h3>")
        parts.append(f"<p>{material.paragraph(material.whole(2, 6), language)}</p>")
    family = material.one_of("Georgia,serif", "Arial,sans-serif", "Lato", "Roboto", "EB Garamond")
    return (
        f'<div style="background:{material.hex_colour(0, 90)};color:#fff;padding:14px">'
        f"<b>{material.words(2).title()}</b> &nbsp; {' &middot; '.join(material.words(5).split())}</div>"
        f'<div style="max-width:{material.whole(480, 900)}px;margin:auto;font-family:{family};'
        f'line-height:1.5;padding:12px">{"".join(parts)}</div>'
    )


def dashboard(material: Material) -> str:
    """Cards with numbers, bars and lines beside a side bar."""
    cards = []
    for _ in range(material.whole(4, 9)):
        if material.chance(0.5):
            bars = "".join(
                f'<div style="flex:1;margin:2px;background:{material.hex_colour()};'
                f'height:{material.whole(10, 110)}px"></div>'
                for _ in range(material.whole(5, 16))
            )
            body = f'<div style="display:flex;align-items:flex-end;height:120px">{bars}</div>'
        else:
            points = " ".join(f"{20 * i},{material.whole(5, 95)}" for i in range(12))
            body = (
                f'<h1 style="margin:4px">{material.whole(1, 99999):,}</h1>'
                f'<svg viewBox="0 0 220 100" height=90><polyline fill="none" '
                f'stroke="{material.hex_colour()}" stroke-width=3 points="{points}"/></svg>'
            )
        cards.append(
            '<div style="background:#fff;border-radius:8px;padding:14px;box-shadow:0 1px 4px #0003">'
            f'<small style="color:#777">{material.words(2)}</small>{body}</div>'
        )
    menu = "".join(f"<p>{material.words(1).title()}</p>" for _ in range(9))
    return (
        f'<div style="display:flex;font-family:Roboto,sans-serif;background:#eef1f6;min-height:100vh">'
        f'<div style="width:150px;background:{material.hex_colour(10, 80)};color:#ddd;padding:16px">'
        f"{menu}</div>"
        f'<div style="flex:1;padding:16px;display:grid;gap:14px;'
        f'grid-template-columns:repeat({material.whole(2, 4)},1fr)">{"".join(cards)}</div></div>'
    )


def chat(material: Material) -> str:
    """Messages on two sides, some with a picture."""
    language, rows = _language(material), []
    mine, theirs = material.hex_colour(150, 255), material.hex_colour(220, 255)
    for _ in range(material.whole(8, 16)):
        own = material.chance(0.5)
        body = html.escape(material.sentence(language))
        if material.chance(0.12):
            body = _picture(material, "width:200px;height:150px;border-radius:8px") + "<br>" + body
        rows.append(
            f'<div style="text-align:{"right" if own else "left"};margin:8px">'
            f'<span style="display:inline-block;'
            f"max-width:70%;text-align:left;padding:9px 13px;border-radius:16px;"
            f'background:{mine if own else theirs}">{body} <small style="color:#999">'
            f"{material.whole(0, 23)}:{material.whole(10, 59)}</small></span></div>"
        )
    return (
        f'<div style="font-family:Open Sans,sans-serif;background:{material.hex_colour(200, 255)};'
        f'min-height:100vh"><div style="background:{material.hex_colour(0, 140)};color:#fff;padding:14px">'
        f"<b>{material.words(2).title()}</b></div>{''.join(rows)}</div>"
    )


def code(material: Material) -> str:
    """An editor with coloured source text and line numbers."""
    dark = material.chance(0.7)
    colours = [material.hex_colour(*((120, 255) if dark else (0, 150))) for _ in range(4)]
    lines = []
    for number in range(1, 60):
        words = material.words(material.whole(0, 9)).split()
        spans = "".join(
            f'<span style="color:{colours[material.whole(0, 3)]}">{word}'
            f"{material.one_of(' ', '(', ') ', ' = ', '.')}</span>"
            for word in words
        )
        lines.append(f'<span style="color:#888">{number:3d}</span>  {"    " * material.whole(0, 3)}{spans}')
    background = material.hex_colour(10, 45) if dark else "#fff"
    size = material.whole(12, 17)
    return (
        f'<pre style="margin:0;padding:10px;min-height:100vh;background:{background};'
        f'font:{size}px Fira Code,DejaVu Sans Mono,monospace">{chr(10).join(lines)}</pre>'
    )


def shop(material: Material) -> str:
    """A grid of things on sale."""
    cards = "".join(
        '<div style="border:1px solid #ddd;border-radius:6px;padding:10px;background:#fff">'
        f"{_picture(material, 'width:100%;height:140px')}<p>{material.words(4)}</p>"
        f"<b>{material.whole(1, 999)}.{material.whole(10, 99)} &euro;</b><br>"
        f'<button style="background:{material.hex_colour()};color:#fff;border:0;padding:8px">'
        f"{material.words(2)}</button></div>"
        for _ in range(12)
    )
    return (
        f'<div style="font-family:Lato,sans-serif;background:#fafafa"><div style="padding:12px;'
        f'background:{material.hex_colour()}"><input size=40 value="{material.words(2)}"> '
        f"<button>{material.words(1)}</button></div>"
        f'<div style="display:grid;gap:12px;padding:12px;grid-template-columns:'
        f'repeat(auto-fill,minmax(170px,1fr))">{cards}</div></div>'
    )


def table(material: Material) -> str:
    """A spreadsheet."""
    columns = material.whole(5, 12)
    head = "".join(f"<th>{material.words(1)}</th>" for _ in range(columns))
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td>{material.whole(-500, 90000) / 10 if material.chance(0.7) else material.words(2)}</td>"
            for _ in range(columns)
        )
        + "</tr>"
        for _ in range(38)
    )
    return (
        f"<style>td,th{{border:1px solid #ccc;padding:4px 9px}}tr:nth-child(even)"
        f"{{background:{material.hex_colour(225, 255)}}}"
        f"th{{background:{material.hex_colour(170, 235)}}}</style>"
        f'<table style="border-collapse:collapse;font:{material.whole(11, 15)}px Carlito,Liberation Sans">'
        f"<tr>{head}</tr>{rows}</table>"
    )


def form(material: Material) -> str:
    """Fields, choices and buttons."""
    fields = "".join(
        f"<p><label><b>{material.words(2).title()}</b><br>"
        + material.one_of(
            f'<input size=38 value="{material.words(3)}">',
            f"<select><option>{material.words(2)}</select>",
            f"<input type=checkbox checked> {material.words(5)}<br><input type=checkbox> {material.words(4)}",
            f"<textarea rows=4 cols=46>{material.paragraph(2)}</textarea>",
            "<input type=range>",
            f"<input type=radio> {material.words(1)} <input type=radio checked> {material.words(1)}",
        )
        + "</label></p>"
        for _ in range(material.whole(6, 11))
    )
    return (
        f'<div style="background:{material.hex_colour(180, 255)};min-height:100vh;padding:30px">'
        f'<div style="max-width:560px;margin:auto;background:#fff;padding:24px;border-radius:10px;'
        f'font-family:Cantarell,sans-serif"><h2>{material.words(3).title()}</h2>{fields}'
        f'<button style="padding:10px 30px;background:{material.hex_colour(0, 160)};color:#fff;border:0">'
        f"{material.words(1).title()}</button></div></div>"
    )


def feed(material: Material) -> str:
    """Posts of a social network, each with a picture."""
    posts = "".join(
        f'<div style="background:#fff;margin:14px auto;max-width:520px;border-radius:10px;padding:12px">'
        f'<div style="display:flex;gap:10px">'
        f'<div style="width:40px;height:40px;border-radius:20px;background:{material.hex_colour()}"></div>'
        f'<div><b>{material.words(2).title()}</b><br><small style="color:#888">@{material.words(1)} &middot; '
        f"{material.whole(1, 23)} h</small></div></div><p>{material.sentence(_language(material))}</p>"
        f"{_picture(material, f'width:100%;height:{material.whole(140, 300)}px;border-radius:8px')}"
        f'<p style="color:#888">&#9825; {material.whole(1, 9999)} &nbsp; &#8634; {material.whole(1, 999)}</p>'
        "</div>"
        for _ in range(4)
    )
    return f'<div style="font-family:Roboto,sans-serif;background:#e8eaee;padding:8px">{posts}</div>'


def settings(material: Material) -> str:
    """A telephone's list of settings."""
    dark = material.chance(0.5)
    back, front = ("#111", "#eee") if dark else ("#f2f2f7", "#111")
    rows = "".join(
        f'<div style="display:flex;justify-content:space-between;padding:14px;'
        f'border-bottom:1px solid {"#333" if dark else "#ddd"}"><span>'
        f'<span style="display:inline-block;width:22px;height:22px;border-radius:6px;vertical-align:middle;'
        f'background:{material.hex_colour()}"></span> {material.words(2).title()}</span>'
        f'<span style="color:#888">{material.one_of("&#8250;", "on", "off", "42 %", "7 %")}</span></div>'
        for _ in range(16)
    )
    return (
        f'<div style="background:{back};color:{front};min-height:100vh;font-family:Open Sans,sans-serif">'
        f'<h1 style="padding:18px;margin:0">{material.words(1).title()}</h1>{rows}</div>'
    )


def calendar(material: Material) -> str:
    """A month with entries."""
    days = "".join(
        f'<div style="border:1px solid #ddd;min-height:96px;padding:4px"><small>{day % 31 + 1}</small>'
        + "".join(
            f'<div style="background:{material.hex_colour(90, 220)};color:#fff;border-radius:4px;'
            f'font-size:11px;padding:2px;margin:2px;overflow:hidden">{material.words(2)}</div>'
            for _ in range(material.whole(0, 3))
        )
        + "</div>"
        for day in range(35)
    )
    return (
        f'<div style="font-family:Liberation Sans;padding:10px"><h2>{material.words(1).title()} '
        f"{material.whole(1990, 2030)}</h2>"
        f'<div style="display:grid;grid-template-columns:repeat(7,1fr)">{days}</div></div>'
    )


TRAIN: tuple[Write, ...] = (article, dashboard, chat, code, shop, form, settings)
TEST: tuple[Write, ...] = (table, feed, calendar)


def browser() -> str:
    """The browser's command.

    Raises:
        UsageError: none is installed.
    """
    for name in BROWSERS:
        if found := shutil.which(name):
            return found
    raise UsageError("screenshots need Chromium: apt-get install chromium (or leave the kind out by --kinds)")


def page(material: Material) -> Page:
    """A page of the part's templates, in a random window."""
    templates = TRAIN if material.part == "train" else TEST
    width, height = SIZES[material.whole(0, len(SIZES) - 1)]
    markup = templates[material.whole(0, len(templates) - 1)](material)
    return Page(f"<meta charset=utf-8><body style='margin:0'>{markup}", width, height)


def photograph_pages(pages: Sequence[Page], folder: Path) -> list[Image.Image]:
    """Show the pages below one another in one window, and cut the picture.

    Raises:
        UsageError: the browser did not give a picture.
    """
    sheet, target = folder / "sheet.html", folder / "sheet.png"
    frames = "".join(
        f'<iframe scrolling=no style="display:block;border:0;width:{one.width}px;height:{one.height}px" '
        f'srcdoc="{html.escape(one.markup)}"></iframe>'
        for one in pages
    )
    sheet.write_text(f"<meta charset=utf-8><body style='margin:0'>{frames}", encoding="utf-8")
    width, height = max(one.width for one in pages), sum(one.height for one in pages)
    command = [
        browser(), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
        "--disable-background-networking", f"--user-data-dir={folder / 'profile'}",
        f"--window-size={width},{height}", f"--screenshot={target}", sheet.as_uri(),
    ]  # fmt: skip
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=TIMEOUT_SECONDS)
        whole = Image.open(target).convert("RGB")
    except (OSError, subprocess.SubprocessError) as error:
        raise UsageError(f"{command[0]} gave no screenshot ({type(error).__name__}: {error})") from error
    cut, top = [], 0
    for one in pages:
        cut.append(whole.crop((0, top, one.width, top + one.height)))
        top += one.height
    return cut


def render(materials: Sequence[Material]) -> Iterator[Image.Image]:
    """A screenshot for each material, in order."""
    for start in range(0, len(materials), SHEET_PAGES):
        pages = [page(material) for material in materials[start : start + SHEET_PAGES]]
        with tempfile.TemporaryDirectory() as folder:
            yield from photograph_pages(pages, Path(folder))
