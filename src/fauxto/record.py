"""The record that every surface gives: one image, one verdict, and what speaks for it."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Verdict = Literal["ai", "ai-edited", "uncertain", "no-sign"]
Source = Literal["c2pa", "iptc", "generator", "aigc", "stealth", "watermark", "camera", "face"]
Claim = Literal["ai", "ai-edited", "camera", "other", "not-checked"]
Strength = Literal["strong", "moderate", "weak"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Evidence(_Frozen):
    """One thing that the file itself says about its origin.

    Attributes:
        source: which family of signal.
        claim: what it says; `not-checked` where the signal is there but could not be read.
        strength: `strong` only behind a signature whose key only the signer holds.
        detail: one sentence for a person.
        data: JSON values for machines, raw where that helps (`state` for `c2pa`).
    """

    source: Source
    claim: Claim
    strength: Strength
    detail: str
    data: dict[str, Any] = Field(default_factory=dict)


class ModelRef(_Frozen):
    """The model that gave a score."""

    name: str
    version: str


class ErrorInfo(_Frozen):
    """Why an input got no verdict; `code` is stable."""

    code: str
    message: str


class ImageInfo(_Frozen):
    """What was decoded: sides in pixels after EXIF orientation, container format, hash of the bytes."""

    width: int = Field(ge=1)
    height: int = Field(ge=1)
    format: str
    sha256: str


class Record(_Frozen):
    """The answer for one input.

    `score` is P(AI-generated) in [0, 1], calibrated, or None where no model's domain fits.
    `verdict` is None exactly where `status` is `error`.
    """

    path: str
    status: Literal["ok", "error"]
    error: ErrorInfo | None = None
    verdict: Verdict | None = None
    score: float | None = Field(default=None, ge=0.0, le=1.0)
    model: ModelRef | None = None
    reason: str = ""
    evidence: tuple[Evidence, ...] = ()
    image: ImageInfo | None = None

    def to_json(self) -> str:
        """The record as one line of JSON that a terminal may show, whatever text the file held."""
        return printable_json(self.model_dump_json())


def printable_json(text: str) -> str:
    r"""JSON, the same value, with bidi marks and control characters in its strings as escapes (`\u202e`)."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)
