"""A tower's run from end to end: features, heads that leave origins out, thresholds, gate, bundle."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fauxto.evaluate.calibration import fit_platt, threshold_allowing, threshold_for_fpr, threshold_missing
from fauxto.evaluate.degradations import Rung
from fauxto.evaluate.metrics import expected_calibration_error
from fauxto.models.bundle import load_bundle, sigmoid
from fauxto.models.config import (
    BundleConfig,
    CalibrationConfig,
    DomainConfig,
    FacesConfig,
    GateConfig,
    ThresholdsConfig,
)
from fauxto.models.writing import write_json
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
from fauxto.train.tower.measure import figures, group_aurocs, shape_aurocs
from fauxto.train.tower.pictures import Pictures, load_pictures
from fauxto.train.tower.recipe import TowerRecipe
from fauxto.train.tower.views import RUNGS, Pixels, drawn, loosely_cropped


@dataclass(frozen=True)
class Views:
    """Features (N, D) of every picture: clean, in draws and loose crops, and on each rung of degradation."""

    clean: Features
    draws: list[Features]
    loose: list[Features]
    rungs: dict[str, Features]

    @property
    def measured(self) -> dict[str, Features]:
        """The views that figures are given of; one draw and one loose crop stand for all."""
        several = {"loose": self.loose, "draws": self.draws}
        return {"clean": self.clean, **{k: found[0] for k, found in several.items() if found}, **self.rungs}


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
    kind = faster_type(tower, recipe.input.side)
    views = compute_views(recipe, tower, pictures, output / "features", kind)
    importance = origin_weights(pictures.labels, pictures.groups)
    training = [views.clean] * recipe.head.clean + views.draws + views.loose
    centre = recipe.head.centred
    heads = held_out_heads(
        training, pictures.labels, importance, pictures.groups, l2=recipe.head.l2, centre=centre
    )
    held_out = {
        name: held_out_logits(heads, found, pictures.groups) for name, found in views.measured.items()
    }
    groups = pictures.groups if centre else None
    head = fit_heads(
        training, pictures.labels, importance[:, None], l2=recipe.head.l2, steps=100, groups=groups
    )[0]
    gate = fit_gate(recipe, tower, pictures, views.clean, others, output / "features", kind, head)
    return export(recipe, tower, pictures, held_out, head, gate, output)


def compute_views(
    recipe: TowerRecipe, tower: Tower, pictures: Pictures, cache: Path, kind: torch.dtype
) -> Views:
    """Features of all views, computed in `kind`, from the cache where they lie there."""
    config, side = recipe.input_config(), recipe.input.side
    mark, seed = f"{pictures.fingerprint}-{recipe.net.mark}", recipe.seed

    def features(name: str, view: View) -> Features:
        file = cache / f"{name}-{mark}.npy"
        return cached_features(file, tower, pictures.pixels(), view, config, recipe.net, kind)

    return Views(
        features("clean", lambda _, pixels: pixels),
        [features(f"draw-{seed}-{k}", partial(_draw, seed, k, side)) for k in range(recipe.head.draws)],
        [features(f"loose-{seed}-{k}", partial(_loose, seed, k)) for k in range(recipe.head.loose)],
        {name: features(name, partial(_degraded, RUNGS[name])) for name in recipe.rungs},
    )


def _draw(seed: int, number: int, side: int, position: int, pixels: Pixels) -> Pixels:
    return drawn(pixels, side, np.random.default_rng([seed, number, position]))


def _loose(seed: int, number: int, position: int, pixels: Pixels) -> Pixels:
    return loosely_cropped(pixels, np.random.default_rng([seed, 1000 + number, position]))


def _degraded(rung: Rung, _position: int, pixels: Pixels) -> Pixels:
    return rung.apply(pixels)


def choose_thresholds(
    recipe: TowerRecipe, pictures: Pictures, scores: dict[str, NDArray[np.float64]]
) -> tuple[float, float]:
    """The verdict's thresholds from scores of each view by heads that never saw the picture's origin.

    `ai` holds in every promised view. Below `no_sign` lie at most `max_miss` of the AI-generated pictures as
    they are and loosely cropped; degraded ones may fall below it, since that verdict claims nothing.
    """
    promised = [view for view in recipe.promised if view in scores]
    ai = max(_ai_threshold(recipe, pictures, scores[view]) for view in promised)
    generated = [found[pictures.labels == 1] for view, found in scores.items() if view in ("clean", "loose")]
    allowed = int(np.floor(recipe.bundle.max_miss * len(generated[0])))
    return ai, min(ai, *(threshold_missing(found, allowed) for found in generated))


def _ai_threshold(recipe: TowerRecipe, pictures: Pictures, scores: NDArray[np.float64]) -> float:
    """Flags at most `max_fpr` of all photographs, `max_group_fpr` of every source with enough of them."""
    real = pictures.labels == 0
    ai = threshold_for_fpr(scores[real], recipe.bundle.max_fpr)
    for source in np.unique(pictures.sources[real]):
        group = scores[real & (pictures.sources == source)]
        if len(group) >= recipe.group_size:
            ai = max(ai, threshold_allowing(group, int(np.floor(recipe.max_group_fpr * len(group)))))
    return ai


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
    scores = {name: sigmoid(slope * logits + intercept) for name, logits in held_out.items()}
    ai, no_sign = choose_thresholds(recipe, pictures, scores)
    section, left_out = recipe.bundle, held_out_name(recipe)
    config = BundleConfig(
        name=section.name,
        version=section.version,
        input=recipe.input_config(),
        calibration=CalibrationConfig(slope=slope, intercept=intercept, fitted_on=left_out),
        thresholds=ThresholdsConfig(
            ai=ai,
            no_sign=no_sign,
            max_fpr=section.max_fpr,
            max_miss=section.max_miss,
            chosen_on=_chosen_on(recipe),
        ),
        gate=None if gate is None else GateConfig(threshold=gate.threshold, what="a photograph"),
        faces=FacesConfig() if section.faces else None,
        domain=DomainConfig(**section.domain.model_dump()),
        limits=section.limits,
        licence=section.licence,
        model_sha256=hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest(),
    )
    metrics = held_out_metrics(recipe, pictures, held_out, scores, config, gate)
    run = {"seed": recipe.seed, "data fingerprint": pictures.fingerprint, "torch": torch.__version__}
    write_json(folder / "config.json", config.model_dump(mode="json"))
    write_json(folder / "golden.json", golden(folder / "model.onnx", config))
    write_json(folder / "metrics.json", {"model": f"{config.name} {config.version}", "run": run, **metrics})
    (folder / "MODEL_CARD.md").write_text(model_card(config, flat(metrics), run), encoding="utf-8")
    _write_held_out(pictures, held_out, scores["clean"], output / "held-out.csv")
    load_bundle(folder).self_test()
    return folder


def _chosen_on(recipe: TowerRecipe) -> str:
    """The promised views, for a person."""
    names = {"clean": "as they are", "loose": "loosely cropped", "draws": "degraded at random"}
    drawn = {"clean": True, "loose": recipe.head.loose > 0, "draws": recipe.head.draws > 0}
    views = ", ".join(names[view] for view in recipe.promised if drawn[view])
    return f"photographs of {held_out_name(recipe)} ({views})"


def held_out_name(recipe: TowerRecipe) -> str:
    """What the head never saw when a picture was scored, for a person."""
    return "held-out origins" if recipe.folds is None else "held-out folds"


def held_out_metrics(
    recipe: TowerRecipe,
    pictures: Pictures,
    held_out: dict[str, NDArray[np.float64]],
    scores: dict[str, NDArray[np.float64]],
    config: BundleConfig,
    gate: Gate | None,
) -> dict[str, Any]:
    """Everything that was measured on origins, or folds, left out.

    Args:
        recipe: of the run.
        pictures: N of them.
        held_out: logits of each view, (N,).
        scores: the same, calibrated.
        config: with the thresholds that were chosen.
        gate: if there is one.
    """
    real = pictures.labels == 0
    verdicts = {name: _verdicts(found, config.thresholds) for name, found in scores.items()}
    clean, matched = verdicts["clean"], pictures.matched
    remakes = remake_rows(pictures, recipe.remakes)
    yardsticks = {name: figures(pictures, logits, remakes) for name, logits in held_out.items()}
    found: dict[str, Any] = {
        held_out_name(recipe): yardsticks,
        "verdicts": {
            "photographs": int(real.sum()),
            "photographs called ai": float((clean[real] == 2).mean()),
            "ai-generated images": int((~real).sum()),
            "ai-generated called ai": float((clean[~real] == 2).mean()),
            "uncertain": float((clean == 1).mean()),
        },
        "calibration error": expected_calibration_error(pictures.labels[matched], scores["clean"][matched]),
        "verdicts that flip": {
            name: float((found != clean).mean()) for name, found in verdicts.items() if name != "clean"
        },
        "photographs called ai, by view": {
            name: float((found[real] == 2).mean()) for name, found in verdicts.items() if name != "clean"
        },
        "AUROC by shape": {k: round(v, 4) for k, v in shape_aurocs(pictures, held_out["clean"]).items()},
        "AUROC by group": {k: round(v, 4) for k, v in group_aurocs(pictures, held_out["clean"]).items()},
    }
    if gate is not None:
        found["gate"] = gate_figures(gate, config, real)
    return found


def _verdicts(scores: NDArray[np.float64], thresholds: ThresholdsConfig) -> NDArray[np.int64]:
    """0 below the lower threshold, 1 between, 2 at or above the upper."""
    return np.digitize(scores, [thresholds.no_sign, thresholds.ai])


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
