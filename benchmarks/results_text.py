"""Reading results/ and writing numbers for people, for every page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def read(name: str) -> Any:
    """A file of results/."""
    return json.loads((ROOT / "results" / name).read_text(encoding="utf-8"))


def percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def interval(figure: dict[str, float]) -> str:
    return f"{figure['value']:.4f} ({figure['low']:.4f} to {figure['high']:.4f})"
