"""Accuracy and loss by epoch as a picture, from the log of a run."""

from __future__ import annotations

import csv
from pathlib import Path


def plot_curves(log: Path, output: Path) -> None:
    """Draw training and validation loss and accuracy.

    Args:
        log: metrics.csv of a run.
        output: PNG to write.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with log.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, what in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for part in ("train", "val"):
            points = [
                (int(row["epoch"]) + 1, float(row[f"{part}_{what}"]))
                for row in rows
                if row.get(f"{part}_{what}")
            ]
            axes.plot(
                *zip(*points, strict=True), marker="o", label={"train": "training", "val": "validation"}[part]
            )
        axes.set(xlabel="epoch", ylabel=what)
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(output, dpi=120)
