"""Exact and perceptual duplicates among up to some hundred thousand images.

Exact: the same bytes. Perceptual: the same picture after re-encoding or rescaling, in two steps.

1. A 64-bit hash of the signs of low DCT frequencies about their median, after Zauner, "Implementation and
   Benchmarking of Perceptual Image Hash Functions" (2010): grey, 32 x 32, the 8 x 8 lowest frequencies.
   Hashes at most 4 bits apart are candidates. They are found without comparing all pairs: of five bands of
   the hash at least one must be equal, so only images in one bucket of one band are compared.
2. The two 32 x 32 thumbnails must correlate by at least 0.95. At 32 px the hash sees most of what there is,
   and pictures of one kind (a plane before the sky) share their low frequencies: among the 94,000 images of
   a de-duplicated CIFAKE the hash alone pairs 313, the second step leaves 116, and those look alike.

Re-encoded as JPEG of quality 50 or shrunk to three quarters and back, 99 in 100 pictures of 32 px are still
found. Mirrored, rotated and cropped copies are not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 32
"""Side of the thumbnails in pixels."""

MAX_DISTANCE = 4
MIN_CORRELATION = 0.95
_MIN_CONTRAST = 2.0
_BANDS = MAX_DISTANCE + 1
_ROWS_AT_ONCE = 512
_PAIRS_AT_ONCE = 4096


def grey_thumbnail(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Shrink an RGB image (H, W, 3) to grey (32, 32), as perceptual comparison wants it."""
    grey = Image.fromarray(pixels).convert("L")
    return np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def exact_groups(hashes: Sequence[str]) -> list[list[int]]:
    """Group the positions of equal content hashes; images without a double are in no group."""
    rows: defaultdict[str, list[int]] = defaultdict(list)
    for row, content in enumerate(hashes):
        rows[content].append(row)
    return [group for group in rows.values() if len(group) > 1]


def perceptual_groups(thumbnails: NDArray[np.uint8]) -> list[list[int]]:
    """Group images that show the same picture.

    Args:
        thumbnails: from `grey_thumbnail`, shape (N, 32, 32).

    Returns:
        Positions, in groups of two or more. Images without contrast (standard deviation below 2 of 255)
        are left out: their hash is noise.
    """
    rows = np.flatnonzero(thumbnails.std(axis=(1, 2)) >= _MIN_CONTRAST)
    chosen = thumbnails[rows]
    forest = _Forest(len(rows))
    for candidates in _near_pairs(perceptual_hashes(chosen)):
        for start in range(0, len(candidates), _PAIRS_AT_ONCE):
            pairs = forest.apart(candidates[start : start + _PAIRS_AT_ONCE])
            forest.join(pairs[_correlation(chosen, pairs) >= MIN_CORRELATION])
    return [rows[group].tolist() for group in forest.groups()]


def perceptual_hashes(thumbnails: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Hash grey thumbnails of shape (N, 32, 32) to 64 bits each; near pictures differ in few bits."""
    frequency, place = np.arange(8)[:, None], np.arange(SIDE)
    basis = np.cos(np.pi * (2 * place + 1) * frequency / (2 * SIDE)).astype(np.float32)
    hashes = np.empty(len(thumbnails), np.uint64)
    for start in range(0, len(thumbnails), 4096):
        block = thumbnails[start : start + 4096].astype(np.float32)
        spectrum = (basis @ block @ basis.T).reshape(len(block), 64)
        # The mean brightness says nothing about the picture.
        spectrum[:, 0] = 0
        bits = spectrum > np.median(spectrum, axis=1, keepdims=True)
        hashes[start : start + 4096] = np.packbits(bits, axis=1).view(np.uint64)[:, 0]
    return hashes


def _near_pairs(hashes: NDArray[np.uint64]) -> Iterator[NDArray[np.int64]]:
    """Yield blocks of pairs, shape (P, 2), at most `MAX_DISTANCE` bits apart; some pairs come twice."""
    edges = np.linspace(0, 64, _BANDS + 1).astype(int)
    for low, high in pairwise(edges):
        band = (hashes >> np.uint64(low)) & np.uint64((1 << int(high - low)) - 1)
        order = np.argsort(band, kind="stable")
        for bucket in np.split(order, np.flatnonzero(np.diff(band[order])) + 1):
            for start in range(0, len(bucket) - 1, _ROWS_AT_ONCE):
                left, right = bucket[start : start + _ROWS_AT_ONCE], bucket[start:]
                distance = np.bitwise_count(hashes[left][:, None] ^ hashes[right])
                first, second = np.nonzero(np.triu(distance <= MAX_DISTANCE, 1))
                if len(first):
                    yield np.stack([left[first], right[second]], axis=1)


def _correlation(thumbnails: NDArray[np.uint8], pairs: NDArray[np.int64]) -> NDArray[np.float32]:
    flat = thumbnails[pairs].reshape(len(pairs), 2, SIDE * SIDE).astype(np.float32)
    flat -= flat.mean(axis=2, keepdims=True)
    scale = np.sqrt((flat**2).sum(axis=2)).prod(axis=1)
    correlation: NDArray[np.float32] = (flat[:, 0] * flat[:, 1]).sum(axis=1) / scale
    return correlation


class _Forest:
    """Union-find over positions; asks about many pairs at once, so a large group costs one look a member."""

    def __init__(self, size: int) -> None:
        self._parents = np.arange(size)

    def _roots(self) -> NDArray[np.int64]:
        while not np.array_equal(above := self._parents[self._parents], self._parents):
            self._parents = above
        return self._parents

    def apart(self, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
        """Keep the pairs that are not in one group yet."""
        roots = self._roots()
        kept: NDArray[np.int64] = pairs[roots[pairs[:, 0]] != roots[pairs[:, 1]]]
        return kept

    def join(self, pairs: NDArray[np.int64]) -> None:
        for first, second in pairs.tolist():
            low, high = sorted((self._root(first), self._root(second)))
            self._parents[high] = low

    def _root(self, row: int) -> int:
        while (parent := int(self._parents[row])) != row:
            row = parent
        return row

    def groups(self) -> list[list[int]]:
        members: defaultdict[int, list[int]] = defaultdict(list)
        for row, root in enumerate(self._roots().tolist()):
            members[root].append(row)
        return [group for group in members.values() if len(group) > 1]
