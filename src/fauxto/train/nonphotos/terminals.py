"""Terminals: text of one width on a dark or a light ground."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image, ImageDraw

from fauxto.train.nonphotos.material import Material

Line = Callable[[Material], str]


def listing(material: Material) -> str:
    """A line of a folder's listing."""
    name = material.words(2).replace(" ", material.one_of("_", "-", "."))
    return f"-rw-r--r-- 1 user user {material.whole(0, 9_999_999):8d} {material.whole(1, 28):2d} {name}"


def log(material: Material) -> str:
    """A line of a log."""
    level = material.one_of("INFO", "WARN", "ERROR", "DEBUG")
    clock = f"{material.whole(0, 23):02d}:{material.whole(0, 59):02d}:{material.whole(0, 59):02d}"
    return f"{clock} [{level}] {material.words(material.whole(2, 9))}"


def prompt(material: Material) -> str:
    """A command as somebody typed it."""
    return f"user@{material.words(1)}:~$ {material.words(1)} --{material.words(1)} {material.whole(0, 99)}"


def progress(material: Material) -> str:
    """A bar of progress."""
    done = material.whole(0, 30)
    return f"[{'#' * done}{'.' * (30 - done)}] {done * 100 // 30:3d} % {material.words(2)}"


def process(material: Material) -> str:
    """A line of a table of processes."""
    load = f"{material.real(0, 99):5.1f} {material.real(0, 9):4.1f}"
    return f"{material.whole(1, 99999):6d} root {load} {material.words(2)}"


def hexdump(material: Material) -> str:
    """A line of bytes."""
    values = " ".join(f"{material.whole(0, 255):02x}" for _ in range(16))
    return f"{material.whole(0, 65535):08x}  {values}"


def difference(material: Material) -> str:
    """A line of a patch."""
    return f"{material.one_of('+', '-', ' ', '@@')} {'    ' * material.whole(0, 3)}{material.words(5)}"


TRAIN: tuple[Line, ...] = (listing, log, prompt, progress)
TEST: tuple[Line, ...] = (process, hexdump, difference)


def render(material: Material) -> Image.Image:
    """A terminal full of lines, in runs of one kind, coloured in places."""
    dark = material.chance(0.8)
    ground = material.hex_colour(0, 45) if dark else material.hex_colour(235, 255)
    inks = [material.hex_colour(150, 255) if dark else material.hex_colour(0, 110) for _ in range(4)]
    width, height = material.whole(600, 1200), material.whole(400, 900)
    picture = Image.new("RGB", (width, height), ground)
    draw = ImageDraw.Draw(picture)
    size = material.whole(12, 20)
    font = material.font(size, monospaced=True)
    kinds = TRAIN if material.part == "train" else TEST
    write, ink, last = kinds[0], inks[0], material.whole(height // 3, height)
    for y in range(material.whole(4, 40), last, int(size * 1.3)):
        if material.chance(0.25):
            write = kinds[material.whole(0, len(kinds) - 1)]
            ink = inks[material.whole(0, len(inks) - 1)]
        draw.text((8, y), write(material), font=font, fill=ink)
    return picture
