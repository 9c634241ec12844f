"""A tower's run from end to end: features, heads that leave origins out, thresholds, gate, bundle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fauxto.evaluate.calibration import fit_platt, threshold_allowing, threshold_for_fpr, threshold_missing
from fauxto.models.bundle import load_bundle, sigmoid
from fauxto.models.config import (
    BundleConfig,
    CalibrationConfig,
    DomainConfig,
    FacesConfig,
    GateConfig,
    ThresholdsConfig,
)
from fauxto.train.card import model_card
from fauxto.train.export import golden
from fauxto.train.tower.clip import Tower, read_tower
from fauxto.train.tower.export import HeadedTower, round_weights, write_onnx
from fauxto.train.tower.features import View, cached_features, faster_type
from fauxto.train.tower.gate import Gate, fit_gate
from fauxto.train.tower.heads import (
    Features,
    Head,
    fit_heads,
    held_out_heads,
    held_out_logits,
    origin_weights,
)
from fauxto.train.tower.measure import figures, group_aurocs
from fauxto.train.tower.pictures import Pictures, load_pictures
from fauxto.train.tower.recipe import TowerRecipe
from fauxto.train.tower.views import Pixels, chained, drawn, square

CHAINS = {"web": 60, "hard": 40}
"""JPEG qualities of the two chains; their limits of 768 and 512 pixels are above what was measured on."""


@dataclass(frozen=True)
class Views:
    """Class tokens (N, D) of every picture: clean, in draws for training, and after each chain."""

    clean: Features
    draws: list[Features]
    chains: dict[str, Features]


def run_tower(
    recipe: TowerRecipe, data: Sequence[Path], output: Path, weights: Path | None, others: Path | None
) -> Path:
    """Run a recipe.

    Args:
        recipe: of a tower.
        data: labelled pictures with a source each.
        output: gets features/, held-out.csv and bundle/.
        weights: of the tower.
        others: pictures that are no photographs, for the gate.

    Returns:
        The bundle's folder.

    Raises:
        UsageError: no weights, or a gate without pictures for it.
        DataError: the data cannot be used.
    """
    tower = read_tower(weights, recipe.net.depth, recipe.input.side)
    round_weights(tower, recipe.net.bits)
    pictures = load_pictures(data, recipe.together, recipe.folds)
    views = compute_views(recipe, tower, pictures, output / "features")
    importance = origin_weights(pictures.labels, pictures.groups)
    training = [views.clean] * recipe.head.clean + views.draws
    heads = held_out_heads(training, pictures.labels, importance, pictures.groups, l2=recipe.head.l2)
    held_out = {
        name: held_out_logits(heads, found, pictures.groups)
        for name, found in {"clean": views.clean, **views.chains}.items()
    }
    head = fit_heads(training, pictures.labels, importance[:, None], l2=recipe.head.l2, steps=100)[0]
    gate = fit_gate(recipe, tower, pictures, views.clean, others, output / "features", head)
    return export(recipe, tower, pictures, held_out, head, gate, output)


def compute_views(recipe: TowerRecipe, tower: Tower, pictures: Pictures, cache: Path) -> Views:
    """Features of all views, from the cache where they lie there."""
    config, side = recipe.input_config(), recipe.input.side
    kind = faster_type(tower, side)
    mark = f"{pictures.fingerprint}-{recipe.net.mark}"

    def features(name: str, view: View) -> Features:
        file = cache / f"{name}-{mark}.npy"
        return cached_features(file, tower, pictures.pixels(), view, config, recipe.net, kind)

    return Views(
        features("clean", lambda _, pixels: square(pixels, side)),
        [features(f"draw-{k}", partial(_draw, recipe.seed, k, side)) for k in range(recipe.head.draws)],
        {name: features(name, partial(_chain, side, CHAINS[name])) for name in recipe.chains},
    )


def _draw(seed: int, number: int, side: int, position: int, pixels: Pixels) -> Pixels:
    return drawn(pixels, side, np.random.default_rng([seed, number, position]))


def _chain(side: int, quality: int, _position: int, pixels: Pixels) -> Pixels:
    return chained(pixels, side, quality)


def choose_thresholds(
    recipe: TowerRecipe, pictures: Pictures, scores: NDArray[np.float64]
) -> tuple[float, float]:
    """The verdict's thresholds from scores by heads that never saw the picture's origin.

    `ai` flags at most `max_fpr` of all photographs, and at most `max_group_fpr` of every source with
    `group_size` or more of them; below `no_sign` lie at most `max_miss` of the AI-generated pictures.
    """
    real = pictures.labels == 0
    ai = threshold_for_fpr(scores[real], recipe.bundle.max_fpr)
    for source in np.unique(pictures.sources[real]):
        group = scores[real & (pictures.sources == source)]
        if len(group) >= recipe.group_size:
            ai = max(ai, threshold_allowing(group, int(np.floor(recipe.max_group_fpr * len(group)))))
    generated = scores[~real]
    no_sign = threshold_missing(generated, int(np.floor(recipe.bundle.max_miss * len(generated))))
    return ai, min(ai, no_sign)


def export(
    recipe: TowerRecipe,
    tower: Tower,
    pictures: Pictures,
    held_out: dict[str, NDArray[np.float64]],
    head: Head,
    gate: Gate | None,
    output: Path,
) -> Path:
    """Write the bundle and the held-out scores that its thresholds were chosen on."""
    folder = output / "bundle"
    folder.mkdir(parents=True, exist_ok=True)
    net = HeadedTower(tower, recipe.net, head, None if gate is None else gate.head).float().cpu().eval()
    write_onnx(net, recipe.input_config(), folder / "model.onnx")
    matched = pictures.matched
    slope, intercept = fit_platt(held_out["clean"][matched], pictures.labels[matched])
    scores = sigmoid(slope * held_out["clean"] + intercept)
    ai, no_sign = choose_thresholds(recipe, pictures, scores)
    section = recipe.bundle
    config = BundleConfig(
        name=section.name,
        version=section.version,
        input=recipe.input_config(),
        calibration=CalibrationConfig(slope=slope, intercept=intercept, fitted_on="held-out origins"),
        thresholds=ThresholdsConfig(
            ai=ai,
            no_sign=no_sign,
            max_fpr=section.max_fpr,
            max_miss=section.max_miss,
            chosen_on="photographs of held-out origins",
        ),
        gate=None if gate is None else GateConfig(threshold=gate.threshold, what="a photograph"),
        faces=FacesConfig() if section.faces else None,
        domain=DomainConfig(**section.domain.model_dump()),
        limits=section.limits,
        licence=section.licence,
        model_sha256=hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest(),
    )
    remakes = remake_rows(pictures, recipe.remakes)
    metrics = held_out_metrics(pictures, held_out, scores, config, gate, remakes)
    run = {"seed": recipe.seed, "data fingerprint": pictures.fingerprint, "torch": torch.__version__}
    _write(folder / "config.json", config.model_dump(mode="json"))
    _write(folder / "golden.json", golden(folder / "model.onnx", config))
    _write(folder / "metrics.json", {"model": f"{config.name} {config.version}", "run": run, **metrics})
    (folder / "MODEL_CARD.md").write_text(model_card(config, flat(metrics), run), encoding="utf-8")
    _write_held_out(pictures, held_out, scores, output / "held-out.csv")
    load_bundle(folder).self_test()
    return folder


def held_out_metrics(
    pictures: Pictures,
    held_out: dict[str, NDArray[np.float64]],
    scores: NDArray[np.float64],
    config: BundleConfig,
    gate: Gate | None,
    remakes: NDArray[np.bool_],
) -> dict[str, Any]:
    """Everything that was measured on origins left out."""
    real = pictures.labels == 0
    flagged, passed = scores >= config.thresholds.ai, scores < config.thresholds.no_sign
    found: dict[str, Any] = {
        "held-out origins": {name: figures(pictures, logits, remakes) for name, logits in held_out.items()},
        "verdicts": {
            "photographs": int(real.sum()),
            "photographs called ai": float(flagged[real].mean()),
            "ai-generated images": int((~real).sum()),
            "ai-generated called ai": float(flagged[~real].mean()),
            "uncertain": float((~flagged & ~passed).mean()),
        },
        "AUROC by origin": {k: round(v, 4) for k, v in group_aurocs(pictures, held_out["clean"]).items()},
    }
    if gate is not None:
        found["gate"] = gate_figures(gate, config, real)
    return found


def gate_figures(gate: Gate, config: BundleConfig, real: NDArray[np.bool_]) -> dict[str, Any]:
    """Whom the gate turns away, and what the detector calls AI-generated among what it lets through."""
    calibration = config.calibration
    kinds = {}
    for name, kind in gate.kinds.items():
        scores = sigmoid(calibration.slope * kind.passed + calibration.intercept)
        kinds[name] = {
            "pictures": kind.pictures,
            "let through": len(kind.passed) / kind.pictures,
            "called ai": int((scores >= config.thresholds.ai).sum()) / kind.pictures,
        }
    away = gate.photographs < gate.threshold
    return {
        "photographs turned away": float(away[real].mean()),
        "ai-generated turned away": float(away[~real].mean()),
        "kinds": kinds,
    }


def remake_rows(pictures: Pictures, named: Sequence[str]) -> NDArray[np.bool_]:
    """Pictures of groups in which a generator re-rendered the photograph: paired by the data, or `named`."""
    paired = {
        group for item, group in zip(pictures.items, pictures.groups.tolist(), strict=True) if item.pair
    }
    return np.isin(pictures.groups, sorted(paired | set(named)))


def flat(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested figures as one level, names joined by commas."""
    found: dict[str, Any] = {}
    for name, inner in value.items():
        label = f"{prefix}, {name}" if prefix else name
        found |= flat(inner, label) if isinstance(inner, dict) else {label: inner}
    return found


def _write(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def _write_held_out(
    pictures: Pictures,
    held_out: dict[str, NDArray[np.float64]],
    scores: NDArray[np.float64],
    path: Path,
) -> None:
    """One row a picture: what decided the thresholds, for whoever wants to check them."""
    columns = ["group", "source", "label", "score", *held_out]
    rows = zip(
        pictures.groups.tolist(),
        pictures.sources.tolist(),
        pictures.labels.tolist(),
        scores.round(6).tolist(),
        *(logits.round(5).tolist() for logits in held_out.values()),
        strict=True,
    )
    lines = [",".join(columns), *(",".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
