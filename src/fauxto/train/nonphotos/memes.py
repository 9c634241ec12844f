"""Memes: a photograph under captions."""

from __future__ import annotations

from PIL import Image, ImageDraw

from fauxto.train.nonphotos.material import Material, Template, wrap


def _caption(material: Material, width: int, size: int, *, dark: bool) -> Image.Image:
    """A bar of centred text."""
    font = material.font(size)
    lines = wrap(material.words(material.whole(3, 14)).capitalize(), font, width * 0.92)
    bar = Image.new("RGB", (width, int(size * 1.25 * len(lines)) + size), "black" if dark else "white")
    draw = ImageDraw.Draw(bar)
    for row, line in enumerate(lines):
        place = (width / 2, size / 2 + row * size * 1.25)
        draw.text(place, line, font=font, fill="white" if dark else "black", anchor="ma")
    return bar


def _below(*pictures: Image.Image) -> Image.Image:
    """Pictures of one width below one another."""
    whole = Image.new("RGB", (pictures[0].width, sum(picture.height for picture in pictures)))
    top = 0
    for picture in pictures:
        whole.paste(picture, (0, top))
        top += picture.height
    return whole


def bar_above(material: Material) -> Image.Image:
    """A caption's bar over a photograph."""
    photograph = material.photograph()
    size = material.whole(photograph.width // 14, photograph.width // 8)
    bar = _caption(material, photograph.width, size, dark=material.chance(0.3))
    return _below(bar, photograph)


def outlined(material: Material) -> Image.Image:
    """White capitals with a black rim at the top and the bottom."""
    photograph = material.photograph()
    draw, size = ImageDraw.Draw(photograph), photograph.width // 9
    font = material.font(size)
    for top in (0.02, 0.98):
        lines = wrap(material.words(material.whole(2, 5)).upper(), font, photograph.width * 0.95)
        text = "\n".join(lines)
        place = (photograph.width / 2, photograph.height * top)
        anchor, rim = ("ma" if top < 0.5 else "md"), max(2, size // 14)
        draw.multiline_text(
            place,
            text,
            font=font,
            fill="white",
            anchor=anchor,
            align="center",
            stroke_width=rim,
            stroke_fill="black",
        )
    return photograph


def two_panels(material: Material) -> Image.Image:
    """Two photographs on the left, a line of text beside each."""
    whole = Image.new("RGB", (800, 800), "white")
    draw = ImageDraw.Draw(whole)
    for top in (0, 400):
        whole.paste(material.photograph().resize((400, 400)), (0, top))
        font = material.font(38)
        for row, line in enumerate(wrap(material.words(7), font, 370)):
            draw.text((415, top + 60 + 48 * row), line, font=font, fill="black")
        draw.line((0, top, 800, top), fill="black", width=4)
    return whole


def framed(material: Material) -> Image.Image:
    """A photograph in a black frame over a title, as motivational posters have it."""
    photograph = material.photograph()
    width, height = photograph.size
    bar = _caption(material, int(width * 1.3), width // 11, dark=True)
    top = Image.new("RGB", (int(width * 1.3), int(height + width * 0.2)), "black")
    ImageDraw.Draw(top).rectangle(
        (width * 0.14, width * 0.09, width * 1.16, width * 0.11 + height), outline="white", width=2
    )
    top.paste(photograph, (int(width * 0.15), int(width * 0.1)))
    return _below(top, bar)


TRAIN: tuple[Template, ...] = (bar_above, outlined)
TEST: tuple[Template, ...] = (two_panels, framed)


def render(material: Material) -> Image.Image:
    """A meme of the part's templates; needs photographs."""
    templates = TRAIN if material.part == "train" else TEST
    return templates[material.whole(0, len(templates) - 1)](material)
