"""A trained net becomes a bundle: calibrated, its thresholds chosen on validation, checked against ONNX."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn

from fauxto.errors import BundleError, DataError, UsageError
from fauxto.evaluate.calibration import choose_thresholds, fit_platt
from fauxto.evaluate.metrics import binary_metrics
from fauxto.models.bundle import Bundle, load_bundle, read_json, sigmoid
from fauxto.models.config import BundleConfig, CalibrationConfig, DomainConfig, FacesConfig, ThresholdsConfig
from fauxto.models.exporting import reference_outputs, to_onnx
from fauxto.models.golden import golden_images
from fauxto.models.preprocess import batch_input, fit, normalise
from fauxto.models.writing import write_json
from fauxto.train.augment import Pixels
from fauxto.train.batches import evaluation_batch
from fauxto.train.card import NOT_FITTED, model_card
from fauxto.train.fit import RunInfo, TrainingData, input_config
from fauxto.train.graphics import draw_graphic
from fauxto.train.negatives import held_out, part_of
from fauxto.train.nets import FlipAverage
from fauxto.train.recipe import Recipe

ONNX_TOLERANCE = 1e-4
_GRAPHICS = 1000


Judge = Callable[[Pixels], NDArray[np.float64]]
"""Squares (N, side, side, 3) to raw outputs (N,)."""


@dataclass(frozen=True)
class Negatives:
    """Raw outputs (N,) of hard negatives of one kind, and the origins that they are from, if any."""

    logits: NDArray[np.float64]
    origins: NDArray[np.str_] | None = None


@dataclass(frozen=True)
class ValidationLogits:
    """Raw outputs on validation: of labelled images, and of hard negatives by kind."""

    logits: NDArray[np.float64]
    labels: NDArray[np.int64]
    negatives: dict[str, Negatives]


def write_onnx(net: nn.Module, side: int, path: Path) -> None:
    """Export to ONNX with a free batch size, and check it against the net.

    Raises:
        BundleError: the outputs differ by more than 1e-4.
    """
    example = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    model = to_onnx(net, side, path)
    with torch.inference_mode():
        expected = net(example).numpy()
    found = _reference_logits(model, example.numpy())
    difference = float(np.abs(found - expected).max())
    if not difference <= ONNX_TOLERANCE:
        raise BundleError(f"{path}: the ONNX output differs from the checkpoint's by {difference:.2g}")


def _reference_logits(model: onnx.ModelProto, batch: NDArray[np.float32]) -> NDArray[np.float64]:
    return reference_outputs(model, batch)[0].astype(np.float64).reshape(-1)


def _logits(net: nn.Module, recipe: Recipe, squares: Pixels) -> NDArray[np.float64]:
    """Float32 outputs of the net that is exported, shape (N,)."""
    config = input_config(recipe)
    parts = []
    with torch.inference_mode():
        size = evaluation_batch(config.side)
        for start in range(0, len(squares), size):
            parts.append(net(torch.from_numpy(normalise(squares[start : start + size], config))).numpy())
    return np.concatenate(parts).astype(np.float64) if parts else np.empty(0)


def validation_logits(judge: Judge, recipe: Recipe, data: TrainingData) -> ValidationLogits:
    """Judge everything that thresholds are chosen on."""
    pixels, labels = data.validation
    negatives: dict[str, Negatives] = {}
    if recipe.negatives.share > 0:
        photographs = [photo for photo in data.photographs if part_of(photo.origin) == "validation"]
        if photographs:
            squares = held_out(photographs, input_config(recipe))
            origins = np.array([photo.origin for photo in photographs])
            negatives["shrunk photographs"] = Negatives(
                judge(squares), np.repeat(origins, len(squares) // len(origins))
            )
        # Another stream than training's, so none of these was seen.
        rng = np.random.default_rng([recipe.seed, 1])
        sides = rng.integers(recipe.negatives.min_side, recipe.negatives.max_side + 1, _GRAPHICS)
        squares = np.stack([fit(draw_graphic(int(side), rng), input_config(recipe)) for side in sides])
        negatives["drawn graphics"] = Negatives(judge(squares))
    return ValidationLogits(judge(pixels), labels.astype(np.int64), negatives)


def export_bundle(net: nn.Module, recipe: Recipe, data: TrainingData, folder: Path, info: RunInfo) -> Path:
    """Write the bundle of a trained net.

    Args:
        net: in evaluation mode, float32.
        recipe: of the run.
        data: the validation part is used.
        folder: created; gets the five files of a bundle.
        info: of the run, for the card.

    Returns:
        `folder`.

    Raises:
        DataError: the net has learnt nothing, so that no calibration helps.
        BundleError: the exported model differs from the net.
    """
    folder.mkdir(parents=True, exist_ok=True)
    exported = FlipAverage(net).eval() if recipe.bundle.flip_average else net
    write_onnx(exported, recipe.input.side, folder / "model.onnx")
    validation = validation_logits(partial(_logits, exported, recipe), recipe, data)
    return _write_bundle(recipe, validation, folder, asdict(info))


def rechoose(bundle: Bundle, recipe: Recipe, data: TrainingData, folder: Path) -> Path:
    """A finished bundle once more, with calibration and thresholds chosen anew by the recipe.

    Args:
        bundle: trained by this recipe; its model and what is known of its training stay.
        recipe: says what it is called and what its thresholds promise.
        data: the validation part is used, which training divided off in the same way.
        folder: created; gets the five files of a bundle.

    Returns:
        `folder`.

    Raises:
        DataError: no calibration helps.
        UsageError: the bundle is not of this recipe.
    """
    if bundle.config.input != input_config(recipe) or bundle.config.name != recipe.bundle.name:
        raise UsageError(
            f"{bundle.folder}: name or input differ from the recipe's; give the recipe it is from"
        )

    def judge(squares: Pixels) -> NDArray[np.float64]:
        parts = range(0, len(squares), 512)
        return np.concatenate(
            [bundle.run(normalise(squares[start : start + 512], bundle.config.input)) for start in parts]
        )

    validation = validation_logits(judge, recipe, data)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(bundle.folder / "model.onnx", folder / "model.onnx")
    return _write_bundle(recipe, validation, folder, read_json(bundle.folder / "metrics.json")["run"])


def _write_bundle(recipe: Recipe, validation: ValidationLogits, folder: Path, run: dict[str, Any]) -> Path:
    """Everything beside the model.onnx that lies in `folder` already; then the self-test."""
    config = build_config(
        recipe, validation, hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    )
    metrics = validation_metrics(config, validation)
    write_json(folder / "config.json", config.model_dump(mode="json"))
    write_json(folder / "golden.json", golden(folder / "model.onnx", config))
    write_json(
        folder / "metrics.json",
        {"model": f"{config.name} {config.version}", "run": run, "validation": metrics},
    )
    (folder / "MODEL_CARD.md").write_text(model_card(config, metrics, run), encoding="utf-8")
    load_bundle(folder).self_test()
    return folder


def build_config(recipe: Recipe, validation: ValidationLogits, model_sha256: str) -> BundleConfig:
    """Fit the calibration and choose the thresholds on validation."""
    calibration = _calibration(recipe, validation)
    slope, intercept = calibration.slope, calibration.intercept
    scores = sigmoid(slope * validation.logits + intercept)
    kinds = [(scores[validation.labels == 0], None)] + [
        (sigmoid(slope * found.logits + intercept), found.origins) for found in validation.negatives.values()
    ]
    section = recipe.bundle
    ai, no_sign = choose_thresholds(kinds, scores[validation.labels == 1], section.max_fpr, section.max_miss)
    return BundleConfig(
        name=section.name,
        version=section.version,
        input=input_config(recipe),
        calibration=calibration,
        thresholds=ThresholdsConfig(
            ai=ai,
            no_sign=no_sign,
            max_fpr=section.max_fpr,
            max_miss=section.max_miss,
            chosen_on=_chosen_on(validation),
        ),
        faces=FacesConfig() if section.faces else None,
        domain=DomainConfig(**section.domain.model_dump()),
        limits=section.limits,
        licence=section.licence,
        model_sha256=model_sha256,
    )


def _chosen_on(validation: ValidationLogits) -> str:
    """The kinds of images for a person; where origins are known they were drawn as a whole."""
    named = [
        kind if found.origins is None else f"{kind} (95 % bound over {len(np.unique(found.origins))} origins)"
        for kind, found in validation.negatives.items()
    ]
    return ", ".join(["validation split", *named])


def _calibration(recipe: Recipe, validation: ValidationLogits) -> CalibrationConfig:
    if recipe.bundle.calibration == "none":
        return CalibrationConfig(slope=1.0, intercept=0.0, fitted_on=NOT_FITTED)
    slope, intercept = fit_platt(validation.logits, validation.labels)
    if not (slope > 0 and np.isfinite([slope, intercept]).all()):
        raise DataError(
            f"{recipe.bundle.name}: gives AI-generated validation images no higher scores than the others, "
            "so no bundle was made; train on more images or for more epochs"
        )
    return CalibrationConfig(slope=slope, intercept=intercept, fitted_on="validation split")


def validation_metrics(config: BundleConfig, validation: ValidationLogits) -> dict[str, Any]:
    """What the frozen thresholds give on validation."""
    calibration = config.calibration
    scores = sigmoid(calibration.slope * validation.logits + calibration.intercept)
    found = binary_metrics(validation.labels, scores)
    flagged = scores >= config.thresholds.ai
    found["share ai of ai-generated"] = float(flagged[validation.labels == 1].mean())
    found["share ai of the others"] = float(flagged[validation.labels == 0].mean())
    for kind, negatives in validation.negatives.items():
        accused = (
            sigmoid(calibration.slope * negatives.logits + calibration.intercept) >= config.thresholds.ai
        )
        found[f"share ai of {kind}"] = float(accused.mean())
        found[f"number of {kind}"] = len(negatives.logits)
    return found


def golden(model: Path, config: BundleConfig) -> dict[str, Any]:
    """Scores and logits of the golden images by ONNX's reference evaluator, which takes no shortcuts."""
    images = golden_images(config.input.side)
    logits = _reference_logits(onnx.load(model), batch_input(images, config.input))
    scores = sigmoid(config.calibration.slope * logits + config.calibration.intercept)
    return {
        "evaluator": f"onnx {onnx.__version__} reference",
        "scores": [round(float(score), 7) for score in scores],
        "logits": [round(float(logit), 5) for logit in logits],
    }
