"""Generators' marks in XMP and IPTC credit lines."""

from __future__ import annotations

from collections.abc import Iterator

from fauxto.provenance.generators.settings import Finding, draw_things
from fauxto.provenance.iim import CREDIT
from fauxto.provenance.iptc import claim_of_term, source_term
from fauxto.provenance.metadata import Metadata
from fauxto.provenance.xmp import NS_EXIF, NS_IPTC_EXT, NS_PHOTOSHOP, NS_XMP

_GOOGLE = {
    "made with google ai": Finding("Google AI", "Google's credit line for AI images"),
    "edited with google ai": Finding("Google AI", "Google's credit line for AI edits", "ai-edited"),
}


def _google(metadata: Metadata) -> Iterator[tuple[str, Finding, str]]:
    lines = [("XMP `photoshop:Credit`", text) for text in metadata.xmp_values(NS_PHOTOSHOP, "Credit")]
    lines += [("IPTC Credit", text) for key, text in metadata.iim if key == CREDIT]
    for place, text in lines:
        finding = _GOOGLE.get(text.strip().lower())
        if finding is not None:
            yield place, finding, text


def _midjourney(metadata: Metadata) -> Iterator[tuple[str, Finding, str]]:
    """A digital image number beside an AI source type, the pair that Midjourney writes."""
    numbers = metadata.xmp_values(NS_IPTC_EXT, "DigImageGUID")
    terms = [source_term(value) for value in metadata.xmp_values(NS_IPTC_EXT, "DigitalSourceType")]
    if numbers and any(term and claim_of_term(term)[0] == "ai" for term in terms):
        what = "an image number beside an AI source type, as Midjourney writes them"
        yield "XMP `DigImageGUID`", Finding("Midjourney", what), numbers[0]


def credit_findings(metadata: Metadata) -> Iterator[tuple[str, Finding, str]]:
    """Place, finding and raw value of everything that XMP and IPTC-IIM hold."""
    if metadata.container.iptc_iim is not None or metadata.container.xmp:
        yield from _google(metadata)
    if not metadata.xmp:
        return
    yield from _midjourney(metadata)
    for text in metadata.xmp_values(NS_XMP, "CreatorTool"):
        if text.strip().lower() == "reve.com":
            yield "XMP `CreatorTool`", Finding("Reve", "the mark of Reve"), text
    for text in metadata.xmp_values(NS_EXIF, "UserComment"):
        found = draw_things(text)
        if found is not None:
            yield "XMP `exif:UserComment`", found, text
