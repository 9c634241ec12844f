"""The model card that is written with a bundle: what it is for, what it cannot do, how it did."""

from __future__ import annotations

from typing import Any

from fauxto.models.config import BundleConfig

# Stands in config.json where the score is the net's own probability.
NOT_FITTED = "nothing: the net's own probability"


def model_card(config: BundleConfig, metrics: dict[str, Any], run: dict[str, Any]) -> str:
    """Markdown; every figure comes from the arguments, none is typed in."""
    domain, thresholds = config.domain, config.thresholds
    lines = [
        f"# {config.name} {config.version}",
        "",
        f"For {domain.content}, sides of {domain.sides}. Licence: {config.licence}.",
        "",
        "## What the score means",
        "",
        f"P(AI-generated) in [0, 1], {_calibrated(config)}. "
        f"At or above {thresholds.ai:.4f} the verdict is `ai`, below "
        f"{thresholds.no_sign:.4f} it is `no-sign`, "
        f"between them `uncertain`. The upper threshold keeps false alarms at or below "
        f"{_percent(thresholds.max_fpr)} on each of: {thresholds.chosen_on}; below the lower one lie at most "
        f"{_percent(thresholds.max_miss)} of the AI-generated validation images. A low score proves nothing.",
        "",
        "## What it cannot do",
        "",
        *[f"- {limit}" for limit in config.limits],
        "",
        "## Validation",
        "",
        "| figure | value |",
        "|---|---|",
        *[f"| {name.replace('_', ' ')} | {_figure(value)} |" for name, value in metrics.items()],
        "",
        "Thresholds and calibration were chosen on these images. What was measured on others, if anything, "
        "stands in the README.",
        "",
        "## Training",
        "",
        *[f"- {name.replace('_', ' ')}: {value}" for name, value in run.items()],
        "",
    ]
    return "\n".join(lines)


def _percent(share: float) -> str:
    return f"{100 * share:g} %"


def _calibrated(config: BundleConfig) -> str:
    on = config.calibration.fitted_on
    return "the net's own, not calibrated" if on == NOT_FITTED else f"calibrated by Platt scaling on the {on}"


def _figure(value: float | str) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
