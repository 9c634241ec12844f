"""What a user says about a detector whose own files do not say it, or contradict each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Triple = tuple[float, float, float]
Resize = Literal["square", "shortest", "stretch"]
Interpolation = Literal["nearest", "bilinear", "bicubic", "box", "hamming", "lanczos"]
Output = Literal["logit", "softmax", "probability"]


@dataclass(frozen=True)
class Answers:
    """None stands for: as the source says. The fields are those of a bundle's config."""

    side: int | None = None
    resize: Resize | None = None
    resize_side: int | None = None
    interpolation: Interpolation | None = None
    antialias: bool | None = None
    mean: Triple | None = None
    std: Triple | None = None
    output: Output | None = None
    ai_index: int | None = None
    name: str | None = None
    licence: str | None = None
    min_side: int = 32
    max_side: int = 20000
