"""Generators' marks in EXIF tags."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fauxto.provenance.evidence import json_object
from fauxto.provenance.generators.settings import (
    Finding,
    comfyui_graph,
    easy_diffusion,
    json_settings,
    old_fooocus,
    webui_postprocessing,
    webui_settings,
)
from fauxto.provenance.metadata import Metadata
from fauxto.record import Claim

_MAKE, _MODEL, _SOFTWARE, _ARTIST, _MAKER_NOTE = 0x010F, 0x0110, 0x0131, 0x013B, 0x927C
_NAMES = {_MAKE: "EXIF Make", _MODEL: "EXIF Model", _SOFTWARE: "EXIF Software"}
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_SIGNATURE = re.compile(r"Signature: [A-Za-z0-9+/=_-]{16,}\s*")


def _tag(
    number: int, pattern: str, product: str, claim: Claim = "ai"
) -> tuple[int, re.Pattern[str], Finding]:
    compiled = re.compile(pattern, re.IGNORECASE | re.DOTALL)
    return number, compiled, Finding(product, f"the mark of {product}", claim)


# A tag's whole value has to match: a camera's owner may well be called Aphrodite.
_TAGS = (
    _tag(_SOFTWARE, r"AI generated;(txt2img|img2img);flux.*", "FLUX"),
    _tag(_MAKE, r"Black Forest Labs", "FLUX"),
    _tag(_MAKE, r"Ideogram AI", "Ideogram"),
    _tag(_SOFTWARE, r"reve\.com", "Reve"),
    _tag(_MAKE, r"Aphrodite AI", "Aphrodite AI"),
    _tag(_SOFTWARE, r"Aphrodite AI", "Aphrodite AI"),
    _tag(_SOFTWARE, r"Apple Photos Clean Up", "Apple Photos Clean Up", "ai-edited"),
)


def _comment_finding(metadata: Metadata) -> Finding | None:
    """Settings in UserComment, as programs write them into JPEG and WebP."""
    comment = metadata.user_comment
    if not comment:
        return None
    fooocus = metadata.exif_text(_SOFTWARE).startswith("Fooocus")
    fooocus = fooocus or metadata.exif_text(_MAKER_NOTE) in ("fooocus", "a1111")
    if fooocus and (found := old_fooocus(comment)) is not None:
        return found
    found = webui_settings(comment) or json_settings(comment) or webui_postprocessing(comment)
    return found or easy_diffusion(json_object(comment) or ())


def _comfyui(metadata: Metadata) -> Iterator[tuple[str, Finding, str]]:
    """ComfyUI's graphs in WebP: `prompt:{…}` in Model, `workflow:{…}` in Make."""
    for number, prefix in ((_MODEL, "prompt:"), (_MAKE, "workflow:")):
        text = metadata.exif_text(number)
        if text.startswith(prefix) and (found := comfyui_graph(text[len(prefix) :])) is not None:
            yield _NAMES[number], found, text


def _grok(metadata: Metadata) -> Finding | None:
    """Grok: a UUID as Artist together with a signature as ImageDescription."""
    if not _UUID.fullmatch(metadata.exif_text(_ARTIST)) or not _SIGNATURE.fullmatch(metadata.description):
        return None
    return Finding("Grok", "Grok's signature beside a UUID as Artist")


def exif_findings(metadata: Metadata) -> Iterator[tuple[str, Finding, str]]:
    """Place, finding and raw value of everything that the EXIF tags hold."""
    if metadata.tiff is None:
        return
    for number, pattern, finding in _TAGS:
        text = metadata.exif_text(number)
        if text and pattern.fullmatch(text):
            yield _NAMES[number], finding, text
    yield from _comfyui(metadata)
    comment = _comment_finding(metadata)
    if comment is not None:
        yield "EXIF UserComment", comment, metadata.user_comment
    grok = _grok(metadata)
    if grok is not None:
        yield "EXIF ImageDescription", grok, metadata.description
