"""Plots and charts, drawn by matplotlib."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from PIL import Image

from fauxto.train.nonphotos.material import Material

Plot = Callable[[Axes, Material], None]
STYLES = {
    "train": ("default", "ggplot", "bmh", "dark_background", "seaborn-v0_8-whitegrid"),
    "test": ("fivethirtyeight", "grayscale", "seaborn-v0_8-darkgrid", "Solarize_Light2"),
}
COLOUR_MAPS = ("viridis", "magma", "coolwarm", "Greys", "Blues", "tab20", "jet", "RdYlGn", "cividis")


def _map(material: Material) -> str:
    return material.one_of(*COLOUR_MAPS)


def lines(axes: Axes, material: Material) -> None:
    """Series over time."""
    for _ in range(material.whole(1, 6)):
        series = material.rng.normal(size=material.whole(10, 120)).cumsum()
        axes.plot(series, marker=material.one_of("", "", "o", "x"), label=material.words(2))
    axes.legend()


def bars(axes: Axes, material: Material) -> None:
    """Bars with names, standing or lying."""
    names = [f"{material.words(1)} {i}" for i in range(material.whole(3, 12))]
    values = material.rng.uniform(1, 100, len(names))
    colours = [material.hex_colour() for _ in names] if material.chance(0.5) else None
    if material.chance(0.5):
        axes.bar(names, values, color=colours)
        axes.tick_params(axis="x", rotation=60)
    else:
        axes.barh(names, values, color=colours)


def scatter(axes: Axes, material: Material) -> None:
    """Clouds of points."""
    for _ in range(material.whole(1, 5)):
        count = material.whole(10, 400)
        x, y = material.rng.normal(material.real(-3, 3), 1, count), material.rng.normal(0, 1, count)
        axes.scatter(x, y, s=material.whole(4, 80), alpha=material.real(0.3, 1), label=material.words(1))
    axes.legend()


def pie(axes: Axes, material: Material) -> None:
    """Shares of a whole."""
    shares = material.rng.uniform(1, 10, material.whole(3, 8))
    axes.pie(shares, labels=[material.words(1) for _ in shares], autopct="%1.0f%%")


def histogram(axes: Axes, material: Material) -> None:
    """Counts by class."""
    axes.hist(material.rng.gamma(material.real(1, 6), 2, 800), bins=material.whole(8, 60))


def stack(axes: Axes, material: Material) -> None:
    """Areas on top of one another."""
    rows = np.abs(material.rng.normal(size=(material.whole(2, 6), 40)).cumsum(1)) + 1
    axes.stackplot(range(40), rows, labels=[material.words(1) for _ in rows])
    axes.legend(loc="upper left")


def heat(axes: Axes, material: Material) -> None:
    """A matrix in colours with its numbers."""
    values = material.rng.uniform(size=(material.whole(4, 10), material.whole(4, 10)))
    axes.imshow(values, cmap=_map(material))
    if material.chance(0.6):
        for (row, column), value in np.ndenumerate(values):
            axes.text(column, row, f"{value:.1f}", ha="center", va="center", fontsize=7)


def contour(axes: Axes, material: Material) -> None:
    """Level lines of a smooth surface, filled or not."""
    x, y = np.meshgrid(np.linspace(-3, 3, 90), np.linspace(-3, 3, 90))
    a, b, c = material.rng.uniform(0.5, 2.5, 3)
    z = np.sin(a * x) + np.cos(b * y) + np.exp(-c * (x**2 + y**2))
    (axes.contourf if material.chance(0.6) else axes.contour)(x, y, z, 12, cmap=_map(material))


def boxes(axes: Axes, material: Material) -> None:
    """Quartiles by group, as boxes or violins."""
    groups = [material.rng.normal(material.real(-2, 2), 1, 60) for _ in range(material.whole(3, 8))]
    if material.chance(0.5):
        axes.boxplot(groups)
    else:
        axes.violinplot(groups)


def steps(axes: Axes, material: Material) -> None:
    """Prices with bands of error."""
    middle = material.rng.normal(size=60).cumsum()
    width = np.abs(material.rng.normal(1, 0.4, 60)).cumsum() / 8
    axes.step(range(60), middle, color=material.hex_colour(0, 160))
    axes.fill_between(range(60), middle - width, middle + width, alpha=0.25)


def field(axes: Axes, material: Material) -> None:
    """Arrows of a vector field."""
    x, y = np.meshgrid(np.linspace(-2, 2, 16), np.linspace(-2, 2, 16))
    a, b = material.rng.uniform(-2, 2, 2)
    axes.quiver(x, y, np.cos(a * y), np.sin(b * x), np.hypot(x, y), cmap=_map(material))


TRAIN: tuple[Plot, ...] = (lines, bars, scatter, pie, heat, histogram, boxes)
TEST: tuple[Plot, ...] = (stack, contour, steps, field)


def render(material: Material) -> Image.Image:
    """A figure of one to four plots."""
    plots = TRAIN if material.part == "train" else TEST
    styles = STYLES[material.part]
    with plt.style.context(styles[material.whole(0, len(styles) - 1)]):
        rows, columns = (1, 1) if material.chance(0.6) else (material.whole(1, 2), 2)
        size = (material.real(5, 9), material.real(4, 7))
        figure, grid = plt.subplots(rows, columns, figsize=size, squeeze=False)
        for axes in grid.flat:
            plots[material.whole(0, len(plots) - 1)](axes, material)
            axes.set_title(material.words(material.whole(1, 5)))
            axes.set_xlabel(material.words(1))
            axes.set_ylabel(material.words(1))
        figure.tight_layout()
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=material.whole(70, 160))
        plt.close(figure)
    return Image.open(buffer).convert("RGB")
