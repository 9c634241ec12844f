"""Class-balanced, augmented batches of images held in arrays, in memory or mapped from a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from fauxto.models.config import InputConfig
from fauxto.models.preprocess import normalise
from fauxto.train.augment import Pixels, augment
from fauxto.train.recipe import Recipe


def to_tensor(squares: Pixels, config: InputConfig) -> Tensor:
    """Squares (N, side, side, 3) to the net's input (N, 3, side, side), channels last in memory."""
    return torch.from_numpy(normalise(squares, config)).contiguous(memory_format=torch.channels_last)


def evaluation_batch(side: int) -> int:
    """How many squares of this side go through a net at once when it is not trained: 256 of 64 pixels."""
    return max(4, min(256, 256 * 64 * 64 // side**2))


class BalancedBatches(IterableDataset[tuple[Tensor, Tensor]]):
    """One epoch: as many images as there are, half of every batch AI-generated, half not.

    A pure function of recipe, epoch and rank, so that a resumed run draws what the uninterrupted one
    would have drawn. Worker processes take turns and change nothing: the batches and their order stay.
    """

    def __init__(
        self,
        pixels: Pixels,
        labels: NDArray[np.float32],
        pool: Pixels | None,
        recipe: Recipe,
        config: InputConfig,
        *,
        epoch: int,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        self._pixels, self._labels, self._pool = pixels, labels, pool
        self._recipe, self._config = recipe, config
        self._seed = [recipe.seed, epoch]
        self._rank, self._ranks = rank, ranks

    def __len__(self) -> int:
        return max(1, len(self._labels) // (self._size * self._ranks))

    @property
    def _size(self) -> int:
        """Images in a batch: the recipe's, or all where there are fewer."""
        return min(self._recipe.optimizer.batch_size, len(self._labels))

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        rng, size, steps = np.random.default_rng(self._seed), self._size, len(self) * self._ranks
        from_pool = round(size * self._recipe.negatives.share) if self._pool is not None else 0
        positives = self._stream(rng, np.flatnonzero(self._labels > 0.5), steps * (size // 2))
        others = self._stream(rng, np.flatnonzero(self._labels < 0.5), steps * (size - size // 2 - from_pool))
        batches = zip(np.array_split(positives, steps), np.array_split(others, steps), strict=True)
        worker = get_worker_info()
        turn, turns = (worker.id, worker.num_workers) if worker else (0, 1)
        for step, (ai, rest) in enumerate(batches):
            seeds = rng.integers(0, 2**63, 2)
            if step % self._ranks == self._rank and step // self._ranks % turns == turn:
                yield self._batch(np.concatenate([ai, rest]), from_pool, np.random.default_rng(seeds))

    @staticmethod
    def _stream(rng: np.random.Generator, indices: NDArray[np.intp], count: int) -> NDArray[np.intp]:
        """`count` indices: whole permutations one after another, so none is drawn twice before all were."""
        rounds = -(-count // len(indices))
        return np.concatenate([rng.permutation(indices) for _ in range(rounds)])[:count]

    def _batch(
        self, indices: NDArray[np.intp], from_pool: int, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        images, labels = self._pixels[indices], self._labels[indices]
        if self._pool is not None and from_pool:
            drawn = self._pool[rng.integers(len(self._pool), size=from_pool)]
            images = np.concatenate([images, drawn])
            labels = np.concatenate([labels, np.zeros(from_pool, dtype=np.float32)])
        images, labels = augment(images, labels, self._recipe.augment, rng)
        return to_tensor(images, self._config), torch.from_numpy(labels)


class Pieces:
    """Batches cut into pieces as equal as can be, each with the classes balanced, for want of memory."""

    def __init__(self, batches: Iterable[Any], length: int, pieces: int) -> None:
        self._batches, self._length, self._pieces = batches, length, pieces

    def __len__(self) -> int:
        return self._length * self._pieces

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for images, labels in self._batches:
            for piece in range(self._pieces):
                # Every so many: the first half of a batch is AI-generated, the second is not.
                yield images[piece :: self._pieces], labels[piece :: self._pieces]


class InOrder(IterableDataset[tuple[Tensor, Tensor]]):
    """All images unchanged and in order: uint8 squares (N, side, side, 3) and labels (N,)."""

    def __init__(self, pixels: Pixels, labels: NDArray[np.float32], size: int) -> None:
        self._pixels, self._labels, self._size = pixels, labels, size

    def __len__(self) -> int:
        return -(-len(self._labels) // self._size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for start in range(0, len(self._labels), self._size):
            # Copies, because torch takes no read-only memory.
            rows = slice(start, start + self._size)
            yield torch.from_numpy(np.array(self._pixels[rows])), torch.from_numpy(self._labels[rows])
