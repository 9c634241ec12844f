"""Documents as files show them, and the same after a printer and a scanner."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from scipy import ndimage

from fauxto.train.nonphotos.material import Material, wrap

PAPER = (1000, 1414)  # A4 at 120 dots an inch
Layout = Callable[[ImageDraw.ImageDraw, Material], None]


def _column(
    draw: ImageDraw.ImageDraw, material: Material, box: tuple[int, int, int, int], size: int, ink: str
) -> None:
    """Fill a box (left, top, right, bottom) with paragraphs."""
    left, top, right, bottom = box
    font, language = material.font(size), material.one_of("en", "de", "fr")
    leading = size * material.real(1.15, 1.6)
    y = float(top)
    while y < bottom - leading:
        for line in wrap(material.paragraph(material.whole(2, 7), language), font, right - left):
            if y > bottom - leading:
                return
            draw.text((left, y), line, font=font, fill=ink)
            y += leading
        y += leading * material.real(0.2, 1)


def _title(draw: ImageDraw.ImageDraw, material: Material, top: int, ink: str) -> int:
    """A title over the whole width; gives the height where it ends."""
    font = material.font(material.whole(28, 52))
    for line in wrap(material.words(material.whole(3, 9)).title(), font, PAPER[0] - 180):
        draw.text((90, top), line, font=font, fill=ink)
        top += int(font.size * 1.2)
    return top + 20


def letter(draw: ImageDraw.ImageDraw, material: Material) -> None:
    """A letter: address, date, one column, a name."""
    font = material.font(20)
    for row in range(4):
        draw.text((90, 90 + 26 * row), material.words(3).title(), font=font, fill="black")
    draw.text(
        (700, 230),
        f"{material.whole(1, 28)}.{material.whole(1, 12)}.{material.whole(1960, 2026)}",
        font=font,
        fill="black",
    )
    _column(draw, material, (90, 320, 910, material.whole(800, 1200)), material.whole(18, 24), "#111")
    draw.text((90, 1250), material.words(2).title(), font=material.font(26), fill="#113")


def paper(draw: ImageDraw.ImageDraw, material: Material) -> None:
    """A scientific paper of two columns."""
    top = _title(draw, material, 80, "black")
    size = material.whole(14, 19)
    for left, right in ((90, 485), (515, 910)):
        _column(draw, material, (left, top + material.whole(0, 90), right, 1340), size, "black")


def book(draw: ImageDraw.ImageDraw, material: Material) -> None:
    """A book's page."""
    _column(draw, material, (150, 150, 850, 1260), material.whole(22, 30), "#222")
    draw.text((490, 1320), str(material.whole(2, 700)), font=material.font(20), fill="#222")


def invoice(draw: ImageDraw.ImageDraw, material: Material) -> None:
    """An invoice with a table."""
    draw.rectangle((0, 0, PAPER[0], material.whole(60, 140)), fill=material.hex_colour())
    top, font = _title(draw, material, 170, material.hex_colour(0, 140)), material.font(19)
    for row in range(material.whole(6, 22)):
        y = top + 40 * row
        if row % 2:
            draw.rectangle((90, y - 6, 910, y + 34), fill=material.hex_colour(225, 250))
        draw.text((100, y), material.words(3), font=font, fill="black")
        draw.text((760, y), f"{material.real(1, 9999):.2f}", font=font, fill="black")
        draw.line((90, y + 34, 910, y + 34), fill="#888")


def questionnaire(draw: ImageDraw.ImageDraw, material: Material) -> None:
    """A form with boxes to fill in."""
    top, font = _title(draw, material, 90, "black"), material.font(20)
    for row in range(material.whole(6, 14)):
        y = top + 76 * row
        draw.text((90, y), material.words(3).title(), font=font, fill="black")
        draw.rectangle((90, y + 28, material.whole(500, 910), y + 62), outline="black", width=2)
        if material.chance(0.6):
            draw.text((100, y + 32), material.words(2), font=material.font(22), fill="#1a2a80")


def newspaper(draw: ImageDraw.ImageDraw, material: Material) -> None:
    """A newspaper's page of many columns."""
    top = _title(draw, material, 60, "black")
    draw.line((60, top, 940, top), fill="black", width=3)
    columns = material.whole(3, 5)
    width = 880 // columns
    for column in range(columns):
        left = 60 + column * width
        _column(draw, material, (left, top + 20, left + width - 18, 1370), material.whole(13, 16), "#111")


def music(draw: ImageDraw.ImageDraw, material: Material) -> None:
    """A sheet of music-like staves."""
    top = _title(draw, material, 70, "black")
    for y in range(top + 40, 1330, 130):
        for line in range(5):
            draw.line((80, y + 12 * line, 920, y + 12 * line), fill="black")
        for x in range(110, 910, material.whole(24, 50)):
            pitch = y + 6 * material.whole(-1, 9)
            draw.ellipse((x, pitch - 6, x + 15, pitch + 6), fill="black")
            draw.line((x + 14, pitch, x + 14, pitch - 38), fill="black", width=2)


TRAIN: tuple[Layout, ...] = (letter, paper, invoice, questionnaire)
TEST: tuple[Layout, ...] = (book, newspaper, music)


def document(material: Material) -> Image.Image:
    """A clean page, whole or a part of it."""
    picture = Image.new("RGB", PAPER, "white" if material.chance(0.8) else material.hex_colour(225, 255))
    layouts = TRAIN if material.part == "train" else TEST
    layouts[material.whole(0, len(layouts) - 1)](ImageDraw.Draw(picture), material)
    if material.chance(0.5):
        top = material.whole(0, 600)
        picture = picture.crop((0, top, PAPER[0], top + material.whole(500, 800)))
    return picture


def scan(material: Material) -> Image.Image:
    """A page after printing and scanning: skewed, yellowed, spotted, unevenly lit, noisy."""
    page = document(material).convert("L" if material.chance(0.5) else "RGB").convert("RGB")
    around = material.hex_colour(0, 60) if material.chance(0.5) else material.hex_colour(190, 255)
    page = page.rotate(material.real(-3.5, 3.5), Image.Resampling.BICUBIC, expand=True, fillcolor=around)
    page = page.filter(ImageFilter.GaussianBlur(material.real(0.3, 1.3)))
    light = np.asarray(page, dtype=np.float64) / 255
    height, width = light.shape[:2]
    yellow = 1 - material.real(-0.1, 0.3) * np.array([0.05, 0.25, 1.0])
    grain = ndimage.gaussian_filter(material.rng.normal(size=(height // 4 + 1, width // 4 + 1)), 6)
    stains = ndimage.zoom(grain, 4, order=1)[:height, :width] / grain.std()
    shade = 1 - material.real(0, 0.25) * np.linspace(0, 1, width)[None, :] - material.real(0, 0.05) * stains
    noise = material.rng.normal(0, material.real(0.005, 0.05), (height, width, 1))
    scanned = light * yellow * shade[..., None] + noise
    if material.chance(0.2):  # black and white, as fax and old copiers give
        scanned = (scanned.mean(2, keepdims=True) > material.real(0.4, 0.6)).repeat(3, 2).astype(np.float64)
    return Image.fromarray((np.clip(scanned, 0, 1) * 255).astype(np.uint8))
