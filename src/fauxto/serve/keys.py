"""API keys: only their hashes lie in a file, and comparing tells nothing by its time."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from fauxto.errors import UsageError

_LINE = re.compile(r"(?P<name>[\w.@-]{1,64}):(?P<hash>[0-9a-f]{64})")


@dataclass(frozen=True)
class ApiKeys:
    """Who may ask: names and the SHA-256 of their keys.

    A plain hash is enough, since a key is 32 random bytes and no password that a list could hold.
    """

    hashes: tuple[tuple[str, bytes], ...]

    @classmethod
    def read(cls, path: Path) -> ApiKeys:
        """Read a file of lines `NAME:SHA256`; empty lines and those that begin with # are passed over.

        Raises:
            UsageError: it cannot be read, a line is something else, or there is no key.
        """
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{path}: the file of API keys cannot be read ({error})") from error
        hashes = []
        for number, line in enumerate(map(str.strip, lines), 1):
            if not line or line.startswith("#"):
                continue
            match = _LINE.fullmatch(line)
            if match is None:
                raise UsageError(
                    f"{path}: line {number} is not NAME:SHA256; make one with fauxto serve --new-api-key NAME"
                )
            hashes.append((match["name"], bytes.fromhex(match["hash"])))
        if not hashes:
            raise UsageError(f"{path}: holds no API key; make one with fauxto serve --new-api-key NAME")
        return cls(tuple(hashes))

    def owner(self, key: str) -> str | None:
        """Whose key this is, or None. Every hash is compared, so the time tells nothing."""
        digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
        found = None
        for name, expected in self.hashes:
            if hmac.compare_digest(digest, expected):
                found = name
        return found


def new_key(name: str) -> tuple[str, str]:
    """A new key, and the line that lets it in.

    Raises:
        UsageError: the name holds something else than letters, digits, `_`, `.`, `@` and `-`.
    """
    key = secrets.token_urlsafe(32)
    line = f"{name}:{hashlib.sha256(key.encode()).hexdigest()}"
    if _LINE.fullmatch(line) is None:
        raise UsageError(f"{name!r}: a key's name is 1 to 64 letters, digits, _ . @ or -")
    return key, line


def presented(authorization: str) -> str:
    """The key in an Authorization header: a bearer token, or the password of basic authentication.

    Basic is what a browser asks a person for, so the page needs no login of its own.
    """
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode("utf-8").partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""
