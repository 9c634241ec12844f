"""Rows of evidence as the readers of plain metadata write them, and what makes raw values safe to keep."""

from __future__ import annotations

import json
from typing import Any

from fauxto.record import Claim, Evidence, Source, Strength

ANYBODY = "anybody can write this"
MAX_VALUE = 2000  # characters of a raw value that a row keeps
_MAX_JSON = 8 << 20


def excerpt(value: object, limit: int = MAX_VALUE) -> str:
    """The value as text of at most `limit` characters that any JSON writer accepts."""
    text = value if isinstance(value, str) else str(value)
    text = text[: limit + 1].encode("utf-8", "replace").decode("utf-8")
    return text if len(text) <= limit else text[: limit - 1] + "…"


def one_line(text: str, limit: int = 500) -> str:
    """Text out of a file as part of a sentence: no line breaks, control characters or bidi marks."""
    text = excerpt(text, limit)
    return text if text.isprintable() else "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def plain(source: Source, claim: Claim, strength: Strength, found: str, data: dict[str, Any]) -> Evidence:
    """A row for what no key protects: `found` is the sentence so far, without its full stop."""
    detail = f"{one_line(found)} ({ANYBODY})"
    return Evidence(source=source, claim=claim, strength=strength, detail=detail, data=data)


def not_checked(source: Source, reason: str, data: dict[str, Any] | None = None) -> Evidence:
    """A row for a signal that is or may be there and could not be read."""
    return Evidence(
        source=source, claim="not-checked", strength="weak", detail=one_line(reason), data=data or {}
    )


def json_object(text: str) -> dict[str, Any] | None:
    """The JSON object that the text is, or None where it is anything else."""
    text = text.strip()
    if not text.startswith("{") or len(text) > _MAX_JSON:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def find_scalars(value: object, names: frozenset[str], depth: int = 4) -> dict[str, str | int]:
    """Text and numbers with these names in a JSON value, the outermost of each, `depth` levels down.

    A text that is itself a JSON object counts as one level, as phone editors nest them.
    """
    if depth == 0:
        return {}
    nested = json_object(value) if isinstance(value, str) and value.startswith("{") else value
    found: dict[str, str | int] = {}
    children: list[object] = []
    if isinstance(nested, dict):
        found = {k: v for k, v in nested.items() if k in names and isinstance(v, (str, int))}
        children = list(nested.values())
    elif isinstance(nested, list):
        children = nested
    for child in children[:1000]:
        for name, item in find_scalars(child, names, depth - 1).items():
            found.setdefault(name, item)
    return found
