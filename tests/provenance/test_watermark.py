"""The open watermark is found where an encoder of our own wrote it, and not where nobody did."""

from __future__ import annotations

import io
from collections.abc import Iterator
from math import comb

import numpy as np
import pytest
from PIL import Image

import made
from fauxto.provenance import read_evidence
from fauxto.provenance.watermark import MARKS, Mark, agreement, block_votes, decode_bits
from fauxto.record import Evidence


def rows(data: bytes, pixels: made.Pixels | None = None) -> list[Evidence]:
    return [row for row in read_evidence(data, pixels=pixels) if row.source == "watermark"]


def marked(mark: Mark, side: int = 512, seed: int = 0) -> made.Pixels:
    return made.mark_dwt_dct(made.picture(side, side, seed), mark.bits)


@pytest.mark.parametrize("mark", MARKS, ids=lambda mark: mark.name)
@pytest.mark.parametrize(
    "options",
    [{"kind": "PNG"}, {"kind": "JPEG", "quality": 95}, {"kind": "WEBP", "lossless": True}, {"kind": "BMP"}],
)
def test_a_mark_is_read_where_it_survives(mark: Mark, options: dict[str, object]) -> None:
    data = made.encode(marked(mark), **options)  # type: ignore[arg-type]
    (row,) = rows(data)
    assert (row.claim, row.strength, row.data["mark"]) == ("ai", "moderate", mark.name)
    assert row.data["matched"] >= mark.sure
    assert "anybody can write this" in row.detail


@pytest.mark.parametrize("rows_above", [256, 264, 312])
def test_a_picture_votes_as_its_parts_do(rows_above: int) -> None:
    whole = made.picture(664, 512)
    parts = (whole[:rows_above], whole[rows_above:])
    votes = np.concatenate([block_votes(part) for part in parts])
    np.testing.assert_array_equal(block_votes(whole), votes)


def test_the_callers_pixels_serve_and_save_decoding() -> None:
    pixels = marked(MARKS[0])
    (row,) = rows(made.encode(pixels), pixels)
    assert row.data["mark"] == MARKS[0].name


def test_a_turned_or_transparent_picture_is_read_as_it_is_stored() -> None:
    stored = marked(MARKS[1])
    turned = np.ascontiguousarray(np.rot90(stored, -1))
    data = made.encode(stored, "PNG", exif=made.exif({0x0112: 6}))
    assert [row.data["mark"] for row in rows(data, turned)] == [MARKS[1].name]
    half = made.encode(np.dstack([stored, np.full(stored.shape[:2], 128, np.uint8)]))
    over_white = (stored // 2 + 127).astype(np.uint8)
    assert [row.data["mark"] for row in rows(half, over_white)] == [MARKS[1].name]


def test_it_is_not_looked_for_in_files_where_it_cannot_survive() -> None:
    pixels = marked(MARKS[0])
    assert rows(made.encode(pixels, "JPEG", quality=80), pixels) == []
    assert rows(made.encode(pixels, "WEBP", quality=99), pixels) == []
    assert rows(made.encode(pixels, "GIF"), pixels) == []


def test_pictures_below_the_encoders_least_size_are_left_alone() -> None:
    pixels = np.tile(marked(MARKS[0])[:248, :248], 1)
    assert rows(made.encode(pixels), pixels) == []


def test_the_bounds_are_no_likelier_by_chance_than_44_and_40_of_48() -> None:
    def chance(length: int, least: int) -> float:
        return float(sum(comb(length, k) for k in range(least, length + 1)) / 2**length)

    for mark in MARKS:
        assert chance(len(mark.bits), mark.sure) <= chance(48, 44) < 1e-9
        assert chance(len(mark.bits), mark.hint) <= chance(48, 40) < 2e-6
        assert mark.hint < mark.sure


def test_fewer_bits_are_weak_and_still_fewer_are_nothing() -> None:
    mark = MARKS[0]
    flips = [5, 11, 19, 23, 31, 40, 44, 46, 47, 2, 8, 13]
    for count, strengths in ((0, ["moderate"]), (6, ["weak"]), (12, [])):
        bits = "".join("10"[int(b)] if i in flips[:count] else b for i, b in enumerate(mark.bits))
        assert [
            row.strength for row in rows(made.encode(made.mark_dwt_dct(made.picture(512, 512), bits)))
        ] == strengths


def clean_images() -> Iterator[made.Pixels]:
    """2,000 pictures of 256 x 256 px without a mark: flat, graded, striped, noisy, compressed."""
    rng = np.random.default_rng(7)
    side = 256
    ramp = np.arange(side, dtype=np.float64)
    for index in range(600):  # flat, bright ones in plenty, some with a little noise
        level = rng.integers(160, 256, 3) if index % 2 else rng.integers(0, 256, 3)
        flat = np.broadcast_to(level.astype(np.uint8), (side, side, 3)).copy()
        if index % 3 == 0:
            flat[::2, ::3] ^= 1
        yield flat
    for _ in range(200):  # gradients
        slope, base = rng.uniform(-1, 1, (2, 3)), rng.uniform(60, 200, 3)
        yield np.clip(base + ramp[:, None, None] * slope[0] + ramp[None, :, None] * slope[1], 0, 255).astype(
            np.uint8
        )
    for _ in range(200):  # stripes whose period meets the payload's
        period = rng.choice([8, 16, 48, 64, 96, 128])
        wave = (np.sin(ramp * 2 * np.pi / period) * 60 + 128).astype(np.uint8)
        picture = np.empty((side, side, 3), np.uint8)
        picture[:] = wave[None, :, None] if rng.random() < 0.5 else wave[:, None, None]
        picture[:, :, 2] = 255 - picture[:, :, 2] // rng.integers(1, 4)
        yield picture
    canvases = [made.picture(1024, 1024, seed) for seed in range(4)]
    canvases += [rng.integers(0, 256, (1024, 1024, 3), dtype=np.uint8)]
    canvases += [np.asarray(Image.open(io.BytesIO(made.encode(c, "JPEG", quality=75)))) for c in canvases]
    for index in range(1000):  # windows of smooth, noisy and compressed canvases
        y, x = rng.integers(0, 1024 - side, 2)
        yield canvases[index % len(canvases)][y : y + side, x : x + side]


def test_no_clean_picture_carries_a_mark() -> None:
    count = worst = 0
    for picture in clean_images():
        votes = block_votes(picture)
        for mark in MARKS:
            matched = agreement(votes, mark)
            assert matched < mark.hint, (count, mark.name, matched)
            worst = max(worst, matched if len(mark.bits) == 48 else 0)
        count += 1
    assert count == 2000
    assert worst > 24  # else the decoder answers nothing at all


def test_a_bright_flat_picture_reads_all_ones_and_is_not_a_mark() -> None:
    flat = np.full((256, 256, 3), (255, 250, 255), np.uint8)
    votes = block_votes(flat)
    assert len(set(decode_bits(votes, 48))) == 1
    assert rows(made.encode(flat)) == []
