"""Why an input is refused, and how that reads to a person."""

from __future__ import annotations

from fauxto.errors import InputCode, InputError


class RefusedError(Exception):
    """A reason found by code that knows the bytes but not the name of the file.

    Attributes:
        code: as in `InputError`.
        why: what is wrong and what to do about it, without the name.
    """

    def __init__(self, code: InputCode, why: str) -> None:
        super().__init__(why)
        self.code: InputCode = code
        self.why = why

    def error(self, name: str) -> InputError:
        """The same as the error that users see, beginning with the file's printable name."""
        return InputError(self.code, f"{printable(name)}: {self.why}")


def printable(name: str) -> str:
    r"""A file name that is safe on a terminal, in a log line and in JSON.

    Control characters, terminal escapes, line breaks, bidi marks, other invisible characters and the
    surrogates that stand for bytes which are not UTF-8 are written as escapes (`\x1b`, `\n`, `\u202e`,
    `\xff`). Everything else, also beyond ASCII, stays.
    """
    return name if name.isprintable() else "".join(map(_escape, name))


def _escape(character: str) -> str:
    if character.isprintable():
        return character
    if "\udc80" <= character <= "\udcff":  # os.fsdecode's stand-in for one byte
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")
