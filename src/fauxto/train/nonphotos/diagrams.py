"""Diagrams: boxes and arrows by Graphviz; maps, trees and plans by hand."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Callable
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw

from fauxto.errors import UsageError
from fauxto.train.nonphotos.material import Material, Template

LAYOUTS = {"train": ("dot", "neato", "circo"), "test": ("fdp", "twopi")}
SHAPES = {
    "train": ("box", "ellipse", "diamond", "circle", "note"),
    "test": ("component", "hexagon", "cylinder", "folder", "record"),
}


def layouter() -> str:
    """Graphviz's command.

    Raises:
        UsageError: it is not installed.
    """
    if found := shutil.which("dot"):
        return found
    raise UsageError("diagrams need Graphviz: apt-get install graphviz (or leave the kind out by --kinds)")


def graph(material: Material) -> Image.Image:
    """A graph of named boxes, laid out by Graphviz.

    Raises:
        UsageError: Graphviz is not installed.
    """
    layouter()
    count = material.whole(5, 22)
    directed = material.chance(0.7)
    arrow = "->" if directed else "--"
    nodes = [
        f'n{i} [label="{material.words(material.whole(1, 3))}" fillcolor="{material.hex_colour(150, 255)}"]'
        for i in range(count)
    ]
    edges = [
        f"n{material.whole(0, i - 1)} {arrow} n{i}"
        + (f' [label="{material.words(1)}"]' if material.chance(0.3) else "")
        for i in range(1, count)
    ]
    edges += [
        f"n{material.whole(0, count - 1)} {arrow} n{material.whole(0, count - 1)}" for _ in range(count // 4)
    ]
    source = (
        f"{'digraph' if directed else 'graph'} {{ rankdir={material.one_of('TB', 'LR')}; "
        f'bgcolor="{material.hex_colour(235, 255)}"; overlap=false; '
        f"node [shape={material.one_of(*SHAPES[material.part])} "
        f"style={material.one_of('filled', 'rounded', 'solid')} "
        f'fontname="{material.one_of("DejaVu Sans", "Lato")}"];'
        f"{';'.join([*nodes, *edges])} }}"
    )
    command = [material.one_of(*LAYOUTS[material.part]), "-Tpng", f"-Gdpi={material.whole(60, 130)}"]
    drawn = subprocess.run(command, input=source.encode(), capture_output=True, check=True, timeout=60).stdout
    return Image.open(io.BytesIO(drawn)).convert("RGB")


def flow(material: Material) -> Image.Image:
    """Steps from top to bottom, as slides show processes."""
    picture = Image.new("RGB", (900, 700), material.hex_colour(230, 255))
    draw = ImageDraw.Draw(picture)
    font = material.font(material.whole(16, 24))
    columns, rows = material.whole(2, 4), material.whole(2, 4)
    for column in range(columns):
        for row in range(rows):
            x, y = 40 + column * 860 // columns, 40 + row * 640 // rows
            box = (x, y, x + 620 // columns, y + 360 // rows)
            draw.rounded_rectangle(box, 12, fill=material.hex_colour(120, 255), outline="#333", width=2)
            draw.text((x + 12, y + 12), material.words(2), font=font, fill="black")
            if row + 1 < rows:
                middle = (box[0] + box[2]) / 2
                draw.line((middle, box[3], middle, 40 + (row + 1) * 640 // rows), fill="#333", width=3)
    return picture


def street_map(material: Material) -> Image.Image:
    """A map: land, water, streets and names."""
    picture = Image.new("RGB", (900, 800), material.hex_colour(225, 250))
    draw = ImageDraw.Draw(picture)
    for _ in range(material.whole(2, 5)):
        corners = material.rng.integers(-100, 1000, (7, 2))
        draw.polygon([(int(x), int(y)) for x, y in corners], fill=material.hex_colour(160, 230))
    for width, count in ((14, 3), (7, 9), (3, 24)):
        colour = material.hex_colour(180, 255)
        for _ in range(count):
            start, turn = material.rng.uniform(0, 900, 2), material.real(0, 6.3)
            bends = np.cumsum(material.rng.normal(0, 0.25, 40)) + turn
            path = start + np.cumsum(np.stack([np.cos(bends), np.sin(bends)], 1) * 30, 0)
            points = [(float(x), float(y)) for x, y in path]
            draw.line(points, fill="#999", width=width + 3)
            draw.line(points, fill=colour, width=width)
    for _ in range(material.whole(8, 25)):
        x, y = material.rng.integers(0, 800, 2)
        draw.text((int(x), int(y)), material.words(1).title(), font=material.font(16), fill="#333")
    return picture


def floor_plan(material: Material) -> Image.Image:
    """A flat's plan: walls, doors, rooms' names and sizes."""
    picture = Image.new("RGB", (900, 700), "white")
    draw = ImageDraw.Draw(picture)
    xs = [60, *sorted(material.whole(140, 760) for _ in range(2)), 840]
    ys = [60, material.whole(220, 480), 640]
    for left, right in pairwise(xs):
        for top, bottom in pairwise(ys):
            draw.rectangle((left, top, right, bottom), outline="black", width=material.whole(4, 9))
            draw.text((left + 14, top + 20), material.words(1).title(), font=material.font(18), fill="black")
            draw.text(
                (left + 14, top + 46), f"{material.real(4, 40):.1f} m2", font=material.font(15), fill="#555"
            )
            draw.arc((left + 20, bottom - 60, left + 90, bottom + 10), 180, 270, fill="black", width=2)
    return picture


def circuit(material: Material) -> Image.Image:
    """Parts on a grid, joined by right-angled lines."""
    picture = Image.new("RGB", (900, 700), material.hex_colour(240, 255))
    draw = ImageDraw.Draw(picture)
    ink = material.hex_colour(0, 110)
    places = [(60 + 130 * i, 60 + 120 * j) for i in range(7) for j in range(5) if material.chance(0.6)]
    for (x0, y0), (x1, y1) in pairwise(places):
        draw.line((x0, y0, x1, y0, x1, y1), fill=ink, width=2)
    for x, y in places:
        draw.rectangle((x - 22, y - 12, x + 22, y + 12), fill="white", outline=ink, width=2)
        name = f"{material.one_of('R', 'C', 'L', 'U', 'Q')}{material.whole(1, 99)}"
        draw.text((x - 14, y + 14), name, font=material.font(14), fill=ink)
    return picture


TRAIN: tuple[Callable[[Material], Image.Image], ...] = (graph, graph, flow, street_map)
TEST: tuple[Template, ...] = (graph, floor_plan, circuit)


def render(material: Material) -> Image.Image:
    """A diagram of the part's templates."""
    templates = TRAIN if material.part == "train" else TEST
    return templates[material.whole(0, len(templates) - 1)](material)
