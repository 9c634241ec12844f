"""What a bundle's config.json says: input, output, calibration, thresholds, domain."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from fauxto.verdict import Thresholds

Probability = Annotated[float, Field(ge=0.0, le=1.0)]


class _Frozen(BaseModel):
    # Deferred: only the whole config is validated, so its parts need no validators of their own.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)


class InputConfig(_Frozen):
    """How pixels become the model's input, an RGB square of `side` pixels.

    `resize` says how an image becomes that square:

    - `square`: its centre square is resized to `side` (an image that has that size stays as it is);
    - `shortest`: it is resized so that its shorter side has `resize_side` pixels, then the centre is cropped;
    - `stretch`: it is resized to the square whatever its shape.

    With `antialias` a smaller image is made as Pillow makes it, from all pixels; without, from the few around
    each place, as frameworks do that sample tensors. The square is then normalised as (x / 255 - mean) / std
    per channel, layout NCHW.
    """

    side: int = Field(ge=8, le=1024)
    resize: Literal["square", "shortest", "stretch"] = "square"
    resize_side: int | None = Field(default=None, ge=8, le=2048)
    interpolation: Literal["nearest", "bilinear", "bicubic", "box", "hamming", "lanczos"] = "bicubic"
    antialias: bool = True
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @model_validator(mode="after")
    def _possible(self) -> InputConfig:
        if (self.resize == "shortest") != (self.resize_side is not None):
            raise ValueError("resize_side goes with resize: shortest, and only with it")
        if self.resize_side is not None and self.resize_side < self.side:
            raise ValueError("resize_side is smaller than the side that is cropped from it")
        if not self.antialias and self.interpolation not in ("nearest", "bilinear"):
            raise ValueError("without antialias the interpolation is nearest or bilinear")
        if min(self.std) <= 0:
            raise ValueError("std must be positive")
        return self


class CalibrationConfig(_Frozen):
    """Platt scaling: score = sigmoid(slope * logit + intercept) (Platt 1999), fitted on validation data."""

    slope: float = Field(gt=0)
    intercept: float
    fitted_on: str


class ThresholdsConfig(_Frozen):
    """The verdict's two thresholds on the calibrated score, and what they promise.

    A model whose thresholds nobody has `fitted` promises nothing: it gives scores, but neither `ai` nor
    `no-sign`.
    """

    fitted: bool = True
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

    def as_thresholds(self) -> Thresholds:
        """What the table of rules needs of them."""
        return Thresholds(ai=self.ai, no_sign=self.no_sign, fitted=self.fitted)


ANY_SIDE = 20_000


def check_sides(least: int, greatest: int) -> None:
    """Refuse a least and a greatest side, in pixels, between which nothing lies.

    Raises:
        ValueError: the least is the greater.
    """
    if least > greatest:
        raise ValueError(f"min_side {least} is over max_side {greatest}: no image fits")


class DomainConfig(_Frozen):
    """What images the model is for: sides in pixels, content in words, and whether `auto` may use it."""

    min_side: int = Field(ge=1)
    max_side: int = Field(ge=1)
    content: str
    automatic: bool

    @model_validator(mode="after")
    def _possible(self) -> DomainConfig:
        check_sides(self.min_side, self.max_side)
        return self

    @property
    def sides(self) -> str:
        """The sides for a person; a greatest one that only large files' limits reach is not worth naming."""
        if self.max_side >= ANY_SIDE:
            return f"{self.min_side} px and more"
        return f"{self.min_side} to {self.max_side} px"

    def fits(self, width: int, height: int) -> bool:
        """Whether both sides (pixels) lie within the domain."""
        return self.min_side <= min(width, height) and max(width, height) <= self.max_side


class GateConfig(_Frozen):
    """A second output of the model, `photograph`: images whose logit lies below `threshold` are turned away.

    `what` completes "not ...": what the model can judge and such an image is not.
    """

    threshold: float
    what: str


class FacesConfig(_Frozen):
    """The model judges faces: they are found in the picture and judged one by one (`fauxto.models.faces`).

    A picture that is nearly square, with sides within these (pixels), may be a face crop aligned like FFHQ's
    already, and is then judged whole.
    """

    aligned_min_side: int = Field(default=192, ge=1)
    aligned_max_side: int = Field(default=320, ge=1)


class BundleConfig(_Frozen):
    """config.json of a bundle, complete.

    `output` is what model.onnx gives for each image, and `ai_index` the class that is AI-generated in it:

    - `logit`: one number z; sigmoid(z) is the probability of class 1;
    - `softmax`: a logit for each class;
    - `probability`: a probability for each class, or that of class 1 alone.
    """

    format: Literal[1] = 1
    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,63}$")
    version: str = Field(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")
    input: InputConfig
    output: Literal["logit", "softmax", "probability"] = "logit"
    ai_index: int = Field(default=1, ge=0)
    calibration: CalibrationConfig
    thresholds: ThresholdsConfig
    gate: GateConfig | None = None
    faces: FacesConfig | None = None
    domain: DomainConfig
    limits: tuple[str, ...]
    licence: str
    model_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
