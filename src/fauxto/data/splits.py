"""Deterministic stratified splits by content.

The hash of an image's bytes decides where it goes, never its name, its place or its neighbours: names betray
the class in CIFAKE, and byte-identical images under different names would land on both sides.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fauxto.errors import DataError


@dataclass
class _Unit:
    """Images that stay together: the same bytes, or the same group."""

    key: str
    rows: list[int] = field(default_factory=list)


def split(
    labels: Sequence[int] | NDArray[np.int8],
    hashes: Sequence[str],
    fractions: Mapping[str, float],
    seed: int,
    *,
    groups: Sequence[str | None] | None = None,
) -> dict[str, NDArray[np.int64]]:
    """Divide images into named parts.

    Images with the same content hash, or the same group, form a unit and stay together. Within each class
    the units are put in the order of SHA-256(seed, content hash) and cut at the fractions. That order does
    not depend on what else is in the data, so adding images moves only those next to a cut. Units that hold
    both classes (a photograph and its remake in one group) are cut apart from the others in the same way.

    Args:
        labels: label of each image, shape (N,).
        hashes: content hash of each image, in hex.
        fractions: name of each part to its share; shares are above 0 and add up to 1.
        seed: another seed gives another division.
        groups: name of the origin or pair of each image, None where it belongs to none.

    Returns:
        Name of each part to the sorted positions of its images; every position lies in exactly one part.

    Raises:
        DataError: lengths differ, or the fractions are not shares of 1.
    """
    if len(labels) != len(hashes) or (groups is not None and len(groups) != len(hashes)):
        raise DataError("split: labels, hashes and groups must have the same length")
    if not fractions or min(fractions.values()) <= 0 or abs(sum(fractions.values()) - 1) > 1e-9:
        raise DataError(f"split: fractions must be above 0 and add up to 1, not {dict(fractions)}")
    strata: dict[frozenset[int], list[_Unit]] = defaultdict(list)
    for unit in _units(hashes, groups):
        strata[frozenset(int(labels[row]) for row in unit.rows)].append(unit)
    parts: dict[str, list[int]] = {name: [] for name in fractions}
    for units in strata.values():
        _cut(units, fractions, seed, parts)
    return {name: np.array(sorted(rows), np.int64) for name, rows in parts.items()}


def _units(hashes: Sequence[str], groups: Sequence[str | None] | None) -> list[_Unit]:
    """Join rows that share a hash or a group, directly or through others, by union-find."""
    parents: dict[str, str] = {}

    def root(name: str) -> str:
        while (parent := parents.setdefault(name, name)) != name:
            parents[name] = parents[parent]
            name = parent
        return name

    contents = [f"content:{content}" for content in hashes]
    for row, content in enumerate(contents):
        group = None if groups is None else groups[row]
        if group is not None:
            # The smaller name becomes the root, so a unit's key does not depend on the order of rows;
            # '0' sorts a group's name before every content hash, so new members do not change the key.
            low, high = sorted((root(content), root(f"0group:{group}")))
            parents[high] = low
    units: dict[str, _Unit] = {}
    for row, content in enumerate(contents):
        key = root(content)
        units.setdefault(key, _Unit(key)).rows.append(row)
    return list(units.values())


def _cut(units: list[_Unit], fractions: Mapping[str, float], seed: int, parts: dict[str, list[int]]) -> None:
    """Put the units in the order of their hash and deal them out; a unit goes where its middle falls."""
    order = sorted(units, key=lambda unit: hashlib.sha256(f"{seed}:{unit.key}".encode()).digest())
    total = sum(len(unit.rows) for unit in order)
    names = list(fractions)
    edges = np.cumsum([fractions[name] for name in names])[:-1] * total
    before = 0
    for unit in order:
        middle = before + len(unit.rows) / 2
        parts[names[int(np.searchsorted(edges, middle))]] += unit.rows
        before += len(unit.rows)
