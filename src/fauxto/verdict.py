"""Evidence and score to a verdict and its reason: the one place where they are joined.

The table of rules (`RULES`) is read from the top; the first row that fits decides. Weak evidence is
shown to the person but decides nothing, and no rule ever says "real": the mildest answer is that no
sign was found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from fauxto.record import Evidence, Verdict

Band = Literal["ai", "between", "below", "unset", "none"]
_DIGITS, _ALL_DIGITS = 2, 17  # decimals of a score in words, and those that a double can need


@dataclass(frozen=True)
class Thresholds:
    """The two thresholds on the score, both in [0, 1], chosen on validation data.

    At or above `ai` the model says AI; below `no_sign` it sees nothing; between it cannot tell. Without
    `fitted` nobody has chosen them, and a score decides nothing.
    """

    ai: float
    no_sign: float
    fitted: bool = True

    def band(self, score: float | None) -> Band:
        """The band that `score` (P(AI-generated) in [0, 1], or None) falls into."""
        if score is None:
            return "none"
        if not self.fitted:
            return "unset"
        if score >= self.ai:
            return "ai"
        return "below" if score < self.no_sign else "between"

    def digits(self, score: float) -> int:
        """How many decimals tell `score` from both thresholds once all three are rounded; two or more."""
        enough = (
            digits
            for digits in range(_DIGITS, _ALL_DIGITS)
            if self._rounded(digits).band(round(score, digits)) == self.band(score)
        )
        return next(enough, _ALL_DIGITS)

    def _rounded(self, digits: int) -> Thresholds:
        return Thresholds(round(self.ai, digits), round(self.no_sign, digits), self.fitted)


@dataclass(frozen=True)
class Case:
    """What the rules look at: the decisive rows of evidence, and the score's band and how it reads."""

    strong_ai: Evidence | None
    moderate_ai: Evidence | None
    edited: Evidence | None
    camera: Evidence | None
    tampered: Evidence | None
    band: Band
    score: str
    why_no_score: str


@dataclass(frozen=True)
class Rule:
    """One row of the table: when it fits, the verdict, and how the reason reads."""

    name: str
    fits: Callable[[Case], bool]
    verdict: Verdict
    reason: Callable[[Case], str]


def _said(row: Evidence | None) -> str:
    """The evidence as the middle of a sentence, with what it is worth where it does not say so itself."""
    if row is None:
        return ""
    text = row.detail.rstrip(". ")
    says_it = row.strength == "strong" or "anybody can" in text
    return text if says_it else f"{text} (anybody can write this)"


def _model(case: Case) -> str:
    """What the model says, as a clause."""
    match case.band:
        case "none":
            return case.why_no_score.rstrip(". ")
        case "ai":
            return f"the model's score of {case.score} is at or above its AI threshold"
        case "between":
            return f"the model's score of {case.score} lies between its thresholds"
        case "unset":
            return (
                f"the model gives a score of {case.score}, but nobody has set its thresholds, so it "
                "promises nothing: set them on your own images by `fauxto calibrate`"
            )
        case "below":
            return f"the model's score of {case.score} is below its no-sign threshold"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."


RULES: tuple[Rule, ...] = (
    Rule("strong-ai", lambda c: c.strong_ai is not None, "ai", lambda c: _said(c.strong_ai)),
    Rule(
        "moderate-ai-against-model",
        lambda c: c.moderate_ai is not None and c.band == "below",
        "uncertain",
        lambda c: f"{_said(c.moderate_ai)}, but {_model(c)}",
    ),
    Rule("moderate-ai", lambda c: c.moderate_ai is not None, "ai", lambda c: _said(c.moderate_ai)),
    Rule(
        "edited-and-model-ai",
        lambda c: c.edited is not None and c.band == "ai",
        "ai",
        lambda c: f"{_said(c.edited)}, and {_model(c)}",
    ),
    Rule("edited", lambda c: c.edited is not None, "ai-edited", lambda c: _said(c.edited)),
    Rule(
        "camera-against-model",
        lambda c: c.camera is not None and c.band == "ai",
        "uncertain",
        lambda c: f"{_said(c.camera)}, but {_model(c)}",
    ),
    Rule("model-ai", lambda c: c.band == "ai", "ai", _model),
    Rule(
        "model-between", lambda c: c.band == "between", "uncertain", lambda c: f"{_model(c)}: it cannot tell"
    ),
    Rule("model-unset", lambda c: c.band == "unset", "uncertain", _model),
    Rule(
        "model-below",
        lambda c: c.band == "below",
        "no-sign",
        lambda c: f"{_model(c)}: no sign of AI was found, which does not prove that there is none",
    ),
    Rule("no-score", lambda c: c.band == "none", "uncertain", _model),
)


def _first(evidence: Sequence[Evidence], claim: str, *strengths: str) -> Evidence | None:
    """The strongest row with this claim, in the order of `strengths`."""
    for strength in strengths:
        for row in evidence:
            if row.claim == claim and row.strength == strength:
                return row
    return None


def decide(
    evidence: Sequence[Evidence],
    score: float | None,
    thresholds: Thresholds | None,
    why_no_score: str = "no model judged this image",
) -> tuple[Verdict, str]:
    """Join what the file says and what the model sees.

    Args:
        evidence: rows as the provenance readers gave them.
        score: P(AI-generated) in [0, 1], or None where no model's domain fits.
        thresholds: those of the model that gave the score; needed exactly when `score` is not None.
        why_no_score: a clause that explains a score of None to a person.

    Returns:
        The verdict, and one sentence saying what decided.
    """
    band: Band = "none" if thresholds is None else thresholds.band(score)
    case = Case(
        strong_ai=_first(evidence, "ai", "strong"),
        moderate_ai=_first(evidence, "ai", "moderate"),
        edited=_first(evidence, "ai-edited", "strong", "moderate"),
        camera=_first(evidence, "camera", "strong"),
        tampered=next((row for row in evidence if row.data.get("state") == "tampered"), None),
        band=band,
        score="" if score is None or thresholds is None else f"{score:.{thresholds.digits(score)}f}",
        why_no_score=why_no_score,
    )
    rule = next(rule for rule in RULES if rule.fits(case))
    reason = _sentence(rule.reason(case))
    if case.tampered is not None:
        reason += " Its Content Credentials do not match the file any more and claim nothing."
    return rule.verdict, reason
