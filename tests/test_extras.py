"""An error that asks for an extra names one that the package has."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
RAISED = re.compile(r"MissingExtraError\(\s*f?\"[^\"]*\",\s*\"([a-z]+)\"", re.DOTALL)


def test_every_extra_that_an_error_names_exists() -> None:
    named = {
        extra
        for module in (ROOT / "src").rglob("*.py")
        for extra in RAISED.findall(module.read_text(encoding="utf-8"))
    }
    table = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    extras = table.split("[project.optional-dependencies]")[1].split("\n[")[0]
    offered = set(re.findall(r"^([a-z]+) = \[", extras, re.MULTILINE))
    assert {"parquet", "train", "evaluate"} <= named
    assert named <= offered
