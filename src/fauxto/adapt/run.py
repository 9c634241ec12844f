"""`adapt`: from a bundle and some labelled images to a bundle that knows their generator."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray

from fauxto.adapt.addition import (
    Addition,
    Features,
    Labels,
    Numbers,
    choose_penalty,
    fit,
    folds_of,
    held_out,
    lowering,
    rescaling,
)
from fauxto.adapt.graph import FEATURES, require_onnx, with_addition
from fauxto.data.dataset import Dataset, content_fingerprint
from fauxto.errors import BundleError, DataError
from fauxto.evaluate.intervals import upper_bound
from fauxto.images import printable
from fauxto.models.bundle import Bundle, load_bundle, read_json
from fauxto.models.config import BundleConfig
from fauxto.models.golden import golden_images
from fauxto.models.preprocess import normalise
from fauxto.models.views import look
from fauxto.models.writing import new_folder, require_free, write_json

LEAST = 10
"""Images of each class that are asked for: FSD (2025) took ten of a generator."""
_BATCH = 16


@dataclass(frozen=True)
class Described:
    """What a bundle's model says of labelled images, each counted once.

    Attributes:
        features: (N, D).
        log_odds: calibrated, before any adaptation, (N,).
        labels: AI-generated = 1, (N,).
        groups: the pair that an image belongs to, or a name of its own.
        rows: positions in the data set.
        fingerprint: of the images.
        left_out: images outside the model's domain or with nothing to judge in them, copies, unreadable ones.
        turned_away: images that the model's gate turns away, and would after an adaptation, too.
    """

    features: Features
    log_odds: Numbers
    labels: Labels
    groups: tuple[str, ...]
    rows: tuple[int, ...]
    fingerprint: str
    left_out: int
    turned_away: int


@dataclass(frozen=True)
class Adaptation:
    """What was fitted, on what, and what it is worth on images that a fit had not seen (five folds).

    Attributes:
        data: last part of the data set's path.
        fingerprint: of the images that were used.
        ai: how many AI-generated images were used.
        not_ai: how many photographs.
        left_out: images outside the model's domain, copies, and unreadable ones.
        turned_away: images that the model's gate turns away: they get no verdict, before and after.
        penalty: chosen by the folds.
        lowered: by how much the addition was lowered for the photographs' sake, in log-odds.
        found_before: share of the AI-generated images with the verdict `ai` before.
        found_after: and after.
        accused_before: photographs with the verdict `ai` before.
        accused_after: and after.
        newly_accused_upper_bound: exact one-sided 95 % upper bound of the share of photographs like these
            that the addition newly accuses.
        version: of the new bundle.
    """

    data: str
    fingerprint: str
    ai: int
    not_ai: int
    left_out: int
    turned_away: int
    penalty: float
    lowered: float
    found_before: float
    found_after: float
    accused_before: int
    accused_after: int
    newly_accused_upper_bound: float
    version: str


def describe(dataset: Dataset, bundle: Bundle, progress: Callable[[int], object] | None = None) -> Described:
    """Run a bundle over labelled images and keep the features.

    Args:
        dataset: unreadable images are left out or raise, as its `on_error` says.
        bundle: its model has a second output `features`, (N, D).
        progress: called with the number of images done.

    Raises:
        BundleError: the model has no such output.
        DataError: nothing is left.
    """
    if FEATURES not in bundle.session.outputs:
        raise BundleError(
            f"{bundle.config.name}: its model gives no features and cannot be adapted; take another --model"
        )
    used, owners = dict[str, int](), list[int]()  # the row of each image that is used, by its hash
    parts, squares = list[tuple[Features, Numbers, NDArray[np.bool_]]](), list[NDArray[np.uint8]]()
    for row, image in dataset.decoded():
        new = image.sha256 not in used and bundle.config.domain.fits(image.width, image.height)
        views = look(image.pixels, bundle.config).squares if new else ()
        if len(views):
            owners += [len(used)] * len(views)
            used[image.sha256] = row
            squares += list(views)
        if len(squares) >= _BATCH:
            parts.append(_run(bundle, squares))
            squares = []
        if progress is not None:
            progress(row + 1)
    if squares:
        parts.append(_run(bundle, squares))
    if not used:
        raise DataError(f"{dataset.location}: no image in it that {bundle.config.name} is made for")
    features, logits, accepted = (np.concatenate(values) for values in zip(*parts, strict=True))
    kept = np.unique(np.array(owners)[accepted])
    if not len(kept):
        raise DataError(
            f"{dataset.location}: the gate of {bundle.config.name} turns away all of its images; adapt a "
            "model without a gate, by --model"
        )
    decisive = np.flatnonzero(accepted)[_highest(np.array(owners)[accepted], logits[accepted])]
    rows, hashes = ([values[place] for place in kept] for values in (list(used.values()), list(used)))
    calibration, labels = bundle.config.calibration, dataset.labels[rows].astype(np.int64)
    return Described(
        features=features[decisive],
        log_odds=calibration.slope * logits[decisive] + calibration.intercept,
        labels=labels,
        groups=tuple(dataset[row].pair or f"image {row}" for row in rows),
        rows=tuple(rows),
        fingerprint=content_fingerprint(hashes, labels.tolist()),
        left_out=len(dataset) - len(used),
        turned_away=len(used) - len(rows),
    )


def _highest(owners: NDArray[np.int64], logits: Numbers) -> NDArray[np.int64]:
    """Which square stands for each image, the one with the highest logit, as in the detector."""
    order = np.lexsort((logits, owners))
    return np.asarray(order[np.r_[owners[order][1:] != owners[order][:-1], True]])


def _run(bundle: Bundle, squares: list[NDArray[np.uint8]]) -> tuple[Features, Numbers, NDArray[np.bool_]]:
    """Features (N, D), logits (N,) and what the gate lets through (N,), of squares of the model's side."""
    batch = normalise(np.stack(squares), bundle.config.input)
    names = [bundle.session.outputs[0], FEATURES, *bundle.gate_outputs]
    logits, features, *passed = bundle.session.run(batch, names)
    logits, features = np.asarray(logits, np.float64).reshape(-1), np.asarray(features, np.float64)
    if not (np.isfinite(features).all() and np.isfinite(logits).all()):
        raise BundleError(f"{bundle.config.name}: the model gave features that are not numbers; reinstall it")
    return features.reshape(len(batch), -1), logits, bundle.accepted(passed, len(batch))


def fit_addition(found: Described, threshold: float, max_fpr: float) -> tuple[Addition, Adaptation]:
    """Choose the penalty, fit, calibrate, and lower the addition until it newly accuses few photographs.

    Args:
        found: the images.
        threshold: the log-odds from which on the verdict is `ai`.
        max_fpr: share of the photographs that may newly reach it.

    Returns:
        The addition, and what it is worth; `data` and `version` are left empty.
    """
    folds = folds_of(found.labels, found.groups)
    penalty = choose_penalty(found.features, found.log_odds, found.labels, folds)
    added = held_out(found.features, found.log_odds, found.labels, folds, penalty)
    slope, shift = rescaling(added, found.log_odds, found.labels)
    added = slope * added + shift
    real, before = found.labels == 0, found.log_odds >= threshold
    allowed = int(np.floor(max_fpr * real.sum()))
    lowered = lowering(added[real], found.log_odds[real], threshold, allowed)
    after = found.log_odds + np.maximum(added - lowered, 0) >= threshold
    judged = int((real & ~before).sum())
    newly = int((real & after & ~before).sum())
    fitted = fit(found.features, found.log_odds, found.labels, penalty)
    addition = fitted.moved(slope, shift - lowered)
    return addition, Adaptation(
        data="",
        fingerprint=found.fingerprint,
        ai=int((~real).sum()),
        not_ai=int(real.sum()),
        left_out=found.left_out,
        turned_away=found.turned_away,
        penalty=penalty,
        lowered=lowered,
        found_before=float(before[~real].mean()),
        found_after=float(after[~real].mean()),
        accused_before=int(before[real].sum()),
        accused_after=int(after[real].sum()),
        newly_accused_upper_bound=upper_bound(newly, judged) if judged else 1.0,
        version="",
    )


def adapt(
    dataset: Dataset, bundle: Bundle, output: Path, progress: Callable[[int], object] | None = None
) -> Adaptation:
    """Teach a bundle a generator that it misses, and write a new bundle.

    Calibration and thresholds stay; scores can only rise, and only where features are like those of the new
    AI-generated images and unlike those of the photographs.

    Args:
        dataset: ten or more AI-generated images and as many photographs.
        bundle: whose model has an output `features`.
        output: folder of the new bundle; must not exist, or be empty.
        progress: called with the number of images done.

    Raises:
        UsageError: `output` is in use or cannot be written.
        MissingExtraError: the onnx package is not installed.
        DataError: too few images, or the features do not tell them apart.
        BundleError: the model gives no features, or not its golden scores on this machine.
    """
    require_onnx()
    require_free(output)
    bundle.self_test()
    found = describe(dataset, bundle, progress)
    counts = {name: int((found.labels == label).sum()) for label, name in ((1, "AI-generated"), (0, "other"))}
    for name, count in counts.items():
        if count < LEAST:
            raise DataError(
                f"{dataset.location}: {count} {name} images that {bundle.config.name} can judge, at least "
                f"{LEAST} are needed ({found.left_out} left out as copies, unreadable or outside its domain, "
                f"{found.turned_away} turned away by its gate)"
            )
    ai = bundle.config.thresholds.ai
    threshold = float(np.log(max(ai, 1e-12)) - np.log(max(1 - ai, 1e-12)))
    addition, adaptation = fit_addition(found, threshold, bundle.config.thresholds.max_fpr)
    if not addition.weights.any():
        raise DataError(
            f"{dataset.location}: by its features {bundle.config.name} cannot tell these AI-generated images "
            "from the photographs, so nothing was learnt; give more of both, or take another --model"
        )
    model = with_addition(bundle.folder / "model.onnx", addition, bundle.config.calibration.slope)
    config = _config(bundle.config, model, dataset)
    adaptation = replace(
        adaptation, data=PurePath(dataset.location).name or dataset.location, version=config.version
    )
    _write(bundle, config, model, adaptation, output)
    return adaptation


def _config(old: BundleConfig, model: bytes, dataset: Dataset) -> BundleConfig:
    major, minor, patch = old.version.split(".")
    name = old.name if old.name.endswith("-adapted") else f"{old.name[:56]}-adapted"
    limit = (
        f"Adapted to {printable(PurePath(dataset.location).name)}: photographs unlike those it was adapted "
        "with were not measured after that; measure it on yours by `fauxto evaluate`."
    )
    return old.model_copy(
        update={
            "name": name,
            "version": f"{major}.{minor}.{int(patch) + 1}",
            "limits": (*old.limits, limit),
            "model_sha256": hashlib.sha256(model).hexdigest(),
        }
    )


def _write(bundle: Bundle, config: BundleConfig, model: bytes, adaptation: Adaptation, output: Path) -> None:
    """Write the five files beside `output`, check them, and only then give them that name."""
    metrics = read_json(bundle.folder / "metrics.json") | {"adaptation": asdict(adaptation)}
    card = (bundle.folder / "MODEL_CARD.md").read_text(encoding="utf-8", errors="replace")
    with new_folder(output) as partial:
        (partial / "model.onnx").write_bytes(model)
        (partial / "MODEL_CARD.md").write_text(
            _card(card, bundle.config, config, adaptation), encoding="utf-8"
        )
        write_json(partial / "config.json", config.model_dump(mode="json"))
        write_json(partial / "metrics.json", metrics)
        write_json(partial / "golden.json", {"scores": []})  # a bundle is complete or not loaded
        # The old model has just given its golden scores here, and what was added is one product.
        scores = load_bundle(partial).scores(golden_images(config.input.side))
        golden = {"evaluator": "onnxruntime", "scores": [round(float(one), 7) for one in scores]}
        write_json(partial / "golden.json", golden)
        load_bundle(partial).self_test()


def _card(card: str, old: BundleConfig, new: BundleConfig, found: Adaptation) -> str:
    """The model card with the new title and a section on what was added."""
    title = f"# {old.name} {old.version}"
    if card.startswith(f"{title}\n"):
        card = f"# {new.name} {new.version}\n" + card[len(title) + 1 :]
    lines = [
        f"## Adapted: {new.version}",
        "",
        f"Made from {old.name} {old.version} on {printable(found.data)}: {found.ai} AI-generated images and "
        f"{found.not_ai} photographs (data set fingerprint {found.fingerprint}). Calibration and thresholds "
        "are those of before; scores can only rise. The measurements above were made before.",
        "",
        f"- {summary(found)}",
        f"- {promise(found)}",
    ]
    return card.rstrip("\n") + "\n\n" + "\n".join(lines) + "\n"


def summary(found: Adaptation) -> str:
    """What the adaptation does to these images, as a sentence."""
    away = (
        ""
        if not found.turned_away
        else f" Its gate turns away {found.turned_away} more: they get no verdict."
    )
    return (
        f"On images left out of the fit, the verdict ai went from {found.found_before:.0%} to "
        f"{found.found_after:.0%} of the AI-generated and from {found.accused_before} to "
        f"{found.accused_after} of the {found.not_ai} photographs.{away}"
    )


def promise(found: Adaptation) -> str:
    """How sure it is that photographs are spared, as a sentence."""
    return (
        f"The share of photographs like these that it newly accuses is at most "
        f"{100 * found.newly_accused_upper_bound:.2g} % (exact one-sided 95 % upper bound); more photographs "
        "give a lower bound."
    )
