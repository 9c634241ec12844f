"""The licence check of continuous integration refuses what it does not know."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

CHECK = Path(__file__).parents[1] / ".ci" / "licences"
allowed: Callable[[str], bool] = runpy.run_path(str(CHECK))["allowed"]


@pytest.mark.parametrize("expression", ["MIT", "Apache-2.0 OR BSD-3-Clause", "GPL-2.0-only OR MIT", "(MIT)"])
def test_known_licences_pass(expression: str) -> None:
    assert allowed(expression)


@pytest.mark.parametrize("expression", ["", "GPL-3.0-only", "MIT AND GPL-3.0-only", "Proprietary", "UNKNOWN"])
def test_others_fail(expression: str) -> None:
    assert not allowed(expression)
