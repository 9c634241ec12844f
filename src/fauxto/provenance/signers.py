"""Who signed a C2PA claim: the certificate chain, checked by its signatures and never by its names.

A claim signature is a COSE_Sign1 (RFC 9052) that carries its certificates, the signer's own first, under
`x5chain` (RFC 9360). Anybody can write any name into a certificate, and can put a copy of a well-known
issuer's certificate beside it. So a signer counts as known only if

- the key of the first certificate verifies the signature over this very claim,
- each certificate's signature verifies under the key of the next, which is a certificate authority and
  was valid when the first one was issued (today's date plays no part: signing certificates live for days
  or weeks, pictures for years), and
- one of those issuing certificates is in the table, by the SHA-256 of its bytes, or on a trust list that
  the user has put in force.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fauxto.provenance.jumbf import JumbfError, decode_cbor

if TYPE_CHECKING:
    from cryptography import x509

Standing = Literal["known", "unknown", "sample"]

KNOWN_ISSUERS_FILE = Path(__file__).with_name("known_issuers.csv")
# The organisation of the certificates that c2patool and the C2PA libraries ship with their private keys.
SAMPLE_ORGANISATION = "C2PA Test Signing Cert"
MAX_CHAIN = 10


@dataclass(frozen=True)
class KnownIssuer:
    """One row of the table of known issuing certificates.

    Attributes:
        sha256: SHA-256 of the certificate in DER, hexadecimal.
        certificate: its common name, for people.
        organisation: who it belongs to, or whose products it was seen to sign for.
        origin: `seen` (on signed files of that organisation), `official` (C2PA trust list), `interim`
            (the frozen interim list), `sample` (public test certificates) or `trust-list` (in force by
            the user's choice).
        signer_must_be: where the authority issues to anybody, the one organisation it vouches for here.
    """

    sha256: str
    certificate: str
    organisation: str
    origin: str
    signer_must_be: str = ""


@dataclass(frozen=True)
class Certificate:
    """What a person may want to know of one certificate; names are as the certificate states them."""

    organisation: str
    common_name: str
    issuer: str
    not_before: str
    not_after: str
    sha256: str
    verified: bool


@dataclass(frozen=True)
class Signer:
    """Who signed one claim.

    Attributes:
        standing: `known` behind a known issuer, `sample` for the public test certificates, else `unknown`.
        signed: whether the first certificate's key verifies the signature over the claim.
        organisation: as the signer's certificate states it; proven only where `standing` is `known`.
        common_name: likewise.
        issuer: the names in the certificate that issued the signer's.
        known_by: the row of the table or of a trust list, or None.
        listed: whether the chain leads to a trust list in force.
        chain: the certificates in order, the signer's first.
        problem: why the signer could not be established, for a person; empty where it could.
    """

    standing: Standing = "unknown"
    signed: bool = False
    organisation: str = ""
    common_name: str = ""
    issuer: str = ""
    known_by: KnownIssuer | None = None
    listed: bool = False
    chain: tuple[Certificate, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class KnownIssuers:
    """What makes a signer known: the table, and the certificates on the trust lists in force."""

    table: Mapping[str, KnownIssuer]
    anchors: Sequence[x509.Certificate] = field(default=())


@lru_cache(maxsize=1)
def known_issuers() -> Mapping[str, KnownIssuer]:
    """The table that ships with the package, by SHA-256.

    Time-stamp authorities on the public lists are left out: they issue no claim signing certificates.
    """
    with KNOWN_ISSUERS_FILE.open(encoding="utf-8", newline="") as file:
        return {row["sha256"]: KnownIssuer(**row) for row in csv.DictReader(file)}


def read_signer(cose: bytes, claim: bytes, known: KnownIssuers) -> Signer:
    """Establish who signed a claim.

    Args:
        cose: the content of the claim's signature box, a COSE_Sign1.
        claim: the claim's bytes, over which the signature goes.
        known: the issuers to accept.

    Returns:
        The signer; hostile or unusual bytes give an unknown one with a `problem`, never an exception.
    """
    try:
        envelope = _Envelope.read(cose)
        chain = _load(envelope.chain)
    except JumbfError as error:
        return Signer(problem=str(error))
    try:
        signed = _claim_verifies(envelope, claim, chain[0])
        verified = _verified_length(chain)
        return _describe(chain, signed, verified, known)
    except _library_errors() as error:
        return Signer(problem=f"a certificate cannot be used ({error})")


def _library_errors() -> tuple[type[Exception], ...]:
    """What `cryptography` raises on certificates and keys that it cannot make sense of."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    return (
        ValueError,
        TypeError,
        UnsupportedAlgorithm,
        x509.DuplicateExtension,
        x509.InvalidVersion,
        x509.UnsupportedGeneralNameType,
    )


# The COSE envelope


@dataclass(frozen=True)
class _Envelope:
    """The parts of a COSE_Sign1 that matter here; `chain` is in DER."""

    protected: bytes
    algorithm: int
    chain: tuple[bytes, ...]
    signature: bytes

    @classmethod
    def read(cls, cose: bytes) -> _Envelope:
        """Take the envelope apart.

        Raises:
            JumbfError: it is not a COSE_Sign1 with certificates.
        """
        parts = decode_cbor(cose)
        if not isinstance(parts, list) or len(parts) != 4:
            raise JumbfError("the claim signature is not a COSE_Sign1")
        protected, unprotected, _, signature = parts
        if not (
            isinstance(protected, bytes) and isinstance(signature, bytes) and isinstance(unprotected, dict)
        ):
            raise JumbfError("the claim signature is not a COSE_Sign1")
        header = decode_cbor(protected)
        if not isinstance(header, dict) or not isinstance(header.get(1), int):
            raise JumbfError("the claim signature names no algorithm")
        return cls(protected, header[1], _x5chain(header, unprotected), signature)


def _x5chain(protected: dict[Any, Any], unprotected: dict[Any, Any]) -> tuple[bytes, ...]:
    """The certificates in DER: under 33, or under the text key of early C2PA versions."""
    places = (protected.get(33), protected.get("x5chain"), unprotected.get(33), unprotected.get("x5chain"))
    raw = next((place for place in places if place is not None), None)
    chain = [raw] if isinstance(raw, bytes) else raw
    if not isinstance(chain, list) or not chain or not all(isinstance(der, bytes) for der in chain):
        raise JumbfError("the claim signature carries no certificate")
    if len(chain) > MAX_CHAIN:
        raise JumbfError("the claim signature carries too many certificates")
    return tuple(chain)


def _load(chain: tuple[bytes, ...]) -> list[x509.Certificate]:
    from cryptography.x509 import load_der_x509_certificate

    try:
        return [load_der_x509_certificate(der) for der in chain]
    except _library_errors() as error:
        raise JumbfError(f"a certificate is malformed ({error})") from error


# The signature over the claim


def _cbor_head(major: int, length: int) -> bytes:
    if length < 24:
        return bytes([major << 5 | length])
    size = next(size for size in (1, 2, 4, 8) if length < 1 << 8 * size)
    return bytes([major << 5 | 23 + size.bit_length()]) + length.to_bytes(size, "big")


def _signed_bytes(protected: bytes, claim: bytes) -> bytes:
    """The Sig_structure of RFC 9052, section 4.4, for a detached payload and no external data."""
    context = b"Signature1"
    return b"".join(
        (
            _cbor_head(4, 4),
            _cbor_head(3, len(context)) + context,
            _cbor_head(2, len(protected)) + protected,
            _cbor_head(2, 0),
            _cbor_head(2, len(claim)) + claim,
        )
    )


def _claim_verifies(envelope: _Envelope, claim: bytes, leaf: x509.Certificate) -> bool:
    """Whether the signature over the claim is the leaf key's.

    The algorithms are those of the C2PA specification: ES256/384/512, PS256/384/512 and Ed25519.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

    ecdsa = {-7: hashes.SHA256(), -35: hashes.SHA384(), -36: hashes.SHA512()}
    pss = {-37: hashes.SHA256(), -38: hashes.SHA384(), -39: hashes.SHA512()}
    key, message = leaf.public_key(), _signed_bytes(envelope.protected, claim)
    try:
        if envelope.algorithm in ecdsa and isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(_ecdsa_in_der(envelope.signature), message, ec.ECDSA(ecdsa[envelope.algorithm]))
        elif envelope.algorithm in pss and isinstance(key, rsa.RSAPublicKey):
            digest = pss[envelope.algorithm]
            scheme = padding.PSS(padding.MGF1(digest), salt_length=digest.digest_size)
            key.verify(envelope.signature, message, scheme, digest)
        elif envelope.algorithm == -8 and isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(envelope.signature, message)
        else:
            return False
    except InvalidSignature:
        return False
    return True


def _ecdsa_in_der(signature: bytes) -> bytes:
    """COSE writes r and s one after the other; `cryptography` wants them in DER."""
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    half = len(signature) // 2
    return encode_dss_signature(
        int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
    )


# The chain


def _verified_length(chain: Sequence[x509.Certificate]) -> int:
    """How many certificates, from the signer's on, hang together by their signatures."""
    for index in range(1, len(chain)):
        if not _issued(chain[index], chain[index - 1], chain[0], below=index - 1):
            return index
    return len(chain)


def _issued(issuer: x509.Certificate, subject: x509.Certificate, leaf: x509.Certificate, below: int) -> bool:
    """Whether `issuer` was entitled to issue `subject`, and did.

    Args:
        issuer: the candidate.
        subject: the certificate whose signature is checked.
        leaf: the signer's certificate, at whose date of issue the issuer must have been valid.
        below: number of authorities between the issuer and the leaf.
    """
    from cryptography.exceptions import InvalidSignature

    if not _is_authority(issuer, below):
        return False
    if not issuer.not_valid_before_utc <= leaf.not_valid_before_utc <= issuer.not_valid_after_utc:
        return False
    try:
        subject.verify_directly_issued_by(issuer)
    except InvalidSignature:
        return False
    except _library_errors():  # another name, or a kind of key that cannot sign certificates
        return False
    return True


def _is_authority(certificate: x509.Certificate, below: int) -> bool:
    """Whether it may sign certificates at all, with `below` authorities under it."""
    from cryptography import x509

    extensions = certificate.extensions
    try:
        basic = extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return False
    if not basic.ca or (basic.path_length is not None and below > basic.path_length):
        return False
    try:
        return extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        return True


def _in_table(
    chain: Sequence[x509.Certificate], verified: int, table: Mapping[str, KnownIssuer]
) -> KnownIssuer | None:
    """The table's row for the first issuing certificate, from the signer up, that it vouches for."""
    organisation = _one_name(chain[0].subject, "ORGANIZATION_NAME")
    rows = (table.get(fingerprint(certificate)) for certificate in chain[1:verified])
    return next((row for row in rows if row and row.signer_must_be in ("", organisation)), None)


def _anchor(
    chain: Sequence[x509.Certificate], verified: int, anchors: Sequence[x509.Certificate]
) -> x509.Certificate | None:
    """The certificate on a trust list that the chain leads to."""
    by_hash = {fingerprint(anchor): anchor for anchor in anchors}
    for certificate in chain[1:verified]:
        if found := by_hash.get(fingerprint(certificate)):
            return found
    top = chain[verified - 1]
    # Files usually leave the root certificate out.
    return next((one for one in anchors if _issued(one, top, chain[0], below=verified - 1)), None)


def _listed(anchor: x509.Certificate) -> KnownIssuer:
    return KnownIssuer(
        fingerprint(anchor),
        _one_name(anchor.subject, "COMMON_NAME"),
        _one_name(anchor.subject, "ORGANIZATION_NAME"),
        "trust-list",
    )


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the certificate in DER, hexadecimal."""
    from cryptography.hazmat.primitives.serialization import Encoding

    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


# Names, for people


def _one_name(name: x509.Name, attribute: str) -> str:
    """The attribute's value; empty where it is missing or stands there more than once."""
    from cryptography.x509.oid import NameOID

    values = name.get_attributes_for_oid(getattr(NameOID, attribute))
    return str(values[0].value) if len(values) == 1 else ""


def _both_names(name: x509.Name) -> str:
    parts = (_one_name(name, "COMMON_NAME"), _one_name(name, "ORGANIZATION_NAME"))
    return ", ".join(dict.fromkeys(part for part in parts if part))


def _certificate(certificate: x509.Certificate, verified: bool) -> Certificate:
    return Certificate(
        organisation=_one_name(certificate.subject, "ORGANIZATION_NAME"),
        common_name=_one_name(certificate.subject, "COMMON_NAME"),
        issuer=_both_names(certificate.issuer),
        not_before=certificate.not_valid_before_utc.isoformat(),
        not_after=certificate.not_valid_after_utc.isoformat(),
        sha256=fingerprint(certificate),
        verified=verified,
    )


def _describe(chain: Sequence[x509.Certificate], signed: bool, verified: int, known: KnownIssuers) -> Signer:
    """Put together what was established."""
    described = tuple(_certificate(one, index < verified) for index, one in enumerate(chain))
    leaf = described[0]
    anchor = _anchor(chain, verified, known.anchors) if signed else None
    row = _in_table(chain, verified, known.table) if signed else None
    row = row or (None if anchor is None else _listed(anchor))
    standing: Standing = "unknown"
    if leaf.organisation == SAMPLE_ORGANISATION or (row is not None and row.origin == "sample"):
        standing = "sample"  # a name that lowers what a signature is worth may be believed
    elif row is not None:
        standing = "known"
    problem = "" if row else "its certificates do not lead to a known issuer"
    return Signer(
        standing=standing,
        signed=signed,
        organisation=leaf.organisation,
        common_name=leaf.common_name,
        issuer=leaf.issuer,
        known_by=row,
        listed=anchor is not None,
        chain=described,
        problem=problem if signed else "its key did not make the signature over the claim",
    )
