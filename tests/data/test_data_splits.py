"""Splits by content: deterministic, stratified, and duplicates stay together."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fauxto.data import split
from fauxto.errors import DataError

NINE_TO_ONE = {"train": 0.9, "validation": 0.1}


def content(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def part_of_each(parts: dict[str, NDArray[np.int64]], count: int) -> list[str]:
    named = {int(row): name for name, rows in parts.items() for row in rows}
    assert sorted(named) == list(range(count)), "every image lies in exactly one part"
    return [named[row] for row in range(count)]


rows = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 40), st.none() | st.sampled_from("abc")), max_size=80
)


@settings(max_examples=60, deadline=None)
@given(rows=rows, seed=st.integers(0, 5))
def test_neither_a_duplicate_nor_a_group_is_ever_divided(
    rows: list[tuple[int, int, str | None]], seed: int
) -> None:
    hashes, groups = [content(number) for _, number, _ in rows], [group for _, _, group in rows]
    parts = split([label for label, _, _ in rows], hashes, NINE_TO_ONE, seed, groups=groups)
    named = part_of_each(parts, len(rows))
    for key in (hashes, groups):
        for value in set(key) - {None}:
            assert len({named[row] for row in range(len(rows)) if key[row] == value}) == 1


@settings(max_examples=30, deadline=None)
@given(real=st.integers(1, 150), fake=st.integers(1, 150), seed=st.integers(0, 5))
def test_each_class_is_divided_as_asked_to_the_nearest_image(real: int, fake: int, seed: int) -> None:
    labels = np.array([0] * real + [1] * fake)
    fractions = {"train": 0.7, "validation": 0.2, "test": 0.1}
    parts = split(labels, [content(row) for row in range(len(labels))], fractions, seed)
    for label, total in ((0, real), (1, fake)):
        for name, fraction in fractions.items():
            assert abs(int(np.sum(labels[parts[name]] == label)) - fraction * total) <= 1


@settings(max_examples=30, deadline=None)
@given(count=st.integers(10, 120), more=st.integers(1, 20))
def test_adding_images_moves_no_more_than_as_many_others(count: int, more: int) -> None:
    hashes = [content(row) for row in range(count + more)]
    before = part_of_each(split([0] * count, hashes[:count], NINE_TO_ONE, 0), count)
    after = part_of_each(split([0] * (count + more), hashes, NINE_TO_ONE, 0), count + more)
    assert sum(old != new for old, new in zip(before, after, strict=False)) <= more


def test_order_does_not_matter_and_the_seed_does() -> None:
    labels, hashes = [row % 2 for row in range(100)], [content(row) for row in range(100)]
    first = split(labels, hashes, NINE_TO_ONE, 1)["validation"]
    backwards = split(labels[::-1], hashes[::-1], NINE_TO_ONE, 1)["validation"]
    assert {hashes[row] for row in first} == {hashes[::-1][row] for row in backwards}
    assert set(first) != set(split(labels, hashes, NINE_TO_ONE, 2)["validation"])


def test_a_pair_of_photograph_and_remake_stays_together() -> None:
    labels, hashes = [0, 1] * 50, [content(row) for row in range(100)]
    pairs = [f"pair {row // 2}" for row in range(100)]
    parts = split(labels, hashes, {"train": 0.8, "test": 0.2}, 0, groups=pairs)
    assert not {pairs[row] for row in parts["train"]} & {pairs[row] for row in parts["test"]}
    assert [len(parts[name]) for name in ("train", "test")] == [80, 20]


@pytest.mark.parametrize("fractions", [{}, {"a": 0.5}, {"a": 1.2, "b": -0.2}, {"a": 1.0, "b": 0.0}])
def test_fractions_that_are_not_shares_of_one_are_refused(fractions: dict[str, float]) -> None:
    with pytest.raises(DataError, match="fractions"):
        split([0], [content(0)], fractions, 0)


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(DataError, match="same length"):
        split([0, 1], [content(0)], NINE_TO_ONE, 0)
