"""Measuring detectors: metrics, intervals, degradations, calibration, reports. Never imports torch.

`evaluate(dataset, bundle)` measures a model and gives an `Evaluation`, whose `write(folder)` leaves
metrics.json, predictions.csv and report.html; `recalibrate(dataset, folder, max_fpr, output)` fits a bundle's
calibration and thresholds anew. Both are loaded at their first use, so that training, which needs only the
small functions of `metrics` and `calibration`, does not wait for the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fauxto.evaluate.recalibration import Recalibration, recalibrate
    from fauxto.evaluate.run import Evaluation, evaluate
    from fauxto.evaluate.schema import Metrics

__all__ = ["Evaluation", "Metrics", "Recalibration", "evaluate", "recalibrate"]

_HOME = {
    "Evaluation": "run",
    "Metrics": "schema",
    "Recalibration": "recalibration",
    "evaluate": "run",
    "recalibrate": "recalibration",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
