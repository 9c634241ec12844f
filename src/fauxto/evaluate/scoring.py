"""One pass over labelled images: decode, degrade, score; nothing but scores is kept."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fauxto.data.dataset import Dataset, Item
from fauxto.errors import InputError
from fauxto.evaluate.degradations import LADDERS, Ladder, Rung, ladder_for
from fauxto.models.bundle import Bundle
from fauxto.models.preprocess import normalise
from fauxto.models.threads import usable_cores
from fauxto.models.views import look

_BATCH = 32
RungKey = tuple[Ladder, str]


@dataclass(frozen=True)
class ModelScores:
    """What one model gave.

    Attributes:
        logits: raw output for each image, shape (N,), NaN outside the model's domain and where
            its gate turned the image away or nothing to judge was found in it.
        clean: P(AI-generated) in [0, 1] of each image, shape (N,), NaN in the same places.
        rungs: the same of each degraded image, by ladder and rung; NaN too where the rung was not applied,
            because the image has another size or no score when clean.
    """

    logits: NDArray[np.float64]
    clean: NDArray[np.float64]
    rungs: dict[RungKey, NDArray[np.float64]]


@dataclass(frozen=True)
class Pass:
    """What a pass over a data set found.

    Attributes:
        rows: position in the data set of each image that could be read, shape (N,).
        labels: AI-generated = 1, shape (N,).
        sources: of each image.
        hashes: SHA-256 of each image's encoded bytes, in hex.
        ladders: the ladder for each image's size.
        models: scores by model, in the order of the bundles.
    """

    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    sources: tuple[str, ...]
    hashes: tuple[str, ...]
    ladders: NDArray[np.str_]
    models: tuple[ModelScores, ...]


@dataclass(frozen=True, eq=False)
class _View:
    """One of a model's squares of one image, clean (`rung` is None) or degraded."""

    model: int
    rung: RungKey | None
    square: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class _Prepared:
    sha256: str
    ladder: Ladder
    views: tuple[_View, ...]


class _Sink:
    """Gathers one model's squares into batches, and its scores by image."""

    def __init__(self, bundle: Bundle, images: int) -> None:
        self._bundle, self._images = bundle, images
        self._waiting: list[tuple[int, _View]] = []
        self._logits = np.full(images, np.nan)
        self._scores: dict[RungKey | None, NDArray[np.float64]] = {None: np.full(images, np.nan)}

    def put(self, row: int, view: _View) -> None:
        self._waiting.append((row, view))
        if len(self._waiting) == _BATCH:
            self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        squares = np.stack([view.square for _, view in self._waiting])
        outputs = self._bundle.outputs(normalise(squares, self._bundle.config.input))
        scores = np.where(outputs.accepted, self._bundle.calibrate(outputs.logits), np.nan)
        logits = np.where(outputs.accepted, outputs.logits, np.nan)
        for (row, view), logit, score in zip(self._waiting, logits.tolist(), scores.tolist(), strict=True):
            # Of several squares the highest stands for the image, as in the detector.
            if view.rung is None:
                self._logits[row] = np.fmax(self._logits[row], logit)
            elif view.rung not in self._scores:
                self._scores[view.rung] = np.full(self._images, np.nan)
            self._scores[view.rung][row] = np.fmax(self._scores[view.rung][row], score)
        self._waiting.clear()

    def finish(self, rows: NDArray[np.int64]) -> ModelScores:
        self._flush()
        degraded = {key: scores[rows] for key, scores in self._scores.items() if key is not None}
        return ModelScores(self._logits[rows], self._scores[None][rows], degraded)


def score(
    dataset: Dataset,
    bundles: Sequence[Bundle],
    *,
    robustness: bool = False,
    progress: Callable[[int], object] | None = None,
) -> Pass:
    """Score every image with every model, each within its domain, in one pass and bounded memory.

    Args:
        dataset: the images; unreadable ones are handled as its `on_error` says.
        bundles: the models.
        robustness: also score every rung of the ladder for each image's size.
        progress: called with the number of images done.

    Raises:
        DataError: an image cannot be read and the data set's `on_error` is `raise`.
        BundleError: a model gave something that is not a number.
    """
    sinks = [_Sink(bundle, len(dataset)) for bundle in bundles]
    rows: list[int] = []
    hashes: list[str] = []
    ladders: list[str] = []
    for row, prepared in enumerate(_ahead(dataset.items, bundles, robustness)):
        if isinstance(prepared, InputError):
            dataset.report_unreadable(row, prepared)
        else:
            rows.append(row)
            hashes.append(prepared.sha256)
            ladders.append(prepared.ladder)
            for view in prepared.views:
                sinks[view.model].put(row, view)
        if progress:
            progress(row + 1)
    kept = np.array(rows, np.int64)
    return Pass(
        rows=kept,
        labels=dataset.labels[kept].astype(np.int64),
        sources=tuple(dataset.items[row].source for row in rows),
        hashes=tuple(hashes),
        ladders=np.array(ladders, np.str_),
        models=tuple(sink.finish(kept) for sink in sinks),
    )


def _ahead(
    items: Sequence[Item], bundles: Sequence[Bundle], robustness: bool
) -> Iterator[_Prepared | InputError]:
    """Prepare images in order, a few ahead of the model: decoding and resizing free the interpreter."""
    workers = usable_cores()
    waiting: deque[Future[_Prepared | InputError]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for item in items:
            waiting.append(pool.submit(_prepare, item, bundles, robustness))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _prepare(item: Item, bundles: Sequence[Bundle], robustness: bool) -> _Prepared | InputError:
    try:
        image = item.decode()
    except InputError as error:
        return error
    models = [
        number
        for number, bundle in enumerate(bundles)
        if bundle.config.domain.fits(image.width, image.height)
    ]
    views = _views(image.pixels, None, models, bundles)
    ladder = ladder_for(image.width, image.height)
    if robustness and models:
        for rung in LADDERS[ladder]:
            views += _views(rung.apply(image.pixels), rung, models, bundles)
    return _Prepared(image.sha256, ladder, tuple(views))


def _views(
    pixels: NDArray[np.uint8], rung: Rung | None, models: Sequence[int], bundles: Sequence[Bundle]
) -> list[_View]:
    """The squares for each of these models whose domain the picture still fits."""
    key = None if rung is None else (rung.ladder, rung.name)
    height, width = pixels.shape[:2]
    return [
        _View(number, key, square)
        for number in models
        if bundles[number].config.domain.fits(width, height)
        for square in look(pixels, bundles[number].config).squares
    ]
