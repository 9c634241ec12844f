"""`import_detector`: a source becomes a bundle, checked against the source's own pipeline."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fauxto.errors import BundleError, UsageError
from fauxto.importing.answers import Answers
from fauxto.importing.card import UNSTATED, model_card
from fauxto.importing.hugging_face import Described, describe, licence_of
from fauxto.importing.onnx_file import OnnxModel, stated_input
from fauxto.importing.sources import Source, opened
from fauxto.models.bundle import load_bundle, log_odds, sigmoid
from fauxto.models.config import (
    BundleConfig,
    CalibrationConfig,
    DomainConfig,
    InputConfig,
    ThresholdsConfig,
)
from fauxto.models.golden import golden_images
from fauxto.models.preprocess import batch_input
from fauxto.models.writing import new_folder, require_free, write_json

TOLERANCE = 1e-3
# Shapes of the pictures that both pipelines score, in sides of the model's square: wide, high, small, large.
_SHAPES = ((1.0, 1.0), (1.5, 1.0), (1.0, 1.7), (0.6, 0.8), (2.0, 1.3), (1.1, 2.0))


@dataclass(frozen=True)
class Imported:
    """A new bundle.

    Attributes:
        config: of it.
        difference: the greatest between its scores and the source's own pipeline; None where the source has
            no pipeline, or the user has stated another preprocessing than the source's.
    """

    config: BundleConfig
    difference: float | None


def import_detector(source: str, output: Path, answers: Answers = Answers()) -> Imported:  # noqa: B008 (frozen)
    """Turn a published detector into a bundle that promises nothing until it is calibrated.

    Args:
        source: `hf:OWNER/NAME[@REVISION]`, a folder in the Hugging Face layout, or an ONNX file.
        output: folder of the bundle; must not exist, or be empty.
        answers: what the source does not say.

    Raises:
        UsageError: the source cannot be had or understood, or `output` is in use; asks where it can.
        BundleError: a file of the source is a link or too large, or the bundle's scores are not the source's.
        MissingExtraError: an extra is needed.
    """
    require_free(output)
    if answers.min_side > answers.max_side:
        raise UsageError(
            f"--min-side {answers.min_side} is over --max-side {answers.max_side}: no image would fit; "
            "give sides in pixels, the least and the greatest"
        )
    with opened(source) as found, new_folder(output) as partial:
        return _import(found, partial, answers)


def _import(source: Source, folder: Path, answers: Answers) -> Imported:
    described: Described | None = None
    if source.path.is_dir():
        described = describe(source.path, source.name, answers, folder / "model.onnx")
        config = _config(source, folder, answers, described.input, described.output, described.ai_index)
        model = OnnxModel(folder / "model.onnx", source.name)
    else:
        model = OnnxModel(source.path, source.name)
        (folder / "model.onnx").write_bytes(model.data)
        prepared = stated_input(answers, model)
        config = _config(source, folder, answers, prepared, answers.output, answers.ai_index)
    if model.side is not None and set(model.sides) != {config.input.side}:
        raise UsageError(
            f"{source.name}: the model takes {model.sides[1]}x{model.sides[0]} pixels, its preprocessing "
            f"gives {config.input.side}x{config.input.side}; say --side"
        )
    golden = _golden(model, config, source.name)
    write_json(folder / "config.json", config.model_dump(mode="json"))
    write_json(folder / "golden.json", golden)
    write_json(
        folder / "metrics.json", {"model": f"{config.name} {config.version}", "imported from": source.name}
    )
    (folder / "MODEL_CARD.md").write_text("\n", encoding="utf-8")  # a bundle is complete or not loaded
    difference = None
    if described is not None and described.comparable:
        difference = _difference(folder, described, source.name)
    text = licence_of(source.path)[1] if source.path.is_dir() else ""
    card = model_card(config, source.name, difference, text)
    (folder / "MODEL_CARD.md").write_text(card, encoding="utf-8")
    load_bundle(folder).self_test()
    return Imported(config, difference)


def _config(
    source: Source, folder: Path, answers: Answers, prepared: InputConfig, output: Any, index: Any
) -> BundleConfig:
    stated = licence_of(source.path)[0] if source.path.is_dir() else None
    slug = re.sub(r"[^a-z0-9]+", "-", (answers.name or source.short).lower()).strip("-")
    name = slug if slug[:1].isalpha() else f"imported-{slug}"
    return BundleConfig(
        name=name[:64].rstrip("-"),
        version="1.0.0",
        input=prepared,
        output=output,
        ai_index=index,
        calibration=CalibrationConfig(slope=1.0, intercept=0.0, fitted_on="nothing: the source's own output"),
        # What is missed and what is flagged is unknown: 0.05 is only what calibration will aim at for misses.
        thresholds=ThresholdsConfig(
            fitted=False, ai=1.0, no_sign=0.0, max_fpr=1.0, max_miss=0.05, chosen_on="nothing"
        ),
        domain=DomainConfig(
            min_side=answers.min_side,
            max_side=answers.max_side,
            content="whatever its authors made it for; nothing of that was measured here",
            automatic=False,
        ),
        limits=(
            "Imported: nothing is promised, and no verdict given, until it is calibrated on your images.",
        ),
        licence=answers.licence or stated or UNSTATED,
        model_sha256=hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest(),
    )


def _golden(model: OnnxModel, config: BundleConfig, name: str) -> dict[str, Any]:
    """Golden scores by onnxruntime without optimisations, the file's own arithmetic."""
    import onnxruntime

    raw = model.run(batch_input(golden_images(config.input.side), config.input))
    # A logit or softmax layer on what are probabilities already would squeeze every score towards 0.5.
    sums = raw.sum(axis=1) if raw.shape[1] > 1 else None
    bounded = (raw >= 0).all() and (raw <= 1).all()
    if config.output != "probability" and bounded and (sums is None or np.allclose(sums, 1, atol=1e-3)):
        raise UsageError(
            f"{name}: its outputs look like probabilities and not like logits; say --output-kind probability"
        )
    try:
        logits = log_odds(raw, config)
    except ValueError as error:
        raise UsageError(f"{name}: gives {error}; check --output-kind and --ai-index") from error
    evaluator = f"onnxruntime {onnxruntime.__version__} without optimisations"
    return {"evaluator": evaluator, "scores": [round(float(one), 7) for one in sigmoid(logits)]}


def _difference(folder: Path, described: Described, name: str) -> float:
    """The greatest difference between the bundle's scores and the source's own pipeline.

    Raises:
        BundleError: it exceeds `TOLERANCE`.
    """
    side = described.input.side
    drawn = golden_images(2 * side)
    pictures = [
        np.ascontiguousarray(one[: round(high * side), : round(wide * side)])
        for one, (high, wide) in zip(drawn, _SHAPES * 2, strict=True)
    ]
    own = described.probabilities([Image.fromarray(one) for one in pictures])
    difference = float(np.abs(load_bundle(folder).scores(pictures) - own).max())
    if not difference <= TOLERANCE:
        raise BundleError(
            f"{name}: scores here differ by {difference:.2g} from its own pipeline's, so no bundle was made; "
            "export the model to ONNX and state its preprocessing"
        )
    return difference
