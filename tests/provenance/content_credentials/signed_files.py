"""Real signed files, made on the spot: throw-away certificate chains, and c2pa-python's own signer."""

from __future__ import annotations

import datetime as dt
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import c2pa
import cbor2
import numpy as np
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID
from PIL import Image

from fauxto.provenance.c2pa import read_c2pa
from fauxto.provenance.c2pa.store import Store
from fauxto.provenance.containers import parse
from fauxto.provenance.options import ProvenanceOptions
from fauxto.provenance.signers import KnownIssuer, fingerprint
from fauxto.record import Evidence

Know = Callable[..., None]  # the `know` fixture: puts makers into the table of known issuers

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
MEDIA_TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "AVIF": "image/avif",
    "TIFF": "image/tiff",
    "GIF": "image/gif",
}
DAY = dt.timedelta(days=1)

MADE_BY_AI = {"action": "c2pa.created", "digitalSourceType": IPTC + "trainedAlgorithmicMedia"}
CAPTURED = {"action": "c2pa.created", "digitalSourceType": IPTC + "digitalCapture"}
OPENED = {"action": "c2pa.opened", "parameters": {"ingredientIds": ["0"]}}
PLACED = {"action": "c2pa.placed", "parameters": {"ingredientIds": ["0"]}}
EDITED_BY_HAND = {"action": "c2pa.color_adjustments"}
EDITED_BY_AI = {"action": "c2pa.edited", "digitalSourceType": IPTC + "compositeWithTrainedAlgorithmicMedia"}
BLANK = {"action": "c2pa.created", "digitalSourceType": IPTC + "digitalCreation"}


@dataclass(frozen=True)
class Authority:
    """A certificate and its key; `above` are the certificates up to the root, nearest first."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    above: tuple[x509.Certificate, ...] = ()

    @property
    def sha256(self) -> str:
        return fingerprint(self.certificate)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)


def name(common_name: str, organisation: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "US"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def certify(
    common_name: str,
    organisation: str,
    issuer: Authority | None = None,
    *,
    ca: bool = True,
    path_length: int | None = None,
    not_before: dt.datetime | None = None,
    not_after: dt.datetime | None = None,
    ocsp: str | None = None,
    key: ec.EllipticCurvePrivateKey | None = None,
    usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.EMAIL_PROTECTION,
) -> Authority:
    """A certificate of its own key, issued by `issuer` or by itself."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    issuer_key = issuer.key if issuer else key
    now = dt.datetime.now(dt.timezone.utc)
    subject = name(common_name, organisation)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before or now - DAY)
        .not_valid_after(not_after or now + 365 * DAY)
        .add_extension(x509.BasicConstraints(ca, path_length if ca else None), critical=True)
        .add_extension(x509.KeyUsage(not ca, False, False, False, False, ca, ca, False, False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
        )
    )
    if not ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    if ocsp:
        access = x509.AccessDescription(
            AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(ocsp)
        )
        builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
    above = () if issuer is None else (issuer.certificate, *issuer.above)
    return Authority(builder.sign(issuer_key, hashes.SHA256()), key, above)


@dataclass(frozen=True)
class Maker:
    """Somebody who signs files: a root, an issuing authority, and the signing certificate."""

    root: Authority
    issuer: Authority
    signer: Authority
    chain: tuple[x509.Certificate, ...]

    def known(self, **row: str) -> dict[str, KnownIssuer]:
        """A table in which this maker's issuing certificate is known."""
        entry = {"certificate": "test", "organisation": "test", "origin": "seen", "signer_must_be": "", **row}
        return {self.issuer.sha256: KnownIssuer(sha256=self.issuer.sha256, **entry)}


@lru_cache
def maker(organisation: str, **leaf: Any) -> Maker:
    """A maker with fresh keys; the file carries its chain without the root, as genuine files do."""
    return fresh_maker(organisation, **leaf)


def fresh_maker(organisation: str, **leaf: Any) -> Maker:
    root = certify(f"{organisation} Root", organisation)
    issuer = certify(f"{organisation} Issuing", organisation, root, path_length=0)
    signer = certify(f"{organisation} Signer", organisation, issuer, ca=False, **leaf)
    return Maker(root, issuer, signer, (signer.certificate, issuer.certificate))


@dataclass(frozen=True)
class Part:
    """An ingredient: a whole file, and how it was used."""

    relationship: str
    data: bytes
    media_type: str = "image/jpeg"


@dataclass(frozen=True)
class Recipe:
    """What to sign; `fields` go into the manifest definition as they are."""

    actions: Sequence[dict[str, Any]] = ()
    parts: Sequence[Part] = ()
    fields: dict[str, Any] = field(default_factory=dict)
    remote: str | None = None
    embed: bool = True
    settings: dict[str, Any] = field(default_factory=dict)
    intent: Any = None
    time_stamps: str | None = None


def picture(format: str = "JPEG", seed: int = 0) -> bytes:
    """A noisy picture, so that any byte of it matters."""
    pixels = np.random.default_rng(seed).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format)
    return out.getvalue()


def sign(data: bytes, by: Maker, recipe: Recipe, media_type: str = "image/jpeg") -> bytes:
    """Sign a file with c2pa-python; returns the signed file."""
    return sign_apart(data, by, recipe, media_type)[0]


def sign_apart(data: bytes, by: Maker, recipe: Recipe, media_type: str = "image/jpeg") -> tuple[bytes, bytes]:
    """Sign a file; returns the file and the manifest store."""
    definition = {
        "claim_generator_info": [{"name": "Test Generator", "version": "1.2"}],
        "title": "test",
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": list(recipe.actions)}}]
        if recipe.actions
        else [],
        **recipe.fields,
    }
    pem = b"".join(one.public_bytes(Encoding.PEM) for one in by.chain)
    key = by.signer.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    info = c2pa.C2paSignerInfo(c2pa.C2paSigningAlg.ES256, pem, key, recipe.time_stamps)
    settings = {"verify": {"verify_after_sign": False}, "builder": {"thumbnail": {"enabled": False}}}
    context = c2pa.Context.from_dict({**settings, **recipe.settings})
    builder = c2pa.Builder.from_json(json.dumps(definition), context=context)
    if recipe.intent is not None:
        builder.set_intent(recipe.intent)
    if recipe.remote is not None:
        builder.set_remote_url(recipe.remote)
    if not recipe.embed:
        builder.set_no_embed()
    for index, part in enumerate(recipe.parts):
        about = {"title": f"part {index}", "relationship": part.relationship, "label": str(index)}
        builder.add_ingredient(about, part.media_type, io.BytesIO(part.data))
    out = io.BytesIO()
    store = builder.sign(c2pa.Signer.from_info(info), media_type, io.BytesIO(data), out)
    return out.getvalue(), store


SigningKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
_DIGESTS = {
    7: hashes.SHA256(),
    5: hashes.SHA384(),
    6: hashes.SHA512(),
    8: hashes.SHA384(),
    9: hashes.SHA512(),
}


def _signature(message: bytes, key: SigningKey, algorithm: int) -> bytes:
    digest = _DIGESTS[abs(algorithm) % 10]
    if isinstance(key, ec.EllipticCurvePrivateKey):
        size = (key.key_size + 7) // 8
        r, s = decode_dss_signature(key.sign(message, ec.ECDSA(digest)))
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(message, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
    return key.sign(message)


def cose(
    claim: bytes,
    chain: Sequence[x509.Certificate],
    key: SigningKey,
    algorithm: int = -7,
    size: int | None = None,
) -> bytes:
    """A claim signature written by hand, padded to `size` bytes."""
    ders = [one.public_bytes(Encoding.DER) for one in chain]
    protected = cbor2.dumps({1: algorithm, 33: ders})
    message = cbor2.dumps(["Signature1", protected, b"", claim])
    signature = _signature(message, key, algorithm)
    padded = b""
    for pad in range(0, size or 1):
        padded = cbor2.dumps(cbor2.CBORTag(18, [protected, {"pad": bytes(pad)}, None, signature]))
        if size is None or len(padded) == size:
            return padded
    raise AssertionError(f"{len(padded)} bytes cannot be padded to {size}")


def resigned(data: bytes, key: SigningKey, chain: Sequence[x509.Certificate]) -> bytes:
    """The same claim under another signature, which c2pa-python's signer might refuse to make."""
    raw = parse(data).c2pa
    assert raw is not None
    store = Store(raw)
    active = store.manifest(store.active)
    return data.replace(active.cose, cose(active.claim, chain, key, size=len(active.cose)))


def opened(data: bytes, by: Maker, *actions: dict[str, Any]) -> bytes:
    """The file opened in another program and saved by it: its manifest becomes the parent's."""
    return sign(data, by, Recipe([OPENED, *actions], [Part("parentOf", data)]))


def rows(data: bytes, **options: Any) -> list[Evidence]:
    return read_c2pa(data, parse(data), ProvenanceOptions(**options))


def row(data: bytes, **options: Any) -> Evidence:
    (only,) = rows(data, **options)
    return only


def judged(data: bytes, **options: Any) -> tuple[str, str, str]:
    """Claim, strength and state of the only row."""
    only = row(data, **options)
    return only.claim, only.strength, only.data["state"]


def flipped(data: bytes, offset: int) -> bytes:
    """A copy with one bit of one byte changed."""
    changed = bytearray(data)
    changed[offset] ^= 1
    return bytes(changed)
