"""What the shipped models are known to get wrong: a verdict that flips is told, for better or for worse."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fauxto import Detector
from fauxto.models import read_config, shipped

ROOT = Path(__file__).parents[2]
SHARED = {
    f"{name}_test_sha256": ROOT.parent / "shared" / "data" / name / "test.parquet"
    for name in ("cifake", "faces")
}
KNOWN: list[dict[str, Any]] = json.loads((Path(__file__).parent / "known.json").read_text())


@cache
def detector(model: str) -> Detector:
    return Detector(model)


def source(entry: dict[str, Any]) -> Any:
    """What is judged: a file, a part of one as pixels, or an image of CIFAKE."""
    if "file" in entry:
        path = ROOT / entry["file"]
        if entry["box"] is None:
            return path
        with Image.open(path) as image:
            part = image.convert("RGB").crop(entry["box"])
        return np.asarray(part.resize((32, 32), Image.Resampling.BICUBIC))
    key = next(key for key in SHARED if key in entry)
    if not SHARED[key].exists():
        pytest.skip("needs ../shared: the image may not be distributed")
    return shared(key)[entry[key]]


@cache
def shared(key: str) -> dict[str, bytes]:
    from fauxto.data import load

    return {hashlib.sha256(data).hexdigest(): data for data in (item.read() for item in load(SHARED[key]))}


@pytest.mark.parametrize("entry", KNOWN, ids=lambda entry: entry["description"][:40])
def test_the_verdict_is_still_the_wrong_one(entry: dict[str, Any]) -> None:
    version = read_config(shipped()[entry["model"]]).version
    found = detector(entry["model"]).scan(source(entry)).verdict
    assert found == entry["verdict"], (
        f"{entry['model']} {version} now says {found} (the truth: {entry['truth']}); "
        f"{entry['version']} said {entry['verdict']}: update known.json and the changelog"
    )


@pytest.mark.parametrize("entry", KNOWN, ids=lambda entry: entry["description"][:40])
def test_what_is_listed_is_wrong_and_no_matter_of_doubt(entry: dict[str, Any]) -> None:
    wrong = {"photograph": ("ai", "ai-edited"), "ai": ("no-sign",)}[entry["truth"]]
    assert entry["verdict"] in wrong
    assert entry["description"] and ("file" not in entry or entry["licence"])
