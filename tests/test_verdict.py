"""The contract's table from evidence and score to a verdict, row by row."""

from __future__ import annotations

import itertools

import pytest

from fauxto.record import Claim, Evidence, Source, Strength
from fauxto.verdict import RULES, Thresholds, decide

THRESHOLDS = Thresholds(ai=0.9, no_sign=0.2)
SCORES = {"ai": 0.95, "between": 0.5, "below": 0.1, "none": None}


def row(claim: Claim, strength: Strength, source: Source = "iptc", **data: str) -> Evidence:
    return Evidence(
        source=source, claim=claim, strength=strength, detail=f"A {strength} {claim} sign", data=data
    )


def verdict(evidence: list[Evidence], band: str) -> str:
    score = SCORES[band]
    return decide(evidence, score, None if score is None else THRESHOLDS)[0]


def reason(evidence: list[Evidence], band: str) -> str:
    score = SCORES[band]
    return decide(evidence, score, None if score is None else THRESHOLDS, "no model's domain fits")[1]


TABLE = [
    # evidence, then the verdict for a score at or above `ai`, between, below `no-sign`, and none
    (("ai", "strong"), ("ai", "ai", "ai", "ai")),
    (("ai", "moderate"), ("ai", "ai", "uncertain", "ai")),
    (("ai-edited", "strong"), ("ai", "ai-edited", "ai-edited", "ai-edited")),
    (("ai-edited", "moderate"), ("ai", "ai-edited", "ai-edited", "ai-edited")),
    (("camera", "strong"), ("uncertain", "uncertain", "no-sign", "uncertain")),
    (None, ("ai", "uncertain", "no-sign", "uncertain")),
]


@pytest.mark.parametrize(("evidence", "expected"), TABLE)
def test_the_contracts_table(
    evidence: tuple[Claim, Strength] | None, expected: tuple[str, str, str, str]
) -> None:
    rows = [] if evidence is None else [row(*evidence)]
    assert tuple(verdict(rows, band) for band in SCORES) == expected


@pytest.mark.parametrize("claim", ["ai", "ai-edited", "camera", "other", "not-checked"])
@pytest.mark.parametrize("band", SCORES)
def test_weak_evidence_decides_nothing(claim: Claim, band: str) -> None:
    assert verdict([row(claim, "weak")], band) == verdict([], band)


@pytest.mark.parametrize("strength", ["moderate", "strong"])
@pytest.mark.parametrize("claim", ["other", "not-checked"])
@pytest.mark.parametrize("band", SCORES)
def test_what_makes_no_claim_decides_nothing(claim: Claim, strength: Strength, band: str) -> None:
    assert verdict([row(claim, strength)], band) == verdict([], band)


@pytest.mark.parametrize("band", SCORES)
def test_a_camera_claim_without_a_known_signer_decides_nothing(band: str) -> None:
    assert verdict([row("camera", "moderate")], band) == verdict([], band)


def test_the_thresholds_belong_to_the_bands_the_contract_says() -> None:
    assert decide([], 0.9, THRESHOLDS)[0] == "ai"
    assert decide([], 0.2, THRESHOLDS)[0] == "uncertain"
    assert decide([], 0.1999, THRESHOLDS)[0] == "no-sign"


def test_the_strongest_statement_decides_whatever_its_place() -> None:
    evidence = [
        row("camera", "weak"),
        row("ai-edited", "moderate"),
        row("ai", "moderate"),
        row("ai", "strong"),
    ]
    for order in itertools.permutations(evidence):
        assert verdict(list(order), "below") == "ai"
        assert "A strong ai sign" in reason(list(order), "below")


def test_an_ai_claim_goes_before_an_edit_and_an_edit_before_a_capture() -> None:
    assert verdict([row("ai-edited", "strong"), row("ai", "moderate")], "none") == "ai"
    assert verdict([row("camera", "strong"), row("ai-edited", "moderate")], "between") == "ai-edited"


@pytest.mark.parametrize(
    ("evidence", "band"),
    [(("ai", "moderate"), "below"), (("ai-edited", "moderate"), "ai"), (("camera", "strong"), "ai")],
)
def test_where_evidence_and_model_meet_both_are_named(evidence: tuple[Claim, Strength], band: str) -> None:
    text = reason([row(*evidence)], band)
    assert f"A {evidence[1]} {evidence[0]} sign" in text
    assert f"{SCORES[band]:.2f}" in text


@pytest.mark.parametrize("claim", ["ai", "ai-edited"])
@pytest.mark.parametrize("band", SCORES)
def test_of_plain_metadata_the_reason_says_once_that_anybody_can_write_it(claim: Claim, band: str) -> None:
    assert reason([row(claim, "moderate")], band).count("anybody can write this") == 1
    said = Evidence(source="iptc", claim=claim, strength="moderate", detail="X (anybody can write this)")
    assert reason([said], band).count("anybody can write this") == 1


def test_a_signed_claim_is_not_called_writable_by_anybody() -> None:
    assert "anybody" not in reason([row("ai", "strong", "c2pa")], "none")


@pytest.mark.parametrize("band", SCORES)
def test_tampered_credentials_claim_nothing_and_are_named(band: str) -> None:
    tampered = [row("other", "weak", "c2pa", state="tampered")]
    assert verdict(tampered, band) == verdict([], band)
    assert "do not match" in reason(tampered, band)
    assert "do not match" not in reason([], band)


def test_a_missing_score_says_why() -> None:
    assert "no model's domain fits" in reason([], "none").lower() or "No model's domain fits" in reason(
        [], "none"
    )


def test_no_rule_and_no_reason_ever_says_real() -> None:
    claims: list[Claim] = ["ai", "ai-edited", "camera", "other", "not-checked"]
    strengths: list[Strength] = ["strong", "moderate", "weak"]
    singles = [row(claim, strength) for claim in claims for strength in strengths]
    for first, second, band in itertools.product(singles, singles, SCORES):
        text = reason([first, second], band)
        assert verdict([first, second], band) in {"ai", "ai-edited", "uncertain", "no-sign"}
        assert "real" not in text.lower().replace("'", " ").split()
        assert "authentic" not in text.lower()
        assert text[-1] == "."
    assert {rule.verdict for rule in RULES} == {"ai", "ai-edited", "uncertain", "no-sign"}


@pytest.mark.parametrize(
    ("score", "shown"),
    [(0.5, "0.50"), (0.9661, "0.966"), (0.96779, "0.9678"), (0.968, "0.97"), (0.99, "0.99")],
)
def test_a_score_is_never_rounded_to_a_threshold_that_it_does_not_reach(score: float, shown: str) -> None:
    thresholds = Thresholds(ai=0.968, no_sign=0.2)
    assert f" {shown} " in decide([], score, thresholds)[1]
    digits = thresholds.digits(score)
    assert (round(score, digits) >= round(thresholds.ai, digits)) == (score >= thresholds.ai)
