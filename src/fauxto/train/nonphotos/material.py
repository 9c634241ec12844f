"""What templates draw with: randomness, fonts, photographs, words, colours, apart by train and test."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFont

Pixels = NDArray[np.uint8]
Generator = np.random.Generator
Colour = tuple[int, int, int]
Part = Literal["train", "test"]

# Families that hold Latin letters; the rest of a system's fonts are scripts and symbols.
FAMILIES = (
    "DejaVu", "Liberation", "Roboto", "Lato", "Open Sans", "Carlito", "Fira", "JetBrains", "Inconsolata",
    "Linux Libertine", "EB Garamond", "Comic Neue", "Humor Sans", "Cantarell", "STIX",
)  # fmt: skip
MONOSPACED = ("Mono", "Fira Code", "Inconsolata")
NOT_FOR_TEXT = ("Display", "Symbol", "Size", "NonUni", "Initials", "Keyboard", "Math", "Icons")

WORDS = {
    "en": "the of and a report shows that market price growth for city council plans new bridge water school "
    "season team won match after late goal people say weather will turn cold by evening research found cells "
    "light energy model data results table method figure year month budget law court decision travel hotel "
    "garden recipe butter flour minutes oven film music concert ticket price offer free delivery today",
    "de": "der die das und Bericht zeigt dass Markt Preise für Stadt Rat plant neue Brücke Wasser Schule "
    "Saison Mannschaft gewann Spiel nach spätem Tor Leute sagen Wetter wird kühl am Abend Forschung fand "
    "Zellen Licht Energie Modell Daten Ergebnis Tabelle Jahr Monat Haushalt Gesetz Gericht Urteil Reise",
    "fr": "le la les et rapport montre que marché prix pour ville conseil prévoit nouveau pont eau école "
    "saison équipe gagné match après but tardif météo froid soir recherche cellules lumière énergie "
    "modèle données résultats tableau année mois loi tribunal décision voyage hôtel jardin recette beurre",
    "zh": "报告 显示 市场 价格 城市 计划 新 桥 水 学校 赛季 球队 比赛 人们 天气 研究 细胞 光 能源 模型 数据 "
    "结果 表格 年 月 预算 法律 法院 旅行 酒店 花园 食谱 电影 音乐 今天",
}


@dataclass(frozen=True)
class Material:
    """What one picture is made from.

    Attributes:
        rng: the picture's own source of randomness.
        photographs: decoded photographs (H, W, 3) that the part may use; may be empty.
        part: fonts and photographs of `train` and `test` do not overlap.
    """

    rng: Generator
    photographs: Sequence[Pixels]
    part: Part

    def photograph(self) -> Image.Image:
        """One of the photographs.

        Raises:
            IndexError: there are none.
        """
        return Image.fromarray(self.photographs[int(self.rng.integers(len(self.photographs)))])

    def chance(self, probability: float) -> bool:
        """Whether something of this probability happens."""
        return bool(self.rng.random() < probability)

    def whole(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return int(self.rng.integers(low, high + 1))

    def real(self, low: float, high: float) -> float:
        """A real number from `low` to `high`."""
        return float(self.rng.uniform(low, high))

    def one_of(self, *things: str) -> str:
        """One of the strings."""
        return things[self.whole(0, len(things) - 1)]

    def font(self, size: int, *, monospaced: bool = False) -> ImageFont.FreeTypeFont:
        """A font of the part, at this size in pixels."""
        files = font_files(self.part, monospaced)
        return ImageFont.truetype(str(files[self.whole(0, len(files) - 1)]), size)

    def words(self, count: int, language: str = "en") -> str:
        """So many words of a language, in any order."""
        vocabulary = WORDS[language].split()
        return " ".join(vocabulary[int(i)] for i in self.rng.integers(0, len(vocabulary), count))

    def sentence(self, language: str = "en") -> str:
        """A sentence-like row of words."""
        text = self.words(self.whole(5, 16), language)
        number = f" {self.whole(2, 2030)}" if self.chance(0.2) else ""
        return text[0].upper() + text[1:] + number + "."

    def paragraph(self, sentences: int = 5, language: str = "en") -> str:
        """Some sentences."""
        return " ".join(self.sentence(language) for _ in range(sentences))

    def colour(self, low: int = 0, high: int = 255) -> Colour:
        """A colour whose channels lie between `low` and `high`."""
        red, green, blue = (int(v) for v in self.rng.integers(low, high + 1, 3))
        return red, green, blue

    def hex_colour(self, low: int = 0, high: int = 255) -> str:
        """The same, as HTML writes it."""
        return "#{:02x}{:02x}{:02x}".format(*self.colour(low, high))


Template = Callable[[Material], Image.Image]


def part_of(name: str) -> Part:
    """The part that a font or a photograph's origin belongs to, by its hash: seven in ten train."""
    return "test" if hashlib.sha256(name.encode()).digest()[0] % 10 < 3 else "train"


@cache
def _fonts() -> tuple[tuple[str, Path], ...]:
    """Family and file of every font with Latin letters on this machine; matplotlib's own are always there."""
    from matplotlib import get_data_path
    from matplotlib.font_manager import findSystemFonts

    own = (Path(get_data_path()) / "fonts" / "ttf").glob("*.ttf")
    found = []
    for file in {*map(Path, findSystemFonts()), *own}:
        try:
            family = str(ImageFont.truetype(str(file), 12).getname()[0] or "")
        except OSError:  # bitmap fonts, such as emoji, have no such size
            continue
        if family.startswith(FAMILIES) and not any(word in family for word in NOT_FOR_TEXT):
            found.append((family, file))
    return tuple(sorted(found))


@cache
def font_files(part: Part, monospaced: bool = False) -> tuple[Path, ...]:
    """Font files of one part; all that are there where a part would have none."""
    fitting = [
        (family, file)
        for family, file in _fonts()
        if any(word in family for word in MONOSPACED) == monospaced
    ]
    chosen = [file for family, file in fitting if part_of(family) == part]
    return tuple(chosen or [file for _, file in fitting])


def wrap(text: str, font: ImageFont.FreeTypeFont, width: float) -> list[str]:
    """Lines of text that are no wider than `width` pixels in this font."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and font.getlength(longer) > width:
            lines.append(line)
            line = word
        else:
            line = longer
    return [*lines, line] if line else lines
