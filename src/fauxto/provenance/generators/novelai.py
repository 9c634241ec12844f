"""NovelAI's settings, and its signature over picture and settings: the one metadata that is strong."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Literal

from fauxto.provenance.evidence import excerpt, json_object, plain
from fauxto.provenance.raster import Pixels, Raster, RasterError
from fauxto.record import Evidence, Source

# The key that NovelAI publishes to check its images with.
PUBLIC_KEY = base64.b64decode("Y2JcQAOhLwzwSDUJPNgL04nS0Tbqm7cSRc4xk0vRMic=")

Signature = Literal["none", "verified", "mismatch", "not-checked"]
_KEYWORDS = ("Source", "Title", "Description", "Comment")


def check_signature(comment: str, rgb: Pixels, key: bytes) -> Signature:
    """Check `signed_hash`: Ed25519 over the RGB bytes and the comment's JSON without that field.

    Args:
        comment: the JSON text of NovelAI's `Comment`.
        rgb: the stored colours, (H, W, 3).
        key: the raw public key, 32 bytes.
    """
    settings = json_object(comment)
    signed = None if settings is None else settings.pop("signed_hash", None)
    if settings is None or not isinstance(signed, str):
        return "none"
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        signature = base64.b64decode(signed, validate=True)
        message = rgb.tobytes() + json.dumps(settings).encode("utf-8")
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, binascii.Error, ValueError):
        return "mismatch"
    return "verified"


def novelai_row(source: Source, place: str, comment: str, data: dict[str, str], raster: Raster) -> Evidence:
    """The row for NovelAI's settings found in `place`, after checking their signature if they have one."""
    signature: Signature = "none"
    if '"signed_hash"' in comment:
        try:
            signature = _check_both_readings(comment, raster.rgb)
        except RasterError:
            signature = "not-checked"
    data = {"product": "NovelAI", "place": place, "signature": signature, **data}
    if signature == "verified":
        return Evidence(
            source=source,
            claim="ai",
            strength="strong",
            detail=f"NovelAI's signature in {place} fits this picture and its settings",
            data=data,
        )
    suffix = {
        "mismatch": "; their signature does not fit this picture",
        "not-checked": "; signature not checked",
    }
    found = f"{place[:1].upper()}{place[1:]} holds NovelAI settings{suffix.get(signature, '')}"
    return plain(source, "ai", "moderate", found, data)


def _check_both_readings(comment: str, rgb: Pixels) -> Signature:
    """Check the comment as UTF-8 and as the Latin-1 that a `tEXt` chunk formally is."""
    first = check_signature(comment, rgb, PUBLIC_KEY)
    if first != "mismatch" or comment.isascii():
        return first
    return check_signature(comment.encode("utf-8", "replace").decode("latin-1"), rgb, PUBLIC_KEY)


def read_novelai(raster: Raster) -> list[Evidence]:
    """PNG texts with `Software` = NovelAI and at least one of the texts NovelAI writes beside it."""
    metadata = raster.metadata
    if (metadata.png_text("Software") or "").strip() != "NovelAI":
        return []
    texts = {name: text for name in _KEYWORDS if (text := metadata.png_text(name)) is not None}
    if not texts:
        return []
    data = {name.lower(): excerpt(text) for name, text in texts.items()}
    return [
        novelai_row(
            "generator",
            "PNG text `Comment`" if "Comment" in texts else "PNG text",
            texts.get("Comment", ""),
            data,
            raster,
        )
    ]
