"""Drawn icons and plain graphics: small pictures that no camera took and no generator made.

They teach and test that a thumbnail model does not accuse what is merely flat, sharp or regular.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Generator = np.random.Generator
Colour = tuple[int, int, int]


def _colour(rng: Generator) -> Colour:
    red, green, blue = (int(v) for v in rng.integers(0, 256, 3))
    return red, green, blue


def _points(rng: Generator, count: int, side: int) -> list[tuple[int, int]]:
    return [(int(x), int(y)) for x, y in rng.integers(0, side, (count, 2))]


def plain(draw: ImageDraw.ImageDraw, side: int, rng: Generator) -> None:
    """One colour, sometimes with a border."""
    if rng.random() < 0.5:
        draw.rectangle((0, 0, side - 1, side - 1), outline=_colour(rng), width=max(1, side // 16))


def shapes(draw: ImageDraw.ImageDraw, side: int, rng: Generator) -> None:
    """A few filled ellipses, boxes and polygons."""
    for _ in range(int(rng.integers(1, 6))):
        (x0, y0), (x1, y1) = _points(rng, 2, side)
        box = (min(x0, x1), min(y0, y1), max(x0, x1) + 1, max(y0, y1) + 1)
        match int(rng.integers(3)):
            case 0:
                draw.ellipse(box, fill=_colour(rng))
            case 1:
                draw.rectangle(box, fill=_colour(rng))
            case _:
                draw.polygon(_points(rng, int(rng.integers(3, 7)), side), fill=_colour(rng))


def icon(draw: ImageDraw.ImageDraw, side: int, rng: Generator) -> None:
    """A rounded tile with a symbol of lines, as application icons have."""
    margin = int(rng.integers(0, side // 6 + 1))
    draw.rounded_rectangle((margin, margin, side - margin, side - margin), side // 5, fill=_colour(rng))
    for _ in range(int(rng.integers(1, 4))):
        draw.line(_points(rng, int(rng.integers(2, 5)), side), fill=_colour(rng), width=max(1, side // 10))


def letters(draw: ImageDraw.ImageDraw, side: int, rng: Generator) -> None:
    """One to three characters, as favicons and avatars have."""
    text = "".join(chr(int(c)) for c in rng.integers(65, 91, int(rng.integers(1, 4))))
    draw.text(
        (side / 2, side / 2),
        text,
        fill=_colour(rng),
        anchor="mm",
        font_size=int(side * rng.uniform(0.3, 0.8)),
    )


def chart(draw: ImageDraw.ImageDraw, side: int, rng: Generator) -> None:
    """Bars or a line over axes."""
    count = int(rng.integers(3, 9))
    heights = rng.integers(1, side, count)
    if rng.random() < 0.5:
        width = max(1, side // count)
        for index, height in enumerate(heights):
            draw.rectangle(
                (index * width, side - int(height), (index + 1) * width - 2, side), fill=_colour(rng)
            )
    else:
        steps = [(int(i * side / (count - 1)), int(h)) for i, h in enumerate(heights)]
        draw.line(steps, fill=_colour(rng), width=max(1, side // 20))
    draw.line([(0, 0), (0, side - 1), (side - 1, side - 1)], fill=_colour(rng))


def stripes(draw: ImageDraw.ImageDraw, side: int, rng: Generator) -> None:
    """Parallel lines or a checkerboard: regular patterns are not a generator's trace."""
    step = int(rng.integers(2, max(3, side // 3)))
    colour = _colour(rng)
    checkered = rng.random() < 0.5
    for x in range(0, side, step):
        for y in range(0, side, step):
            if (x // step + (y // step if checkered else 0)) % 2:
                draw.rectangle((x, y, x + step - 1, y + step - 1), fill=colour)


KINDS: dict[str, Callable[[ImageDraw.ImageDraw, int, Generator], None]] = {
    "plain": plain,
    "shapes": shapes,
    "icon": icon,
    "letters": letters,
    "chart": chart,
    "stripes": stripes,
}


def _gradient(side: int, rng: Generator) -> NDArray[np.uint8]:
    """A linear blend between two colours, (side, side, 3)."""
    ramp = np.linspace(0, 1, side)[:, None, None] * np.ones((1, side, 1))
    if rng.random() < 0.5:
        ramp = ramp.transpose(1, 0, 2)
    first, second = np.array(_colour(rng)), np.array(_colour(rng))
    blend: NDArray[np.float64] = first + ramp * (second - first)
    return blend.astype(np.uint8)


def draw_graphic(side: int, rng: Generator, kind: str | None = None) -> NDArray[np.uint8]:
    """One drawn picture.

    Args:
        side: of the square, in pixels.
        rng: source of all randomness.
        kind: a key of `KINDS`; by default a random one.

    Returns:
        (side, side, 3) uint8.
    """
    scale = 4 if rng.random() < 0.5 else 1
    full = side * scale
    if rng.random() < 0.3:
        canvas = Image.fromarray(_gradient(full, rng))
    else:
        canvas = Image.new("RGB", (full, full), _colour(rng))
    KINDS[kind or str(rng.choice(list(KINDS)))](ImageDraw.Draw(canvas), full, rng)
    if scale > 1:  # anti-aliased, as icons are drawn today
        canvas = canvas.resize((side, side), Image.Resampling.LANCZOS)
    return np.asarray(canvas)
