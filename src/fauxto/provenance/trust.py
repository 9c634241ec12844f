"""The trust lists in force: certificates that the user has chosen to trust as C2PA signers.

None ship with the package. The official lists of the C2PA conformance programme are fetched when the
user says so (`fauxto trust update`), and any PEM file can be named (`--trust-list`). Beside them stands
the table of known issuers, which makes a signer known, not trusted (see `signers.py`).
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fauxto.errors import UsageError
from fauxto.provenance.fetch import FetchError, fetch
from fauxto.provenance.options import ProvenanceOptions

if TYPE_CHECKING:
    from cryptography import x509

Kind = Literal["manifest", "tsa"]

MAX_LIST = 8 << 20  # bytes; the official lists have some forty thousand
_TIMEOUT = 30.0
_OFFICIAL = "https://raw.githubusercontent.com/c2pa-org/conformance-public/main/trust-list"


@dataclass(frozen=True)
class ListSource:
    """Where an official list comes from, and its file name in the user's data folder.

    `kind` is what its certificates are trusted for: signing manifests, or time stamps.
    """

    file: str
    kind: Kind
    url: str


OFFICIAL_LISTS = (
    ListSource("C2PA-TRUST-LIST.pem", "manifest", f"{_OFFICIAL}/C2PA-TRUST-LIST.pem"),
    ListSource("C2PA-TSA-TRUST-LIST.pem", "tsa", f"{_OFFICIAL}/C2PA-TSA-TRUST-LIST.pem"),
)


@dataclass(frozen=True)
class TrustList:
    """One list in force.

    Attributes:
        path: the file.
        kind: what its certificates are trusted for.
        pem: the certificates, PEM, without the comments between them.
        certificates: the same, parsed.
        sha256: of the file.
        date: when the file was fetched or last changed, ISO 8601 in UTC.
    """

    path: Path
    kind: Kind
    pem: str
    certificates: tuple[x509.Certificate, ...]
    sha256: str
    date: str


@dataclass(frozen=True)
class TrustInForce:
    """All lists in force."""

    lists: tuple[TrustList, ...] = ()

    @property
    def signers(self) -> tuple[x509.Certificate, ...]:
        """The certificates trusted for signing manifests."""
        return tuple(one for each in self.lists if each.kind == "manifest" for one in each.certificates)


def trust_directory() -> Path:
    """Where fetched lists are kept, by the platform's convention for a user's data."""
    if base := os.environ.get("XDG_DATA_HOME"):
        return Path(base) / "fauxto" / "trust"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "fauxto" / "trust"
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "fauxto" / "trust"
    return Path.home() / ".local" / "share" / "fauxto" / "trust"


def parse_list(pem: bytes, name: str) -> tuple[x509.Certificate, ...]:
    """The certificates of a PEM file; text between them is ignored, as the official lists have some.

    Args:
        pem: the file's bytes.
        name: how an error names the file.

    Raises:
        UsageError: there is no certificate in it, or one of them is broken.
    """
    from cryptography import x509

    try:
        return tuple(x509.load_pem_x509_certificates(pem))
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"{name} is not a list of certificates in PEM; give another file, or fetch the official lists "
            "again with fauxto trust update"
        ) from error


def _load(path: Path, kind: Kind) -> TrustList:
    try:
        status = path.stat()
        if status.st_size > MAX_LIST:
            raise UsageError(
                f"{path} is too large for a trust list; give a PEM file below {MAX_LIST >> 20} MiB"
            )
        return _load_cached(path, kind, status.st_mtime_ns, status.st_size)
    except OSError as error:
        raise UsageError(
            f"the trust list {path} cannot be read ({error.strerror}); check the path"
        ) from error


@lru_cache(maxsize=8)
def _load_cached(path: Path, kind: Kind, changed: int, size: int) -> TrustList:  # noqa: ARG001  the key
    """Read a list once for as long as its file stays as it is."""
    from cryptography.hazmat.primitives.serialization import Encoding

    raw = path.read_bytes()
    certificates = parse_list(raw, str(path))
    return TrustList(
        path=path,
        kind=kind,
        pem="".join(one.public_bytes(Encoding.PEM).decode("ascii") for one in certificates),
        certificates=certificates,
        sha256=hashlib.sha256(raw).hexdigest(),
        date=datetime.fromtimestamp(changed // 10**9, timezone.utc).isoformat(),
    )


def trust_in_force(options: ProvenanceOptions) -> TrustInForce:
    """The lists in force: the fetched ones, and the one that the options name.

    Raises:
        UsageError: a list cannot be read; call this once before a batch, so that it fails as a whole.
    """
    directory = trust_directory()
    found = [
        _load(directory / one.file, one.kind) for one in OFFICIAL_LISTS if (directory / one.file).is_file()
    ]
    if options.trust_list is not None:
        found.append(_load(options.trust_list, "manifest"))
    return TrustInForce(tuple(found))


def update_lists(sources: Sequence[ListSource] = OFFICIAL_LISTS) -> TrustInForce:
    """Fetch the lists into the user's data folder; all are checked before the first is replaced.

    Args:
        sources: what to fetch.

    Returns:
        The lists now in force.

    Raises:
        UsageError: no network, an answer that is no list, or a folder that cannot be written.
    """
    fetched: list[tuple[ListSource, bytes]] = []
    for source in sources:
        try:
            raw = fetch(source.url, _TIMEOUT, MAX_LIST)
        except FetchError as error:
            raise UsageError(
                f"the trust list could not be fetched from {source.url}: {error}. Nothing was changed; "
                "try again with a network, or name a PEM file with --trust-list"
            ) from error
        parse_list(raw, source.url)
        fetched.append((source, raw))
    directory = trust_directory()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for source, raw in fetched:
            _replace(directory / source.file, raw)
    except OSError as error:
        raise UsageError(
            f"{directory} cannot be written ({error.strerror}); check its permissions"
        ) from error
    return TrustInForce(tuple(_load(directory / source.file, source.kind) for source in sources))


def _replace(path: Path, raw: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".new")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
