"""What a bundle's config.json says: input, output, calibration, thresholds, domain."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Probability = Annotated[float, Field(ge=0.0, le=1.0)]


class _Frozen(BaseModel):
    # Deferred: only the whole config is validated, so its parts need no validators of their own.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)


class InputConfig(_Frozen):
    """How pixels become the model's input.

    The centre square of the image is resized to `side` by `interpolation` (nothing happens to an image
    that already has that size), then normalised as (x / 255 - mean) / std per channel, layout NCHW.
    """

    side: int = Field(ge=8, le=1024)
    interpolation: Literal["bilinear", "bicubic", "box", "lanczos"] = "bicubic"
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class CalibrationConfig(_Frozen):
    """Platt scaling: score = sigmoid(slope * logit + intercept) (Platt 1999), fitted on validation data."""

    slope: float = Field(gt=0)
    intercept: float
    fitted_on: str


class ThresholdsConfig(_Frozen):
    """The verdict's two thresholds on the calibrated score, and what they promise."""

    ai: Probability
    no_sign: Probability
    max_fpr: Probability
    max_miss: Probability
    chosen_on: str

    @model_validator(mode="after")
    def _ordered(self) -> ThresholdsConfig:
        if self.no_sign > self.ai:
            raise ValueError("the no-sign threshold lies above the AI threshold")
        return self


class DomainConfig(_Frozen):
    """What images the model is for: sides in pixels, content in words, and whether `auto` may use it."""

    min_side: int = Field(ge=1)
    max_side: int = Field(ge=1)
    content: str
    automatic: bool

    def fits(self, width: int, height: int) -> bool:
        """Whether both sides (pixels) lie within the domain."""
        return self.min_side <= min(width, height) and max(width, height) <= self.max_side


class GateConfig(_Frozen):
    """A second output of the model, `photograph`: images whose logit lies below `threshold` are turned away.

    `what` completes "not ...": what the model can judge and such an image is not.
    """

    threshold: float
    what: str


class BundleConfig(_Frozen):
    """config.json of a bundle, complete."""

    format: Literal[1] = 1
    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,63}$")
    version: str = Field(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")
    input: InputConfig
    output: Literal["logit"] = "logit"
    calibration: CalibrationConfig
    thresholds: ThresholdsConfig
    gate: GateConfig | None = None
    domain: DomainConfig
    limits: tuple[str, ...]
    licence: str
    model_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
