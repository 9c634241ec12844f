"""`evaluate`: a data set and a model to figures, predictions and a report."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fauxto.data.dataset import Dataset, Item, content_fingerprint
from fauxto.errors import DataError, InputError, MissingExtraError, UsageError
from fauxto.evaluate.measure import (
    DECISION,
    VERDICT_NAMES,
    Bootstrap,
    figure_statistic,
    figures,
    measure,
    verdicts,
)
from fauxto.evaluate.paired import delong, mcnemar
from fauxto.evaluate.report import Mistake, render
from fauxto.evaluate.schema import (
    Comparison,
    DataInfo,
    DeLongResult,
    McNemarResult,
    Metrics,
    ModelResult,
    UnreadableImage,
)
from fauxto.evaluate.scoring import Pass, score
from fauxto.images import printable
from fauxto.models.bundle import Bundle

_MISTAKES_EACH = 12
_TILE_SIDE = 160
COLUMNS = ("name", "source", "label", "score", "verdict", "error")
_SECOND_COLUMNS = ("second_score", "second_verdict")


@dataclass(frozen=True)
class Prediction:
    """What the models said about one image.

    Attributes:
        name: of the image, without what all names have in common.
        source: of the image, or ''.
        label: `ai` or `not-ai`.
        scores: one a model, None outside its domain or where the image could not be read.
        verdicts: one a model, None where the image could not be read.
        error: the stable code of why it could not be read, or ''.
    """

    name: str
    source: str
    label: str
    scores: tuple[float | None, ...]
    verdicts: tuple[str | None, ...]
    error: str = ""


@dataclass(frozen=True)
class Evaluation:
    """All that `evaluate` found.

    Attributes:
        metrics: what metrics.json holds.
        predictions: one an image, in the data set's order.
        mistakes: the first model's most confident ones, with small copies of the images.
    """

    metrics: Metrics
    predictions: tuple[Prediction, ...]
    mistakes: tuple[Mistake, ...]

    def write(self, folder: Path) -> tuple[Path, ...]:
        """Write metrics.json, predictions.csv and report.html, over older ones of these names.

        Raises:
            UsageError: the folder cannot be written to.
        """
        contents = {
            "metrics.json": self.metrics.model_dump_json(indent=2) + "\n",
            "predictions.csv": self._table(),
            "report.html": render(self.metrics, self.mistakes),
        }
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, text in contents.items():
                (folder / name).write_text(text, encoding="utf-8", newline="")
        except OSError as error:
            raise UsageError(
                f"{printable(str(folder))}: cannot be written ({error.strerror}); choose another --output"
            ) from error
        return tuple(folder / name for name in contents)

    def _table(self) -> str:
        compared = self.metrics.comparison is not None
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow((*COLUMNS, *(_SECOND_COLUMNS if compared else ())))
        for one in self.predictions:
            cells = [
                ("" if s is None else f"{s:.7f}", v or "")
                for s, v in zip(one.scores, one.verdicts, strict=True)
            ]
            second = cells[1] if compared else ()
            rows.writerow((one.name, one.source, one.label, *cells[0], one.error, *second))
        return text.getvalue()


def evaluate(
    dataset: Dataset,
    bundle: Bundle,
    *,
    compare: Bundle | None = None,
    split: str | None = None,
    limit: int | None = None,
    robustness: bool = False,
    seed: int = 0,
    resamples: int = 2000,
    command: str = "",
    progress: Callable[[int], object] | None = None,
) -> Evaluation:
    """Measure a model on labelled images, within its domain, by its frozen thresholds.

    Args:
        dataset: the images. With `on_error="skip"` those that cannot be read are counted and named, and are
            in no figure.
        bundle: the model.
        compare: a second model, measured on the same images and tested against the first, pair by pair.
        split: for the record, which declared split `dataset` is.
        limit: measure only about this many images, of each class and source its share, chosen by `seed`.
        robustness: also measure every rung of the ladder of degradations.
        seed: of the bootstrap and of `limit`.
        resamples: of the bootstrap.
        command: the command line, for the record.
        progress: called with the number of images done.

    Raises:
        DataError: no image, or none that can be read, or one cannot and `on_error` is `raise`.
        MissingExtraError: the extra `evaluate` is not installed.
    """
    require_extra("fauxto evaluate")
    chosen = dataset if limit is None else limited(dataset, limit, seed)
    bundles = [bundle] if compare is None else [bundle, compare]
    found = score(chosen, bundles, robustness=robustness, progress=progress)
    if not len(found.rows):
        raise DataError(f"{dataset.location}: none of its {len(chosen)} images can be read")
    bootstrap = Bootstrap(found.labels, resamples, seed)
    results = [
        measure(one.config, scores, found, bootstrap)
        for one, scores in zip(bundles, found.models, strict=True)
    ]
    from fauxto import __version__

    metrics = Metrics(
        fauxto=__version__,
        command=command,
        seed=seed,
        resamples=resamples,
        data=_data_info(chosen, found, split, limit),
        result=results[0],
        comparison=_compare(results[1], found, bootstrap) if compare else None,
    )
    return Evaluation(metrics, _predictions(chosen, found, bundles), _mistakes(chosen, found))


def require_extra(feature: str) -> None:
    """Check, before minutes of reading, that everything can be computed and drawn.

    Raises:
        MissingExtraError: scikit-learn (with scipy) or matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
        import scipy  # noqa: F401
        import sklearn  # noqa: F401
    except ImportError:
        raise MissingExtraError(feature, "evaluate") from None


def limited(dataset: Dataset, limit: int, seed: int) -> Dataset:
    """About `limit` images in their order: of each class and source its share, at least one.

    Args:
        dataset: the images.
        limit: at least 1.
        seed: of the choice.
    """
    if limit >= len(dataset):
        return dataset
    rng = np.random.default_rng(seed)
    groups: dict[tuple[int, str], list[int]] = {}
    for row, item in enumerate(dataset.items):
        groups.setdefault((item.label, item.source), []).append(row)
    rows: list[int] = []
    for members in groups.values():
        share = max(1, round(limit * len(members) / len(dataset)))
        rows += rng.choice(members, share, replace=False).tolist()
    return dataset.subset(sorted(rows))


def _data_info(dataset: Dataset, found: Pass, split: str | None, limit: int | None) -> DataInfo:
    unreadable = [
        UnreadableImage(name=public_name(dataset.items[row], dataset), code=error.code)
        for row, error in sorted(dataset.unreadable.items())
    ]
    return DataInfo(
        name=PurePath(dataset.location).name or dataset.location,
        split=split,
        limit=limit,
        fingerprint=content_fingerprint(found.hashes, found.labels.tolist()),
        images=len(found.rows),
        ai=int((found.labels == 1).sum()),
        not_ai=int((found.labels == 0).sum()),
        duplicates=len(found.hashes) - len(set(found.hashes)),
        unreadable=tuple(unreadable),
    )


def short_name(item: Item, dataset: Dataset) -> str:
    """An image's name without the path that leads to the data set."""
    for prefix in (dataset.location.rstrip("/"), str(PurePath(dataset.location).parent)):
        if item.name.startswith(f"{prefix}/"):
            return item.name[len(prefix) + 1 :]
    return item.name


def public_name(item: Item, dataset: Dataset) -> str:
    """The short name, of an image elsewhere (by its path in a CSV) the last two parts only.

    The report and metrics.json are passed on; where somebody keeps their images is nobody else's business.
    """
    name = PurePath(short_name(item, dataset))
    return str(PurePath(*name.parts[-2:]) if name.is_absolute() or ".." in name.parts else name)


def _compare(second: ModelResult, found: Pass, bootstrap: Bootstrap) -> Comparison:
    """Both models on the images that both gave a score."""
    clean = [scores.clean for scores in found.models]
    common = np.isfinite(clean[0]) & np.isfinite(clean[1])
    if not common.any():
        raise DataError("the two models have no image in common that lies in the domain of both")
    names = ("first", "second")
    statistics = {
        name: figure_statistic(found.labels, scores, common)
        for name, scores in zip(names, clean, strict=True)
    }
    samples = bootstrap.run(statistics)
    labels, scores = found.labels[common], [one[common] for one in clean]
    right = [(one >= DECISION) == (labels == 1) for one in scores]
    test = mcnemar(right[0], right[1])
    area = None
    if min(np.sum(labels == 0), np.sum(labels == 1)) >= 2:
        values = asdict(delong(labels, scores[0], scores[1]))
        area = DeLongResult.model_validate({name: _significant(value) for name, value in values.items()})
    return Comparison(
        second=second,
        common_images=len(labels),
        first_figures=figures(labels, scores[0], samples, "first"),
        second_figures=figures(labels, scores[1], samples, "second"),
        mcnemar=McNemarResult(
            only_first=test.only_first,
            only_second=test.only_second,
            p_value=_significant(test.p_value) or 0.0,
        ),
        delong=area,
    )


def _significant(value: float | None) -> float | None:
    """Six significant digits: enough of a p-value, and the same on every processor."""
    return None if value is None else float(f"{value:.6g}")


def _predictions(dataset: Dataset, found: Pass, bundles: Sequence[Bundle]) -> tuple[Prediction, ...]:
    place = {int(row): index for index, row in enumerate(found.rows)}
    called = [verdicts(s.clean, b.thresholds) for s, b in zip(found.models, bundles, strict=True)]
    predictions = []
    for row, item in enumerate(dataset.items):
        name, label = short_name(item, dataset), "ai" if item.label == 1 else "not-ai"
        index = place.get(row)
        if index is None:
            nothing = (None,) * len(bundles)
            code = dataset.unreadable[row].code
            predictions.append(Prediction(name, item.source, label, nothing, nothing, code))
            continue
        scores = tuple(_known(one.clean[index]) for one in found.models)
        words = tuple(VERDICT_NAMES[one[index]] for one in called)
        predictions.append(Prediction(name, item.source, label, scores, words))
    return tuple(predictions)


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _mistakes(dataset: Dataset, found: Pass) -> tuple[Mistake, ...]:
    """The first model's most confident mistakes of each class, read once more for their pictures."""
    clean = found.models[0].clean
    scored = np.isfinite(clean)
    distance = np.where(scored, np.abs(clean - found.labels), 0.0)
    wrong = scored & ((clean >= DECISION) != (found.labels == 1))
    mistakes = []
    for label in (0, 1):
        rows = np.flatnonzero(wrong & (found.labels == label))
        for index in rows[np.argsort(-distance[rows], kind="stable")][:_MISTAKES_EACH]:
            item = dataset.items[found.rows[index]]
            try:
                pixels = item.decode().pixels
            except InputError:  # it has changed since it was scored
                continue
            height, width = pixels.shape[:2]
            name = public_name(item, dataset)
            png = _tile(pixels)
            mistakes.append(Mistake(name, item.source, label, float(clean[index]), png, width, height))
    return tuple(mistakes)


def _tile(pixels: NDArray[np.uint8]) -> bytes:
    picture = Image.fromarray(pixels)
    picture.thumbnail((_TILE_SIDE, _TILE_SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
