"""IPTC's own statements about AI in XMP: DigitalSourceType and, since 2025.1, the AI properties."""

from __future__ import annotations

import re

from fauxto.provenance.evidence import excerpt, not_checked, plain
from fauxto.provenance.metadata import Metadata
from fauxto.provenance.xmp import NS_IPTC_EXT
from fauxto.record import Claim, Evidence, Strength

_TERM = re.compile(
    r"(?:https?://cv\.iptc\.org/newscodes/digitalsourcetype/|https?://c2pa\.org/digitalsourcetype/|digsrctype:)?"
    r"([A-Za-z]+)/?"
)
_AI = {"trainedalgorithmicmedia"}
_AI_PARTS = {
    "compositewithtrainedalgorithmicmedia",
    "compositedwithtrainedalgorithmicmedia",  # a misspelling that is met
    "compositesynthetic",
    "trainedalgorithmicdata",
}
_CAMERA = {"digitalcapture", "computationalcapture", "negativefilm", "positivefilm", "print"}
# What people and programs write into a field that does not apply.
_DENIAL = re.compile(
    r"\W*|\W*(?:none|no|not|without|n/?a|nil|null|false|unknown|0)\b.*", re.IGNORECASE | re.DOTALL
)
_AI_NAMES = ("AISystemUsed", "AISystemVersionUsed", "AIPromptInformation", "AIPromptWriterName")


def source_term(value: str) -> str | None:
    """The bare term of a DigitalSourceType value, lower case; None where it is not of that vocabulary.

    Accepts http and https addresses of IPTC's (and C2PA's) vocabulary, its short form, and bare terms.
    """
    match = _TERM.fullmatch(value.strip())
    return match.group(1).lower() if match else None


def claim_of_term(term: str) -> tuple[Claim, Strength]:
    """What a DigitalSourceType term claims, and how strongly plain metadata may claim it."""
    if term in _AI:
        return "ai", "moderate"
    if term in _AI_PARTS:
        return "ai-edited", "moderate"
    return ("camera" if term in _CAMERA else "other"), "weak"


def _source_type_rows(values: list[str]) -> list[Evidence]:
    """One row for each distinct term."""
    rows: dict[str, Evidence] = {}
    for value in values:
        term = source_term(value)
        if term is None or term in rows:
            continue
        claim, strength = claim_of_term(term)
        name = value.rstrip("/ ").rpartition("/")[2].rpartition(":")[2]
        rows[term] = plain(
            "iptc",
            claim,
            strength,
            f"XMP property `DigitalSourceType` says {excerpt(name, 60)}",
            {"property": "Iptc4xmpExt:DigitalSourceType", "value": excerpt(value, 200)},
        )
    return list(rows.values())


def _ai_system_row(metadata: Metadata, claims: set[Claim]) -> Evidence | None:
    """The AI properties of IPTC 2025.1, read in the light of DigitalSourceType where it is there."""
    found = {
        name: [value for value in metadata.xmp_values(NS_IPTC_EXT, name) if not _DENIAL.fullmatch(value)]
        for name in _AI_NAMES
    }
    values = {name: excerpt("; ".join(texts)) for name, texts in found.items() if any(texts)}
    if not values.keys() & {"AISystemUsed", "AIPromptInformation"}:
        return None
    claim: Claim = "ai"
    strength: Strength = "moderate"
    if "ai-edited" in claims and "ai" not in claims:
        claim = "ai-edited"
    elif claims and "ai" not in claims:
        strength = "weak"  # the same file says that it was not generated
    system = values.get("AISystemUsed")
    if system is None and not claims:
        strength = "weak"  # free text; it may as well say how somebody else's picture was made
    said = (
        f"`AISystemUsed` names {excerpt(system, 60)}"
        if system
        else "`AIPromptInformation` holds an AI prompt"
    )
    return plain("iptc", claim, strength, f"XMP property {said}", dict(values))


def read_iptc(metadata: Metadata) -> list[Evidence]:
    """What the file's IPTC properties in XMP say about its origin.

    Returns:
        A row for each distinct DigitalSourceType term, one for the AI properties of IPTC 2025.1, and a
        `not-checked` row for XMP that could not be read.
    """
    if not metadata.container.xmp:
        return []
    rows = _source_type_rows(metadata.xmp_values(NS_IPTC_EXT, "DigitalSourceType"))
    system = _ai_system_row(metadata, {row.claim for row in rows})
    if system is not None:
        rows.append(system)
    if metadata.xmp_problems:
        problems = [excerpt(problem, 300) for problem in metadata.xmp_problems[:10]]
        rows.append(not_checked("iptc", f"XMP was not read: {'; '.join(problems)}", {"problems": problems}))
    return rows
