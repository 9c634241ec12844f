"""A trained net becomes a bundle: calibrated, its thresholds chosen on validation, checked against ONNX."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from torch import nn

from fauxto.errors import BundleError, DataError
from fauxto.evaluate.calibration import choose_thresholds, fit_platt
from fauxto.evaluate.metrics import binary_metrics
from fauxto.models.bundle import load_bundle, sigmoid
from fauxto.models.config import BundleConfig, CalibrationConfig, DomainConfig, FacesConfig, ThresholdsConfig
from fauxto.models.exporting import to_onnx
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


@dataclass(frozen=True)
class ValidationLogits:
    """Raw outputs on validation: of labelled images, and of hard negatives by kind."""

    logits: NDArray[np.float64]
    labels: NDArray[np.int64]
    negatives: dict[str, NDArray[np.float64]]


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
    """Logits (N,) by ONNX's reference evaluator, which takes no processor's shortcuts."""
    outputs = cast("list[Any]", ReferenceEvaluator(model).run(None, {"image": batch}))
    return np.asarray(outputs[0], dtype=np.float64).reshape(-1)


def _logits(net: nn.Module, squares: Pixels, recipe: Recipe) -> NDArray[np.float64]:
    """Float32 outputs of the net that is exported, shape (N,)."""
    config = input_config(recipe)
    parts = []
    with torch.inference_mode():
        size = evaluation_batch(config.side)
        for start in range(0, len(squares), size):
            parts.append(net(torch.from_numpy(normalise(squares[start : start + size], config))).numpy())
    return np.concatenate(parts).astype(np.float64) if parts else np.empty(0)


def validation_logits(net: nn.Module, recipe: Recipe, data: TrainingData) -> ValidationLogits:
    """Run the net over everything that thresholds are chosen on."""
    pixels, labels = data.validation
    negatives: dict[str, NDArray[np.float64]] = {}
    if recipe.negatives.share > 0:
        photographs = [photo for photo in data.photographs if part_of(photo.origin) == "validation"]
        if photographs:
            negatives["shrunk photographs"] = _logits(
                net, held_out(photographs, input_config(recipe)), recipe
            )
        # Another stream than training's, so none of these was seen.
        rng = np.random.default_rng([recipe.seed, 1])
        sides = rng.integers(recipe.negatives.min_side, recipe.negatives.max_side + 1, _GRAPHICS)
        squares = np.stack([fit(draw_graphic(int(side), rng), input_config(recipe)) for side in sides])
        negatives["drawn graphics"] = _logits(net, squares, recipe)
    return ValidationLogits(_logits(net, pixels, recipe), labels.astype(np.int64), negatives)


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
    run = asdict(info)
    exported = FlipAverage(net).eval() if recipe.bundle.flip_average else net
    write_onnx(exported, recipe.input.side, folder / "model.onnx")
    validation = validation_logits(exported, recipe, data)
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
    groups = [scores[validation.labels == 0]]
    groups += [sigmoid(slope * logits + intercept) for logits in validation.negatives.values()]
    section = recipe.bundle
    ai, no_sign = choose_thresholds(groups, scores[validation.labels == 1], section.max_fpr, section.max_miss)
    kinds = ", ".join(["validation split", *validation.negatives])
    return BundleConfig(
        name=section.name,
        version=section.version,
        input=input_config(recipe),
        calibration=calibration,
        thresholds=ThresholdsConfig(
            ai=ai, no_sign=no_sign, max_fpr=section.max_fpr, max_miss=section.max_miss, chosen_on=kinds
        ),
        faces=FacesConfig() if section.faces else None,
        domain=DomainConfig(**section.domain.model_dump()),
        limits=section.limits,
        licence=section.licence,
        model_sha256=model_sha256,
    )


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
    for kind, logits in validation.negatives.items():
        flagged = sigmoid(calibration.slope * logits + calibration.intercept) >= config.thresholds.ai
        found[f"share ai of {kind}"] = float(flagged.mean())
        found[f"number of {kind}"] = len(logits)
    return found


def golden(model: Path, config: BundleConfig) -> dict[str, Any]:
    """Scores of the golden images by ONNX's reference evaluator: no processor's shortcuts in them."""
    images = golden_images(config.input.side)
    logits = _reference_logits(onnx.load(model), batch_input(images, config.input))
    scores = sigmoid(config.calibration.slope * logits + config.calibration.intercept)
    return {"evaluator": f"onnx {onnx.__version__} reference", "scores": [round(float(s), 7) for s in scores]}
