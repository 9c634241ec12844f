"""`recalibrate`: a bundle's calibration and thresholds fitted anew on somebody's own images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fauxto.data.dataset import Dataset, content_fingerprint
from fauxto.errors import DataError, UsageError
from fauxto.evaluate.calibration import fit_platt, threshold_allowing, threshold_missing
from fauxto.evaluate.intervals import allowed_errors, needed, upper_bound
from fauxto.evaluate.scoring import Pass, score
from fauxto.models.bundle import Bundle, load_bundle, read_json, sigmoid
from fauxto.models.config import BundleConfig, CalibrationConfig, ThresholdsConfig
from fauxto.models.golden import golden_images
from fauxto.models.writing import new_folder, require_free, write_json

# Golden scores are stored with seven decimals. Where a score is this close to 0 or 1 they leave too few
# digits of the raw output to apply another calibration to.
_SATURATED = 1e-4

# How far a threshold moves away from the score it stands next to, if no other score lies there: a runtime
# gives the same image a score that differs in the last digits with the batch and the processor.
_MARGIN = 1e-4


@dataclass(frozen=True)
class Recalibration:
    """What was fitted, and on what.

    Attributes:
        data: last part of the data set's path.
        fingerprint: of the images that were used.
        ai: how many AI-generated images were used; 0 where only the `ai` threshold was fitted.
        not_ai: how many others were used.
        outside_domain: images left out because the model is not made for their size.
        duplicates: images left out because an earlier one has the same bytes.
        unreadable: images left out because they could not be read.
        max_fpr: the promise that was asked for.
        false_positives: how many of the `not_ai` images score at or above the new `ai` threshold.
        fpr_upper_bound: exact one-sided 95 % upper bound of the false-positive rate.
        missed: how many of the `ai` images score below the new no-sign threshold.
        slope: of the Platt scaling.
        intercept: of the Platt scaling.
        ai_threshold: at or above it the model says AI.
        no_sign_threshold: below it the model sees nothing.
        version: of the new bundle.
    """

    data: str
    fingerprint: str
    ai: int
    not_ai: int
    outside_domain: int
    duplicates: int
    unreadable: int
    max_fpr: float
    false_positives: int
    fpr_upper_bound: float
    missed: int
    slope: float
    intercept: float
    ai_threshold: float
    no_sign_threshold: float
    version: str


@dataclass(frozen=True)
class _Sample:
    """The images that thresholds are chosen on, each counted once: logits and labels, shape (N,)."""

    logits: NDArray[np.float64]
    labels: NDArray[np.int64]
    fingerprint: str
    outside_domain: int
    duplicates: int
    unreadable: int


def recalibrate(
    dataset: Dataset,
    bundle: Bundle,
    *,
    max_fpr: float,
    output: Path,
    progress: Callable[[int], object] | None = None,
) -> Recalibration:
    """Fit a bundle's calibration and thresholds on labelled images, and write a new bundle.

    With images of both classes the Platt scaling and both thresholds are fitted; with images that are not
    AI-generated alone, only the `ai` threshold. That threshold is the least that keeps the exact one-sided
    95 % upper bound of the false-positive rate at or below `max_fpr`: on photographs like these, not only
    on these photographs. The no-sign threshold keeps the bundle's own `max_miss` in the same way.

    Args:
        dataset: the images; those outside the model's domain are left out, copies count once.
        bundle: whose model is used.
        max_fpr: greatest false-positive rate of the verdict `ai`, in (0, 1).
        output: folder of the new bundle; must not exist, or be empty.
        progress: called with the number of images done.

    Raises:
        UsageError: `max_fpr` is out of range, or `output` is in use or cannot be written.
        DataError: too few images for the promise (says how many are needed), or scores that cannot keep it.
        BundleError: the model does not give its golden scores on this machine.
    """
    if not 0 < max_fpr < 1:
        raise UsageError(f"--max-fpr must lie between 0 and 1, not {max_fpr:g}")
    require_free(output)
    bundle.self_test()
    sample = _sample(dataset, bundle, progress)
    _require_enough(sample, dataset, bundle.config, max_fpr)
    config = _fitted(sample, dataset, bundle.config, max_fpr)
    found = _summary(sample, dataset, config, max_fpr)
    _write(bundle, config, found, output)
    return found


def _sample(dataset: Dataset, bundle: Bundle, progress: Callable[[int], object] | None) -> _Sample:
    found = score(dataset, [bundle], progress=progress)
    unique = _first_of_each(dataset, found)
    logits = found.models[0].logits
    used = unique[np.isfinite(logits[unique])]
    return _Sample(
        logits=logits[used],
        labels=found.labels[used],
        fingerprint=content_fingerprint([found.hashes[index] for index in used], found.labels[used].tolist()),
        outside_domain=len(unique) - len(used),
        duplicates=len(found.rows) - len(unique),
        unreadable=len(dataset) - len(found.rows),
    )


def _first_of_each(dataset: Dataset, found: Pass) -> NDArray[np.int64]:
    """Places of the images without later copies: the bounds take images for independent draws."""
    labels: dict[str, int] = {}
    kept: list[int] = []
    for index, (content, label) in enumerate(zip(found.hashes, found.labels.tolist(), strict=True)):
        if content not in labels:
            labels[content] = label
            kept.append(index)
        elif labels[content] != label:
            name = dataset.items[found.rows[index]].name
            raise DataError(
                f"{name}: the same bytes are also labelled as the other class; repair the labels first"
            )
    return np.array(kept, np.int64)


def _require_enough(sample: _Sample, dataset: Dataset, config: BundleConfig, max_fpr: float) -> None:
    """Refuse a promise that so few images cannot show to be kept, and say how many could.

    Raises:
        DataError: too few.
    """
    not_ai, ai = int((sample.labels == 0).sum()), int((sample.labels == 1).sum())
    left_out = _left_out(sample)
    if not_ai < needed(max_fpr):
        raise DataError(
            f"{dataset.location}: a false-positive rate of at most {max_fpr:.4g} needs at least "
            f"{needed(max_fpr)} images that are not AI-generated (95 % confidence, none of them flagged), "
            f"not {not_ai}{left_out}; give more images, or a greater --max-fpr"
        )
    max_miss = config.thresholds.max_miss
    if ai and 0 < max_miss < 1 and ai < needed(max_miss):
        raise DataError(
            f"{dataset.location}: the no-sign threshold of {config.name} promises to miss at most "
            f"{max_miss:.4g}, which needs at least {needed(max_miss)} AI-generated images, not {ai}"
            f"{left_out}; give more, or none: then only the ai threshold is fitted"
        )


def _left_out(sample: _Sample) -> str:
    reasons = [
        f"{count} {reason}"
        for count, reason in (
            (sample.outside_domain, "outside the model's domain"),
            (sample.duplicates, "copies of another"),
            (sample.unreadable, "unreadable"),
        )
        if count
    ]
    return f" (left out: {', '.join(reasons)})" if reasons else ""


def _fitted(sample: _Sample, dataset: Dataset, old: BundleConfig, max_fpr: float) -> BundleConfig:
    """The new config.

    Raises:
        DataError: the scores cannot keep the promise, or go the wrong way.
    """
    described = _described(sample, dataset)
    calibration = old.calibration
    if (sample.labels == 1).any():
        slope, intercept = fit_platt(sample.logits, sample.labels)
        if not (slope > 0 and np.isfinite([slope, intercept]).all()):
            raise DataError(
                f"{dataset.location}: {old.name} gives these AI-generated images lower scores than the "
                "others, so no calibration helps; check the labels, or take another model"
            )
        calibration = CalibrationConfig(slope=slope, intercept=intercept, fitted_on=described)
    scores = sigmoid(calibration.slope * sample.logits + calibration.intercept)
    ai, no_sign = _thresholds(scores, sample.labels, old.thresholds, max_fpr)
    _require_kept(scores[sample.labels == 0], ai, dataset, max_fpr)
    thresholds = ThresholdsConfig(
        ai=ai, no_sign=no_sign, max_fpr=max_fpr, max_miss=old.thresholds.max_miss, chosen_on=described
    )
    return old.model_copy(
        update={"version": _next(old.version), "calibration": calibration, "thresholds": thresholds}
    )


def _described(sample: _Sample, dataset: Dataset) -> str:
    ai, not_ai = int((sample.labels == 1).sum()), int((sample.labels == 0).sum())
    counts = f"{not_ai} images that are not AI-generated" + (f" and {ai} that are" if ai else "")
    return f"{_data_name(dataset)} ({counts}; fingerprint {sample.fingerprint[:16]})"


def _thresholds(
    scores: NDArray[np.float64], labels: NDArray[np.int64], old: ThresholdsConfig, max_fpr: float
) -> tuple[float, float]:
    """`ai` and `no_sign` that keep both promises; where they leave a choice, the one nearest to 0.5."""
    others, generated = scores[labels == 0], scores[labels == 1]
    ai = threshold_allowing(others, allowed_errors(len(others), max_fpr))
    ai += min(_MARGIN, (scores[scores >= ai].min(initial=1.0) - ai) / 2)
    if not len(generated):
        # Only `ai` moves, and never below the other: that would only add false alarms to what it promises.
        return max(float(ai), old.no_sign), old.no_sign
    if old.max_miss <= 0:
        return float(ai), 0.0
    missed = len(generated) if old.max_miss >= 1 else allowed_errors(len(generated), old.max_miss)
    no_sign = threshold_missing(generated, missed)
    no_sign -= min(_MARGIN, (no_sign - scores[scores < no_sign].max(initial=0.0)) / 2)
    if no_sign >= ai:
        ai = no_sign = min(max(ai, 0.5), no_sign)
    return float(ai), float(no_sign)


def _require_kept(others: NDArray[np.float64], ai: float, dataset: Dataset, max_fpr: float) -> None:
    flagged = int((others >= ai).sum())
    if upper_bound(flagged, len(others)) > max_fpr + 1e-12:
        raise DataError(
            f"{dataset.location}: {flagged} of {len(others)} images that are not AI-generated get the "
            f"highest score there is, so no threshold keeps false positives at {max_fpr:.4g}; "
            "give a greater --max-fpr, or take another model"
        )


def _next(version: str) -> str:
    major, minor, patch = version.split(".")
    return f"{major}.{minor}.{int(patch) + 1}"


def _data_name(dataset: Dataset) -> str:
    return PurePath(dataset.location).name or dataset.location


def _summary(sample: _Sample, dataset: Dataset, config: BundleConfig, max_fpr: float) -> Recalibration:
    calibration, thresholds = config.calibration, config.thresholds
    scores = sigmoid(calibration.slope * sample.logits + calibration.intercept)
    others = scores[sample.labels == 0]
    flagged = int((others >= thresholds.ai).sum())
    return Recalibration(
        data=_data_name(dataset),
        fingerprint=sample.fingerprint,
        ai=int((sample.labels == 1).sum()),
        not_ai=len(others),
        outside_domain=sample.outside_domain,
        duplicates=sample.duplicates,
        unreadable=sample.unreadable,
        max_fpr=max_fpr,
        false_positives=flagged,
        fpr_upper_bound=upper_bound(flagged, len(others)),
        missed=int((scores[sample.labels == 1] < thresholds.no_sign).sum()),
        slope=calibration.slope,
        intercept=calibration.intercept,
        ai_threshold=thresholds.ai,
        no_sign_threshold=thresholds.no_sign,
        version=config.version,
    )


def _write(bundle: Bundle, config: BundleConfig, found: Recalibration, output: Path) -> None:
    """Write the five files beside `output`, check them, and only then give them that name."""
    metrics = read_json(bundle.folder / "metrics.json") | {"recalibration": asdict(found)}
    card = (bundle.folder / "MODEL_CARD.md").read_text(encoding="utf-8", errors="replace")
    with new_folder(output) as partial:
        (partial / "model.onnx").write_bytes((bundle.folder / "model.onnx").read_bytes())
        write_json(partial / "config.json", config.model_dump(mode="json"))
        write_json(partial / "golden.json", _golden(bundle, config))
        write_json(partial / "metrics.json", metrics)
        (partial / "MODEL_CARD.md").write_text(_card(card, bundle.config, found), encoding="utf-8")
        load_bundle(partial).self_test()


def _golden(bundle: Bundle, config: BundleConfig) -> dict[str, Any]:
    """The golden scores under the new calibration.

    The stored ones were made by onnx's reference evaluator, so the raw outputs are taken back out of them;
    only where they are too close to 0 or 1 for that does the runtime's own output stand in, which has just
    been found to agree with the reference.
    """
    stored = read_json(bundle.folder / "golden.json")
    old, new = bundle.config.calibration, config.calibration
    if old == new:
        return stored
    scores = np.asarray(stored["scores"], dtype=np.float64)
    with np.errstate(divide="ignore"):
        logits = (np.log(scores) - np.log1p(-scores) - old.intercept) / old.slope
    saturated = scores * (1 - scores) < _SATURATED
    logits[saturated] = bundle.logits(golden_images(bundle.config.input.side))[saturated]
    rescored = sigmoid(new.slope * logits + new.intercept)
    return stored | {"scores": [round(float(one), 7) for one in rescored]}


def _card(card: str, old: BundleConfig, found: Recalibration) -> str:
    """The model card with this version in its title and a section on what was fitted."""
    title = f"# {old.name} {old.version}"
    if card.startswith(f"{title}\n"):
        card = f"# {old.name} {found.version}\n" + card[len(title) + 1 :]
    both = found.ai > 0
    replaced = "calibration and thresholds" if both else "ai threshold"
    lines = [
        f"## Recalibrated: {found.version}",
        "",
        f"Made from version {old.version} on {found.data}: {found.not_ai} images that are not AI-generated"
        + (f" and {found.ai} that are" if both else ", and no others")
        + f" (data set fingerprint {found.fingerprint}).",
        f"It replaces what is said above about the {replaced}; the measurements above were made before.",
        "",
        f"- At or above {found.ai_threshold:.6g} the verdict is `ai`, below {found.no_sign_threshold:.6g} "
        "it is `no-sign`, between them `uncertain`.",
        f"- {promise(found)}",
    ]
    if both:
        lines += [
            f"- Score = sigmoid({found.slope:.6g} * output {found.intercept:+.6g}), by Platt scaling; it is "
            f"P(AI-generated) where {found.ai / (found.ai + found.not_ai):.0%} of images are AI-generated.",
            f"- Below the no-sign threshold lie {found.missed} of the {found.ai} AI-generated images; the "
            f"bound promised is {old.thresholds.max_miss:.4g}, at 95 % confidence.",
        ]
    return card.rstrip("\n") + "\n\n" + "\n".join(lines) + "\n"


def promise(found: Recalibration) -> str:
    """What the new `ai` threshold promises, as sentences."""
    return (
        f"{found.false_positives} of the {found.not_ai} images that are not AI-generated lie at or above the "
        f"ai threshold; the exact one-sided 95 % upper bound of its false-positive rate is "
        f"{100 * found.fpr_upper_bound:.4g} % (asked for: {100 * found.max_fpr:.4g} %). It holds for images "
        "like these and for no others."
    )
