"""From scores to everything that is said about one model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fauxto.evaluate.degradations import LADDERS, Rung
from fauxto.evaluate.intervals import clopper_pearson, percentile_interval, resample_counts
from fauxto.evaluate.metrics import (
    CALIBRATION_BINS,
    RARE_FPR_REALS,
    FigureResampler,
    Floats,
    Labels,
    binary_metrics,
    calibration_bins,
    expected_calibration_error,
    tpr_at_fpr,
)
from fauxto.evaluate.schema import (
    CalibrationBin,
    Confusion,
    Curve,
    Estimate,
    Figures,
    ModelInfo,
    ModelResult,
    Proportion,
    ReportRow,
    RungResult,
    SourceRow,
    Verdicts,
    VerdictShares,
)
from fauxto.evaluate.scoring import ModelScores, Pass
from fauxto.models.config import BundleConfig
from fauxto.verdict import Thresholds

NO_SIGN, UNCERTAIN, AI = 0, 1, 2
VERDICT_NAMES = ("no-sign", "uncertain", "ai")
DECISION = 0.5
_DIGITS = 6
_CURVE_POINTS = 201

Samples = dict[str, Floats]
Statistic = Callable[[Floats], Samples]
"""Counts of each image in each resample, shape (B, N), to named figures, each of shape (B,)."""


def verdicts(scores: Floats, thresholds: Thresholds) -> NDArray[np.int64]:
    """The verdict on each score when the file says nothing: `NO_SIGN`, `UNCERTAIN` (also for NaN) or `AI`.

    Args:
        scores: in [0, 1], shape (N,), NaN outside the domain.
        thresholds: of the model.
    """
    if not thresholds.fitted:
        return np.full(len(scores), UNCERTAIN, np.int64)
    with np.errstate(invalid="ignore"):
        below, above = scores < thresholds.no_sign, scores >= thresholds.ai
    return np.where(above, AI, np.where(below, NO_SIGN, UNCERTAIN)).astype(np.int64)


class Bootstrap:
    """Draws one set of resamples and applies every statistic to it, so that figures vary together.

    Args:
        labels: class of every image, shape (N,).
        resamples: how many.
        seed: of the draws.
    """

    def __init__(self, labels: Labels, resamples: int, seed: int) -> None:
        self._labels, self._resamples, self._seed = labels, resamples, seed

    def run(self, statistics: Mapping[str, Statistic]) -> Samples:
        """Give `{statistic}.{figure}` to values of shape (resamples,)."""
        parts: dict[str, list[Floats]] = {}
        for counts in resample_counts(self._labels, self._resamples, self._seed):
            for prefix, statistic in statistics.items():
                for name, values in statistic(counts).items():
                    parts.setdefault(f"{prefix}.{name}", []).append(values)
        return {name: np.concatenate(values) for name, values in parts.items()}


def measure(config: BundleConfig, scores: ModelScores, found: Pass, bootstrap: Bootstrap) -> ModelResult:
    """Everything about one model.

    Args:
        config: of the model's bundle.
        scores: what the model gave.
        found: the pass that gave them.
        bootstrap: over the pass's images.
    """
    thresholds = config.thresholds.as_thresholds()
    labels, clean = found.labels, scores.clean
    scored = np.isfinite(clean)
    called = verdicts(clean, thresholds)
    rungs = _rungs(scores, found, called, thresholds)
    statistics = {
        "figures": figure_statistic(labels, clean, scored),
        "verdicts": _verdict_statistic(labels, called),
    }
    samples = bootstrap.run(statistics | {f"{r.ladder}/{r.name}": one.statistic for r, one in rungs.items()})
    y, p = labels[scored], clean[scored]
    return ModelResult(
        model=model_info(config),
        scored=int(scored.sum()),
        outside_domain=int((~scored).sum()),
        figures=figures(y, p, samples),
        confusion=_confusion(y, p),
        classification_report=_classification_report(y, p),
        verdicts=_verdicts(labels, scored, called, samples),
        ai_sources=_sources(1, found, clean, called),
        not_ai_sources=_sources(0, found, clean, called),
        calibration=_calibration(y, p),
        roc=_roc(y, p),
        precision_recall=_precision_recall(y, p),
        robustness=tuple(one.result(samples) for one in rungs.values()),
    )


def model_info(config: BundleConfig) -> ModelInfo:
    """Which model it is."""
    fitted = config.thresholds.fitted
    return ModelInfo(
        name=config.name,
        version=config.version,
        sha256=config.model_sha256,
        ai_threshold=config.thresholds.ai if fitted else None,
        no_sign_threshold=config.thresholds.no_sign if fitted else None,
    )


def figure_statistic(labels: Labels, scores: Floats, among: NDArray[np.bool_]) -> Statistic:
    """The bootstrap's counterpart of `figures`, over the images that `among` selects from all, shape (N,)."""
    if not among.any():
        return lambda _counts: {}
    resampler = FigureResampler(labels[among], scores[among], DECISION)
    return lambda counts: resampler.figures(counts[:, among])


def figures(labels: Labels, scores: Floats, samples: Samples, prefix: str = "figures") -> Figures:
    """The figures over images with a score, with intervals from the samples of that prefix."""
    found: dict[str, float | None] = dict.fromkeys(Figures.model_fields)
    reals = int((labels == 0).sum())
    if len(labels):
        found["accuracy"] = float(((scores >= DECISION) == (labels == 1)).mean())
        found["calibration_error"] = expected_calibration_error(labels, scores)
    if 0 < reals < len(labels):
        found |= {name: value for name, value in binary_metrics(labels, scores).items() if name in found}
        if reals >= RARE_FPR_REALS:
            found["tpr_at_0_1_percent_fpr"] = tpr_at_fpr(labels, scores, 0.001)
    return Figures(
        **{name: estimate(value, samples.get(f"{prefix}.{name}")) for name, value in found.items()}
    )


def estimate(value: float | None, samples: Floats | None) -> Estimate:
    """A figure with its interval; without a value or samples, nothing."""
    if value is None or samples is None or not np.isfinite(value):
        return Estimate()
    low, high = percentile_interval(value, samples)
    return Estimate(value=_round(value), low=_round(low), high=_round(high))


def proportion(hits: NDArray[np.bool_]) -> Proportion:
    """How many are true, shape (N,), with the rate's exact interval."""
    count, total = int(hits.sum()), len(hits)
    if not total:
        return Proportion(count=0, total=0)
    low, high = clopper_pearson(count, total)
    return Proportion(
        count=count, total=total, rate=_round(count / total), low=_round(low), high=_round(high)
    )


def _round(value: float) -> float:
    # The last bits of a sum depend on the processor; a file that can be compared must not.
    return round(float(value), _DIGITS)


class _RungScores:
    """One rung: the images it was measured on, and what happened to their verdicts."""

    def __init__(
        self, rung: Rung, labels: Labels, scores: Floats, rows: NDArray[np.bool_], flipped: NDArray[np.bool_]
    ) -> None:
        self._rung, self._rows, self._flipped = rung, rows, flipped
        self._scored = rows & np.isfinite(scores)
        self._labels, self._scores = labels[self._scored], scores[self._scored]
        self._resampler = FigureResampler(self._labels, self._scores, DECISION)

    def statistic(self, counts: Floats) -> Samples:
        flips = counts @ (self._flipped & self._rows).astype(np.float64)
        found = {"flip_rate": flips / np.maximum(counts @ self._rows.astype(np.float64), 1)}
        if self._scored.any():
            found |= self._resampler.auroc_and_accuracy(counts[:, self._scored])
        return found

    def result(self, samples: Samples) -> RungResult:
        from sklearn.metrics import roc_auc_score

        rung, labels, scores = self._rung, self._labels, self._scores
        both = len(np.unique(labels)) == 2
        values = {
            "auroc": float(roc_auc_score(labels, scores)) if both else None,
            "accuracy": float(((scores >= DECISION) == (labels == 1)).mean()) if len(labels) else None,
            "flip_rate": float(self._flipped[self._rows].mean()),
        }
        estimates = {
            name: estimate(value, samples.get(f"{rung.ladder}/{rung.name}.{name}"))
            for name, value in values.items()
        }
        return RungResult(
            name=rung.name,
            ladder=rung.ladder,
            label=rung.label,
            images=int(self._rows.sum()),
            scored=len(labels),
            **estimates,
        )


def _rungs(
    scores: ModelScores, found: Pass, clean: NDArray[np.int64], thresholds: Thresholds
) -> dict[Rung, _RungScores]:
    """The rungs that were measured, in the order of their ladders; the clean images first."""
    rungs: dict[Rung, _RungScores] = {}
    for ladder, members in LADDERS.items():
        rows = (found.ladders == ladder) & np.isfinite(scores.clean)
        if not rows.any() or not scores.rungs:
            continue
        unharmed = Rung("clean", ladder, "clean", lambda pixels: pixels)
        rungs[unharmed] = _RungScores(unharmed, found.labels, scores.clean, rows, np.zeros(len(rows), bool))
        for rung in members:
            degraded = scores.rungs.get((ladder, rung.name), np.full(len(rows), np.nan))
            flipped = verdicts(degraded, thresholds) != clean
            rungs[rung] = _RungScores(rung, found.labels, degraded, rows, flipped)
    return rungs


def _verdict_statistic(labels: Labels, called: NDArray[np.int64]) -> Statistic:
    abstained = (called == UNCERTAIN).astype(np.float64)
    right = _verdict_right(labels, called).astype(np.float64)

    def statistic(counts: Floats) -> Samples:
        total, without = counts.sum(axis=1), counts @ abstained
        with np.errstate(divide="ignore", invalid="ignore"):
            return {
                "abstentions": without / total,
                "accuracy_on_the_rest": (counts @ right) / (total - without),
            }

    return statistic


def _verdict_right(labels: Labels, called: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.asarray(np.where(labels == 1, called == AI, called == NO_SIGN))


def _verdicts(
    labels: Labels, scored: NDArray[np.bool_], called: NDArray[np.int64], samples: Samples
) -> Verdicts:
    decided = called != UNCERTAIN
    rest = float(_verdict_right(labels, called)[decided].mean()) if decided.any() else None
    shares = []
    for label, word in ((1, "ai"), (0, "not-ai")):
        among = labels == label
        shares.append(
            VerdictShares.model_validate(
                {
                    "label": word,
                    "ai": proportion(called[among] == AI),
                    "uncertain": proportion(called[among] == UNCERTAIN),
                    "no_sign": proportion(called[among] == NO_SIGN),
                    "outside_domain": proportion(~scored[among]),
                }
            )
        )
    return Verdicts(
        by_class=tuple(shares),
        abstentions=estimate(float((~decided).mean()), samples["verdicts.abstentions"]),
        accuracy_on_the_rest=estimate(rest, samples["verdicts.accuracy_on_the_rest"]),
    )


def _sources(label: int, found: Pass, scores: Floats, called: NDArray[np.int64]) -> tuple[SourceRow, ...]:
    """The sources of one class, worst first: least recall, or highest false-positive rate."""
    rows = []
    sources = np.array(found.sources, np.str_)
    for source in np.unique(sources[found.labels == label]):
        among = (sources == source) & (found.labels == label)
        with_score = scores[among & np.isfinite(scores)]
        rows.append(
            SourceRow(
                source=str(source),
                images=int(among.sum()),
                called_ai=proportion(with_score >= DECISION),
                verdict_ai=proportion(called[among] == AI),
            )
        )
    sign = 1 if label == 1 else -1

    def badness(row: SourceRow) -> tuple[bool, float, float, str]:
        rates = [0.0 if one.rate is None else sign * one.rate for one in (row.called_ai, row.verdict_ai)]
        return row.called_ai.rate is None, rates[0], rates[1], row.source

    return tuple(sorted(rows, key=badness))


def _confusion(labels: Labels, scores: Floats) -> Confusion:
    called, ai = scores >= DECISION, labels == 1
    return Confusion(
        ai_called_ai=int((ai & called).sum()),
        ai_called_not_ai=int((ai & ~called).sum()),
        not_ai_called_ai=int((~ai & called).sum()),
        not_ai_called_not_ai=int((~ai & ~called).sum()),
    )


def _classification_report(labels: Labels, scores: Floats) -> tuple[ReportRow, ...]:
    from sklearn.metrics import classification_report

    if not len(labels):
        return ()
    names = ["not-ai", "ai"]
    report = classification_report(
        labels,
        (scores >= DECISION).astype(np.int64),
        labels=[0, 1],
        target_names=names,
        output_dict=True,
        zero_division=0.0,
    )
    return tuple(
        ReportRow.model_validate(
            {
                "name": name,
                "precision": _round(report[name]["precision"]),
                "recall": _round(report[name]["recall"]),
                "f1": _round(report[name]["f1-score"]),
                "images": int(report[name]["support"]),
            }
        )
        for name in (*names, "macro avg", "weighted avg")
    )


def _calibration(labels: Labels, scores: Floats) -> tuple[CalibrationBin, ...]:
    placed = calibration_bins(scores)
    bins = []
    for number in range(CALIBRATION_BINS):
        inside = placed == number
        some = bool(inside.any())
        bins.append(
            CalibrationBin(
                low=_round(number / CALIBRATION_BINS),
                high=_round((number + 1) / CALIBRATION_BINS),
                images=int(inside.sum()),
                mean_score=_round(scores[inside].mean()) if some else None,
                share_ai=_round(labels[inside].mean()) if some else None,
            )
        )
    return tuple(bins)


def _roc(labels: Labels, scores: Floats) -> Curve:
    from sklearn.metrics import roc_curve

    if len(np.unique(labels)) < 2:
        return Curve(x=(), y=())
    fpr, tpr, _ = roc_curve(labels, scores)
    return _thinned(fpr, tpr)


def _precision_recall(labels: Labels, scores: Floats) -> Curve:
    from sklearn.metrics import precision_recall_curve

    if len(np.unique(labels)) < 2:
        return Curve(x=(), y=())
    precision, recall, _ = precision_recall_curve(labels, scores, drop_intermediate=True)
    return _thinned(recall, precision)


def _thinned(x: Sequence[float] | Floats, y: Sequence[float] | Floats) -> Curve:
    """At most `_CURVE_POINTS` points, spread evenly along the curve, its ends among them."""
    xs, ys = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if len(xs) > _CURVE_POINTS:
        along = np.cumsum(np.r_[0.0, np.hypot(np.diff(xs), np.diff(ys))])
        kept = np.unique(
            np.searchsorted(along, np.linspace(0, along[-1], _CURVE_POINTS)).clip(0, len(xs) - 1)
        )
        xs, ys = xs[kept], ys[kept]
    return Curve(x=tuple(map(_round, xs)), y=tuple(map(_round, ys)))
