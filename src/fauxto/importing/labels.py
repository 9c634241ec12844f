"""Which class of a classifier is the AI-generated one, told by its labels or not at all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from fauxto.errors import UsageError

_AI = frozenset(
    {
        "ai",
        "aigenerated",
        "aigc",
        "artificial",
        "deepfake",
        "deepfakes",
        "fake",
        "generated",
        "gan",
        "synthetic",
    }
)
_NOT_AI = frozenset(
    {
        "authentic",
        "camera",
        "genuine",
        "hum",
        "human",
        "natural",
        "nature",
        "original",
        "photo",
        "photograph",
        "real",
    }
)


def labels_of(config: dict[str, Any], name: str) -> tuple[str, ...]:
    """The labels of config.json by index.

    Raises:
        UsageError: `id2label` is missing or no list of classes, or `label2id` contradicts it.
    """
    given = config.get("id2label")
    try:
        pairs = {int(key): str(label) for key, label in given.items()}  # type: ignore[union-attr]
        labels = tuple(pairs[index] for index in range(len(pairs)))
    except (AttributeError, KeyError, TypeError, ValueError):
        raise UsageError(f"{name}: its config.json has no usable id2label; say --ai-index") from None
    back = config.get("label2id")
    if isinstance(back, dict) and back:
        swapped = [label for label, index in back.items() if pairs.get(_number(index)) != label]
        if swapped:
            raise UsageError(
                f"{name}: id2label and label2id of its config.json contradict each other about "
                f"{', '.join(map(repr, swapped))}; say which class is AI-generated: --ai-index"
            )
    return labels


def _number(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return -1


def ai_index(labels: Sequence[str], name: str) -> int:
    """The index of the class that is AI-generated, by words that detectors use for it.

    For a single class the answer is 1 where that class is AI-generated, and 0 where it is not: the index as
    a bundle's config counts for one number under a sigmoid.

    Raises:
        UsageError: the labels do not tell; asks for --ai-index.
    """
    kinds = [_kind(label) for label in labels]
    if len(labels) == 1 and kinds[0] is not None:
        return int(kinds[0])
    if kinds.count(True) == 1 and kinds.count(False) == len(labels) - 1:
        return kinds.index(True)
    listed = ", ".join(f"{index} = {label!r}" for index, label in enumerate(labels))
    raise UsageError(
        f"{name}: its labels ({listed}) do not tell which class is AI-generated; look at what its authors "
        "say and give --ai-index"
        + (" (1 where a high output means AI-generated, else 0)" if len(labels) == 1 else "")
    )


def _kind(label: str) -> bool | None:
    """True for a label that says AI-generated, False for one that says the contrary, None for others."""
    words = set(re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", label).lower()))
    if words & {"not", "non", "no"}:
        return None
    ai, not_ai = bool(words & _AI), bool(words & _NOT_AI)
    return ai if ai != not_ai else None
