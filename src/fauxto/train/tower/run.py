"""A tower's run from end to end: features, heads that leave origins out, thresholds, gate, bundle."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fauxto.evaluate.calibration import fit_platt
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
from fauxto.train.tower.clip import Tower
from fauxto.train.tower.export import HeadedTower, rounded_tower, write_onnx
from fauxto.train.tower.features import Views, compute_views, faster_type
from fauxto.train.tower.gate import Gate, fit_gate, read_others
from fauxto.train.tower.heads import Consistency, Head, LeftOut, leave_out, origin_weights
from fauxto.train.tower.hidden import Joined, Settings, hidden_left_out, joined
from fauxto.train.tower.measure import figures, group_aurocs, large_groups, shape_aurocs
from fauxto.train.tower.pictures import Pictures, load_pictures
from fauxto.train.tower.recipe import TowerRecipe
from fauxto.train.tower.verdicts import (
    Judged,
    choose_thresholds,
    gate_figures,
    remake_rows,
    verdict_figures,
)


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
        UsageError: no weights, or a gate without pictures for it; before anything is computed.
        DataError: the data cannot be used.
    """
    no_photographs = read_others(recipe, others)
    tower = rounded_tower(weights, recipe.net.depth, recipe.input.side, recipe.net.bits)
    pictures = load_pictures(data, recipe.together, recipe.folds)
    kind = faster_type(tower, recipe.input.side)
    views = compute_views(recipe, tower, pictures.pixels, pictures.fingerprint, output / "features", kind)
    heads = fit_all(recipe, pictures, views)
    held_out = {name: heads.logits(found, pictures.groups) for name, found in views.measured.items()}
    gate = None
    if no_photographs is not None:
        gate = fit_gate(
            recipe, tower, pictures, views, no_photographs, output / "features", kind, heads.whole
        )
    return export(recipe, tower, pictures, held_out, heads.whole, gate, output)


def fit_all(recipe: TowerRecipe, pictures: Pictures, views: Views) -> LeftOut[Head] | LeftOut[Joined]:
    """The heads that leave a group out, and the one of all pictures."""
    linear = fit_linear(recipe, pictures, views)
    return with_nets(recipe, pictures, views, linear) if recipe.head.hidden else linear


def fit_linear(recipe: TowerRecipe, pictures: Pictures, views: Views) -> LeftOut[Head]:
    """The linear part of each of these heads."""
    section, labels, groups = recipe.head, pictures.labels, pictures.groups
    training = [views.clean] * (section.clean - 1) + views.fitted + views.loose
    pairs = [(views.clean, other) for other in views.reencoded]
    consistency = Consistency(pairs, section.consistency) if section.consistency else None
    return leave_out(
        training,
        labels,
        origin_weights(labels, groups),
        groups,
        l2=section.l2,
        centre=section.centred,
        consistency=consistency,
    )


def with_nets(
    recipe: TowerRecipe, pictures: Pictures, views: Views, linear: LeftOut[Head]
) -> LeftOut[Joined]:
    """Linear heads, and beside each a small net of the recipe's hidden units and seed."""
    section, labels, groups = recipe.head, pictures.labels, pictures.groups
    each, weights = views.fitted + views.loose, origin_weights(labels, groups)
    settings = Settings(section.hidden, recipe.seed, section.reencoded, section.consistency)
    nets = hidden_left_out(each, labels, weights, groups, settings)
    return joined(linear, nets, views.clean, groups, pictures.matched)


def export(
    recipe: TowerRecipe,
    tower: Tower,
    pictures: Pictures,
    held_out: dict[str, NDArray[np.float64]],
    head: Head | Joined,
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
    nobody = np.zeros(len(pictures), dtype=bool)
    away = dict.fromkeys(scores, nobody) if gate is None else gate.away
    metrics = held_out_metrics(recipe, Judged(pictures, scores, away), held_out, config, gate)
    run = {
        "seed": recipe.seed,
        "data fingerprint": pictures.fingerprint,
        "torch": torch.__version__,
        "photographs": _seen(pictures, 0),
        "AI-generated images": _seen(pictures, 1),
    }
    write_json(folder / "config.json", config.model_dump(mode="json"))
    write_json(folder / "golden.json", golden(folder / "model.onnx", config))
    write_json(folder / "metrics.json", {"model": f"{config.name} {config.version}", "run": run, **metrics})
    (folder / "MODEL_CARD.md").write_text(model_card(config, flat(metrics), run), encoding="utf-8")
    _write_held_out(pictures, held_out, scores["clean"], output / "held-out.csv")
    load_bundle(folder).self_test()
    return folder


def _seen(pictures: Pictures, label: int) -> str:
    """How many pictures of a class the head learnt from, and their sources where the data names any."""
    rows = pictures.labels == label
    sources = [name for name in np.unique(pictures.sources[rows]).tolist() if name]
    return f"{int(rows.sum()):,}" + (f" of {', '.join(sources)}" if sources else "")


def _chosen_on(recipe: TowerRecipe) -> str:
    """The promised views, for a person."""
    head = recipe.head
    names = {
        "clean": "as they are",
        "reencoded": "encoded anew",
        "loose": "loosely cropped",
        "draws": "degraded at random",
    }
    drawn = {"clean": 1, "reencoded": head.reencoded, "loose": head.loose, "draws": head.draws}
    views = ", ".join(names[view] for view in recipe.promised if drawn[view])
    return f"photographs of {held_out_name(recipe)} ({views})"


def held_out_name(recipe: TowerRecipe) -> str:
    """What the head never saw when a picture was scored, for a person."""
    return "held-out origins" if recipe.folds is None else "held-out folds"


def held_out_metrics(
    recipe: TowerRecipe,
    judged: Judged,
    held_out: dict[str, NDArray[np.float64]],
    config: BundleConfig,
    gate: Gate | None,
) -> dict[str, Any]:
    """Everything that was measured on origins, or folds, left out.

    Args:
        recipe: of the run.
        judged: its N pictures.
        held_out: logits of each view, (N,).
        config: with the thresholds that were chosen.
        gate: if there is one.
    """
    pictures, thresholds = judged.pictures, config.thresholds
    matched, remakes = pictures.matched, remake_rows(pictures, recipe.remakes)
    by_group = {k: round(v, 4) for k, v in group_aurocs(pictures, held_out["clean"]).items()}
    found: dict[str, Any] = {
        held_out_name(recipe): {name: figures(pictures, one, remakes) for name, one in held_out.items()},
        **verdict_figures(recipe, judged, thresholds.ai, thresholds.no_sign),
        "calibration error": expected_calibration_error(
            pictures.labels[matched], judged.scores["clean"][matched]
        ),
        "AUROC by shape": {k: round(v, 4) for k, v in shape_aurocs(pictures, held_out["clean"]).items()},
        "AUROC by group": by_group,
        "remakes": " ".join(np.unique(pictures.groups[remakes]).tolist()),
        "AUROC by large group": {name: by_group[name] for name in large_groups(pictures) if name in by_group},
    }
    if gate is not None:
        found["gate"] = gate_figures(judged, gate, config)
    return found


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
        scores.tolist(),  # as exact as the threshold, which lies just above one of them
        *(logits.round(5).tolist() for logits in held_out.values()),
        strict=True,
    )
    lines = [",".join(columns), *(",".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
