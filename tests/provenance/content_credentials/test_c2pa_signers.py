"""A signer is established by signatures, up to an issuer that is known by its certificate's hash."""

from __future__ import annotations

import datetime as dt
import hashlib

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from fauxto.provenance.signers import (
    KnownIssuer,
    KnownIssuers,
    Signer,
    fingerprint,
    known_issuers,
    read_signer,
)
from signed_files import DAY, Authority, SigningKey, certify, cose, name

CLAIM = b"the claim"
ROOT = certify("Root", "Maker")
ISSUER = certify("Issuing", "Maker", ROOT, path_length=0)
LEAF = certify("Signer", "Maker", ISSUER, ca=False)


def table(*authorities: Authority) -> KnownIssuers:
    return KnownIssuers({one.sha256: KnownIssuer(one.sha256, "x", "x", "seen") for one in authorities})


def signer(*chain: Authority, known: KnownIssuers, claim: bytes = CLAIM) -> Signer:
    """The signer of a claim signed by the first authority's key."""
    return read_signer(cose(claim, [one.certificate for one in chain], chain[0].key), CLAIM, known)


def test_a_chain_to_a_known_issuer() -> None:
    found = signer(LEAF, ISSUER, known=table(ISSUER))
    assert (found.standing, found.signed) == ("known", True)
    assert [one.verified for one in found.chain] == [True, True]
    assert found.chain[1].sha256 == ISSUER.sha256


def test_a_known_root_further_up() -> None:
    assert signer(LEAF, ISSUER, ROOT, known=table(ROOT)).standing == "known"


def test_a_root_on_a_trust_list_that_the_file_leaves_out() -> None:
    found = signer(LEAF, ISSUER, known=KnownIssuers({}, (ROOT.certificate,)))
    assert found.standing == "known"
    assert found.known_by is not None
    assert found.known_by.sha256 == ROOT.sha256


def test_the_signers_own_certificate_in_the_table_is_no_issuer() -> None:
    assert signer(LEAF, ISSUER, known=table(LEAF)).standing == "unknown"


def test_an_issuer_that_the_file_leaves_out_cannot_be_checked() -> None:
    assert signer(LEAF, known=table(ISSUER)).standing == "unknown"


def test_a_signature_over_another_claim() -> None:
    found = signer(LEAF, ISSUER, known=table(ISSUER), claim=b"another claim")
    assert (found.standing, found.signed) == ("unknown", False)


def test_another_keys_signature() -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    found = read_signer(cose(CLAIM, [LEAF.certificate, ISSUER.certificate], other), CLAIM, table(ISSUER))
    assert (found.standing, found.signed) == ("unknown", False)


def test_the_same_names_with_other_keys() -> None:
    twin = certify("Issuing", "Maker", ROOT, path_length=0)
    leaf = certify("Signer", "Maker", twin, ca=False)
    assert signer(leaf, twin, known=table(ISSUER)).standing == "unknown"
    found = signer(leaf, ISSUER, known=table(ISSUER))  # the genuine issuer's certificate beside it
    assert found.standing == "unknown"
    assert [one.verified for one in found.chain] == [True, False]


def test_a_known_certificate_above_a_broken_link() -> None:
    stranger = certify("Stranger", "Stranger")
    leaf = certify("Signer", "Stranger", stranger, ca=False)
    assert signer(leaf, stranger, ISSUER, ROOT, known=table(ISSUER, ROOT)).standing == "unknown"
    assert signer(leaf, ISSUER, stranger, known=table(ISSUER)).standing == "unknown"


def test_an_issuer_must_be_an_authority() -> None:
    child = certify("Child", "Maker", LEAF, ca=False)
    assert signer(child, LEAF, ISSUER, known=table(ISSUER)).standing == "unknown"


def test_an_issuers_path_length_holds() -> None:
    below = certify("Below", "Maker", ISSUER)  # ISSUER may have no authority under it
    leaf = certify("Signer", "Maker", below, ca=False)
    assert signer(leaf, below, ISSUER, known=table(ISSUER)).standing == "unknown"
    assert signer(leaf, below, ISSUER, known=table(below)).standing == "known"


def test_the_leafs_own_dates_decide_not_todays() -> None:
    now = dt.datetime.now(dt.timezone.utc)
    past = certify("Past", "Maker", not_before=now - 900 * DAY, not_after=now - 400 * DAY)
    within = certify("S", "Maker", past, ca=False, not_before=now - 800 * DAY, not_after=now - 790 * DAY)
    after = certify("S", "Maker", past, ca=False, not_before=now - 300 * DAY, not_after=now - 290 * DAY)
    assert signer(within, past, known=table(past)).standing == "known"
    assert signer(after, past, known=table(past)).standing == "unknown"


def _certificate_for(key: SigningKey) -> x509.Certificate:
    now = dt.datetime.now(dt.timezone.utc)
    builder = (
        x509.CertificateBuilder().subject_name(name("S", "Maker")).issuer_name(ISSUER.certificate.subject)
    )
    builder = builder.public_key(key.public_key()).serial_number(7)
    builder = builder.not_valid_before(now - DAY).not_valid_after(now + DAY)
    return builder.sign(ISSUER.key, hashes.SHA256())


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        (-7, ec.generate_private_key(ec.SECP256R1())),
        (-35, ec.generate_private_key(ec.SECP384R1())),
        (-36, ec.generate_private_key(ec.SECP521R1())),
        (-37, rsa.generate_private_key(65537, 2048)),
        (-38, rsa.generate_private_key(65537, 2048)),
        (-39, rsa.generate_private_key(65537, 2048)),
        (-8, ed25519.Ed25519PrivateKey.generate()),
    ],
    ids=["ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "Ed25519"],
)
def test_every_algorithm_of_the_specification(algorithm: int, key: SigningKey) -> None:
    chain = [_certificate_for(key), ISSUER.certificate]
    envelope = cose(CLAIM, chain, key, algorithm)
    assert read_signer(envelope, CLAIM, table(ISSUER)).standing == "known"
    assert not read_signer(envelope, CLAIM + b"!", table(ISSUER)).signed


@pytest.mark.parametrize(
    "envelope",
    [
        b"",
        b"\xff",
        cbor2.dumps([b"", {}, None]),
        cbor2.dumps([b"", {}, None, b""]),
        cbor2.dumps([cbor2.dumps({1: -7}), {}, None, b"x" * 64]),
        cbor2.dumps([cbor2.dumps({1: -7, 33: b"no certificate"}), {}, None, b"x" * 64]),
        cbor2.dumps([cbor2.dumps({1: -7, 33: [b"x"] * 11}), {}, None, b"x" * 64]),
        cbor2.dumps([cbor2.dumps({1: -7, 33: [1]}), {}, None, b"x" * 64]),
    ],
)
def test_what_is_no_signature_gives_an_unknown_signer_and_the_reason(envelope: bytes) -> None:
    found = read_signer(envelope, CLAIM, table(ISSUER))
    assert (found.standing, found.signed) == ("unknown", False)
    assert found.problem


def test_the_table_has_the_issuers_seen_on_genuine_files() -> None:
    rows = known_issuers()
    assert len(rows) >= 50
    for sha256, row in rows.items():
        assert sha256 == row.sha256 == row.sha256.lower()
        assert len(bytes.fromhex(sha256)) == hashlib.sha256().digest_size
        assert row.origin in ("seen", "official", "interim", "sample")
        assert row.organisation and row.certificate
    makers = {row.organisation for row in rows.values() if row.origin == "seen"}
    assert makers >= {"Google LLC", "OpenAI", "Adobe Inc.", "Black Forest Labs Inc."}
    assert [row.certificate for row in rows.values() if row.origin == "sample"] == [
        "C2PA Test Intermediate Root CA"
    ]


def test_authorities_that_issue_to_anybody_are_bound_to_one_organisation() -> None:
    bound = {row.certificate: row.signer_must_be for row in known_issuers().values() if row.signer_must_be}
    assert bound["GlobalSign GCC R6 SMIME CA 2023"] == "Black Forest Labs Inc."


def test_time_stamp_authorities_are_no_signers() -> None:
    assert not [row.certificate for row in known_issuers().values() if "stamp" in row.certificate.lower()]


def test_fingerprints_are_of_the_der_form() -> None:
    assert fingerprint(ROOT.certificate) == ROOT.certificate.fingerprint(hashes.SHA256()).hex()
