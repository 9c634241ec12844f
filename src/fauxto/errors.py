"""The typed errors and their stable codes.

Every message names the file (or the option) and the remedy. Codes are part of the contract:
scripts match on them, so they are only ever added to.
"""

from __future__ import annotations

from typing import Literal

InputCode = Literal[
    "not-found",
    "unreadable",
    "empty",
    "not-an-image",
    "truncated",
    "corrupt",
    "too-large",
    "unsupported",
]


class FauxtoError(Exception):
    """Base of every error that fauxto raises on purpose."""


class FauxtoWarning(UserWarning):
    """Base of every warning that fauxto emits on purpose."""


class InputError(FauxtoError):
    """One input that cannot be judged: it becomes an error record and the batch goes on.

    Attributes:
        code: stable machine-readable code.
        message: one sentence for a person: what is wrong, and what to do.
    """

    def __init__(self, code: InputCode, message: str) -> None:
        super().__init__(message)
        self.code: InputCode = code
        self.message = message


class UsageError(FauxtoError):
    """The command or the call was wrong as a whole (exit code 2)."""


class MissingExtraError(UsageError):
    """A feature whose optional dependency is not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs an optional dependency: pip install 'fauxto[{extra}]'")
        self.extra = extra


class BundleError(FauxtoError):
    """A model bundle that is incomplete, corrupt or not meant for this version."""


class DataError(FauxtoError):
    """A labelled data set that cannot be used as it is."""
