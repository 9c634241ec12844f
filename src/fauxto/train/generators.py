"""When generators were published: heads on a backbone fall on what is newer than the backbone."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from fauxto.evaluate.schema import SourceRow
from fauxto.images import printable


@cache
def _released() -> tuple[tuple[str, str], ...]:
    """Names in plain letters and digits, and months (YYYY-MM); the longest names first."""
    with Path(__file__).with_name("generators.csv").open(encoding="utf-8", newline="") as stream:
        rows = [(name, row["released"]) for row in csv.DictReader(stream) for name in row["names"].split()]
    return tuple(sorted(rows, key=lambda row: -len(row[0])))


def released(source: str) -> str | None:
    """The month (YYYY-MM) in which the generator that a source is named after was published, where known."""
    plain = re.sub(r"[^a-z0-9]", "", source.lower())
    return next((month for name, month in _released() if name in plain), None)


def newer_than(backbone: str, rows: Sequence[SourceRow]) -> str:
    """A section of a model card: recall by generator, and whether it is newer than the backbone.

    Args:
        backbone: month (YYYY-MM) in which it was published.
        rows: the AI sources of an evaluation.
    """
    lines = [
        "## Test by generator",
        "",
        f"The backbone was published in {backbone}; heads on such backbones fall on newer generators.",
        "",
        "| generator | images | verdict `ai` | published | generator newer than the backbone |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        month = released(row.source)
        newer = "unknown" if month is None else "yes" if month > backbone else "no"
        share = row.verdict_ai
        rate = f"{share.count} of {share.total}"
        if share.low is not None and share.high is not None:
            rate += f" ({share.low:.3f} to {share.high:.3f})"
        source = printable(row.source).replace("|", "/") or "not named"
        lines.append(f"| {source} | {row.images} | {rate} | {month or 'unknown'} | {newer} |")
    return "\n".join(lines) + "\n"
