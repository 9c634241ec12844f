"""Which class and which split a name stands for.

Public data sets disagree on everything but the words: CIFAKE numbers FAKE 0, others number it 1, GenImage
says `nature` and `ai`, the Kaggle faces say `valid`. So names decide here, and numbers never do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from fauxto.images import printable

Split = Literal["train", "validation", "test"]

AI = 1
"""The label of AI-generated images, the positive class everywhere in fauxto."""
NOT_AI = 0
"""The label of everything else: photographs and other pictures that no generative model made."""

SPLITS: tuple[Split, ...] = ("train", "validation", "test")
EXPECTED_CLASSES = "REAL/FAKE, real/fake, real/ai, 0_real/1_fake or nature/ai, in any case"

# fmt: off
_AI_NAMES = frozenset([
    "ai", "aigc", "ai-generated", "ai-made", "generated", "synthetic", "artificial",
    "fake", "fakes", "deepfake", "deepfakes",
])
_NOT_AI_NAMES = frozenset([
    "real", "reals", "nature", "natural", "photo", "photos", "photograph", "photographs", "camera",
    "human", "authentic", "genuine", "original", "originals", "not-ai", "non-ai",
])
# fmt: on
_SPLIT_NAMES: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
_NUMBER_PREFIX = re.compile(r"^\d+-")
_KIND_SUFFIX = re.compile(r"-(images?|pictures?|photos?|faces?)$")


def label_of(name: str) -> int | None:
    """Give the label that a class name stands for: 1 for AI-generated, 0 for not, None if unknown.

    Case, separators, a leading number (`0_real`) and a trailing kind (`fake_images`) do not matter.
    """
    plain = _NUMBER_PREFIX.sub("", re.sub(r"[\s_-]+", "-", name.strip().lower()))
    for candidate in (plain, _KIND_SUFFIX.sub("", plain)):
        if candidate in _AI_NAMES:
            return AI
        if candidate in _NOT_AI_NAMES:
            return NOT_AI
    return None


def split_of(name: str) -> Split | None:
    """Give the split that a folder or column value names (`valid` is `validation`), or None."""
    return _SPLIT_NAMES.get(name.strip().lower())


def split_of_file(stem: str) -> Split | None:
    """Give the split that a file name starts with, as in `train-00000-of-00002`, or None."""
    return split_of(re.split(r"[-_.]", stem, maxsplit=1)[0])


def class_name(label: int) -> str:
    """Give the word for a label in reports."""
    return "ai" if label == AI else "not-ai"


def quoted(names: Iterable[str], *, limit: int = 5) -> str:
    """List a few names for an error message, and say how many more there are."""
    ordered = sorted(set(names))
    more = f" and {len(ordered) - limit} more" if len(ordered) > limit else ""
    return ", ".join(f"'{printable(name)}'" for name in ordered[:limit]) + more
