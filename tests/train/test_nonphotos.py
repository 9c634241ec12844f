"""Pictures that are no photographs: every kind renders, the parts stay apart, the file has its layout."""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from fauxto.errors import UsageError
from fauxto.images import decode
from fauxto.train.negatives import Photograph
from fauxto.train.nonphotos import artwork, charts, diagrams, documents, memes, posters, renders, terminals
from fauxto.train.nonphotos.__main__ import main
from fauxto.train.nonphotos.make import JPEG_QUALITY, KINDS, LONG_SIDE, encode, make, write
from fauxto.train.nonphotos.material import Material, Part, font_files, part_of
from fauxto.train.nonphotos.screenshots import BROWSERS, browser

NEEDS = {"screenshot": BROWSERS, "diagram": ("dot",)}


def photographs() -> list[Photograph]:
    """Two soft pictures, one of an origin for each part."""
    origins = {part_of(name): name for name in ("a", "b", "c", "d", "e", "f", "g", "h")}
    rng = np.random.default_rng(0)
    pixels = [rng.integers(0, 256, (6, 8, 3), dtype=np.uint8) for _ in origins]
    large = [np.asarray(Image.fromarray(one).resize((240, 180), Image.Resampling.BICUBIC)) for one in pixels]
    return [Photograph(one, origin) for one, origin in zip(large, origins.values(), strict=True)]


def installed(kind: str) -> bool:
    """Whether the programs are here that a kind is drawn by."""
    return kind not in NEEDS or any(shutil.which(name) for name in NEEDS[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_gives_pictures_for_both_parts_or_says_what_to_install(kind: str) -> None:
    if not installed(kind):
        with pytest.raises(UsageError, match="apt-get install"):
            list(make(kind, 10, photographs(), seed=0))
        return
    made = list(make(kind, 4, photographs(), seed=0))
    assert [one.part for one in made] == ["train", "train", "train", "test"]
    for one in made:
        pixels = decode(one.encoded, name=one.name).pixels
        assert max(pixels.shape[:2]) == LONG_SIDE
        assert pixels.std() > 2, f"{one.name} shows nothing"


@pytest.mark.parametrize("kind", ("chart", "document", "poster", "drawing"))
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(kind: str) -> None:
    first, again, other = (list(make(kind, 1, photographs(), seed)) for seed in (1, 1, 2))
    assert [one.encoded for one in first] == [one.encoded for one in again]
    assert first[0].encoded != other[0].encoded


TEMPLATES = [
    (module.__name__.rsplit(".", 1)[1], part, template)
    for module in (diagrams, memes, posters, renders)
    for part, templates in (("train", module.TRAIN), ("test", module.TEST))
    for template in templates
] + [
    ("artwork", part, template)
    for table in (artwork.PAINTINGS, artwork.DRAWINGS)
    for part, templates in table.items()
    for template in templates
]


@pytest.mark.parametrize(
    ("part", "template"), [pytest.param(p, t, id=f"{m}-{t.__name__}") for m, p, t in TEMPLATES]
)
def test_every_template_draws_something(part: Part, template: object) -> None:
    assert callable(template)
    if template is diagrams.graph and not installed("diagram"):
        return  # said by the test of kinds
    pool = [one.pixels for one in photographs()]
    picture = template(Material(np.random.default_rng(3), pool, part))
    pixels = np.asarray(picture)
    assert pixels.ndim == 3
    assert pixels.std() > 2


@pytest.mark.parametrize("module", [charts, diagrams, documents, memes, posters, renders, terminals])
def test_training_and_testing_share_no_template_but_graphs(module: object) -> None:
    shared = set(getattr(module, "TRAIN")) & set(getattr(module, "TEST"))  # noqa: B009
    assert shared <= {diagrams.graph}  # its layouts and shapes differ by part


def test_painting_over_a_border_brings_nothing_from_the_other_side() -> None:
    canvas = np.zeros((60, 40, 3))
    canvas[:30] = 1.0
    painted = artwork.kuwahara(canvas, 7)
    assert painted[:20].min() > 0.99
    assert painted[40:].max() < 0.01


def test_fonts_of_the_parts_differ() -> None:
    train, test = font_files("train"), font_files("test")
    assert train and test
    assert train == test or not set(train) & set(test)


def test_kinds_made_from_photographs_use_only_their_part_s() -> None:
    """All-black photographs for one part and all-white ones for the other do not mix."""
    shades = {"train": 0, "test": 255}
    origins = {part_of(name): name for name in "abcdefgh"}
    pool = [
        Photograph(np.full((180, 240, 3), shades[part], np.uint8), origin) for part, origin in origins.items()
    ]
    for one in make("painting", 8, pool, seed=5):
        material = Material(
            np.random.default_rng(0), [p.pixels for p in pool if part_of(p.origin) == one.part], one.part
        )
        assert np.asarray(material.photograph()).max() == shades[one.part]


def test_a_file_for_testing_only_may_use_photographs_of_every_origin() -> None:
    (one, *_) = [photograph for photograph in photographs() if part_of(photograph.origin) == "train"]
    made = list(make("painting", 3, [one], seed=0, only_test=True))
    assert [picture.part for picture in made] == ["test"] * 3


def test_a_missing_browser_is_said_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UsageError, match="apt-get install chromium"):
        browser()


def test_a_missing_program_is_said_before_anything_is_rendered(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", "")
    output = tmp_path / "nonphotos.parquet"
    monkeypatch.setattr(
        sys, "argv", ["nonphotos", "--kinds", "terminal", "diagram", "--count", "1", "--output", str(output)]
    )
    with pytest.raises(UsageError, match="apt-get install graphviz"):
        main()
    assert not output.exists()


def test_the_file_holds_bytes_kind_and_split(tmp_path: Path) -> None:
    made = list(make("terminal", 4, [], seed=0))
    write(made, 7, tmp_path / "nonphotos.parquet")
    rows = pq.read_table(tmp_path / "nonphotos.parquet").to_pylist()
    assert pq.read_schema(tmp_path / "nonphotos.parquet").metadata[b"seed"] == b"7"
    assert [row["kind"] for row in rows] == ["terminal"] * 4
    assert [row["split"] for row in rows] == ["train", "train", "train", "test"]
    assert rows[0]["image"] == {"bytes": made[0].encoded, "path": "terminal-train-0.jpg"}
    assert list(tmp_path.iterdir()) == [tmp_path / "nonphotos.parquet"]


def test_encoding_is_the_pipeline_of_the_photographs() -> None:
    ramp = np.linspace(0, 255, 900 * 600 * 3).reshape(600, 900, 3).astype(np.uint8)
    encoded = encode(Image.fromarray(ramp))
    picture = Image.open(io.BytesIO(encoded))
    reference = io.BytesIO()
    Image.new("RGB", (8, 8)).save(reference, "JPEG", quality=JPEG_QUALITY)
    assert picture.size == (480, 320)
    assert picture.quantization == Image.open(reference).quantization  # type: ignore[attr-defined]
