"""What the C2PA library finds when it checks a store against a file.

The library compares the picture with the hash that the manifest binds it to, follows the specification's
many rules, and judges certificates and time stamps against a trust list. Its overall state is not used
here: it turns `Invalid` by a certificate's expiry alone, which is where most genuine files end up.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from fauxto.provenance.c2pa.store import Store
from fauxto.provenance.containers import Container
from fauxto.provenance.trust import TrustInForce

_MEDIA_TYPES = {
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "gif": "image/gif",
    "tiff": "image/tiff",
}
_BRANDS = {"avif": "image/avif", "avis": "image/avif", "heic": "image/heic", "heix": "image/heic"}

# Failures that say something of the signer's certificate, of time or of formalities, and nothing of
# whether file and claim are as they were signed. Any other failure counts as tampering, unknown ones too.
_ABOUT_THE_SIGNER = ("signingCredential.", "timeStamp.", "timeOfSigning.", "claimSignature.outsideValidity")
_FORMALITIES = (
    "assertion.action.",
    "assertion.inaccessible",  # an assertion kept elsewhere, which is not fetched
    "assertion.timestamp.",
    "manifest.multipleParents",
    "ingredient.unknownProvenance",
    "cawg.",
)
_NO_FAILURE = (
    ".match",
    ".validated",
    ".trusted",
    ".insideValidity",
    ".accessible",
    ".notRevoked",
    ".skipped",
)
_BEYOND_THE_LIBRARY = ("algorithm.", "manifest.inaccessible", "general.error")
_BINDINGS = ("assertion.dataHash.match", "assertion.bmffHash.match", "assertion.boxesHash.match")


class LibraryError(Exception):
    """The library is missing or gave up; the message is a clause for a person."""


@dataclass(frozen=True)
class Status:
    """One result: `kind` is `success`, `informational` or `failure`; `url` says what it is about."""

    kind: str
    code: str
    url: str


@dataclass(frozen=True)
class Findings:
    """What the library found.

    Attributes:
        active: the label of the manifest that it took for the active one.
        statuses: the results about the active manifest.
        deltas: those about its ingredients, as far as no ingredient records them already.
        report: the library's own report, JSON.
    """

    active: str
    statuses: tuple[Status, ...]
    deltas: tuple[Status, ...]
    report: str

    @property
    def bound(self) -> bool:
        """Whether a hash over the picture itself was found to hold."""
        return any(one.code in _BINDINGS for one in self.statuses if one.kind == "success")

    @property
    def signature_validated(self) -> bool:
        """Whether the library verified the active manifest's own claim signature."""
        return any(
            one.code == "claimSignature.validated" and one.url.startswith(f"self#jumbf=/c2pa/{self.active}/")
            for one in self.statuses
            if one.kind == "success"
        )


def is_tampering(code: str) -> bool:
    """Whether a validation code means that something is not as it was signed."""
    harmless = code.startswith(_ABOUT_THE_SIGNER + _FORMALITIES) or code.endswith(_NO_FAILURE)
    return not harmless


def is_beyond(code: str) -> bool:
    """Whether a validation code means that the library could not judge."""
    return code.startswith(_BEYOND_THE_LIBRARY)


def media_type(container: Container) -> str:
    """The media type by the bytes; the library must be told, or it hashes the file twice over."""
    if container.kind == "bmff":
        return next((_BRANDS[brand] for brand in container.brands if brand in _BRANDS), "image/heif")
    return _MEDIA_TYPES.get(container.kind, "application/octet-stream")


def settings(trust: TrustInForce) -> dict[str, Any]:
    """The library's settings: no network whatever, and the trust lists in force.

    Four of them keep it from the network: manifests, revocation, identity assertions (whose issuers it
    would look up by their web addresses), and, should a version find another reason, every host.
    """
    anchors = [{"trust_anchors": one.pem, "trust_kind": one.kind} for one in trust.lists]
    return {
        "core": {"decode_identity_assertions": False, "allowed_network_hosts": []},
        "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_trust": True},
        "trust": {"anchors": anchors} if anchors else {},
    }


@lru_cache(maxsize=4)
def _context(configuration: str, process: int) -> Any:  # noqa: ARG001  a forked child needs its own
    import c2pa

    return c2pa.Context.from_json(configuration)


def check(data: bytes, container: Container, store: Store, trust: TrustInForce) -> Findings:
    """Check a manifest store against the file.

    The store is handed over beside the file, embedded or not: a file may hold a second store, and the
    one that the library checks must be the one whose signatures and claims are read.

    Args:
        data: the whole file.
        container: its structure.
        store: the manifest store; what the bounded reader refused cannot come here.
        trust: the trust lists in force.

    Raises:
        LibraryError: the library is missing, broken or gave up.
    """
    try:
        import c2pa

        context = _context(json.dumps(settings(trust)), os.getpid())
        with c2pa.Reader(media_type(container), io.BytesIO(data), store.raw, context=context) as reader:
            report: str = reader.json()
        return _findings(report)
    except ImportError as error:
        raise LibraryError(f"the c2pa-python library cannot be loaded ({error})") from error
    except Exception as error:  # whatever a native library comes up with must not end a batch
        raise LibraryError(f"the C2PA library gave up ({error})") from error


def _findings(report: str) -> Findings:
    parsed = json.loads(report)
    results = parsed.get("validation_results", {})
    deltas = (delta["validationDeltas"] for delta in results.get("ingredientDeltas", []))
    return Findings(
        active=parsed["active_manifest"],
        statuses=tuple(_statuses(results.get("activeManifest", {}))),
        deltas=tuple(status for group in deltas for status in _statuses(group)),
        report=report,
    )


def _statuses(group: dict[str, Any]) -> Iterator[Status]:
    for kind in ("success", "informational", "failure"):
        for one in group.get(kind, []):
            yield Status(kind, str(one.get("code", "")), str(one.get("url", "")))
