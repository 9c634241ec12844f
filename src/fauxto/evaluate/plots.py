"""Plots for the report, as SVG to be put into the page: no files, no network, readable light and dark."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fauxto.evaluate.schema import Curve, Estimate, ModelResult, RungResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Matplotlib wants a colour for lines and text; this one becomes the page's own text colour.
_INK = "#010203"
_COLOURS = ("#2f7fe0", "#e06c1f")
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "fauxto",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": _INK,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#888888",
    "grid.alpha": 0.25,
    "legend.frameon": False,
}


class _Drawing:
    """Axes to draw on, and the SVG once that is done."""

    def __init__(self, axes: Axes) -> None:
        self.axes = axes
        self.svg = ""


@contextmanager
def _drawing(width: float, height: float) -> Iterator[_Drawing]:
    """Axes of this size in inches, drawn without pyplot, whose global state is not ours to change."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        drawing = _Drawing(figure.subplots())
        yield drawing
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        drawing.svg = _embeddable(buffer.getvalue())


def _embeddable(svg: str) -> str:
    """Cut out what only a file of its own needs, its fixed size, and every address."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\s(?:xmlns(?::\w+)?|version)="[^"]*"', "", svg)
    svg = re.sub(r'(<svg[^>]*?)\s(?:width|height)="[^"]*"', r"\1", svg)
    svg = re.sub(r'(<svg[^>]*?)\s(?:width|height)="[^"]*"', r"\1", svg)
    return svg.replace(_INK, "currentColor").strip()


def roc(results: Sequence[ModelResult]) -> str:
    """ROC curves, one a model."""
    with _drawing(5, 4.2) as drawing:
        drawing.axes.plot([0, 1], [0, 1], color="#888888", linestyle=":", label="chance")
        _curves(drawing.axes, [one.roc for one in results], _labels(results, "auroc"))
        drawing.axes.set(
            xlabel="false-positive rate", ylabel="true-positive rate", xlim=(0, 1), ylim=(0, 1.01)
        )
        drawing.axes.legend(loc="lower right")
    return drawing.svg


def precision_recall(results: Sequence[ModelResult]) -> str:
    """Precision-recall curves, one a model."""
    with _drawing(5, 4.2) as drawing:
        _curves(
            drawing.axes, [one.precision_recall for one in results], _labels(results, "average_precision")
        )
        drawing.axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.01))
        drawing.axes.legend(loc="lower left")
    return drawing.svg


def _labels(results: Sequence[ModelResult], figure: str) -> list[str]:
    word = {"auroc": "AUROC", "average_precision": "AP"}[figure]
    labels = []
    for result in results:
        value = getattr(result.figures, figure).value
        labels.append(f"{_named(result)}, {word} {value:.4f}" if value is not None else _named(result))
    return labels


def _named(result: ModelResult) -> str:
    return f"{result.model.name} {result.model.version}"


def _curves(axes: Axes, curves: Sequence[Curve], labels: Sequence[str]) -> None:
    for curve, label, colour in zip(curves, labels, _COLOURS, strict=False):
        axes.plot(curve.x, curve.y, color=colour, label=label)


def calibration(results: Sequence[ModelResult]) -> str:
    """Share of AI-generated images against the mean score of each bin; areas grow with the bin's images."""
    with _drawing(5, 4.2) as drawing:
        drawing.axes.plot([0, 1], [0, 1], color="#888888", linestyle=":", label="perfect")
        for result, colour in zip(results, _COLOURS, strict=False):
            bins = [one for one in result.calibration if one.images]
            most = max((one.images for one in bins), default=1)
            xs = [one.mean_score or 0.0 for one in bins]
            ys = [one.share_ai or 0.0 for one in bins]
            drawing.axes.plot(xs, ys, color=colour, linewidth=1, label=_named(result))
            drawing.axes.scatter(
                xs, ys, s=[12 + 120 * one.images / most for one in bins], color=colour, alpha=0.6
            )
        drawing.axes.set(xlabel="score (mean of the bin)", ylabel="share AI-generated")
        drawing.axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
        drawing.axes.legend(loc="upper left")
    return drawing.svg


def robustness(results: Sequence[ModelResult], figure: str, title: str) -> str:
    """One figure (`auroc`, `accuracy` or `flip_rate`) on every rung, with intervals."""
    rungs = [{(rung.ladder, rung.name): rung for rung in result.robustness} for result in results]
    keys = list(dict.fromkeys(key for one in rungs for key in one))
    mixed = len({ladder for ladder, _ in keys}) > 1
    names = [f"{name} (small)" if mixed and ladder == "small" else name for ladder, name in keys]
    with _drawing(5, 0.8 + 0.22 * max(3, len(keys))) as drawing:
        for number, (result, one) in enumerate(zip(results, rungs, strict=True)):
            placed = [(place + 0.2 * number, one[key]) for place, key in enumerate(keys) if key in one]
            _points(drawing.axes, placed, figure, _COLOURS[number], _named(result))
        drawing.axes.set_yticks(range(len(names)), names)
        drawing.axes.invert_yaxis()
        drawing.axes.set_xlabel(title)
        if len(results) > 1:
            drawing.axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return drawing.svg


def _points(
    axes: Axes, placed: Sequence[tuple[float, RungResult]], figure: str, colour: str, label: str
) -> None:
    places, values, below, above = [], [], [], []
    for place, rung in placed:
        found: Estimate = getattr(rung, figure)
        if found.value is not None and found.low is not None and found.high is not None:
            places.append(place)
            values.append(found.value)
            below.append(found.value - found.low)
            above.append(found.high - found.value)
    axes.errorbar(
        values, places, xerr=[below, above], fmt="o", markersize=4, color=colour, capsize=2, label=label
    )
