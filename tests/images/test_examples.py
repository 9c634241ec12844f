"""The pictures under examples/: whole, small, each with its origin stated, the declared ones as drawn."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fauxto.images import open_image

EXAMPLES = Path(__file__).parents[2] / "examples"
PICTURES = sorted(path for path in EXAMPLES.rglob("*") if path.suffix in (".jpg", ".png"))
NAMES = [str(path.relative_to(EXAMPLES)) for path in PICTURES]


def test_there_are_photographs_thumbnails_and_declared_pictures() -> None:
    folders = [path.parent.name for path in PICTURES]
    assert (folders.count("photos"), folders.count("thumbnails"), folders.count("declared")) == (5, 10, 3)


@pytest.mark.parametrize("path", PICTURES, ids=NAMES)
def test_each_example_decodes(path: Path) -> None:
    image = open_image(path)
    assert max(image.width, image.height) <= 640
    if path.parent.name == "thumbnails":
        side = int(path.stem.rpartition("-")[2])
        assert (image.width, image.height) == (side, side)


def test_the_examples_are_small_together() -> None:
    assert sum(path.stat().st_size for path in PICTURES) < 1_000_000


def test_the_readme_states_the_origin_of_each_picture_and_names_none_that_is_missing() -> None:
    readme = (EXAMPLES / "README.md").read_text()
    stated = {cell.split("`")[1] for cell in readme.splitlines() if cell.startswith("| `")}
    assert stated == {path.name for path in PICTURES if path.parent.name != "thumbnails"}


def test_declared_pictures_say_in_their_metadata_that_they_were_made_for_the_demo() -> None:
    for path in (EXAMPLES / "declared").iterdir():
        assert b"Made for fauxto's demo" in path.read_bytes(), path.name


def test_the_script_draws_the_declared_pictures_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = runpy.run_path(str(EXAMPLES / "make_declared.py"))
    monkeypatch.setitem(script["main"].__globals__, "OUT", tmp_path / "declared")
    script["main"]()
    for path in (EXAMPLES / "declared").iterdir():
        again = tmp_path / "declared" / path.name
        with Image.open(path) as committed, Image.open(again) as drawn:
            assert drawn.info.keys() == committed.info.keys()
            assert drawn.info.get("parameters") == committed.info.get("parameters")
            # Cosines may differ in their last bit between processors, and JPEG encoders by a little.
            assert np.abs(np.asarray(drawn).astype(int) - np.asarray(committed)).max() <= 8, path.name
