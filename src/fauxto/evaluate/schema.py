"""What metrics.json holds; documented field by field in docs/metrics.md.

Rates and scores lie in [0, 1]. `ai` is the positive class everywhere. A figure that the data cannot give (an
AUROC without both classes, say) is null, never 0.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from fauxto.evaluate.degradations import Ladder


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Estimate(_Frozen):
    """A figure and its 95 % interval by the stratified bootstrap; all null where it cannot be given."""

    value: float | None = None
    low: float | None = None
    high: float | None = None


class Proportion(_Frozen):
    """`count` of `total`, its rate and the rate's exact 95 % interval; the rate is null where total is 0."""

    count: int
    total: int
    rate: float | None = None
    low: float | None = None
    high: float | None = None


class UnreadableImage(_Frozen):
    """An image that could not be read and is in no figure; `code` as in scan records."""

    name: str
    code: str


class DataInfo(_Frozen):
    """What was measured on.

    `name` is the last part of the path, `limit` the value of `--limit`; `duplicates` counts images whose
    bytes an earlier image has, which intervals take for independent.
    """

    name: str
    split: str | None
    limit: int | None
    fingerprint: str
    images: int
    ai: int
    not_ai: int
    duplicates: int
    unreadable: tuple[UnreadableImage, ...]


class ModelInfo(_Frozen):
    """Which model, and what its frozen thresholds are; null where nobody has set any (an imported model)."""

    name: str
    version: str
    sha256: str
    ai_threshold: float | None
    no_sign_threshold: float | None


class Figures(_Frozen):
    """Over the images with a score; those that need a decision call a score of 0.5 or more AI."""

    accuracy: Estimate
    balanced_accuracy: Estimate
    precision: Estimate
    recall: Estimate
    f1: Estimate
    auroc: Estimate
    average_precision: Estimate
    tpr_at_1_percent_fpr: Estimate
    tpr_at_0_1_percent_fpr: Estimate
    calibration_error: Estimate


class Confusion(_Frozen):
    """Images with a score, by class and by whether the score is 0.5 or more."""

    ai_called_ai: int
    ai_called_not_ai: int
    not_ai_called_ai: int
    not_ai_called_not_ai: int


class ReportRow(_Frozen):
    """A row of scikit-learn's classification report, at 0.5."""

    name: Literal["not-ai", "ai", "macro avg", "weighted avg"]
    precision: float
    recall: float
    f1: float
    images: int


class VerdictShares(_Frozen):
    """The verdicts that one class's images get; `uncertain` includes those outside the domain."""

    label: Literal["ai", "not-ai"]
    ai: Proportion
    uncertain: Proportion
    no_sign: Proportion
    outside_domain: Proportion


class Verdicts(_Frozen):
    """By the model's frozen thresholds, over all images.

    `uncertain` is an abstention; on the rest a verdict is right where it is `ai` for an AI-generated image
    and `no-sign` for another.
    """

    by_class: tuple[VerdictShares, ...]
    abstentions: Estimate
    accuracy_on_the_rest: Estimate


class SourceRow(_Frozen):
    """One source of images: how many are called AI at 0.5, of those with a score, and by verdict, of all."""

    source: str
    images: int
    called_ai: Proportion
    verdict_ai: Proportion


class CalibrationBin(_Frozen):
    """Scores from `low` to `high`: how many, their mean, and the share that is AI-generated."""

    low: float
    high: float
    images: int
    mean_score: float | None
    share_ai: float | None


class Curve(_Frozen):
    """Points of a curve, thinned to some 200: ROC (x FPR, y TPR) or precision-recall (x recall)."""

    x: tuple[float, ...]
    y: tuple[float, ...]


class RungResult(_Frozen):
    """One degradation, over the images of its ladder's size that have a score when clean.

    AUROC and accuracy at 0.5 are over those that still have one; `flip_rate` is the share, over all of
    them, whose verdict differs from that on the clean image.
    """

    name: str
    ladder: Ladder
    label: str
    images: int
    scored: int
    auroc: Estimate
    accuracy: Estimate
    flip_rate: Estimate


class ModelResult(_Frozen):
    """Everything measured about one model."""

    model: ModelInfo
    scored: int
    outside_domain: int
    figures: Figures
    confusion: Confusion
    classification_report: tuple[ReportRow, ...]
    verdicts: Verdicts
    ai_sources: tuple[SourceRow, ...]
    not_ai_sources: tuple[SourceRow, ...]
    calibration: tuple[CalibrationBin, ...]
    roc: Curve
    precision_recall: Curve
    robustness: tuple[RungResult, ...]


class McNemarResult(_Frozen):
    """McNemar's exact test on being right at 0.5."""

    only_first: int
    only_second: int
    p_value: float


class DeLongResult(_Frozen):
    """DeLong's test on AUROC, first minus second."""

    first: float
    second: float
    difference: float
    standard_error: float
    low: float
    high: float
    z: float | None
    p_value: float


class Comparison(_Frozen):
    """A second model beside the first: its own result, and both on the images that both gave a score."""

    second: ModelResult
    common_images: int
    first_figures: Figures
    second_figures: Figures
    mcnemar: McNemarResult
    delong: DeLongResult | None


class Metrics(_Frozen):
    """metrics.json, complete."""

    format: Literal[1] = 1
    fauxto: str
    command: str
    seed: int
    resamples: int
    data: DataInfo
    result: ModelResult
    comparison: Comparison | None
