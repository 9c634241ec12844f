"""Posters and typographic graphics: big letters, flat colours, gradients, shapes, sometimes a photograph."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from fauxto.train.nonphotos.material import Material, Template, wrap

SIZES = ((800, 1100), (1000, 1000), (1100, 620), (700, 1240))


def gradient(material: Material, width: int, height: int) -> Image.Image:
    """A blend between two colours in any direction."""
    angle = material.real(0, 6.3)
    y, x = np.mgrid[0:height, 0:width]
    ramp = np.cos(angle) * x / width + np.sin(angle) * y / height
    ramp = (ramp - ramp.min()) / (np.ptp(ramp) + 1e-9)
    first, second = np.array(material.colour()), np.array(material.colour())
    return Image.fromarray((first + ramp[..., None] * (second - first)).astype(np.uint8))


def _ground(material: Material) -> Image.Image:
    width, height = SIZES[material.whole(0, len(SIZES) - 1)]
    if material.chance(0.5):
        return gradient(material, width, height)
    return Image.new("RGB", (width, height), material.colour())


def _text(picture: Image.Image, material: Material, top: float, size: int, words: int) -> float:
    """Centred lines from `top` on; gives the height where they end."""
    draw, font = ImageDraw.Draw(picture), material.font(size)
    text = material.words(words)
    text = text.upper() if material.chance(0.5) else text.title()
    ink = "white" if np.asarray(picture).mean() < 128 else material.hex_colour(0, 80)
    for line in wrap(text, font, picture.width * 0.88):
        draw.text((picture.width / 2, top), line, font=font, fill=ink, anchor="ma")
        top += size * 1.15
    return top


def announcement(material: Material) -> Image.Image:
    """A big title, a line below, a date."""
    picture = _ground(material)
    top = _text(picture, material, picture.height * material.real(0.05, 0.3), material.whole(70, 150), 4)
    _text(picture, material, top + 30, material.whole(28, 50), 9)
    _text(picture, material, picture.height * 0.9, 40, 3)
    return picture


def shapes(material: Material) -> Image.Image:
    """Overlapping circles, bars and triangles with a word."""
    picture = _ground(material)
    draw = ImageDraw.Draw(picture)
    for _ in range(material.whole(4, 25)):
        x, y, r = material.whole(0, picture.width), material.whole(0, picture.height), material.whole(20, 240)
        match material.whole(0, 2):
            case 0:
                draw.ellipse((x - r, y - r, x + r, y + r), fill=material.colour())
            case 1:
                draw.rectangle((x, y, x + 2 * r, y + r // 2 + 4), fill=material.colour())
            case _:
                draw.polygon([(x, y - r), (x + r, y + r), (x - r, y + r)], fill=material.colour())
    _text(picture, material, picture.height * 0.4, material.whole(60, 120), 2)
    return picture


def quotation(material: Material) -> Image.Image:
    """A saying in the middle of a coloured square."""
    picture = _ground(material)
    top = _text(picture, material, picture.height * 0.22, material.whole(40, 66), material.whole(8, 20))
    _text(picture, material, top + 30, 28, 2)
    return picture


def panels(material: Material) -> Image.Image:
    """An information graphic: coloured panels with a number and a line each."""
    picture = Image.new("RGB", (900, 1100), material.colour(200, 255))
    draw = ImageDraw.Draw(picture)
    rows = material.whole(3, 6)
    for row in range(rows):
        top, bottom = 40 + row * 1020 // rows, (row + 1) * 1020 // rows
        draw.rounded_rectangle((40, top, 860, bottom), 20, fill=material.colour(60, 230))
        draw.text((70, top + 20), f"{material.whole(1, 99)} %", font=material.font(72), fill="white")
        draw.text((330, top + 46), material.words(4), font=material.font(32), fill="white")
    return picture


def logo(material: Material) -> Image.Image:
    """A mark and a name on a plain ground."""
    ground = material.colour(235, 255) if material.chance(0.6) else material.colour(0, 60)
    picture = Image.new("RGB", (900, 700), ground)
    draw = ImageDraw.Draw(picture)
    for ring in range(material.whole(1, 5)):
        r = 180 - ring * 34
        sides = material.whole(3, 9)
        draw.regular_polygon((450, 270, r), sides, rotation=material.whole(0, 90), fill=material.colour())
    _text(picture, material, 500, material.whole(60, 110), 1)
    return picture


def cover(material: Material) -> Image.Image:
    """A magazine's cover: a photograph's part under large type (a plain ground where there is none)."""
    if not material.photographs:
        return announcement(material)
    picture = Image.new("RGB", (800, 1050), material.colour())
    photograph = material.photograph()
    scale = 640 / photograph.width
    photograph = photograph.resize((640, max(1, int(photograph.height * scale))), Image.Resampling.BICUBIC)
    picture.paste(photograph.crop((0, 0, 640, min(photograph.height, 420))), (80, 330))
    _text(picture, material, 60, material.whole(80, 130), 2)
    _text(picture, material, 790, 44, 8)
    return picture


TRAIN: tuple[Template, ...] = (announcement, shapes, quotation)
TEST: tuple[Template, ...] = (panels, logo, cover)


def render(material: Material) -> Image.Image:
    """A poster of the part's templates."""
    templates = TRAIN if material.part == "train" else TEST
    return templates[material.whole(0, len(templates) - 1)](material)
