"""Who signed, and whether the file is still what was signed: two questions, answered apart."""

from __future__ import annotations

import datetime as dt
import io
import time
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from PIL import Image

from fauxto.provenance.c2pa import read_c2pa
from fauxto.provenance.containers import Container, parse
from signed_files import (
    CAPTURED,
    DAY,
    EDITED_BY_HAND,
    MADE_BY_AI,
    MEDIA_TYPES,
    Know,
    Maker,
    Part,
    Recipe,
    certify,
    flipped,
    fresh_maker,
    judged,
    maker,
    opened,
    picture,
    resigned,
    row,
    rows,
    sign,
)
from time_stamps import serving

AI = Recipe([MADE_BY_AI])


@pytest.mark.parametrize("format", MEDIA_TYPES)
def test_a_file_without_a_manifest_has_no_row(format: str) -> None:
    assert rows(picture(format)) == []


@pytest.mark.parametrize("format", MEDIA_TYPES)
def test_an_ai_claim_by_a_known_signer_is_strong(format: str, know: Know) -> None:
    studio = maker("Studio")
    know(studio)
    signed = sign(picture(format), studio, AI, MEDIA_TYPES[format])
    assert judged(signed) == ("ai", "strong", "known-signer")


def test_a_photograph_signed_as_ai_by_a_throw_away_key_stays_moderate() -> None:
    assert judged(sign(picture(), maker("Prankster"), AI)) == ("ai", "moderate", "unknown-signer")


def test_the_row_says_who_signed_what_with_which_program(know: Know) -> None:
    studio = maker("Studio")
    know(studio)
    found = row(sign(picture(), studio, Recipe([{**MADE_BY_AI, "softwareAgent": {"name": "Painter"}}])))
    assert "signed by Studio say that a generative model made the picture (Painter)" in found.detail
    assert found.data["signer"]["organisation"] == "Studio"
    assert found.data["signer"]["issuer"] == "Studio Issuing, Studio"
    assert found.data["signer"]["known_by"]["sha256"] == studio.issuer.sha256
    assert found.data["claim_generator"] == "Test Generator 1.2"
    assert found.data["software_agents"] == ["Painter"]
    assert found.data["digital_source_types"] == ["trainedAlgorithmicMedia"]
    assert found.data["actions"] == ["c2pa.created"]
    assert (found.data["found_in"], found.data["depth"]) == ("active", 0)
    assert "signingCredential.untrusted" in found.data["validation"]["failure"]


def test_a_signer_that_nobody_knows_is_called_unknown_whatever_it_calls_itself(know: Know) -> None:
    know(maker("Studio"))
    namesake = fresh_maker("Studio")  # the same names throughout, other keys
    found = row(sign(picture(), namesake, AI))
    assert (found.strength, found.data["state"]) == ("moderate", "unknown-signer")
    assert "unknown signer that calls itself “Studio”" in found.detail


def test_a_copy_of_a_known_issuers_certificate_in_another_chain_counts_for_nothing(know: Know) -> None:
    studio = maker("Studio")
    know(studio)
    stranger = fresh_maker("Stranger")
    for chain in (
        (*stranger.chain, studio.issuer.certificate),
        (stranger.signer.certificate, studio.issuer.certificate),
    ):
        forged = Maker(stranger.root, stranger.issuer, stranger.signer, chain)
        assert judged(sign(picture(), forged, AI)) == ("ai", "moderate", "unknown-signer")


def test_an_issuer_that_issues_to_anybody_vouches_for_one_organisation_only(know: Know) -> None:
    mail = maker("Mail Authority")
    know(mail, signer_must_be="Painter Labs Inc.")
    assert judged(sign(picture(), mail, AI))[2] == "unknown-signer"
    labs = certify("Painter", "Painter Labs Inc.", mail.issuer, ca=False)
    customer = Maker(mail.root, mail.issuer, labs, (labs.certificate, mail.issuer.certificate))
    assert judged(sign(picture(), customer, AI)) == ("ai", "strong", "known-signer")


def test_the_public_sample_certificate_makes_any_claim_weak(know: Know) -> None:
    sample = maker("Sample")
    know(sample, origin="sample")
    found = row(sign(picture(), sample, AI))
    assert (found.claim, found.strength) == ("ai", "weak")
    assert found.data["signer"]["sample"]
    assert "public test certificate" in found.detail


def test_the_sample_organisations_name_is_enough_to_weaken(tmp_path: Path) -> None:
    sample = maker("C2PA Test Signing Cert")
    signed = sign(picture(), sample, AI)
    assert judged(signed)[1] == "weak"
    trusted = tmp_path / "list.pem"
    trusted.write_bytes(sample.root.pem)
    assert judged(signed, trust_list=trusted)[1] == "weak"  # its key is public, whoever trusts it


def test_a_signer_on_a_trust_list_is_trusted(tmp_path: Path) -> None:
    studio = maker("Studio")
    trusted = tmp_path / "list.pem"
    trusted.write_bytes(b"# a comment\n" + studio.root.pem)
    signed = sign(picture(), studio, AI)
    assert judged(signed, trust_list=trusted) == ("ai", "strong", "trusted")
    assert judged(signed) == ("ai", "moderate", "unknown-signer")


def test_a_certificate_that_has_expired_since_changes_nothing(know: Know, tmp_path: Path) -> None:
    end = dt.datetime.now(dt.timezone.utc) + dt.timedelta(seconds=2)
    brief = fresh_maker("Brief", not_after=end)
    signed = sign(picture(), brief, AI)
    time.sleep(max(0.0, (end - dt.datetime.now(dt.timezone.utc)).total_seconds()) + 1.1)
    assert judged(signed) == ("ai", "moderate", "unknown-signer")
    trusted = tmp_path / "list.pem"
    trusted.write_bytes(brief.root.pem)
    found = row(signed, trust_list=trusted)
    assert "signingCredential.expired" in found.data["validation"]["failure"]
    assert (found.strength, found.data["state"]) == ("strong", "known-signer")
    know(brief)
    assert judged(signed) == ("ai", "strong", "known-signer")


def test_a_certificate_that_is_not_meant_for_signing_is_not_known(know: Know) -> None:
    studio = maker("Studio")
    know(studio)
    server = certify("www", "Studio", studio.issuer, ca=False, usage=ExtendedKeyUsageOID.SERVER_AUTH)
    chain = (server.certificate, studio.issuer.certificate)
    found = row(resigned(sign(picture(), studio, AI), server.key, chain))
    assert (found.claim, found.strength, found.data["state"]) == ("ai", "moderate", "unknown-signer")
    assert "signingCredential.invalid" in found.data["signer"]["problem"]


def test_a_signing_certificate_cannot_issue_others(know: Know) -> None:
    """Whoever holds a genuine signer's key is not an authority."""
    studio = maker("Studio")
    know(studio)
    child = certify("Child", "Studio", studio.signer, ca=False)
    signed = resigned(sign(picture(), studio, AI), child.key, (child.certificate, *studio.chain[:1]))
    assert judged(signed) == ("ai", "moderate", "unknown-signer")


def test_an_expired_certificate_with_a_time_stamp_from_a_listed_authority_is_trusted(
    data_home: Path,
) -> None:
    stamper = certify("Stamper", "Stamps", ca=True)
    stamps = certify("Stamps", "Stamps", stamper, ca=False, usage=ExtendedKeyUsageOID.TIME_STAMPING)
    end = dt.datetime.now(dt.timezone.utc) + dt.timedelta(seconds=2)
    brief = fresh_maker("Brief", not_after=end)
    with serving(stamps) as address:
        signed = sign(picture(), brief, Recipe([MADE_BY_AI], time_stamps=address))
    time.sleep(max(0.0, (end - dt.datetime.now(dt.timezone.utc)).total_seconds()) + 1.1)
    folder = data_home / "fauxto" / "trust"
    folder.mkdir(parents=True)
    (folder / "C2PA-TRUST-LIST.pem").write_bytes(brief.root.pem)
    assert judged(signed) == ("ai", "strong", "known-signer")
    (folder / "C2PA-TSA-TRUST-LIST.pem").write_bytes(stamper.pem)
    assert judged(signed) == ("ai", "strong", "trusted")


def test_one_byte_of_the_picture(know: Know) -> None:
    studio = maker("Studio")
    know(studio)
    for format in ("JPEG", "PNG", "WEBP", "AVIF", "TIFF"):
        signed = sign(picture(format), studio, AI, MEDIA_TYPES[format])
        # TIFF and AVIF end in other things than pixels, so the byte is looked for in the picture.
        pixels = picture(format)[-400:-200] if format in ("AVIF", "TIFF") else picture(format)[-200:-100]
        found = row(flipped(signed, signed.find(pixels) + 10))
        assert (found.claim, found.strength, found.data["state"]) == ("other", "weak", "tampered"), format
        assert "Hash.mismatch" in found.detail


def test_one_byte_of_the_claim(know: Know) -> None:
    studio = maker("Studio")
    know(studio)
    signed = sign(picture(), studio, AI)
    assert judged(flipped(signed, signed.rfind(b"Test Generator"))) == ("other", "weak", "tampered")
    assert judged(flipped(signed, signed.rfind(b"trainedAlgo"))) == ("other", "weak", "tampered")


def test_one_byte_of_the_parents_claim(know: Know) -> None:
    studio = maker("Studio")
    know(studio)
    saved = opened(sign(picture(), studio, AI), studio)
    assert judged(saved) == ("ai", "strong", "known-signer")
    for place in (b"Test Generator", b"trainedAlgo"):
        found = row(flipped(saved, saved.find(place)))
        assert (found.claim, found.data["state"]) == ("other", "tampered")
        assert found.data["broken_ingredients"]


def test_a_manifest_moved_to_another_picture(know: Know) -> None:
    studio = maker("Studio")
    know(studio)
    one, other = (sign(picture("PNG", seed), studio, AI, "image/png") for seed in (1, 2))
    mine, theirs = parse(one).c2pa, parse(other).c2pa
    assert mine is not None and theirs is not None and len(mine) == len(theirs)
    assert judged(one.replace(mine, theirs))[2] in ("tampered", "not-checked")
    (found,) = read_c2pa(picture("PNG", 2), Container("png", c2pa=mine))
    assert found.data["state"] == "tampered"


def test_another_picture_in_the_bytes_that_the_hash_leaves_out(know: Know) -> None:
    """The hash skips the manifest's place in the file; a whole picture fits there if nobody looks."""
    studio = maker("Studio")
    know(studio)
    signed = sign(picture(), studio, AI)
    store = parse(signed).c2pa
    place = signed.index(b"\xff\xeb")
    length = int.from_bytes(signed[place + 2 : place + 4], "big") + 2
    out = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(out, "JPEG", quality=30)
    other = out.getvalue()[2:]
    assert len(other) < length
    forged = signed[:place] + other + bytes(length - len(other)) + signed[place + length :]
    (found,) = read_c2pa(forged, Container("jpeg", c2pa=store))  # as from a remote address
    assert found.data["state"] == "tampered"


def test_a_second_store_cannot_lend_its_signer(know: Know) -> None:
    """The store whose picture hash holds must be the one whose signer is looked at."""
    studio, stranger = maker("Studio"), maker("Stranger")
    know(studio)
    genuine = sign(picture("PNG", 1), studio, AI, "image/png")
    mine = sign(picture("PNG", 2), stranger, Recipe([CAPTURED]), "image/png")
    chunk = genuine.index(b"caBX") - 4
    length = int.from_bytes(genuine[chunk : chunk + 4], "big") + 12
    here = mine.index(b"caBX") - 4
    there = here + int.from_bytes(mine[here : here + 4], "big") + 12
    for both in (
        mine[:here] + genuine[chunk : chunk + length] + mine[here:],
        mine[:there] + genuine[chunk : chunk + length] + mine[there:],
    ):
        assert all(one.strength != "strong" for one in rows(both))


def test_a_signed_png_named_jpg_is_read_by_its_bytes(tmp_path: Path, know: Know) -> None:
    studio = maker("Studio")
    know(studio)
    path = tmp_path / "picture.jpg"
    path.write_bytes(sign(picture("PNG"), studio, AI, "image/png"))
    assert judged(path.read_bytes()) == ("ai", "strong", "known-signer")


def test_marker_words_outside_a_manifest_say_nothing() -> None:
    words = b"c2pa.created trainedAlgorithmicMedia jumb c2pa urn:c2pa: Google LLC"
    plain = picture()
    assert rows(plain + words) == []
    assert rows(plain[:2] + b"\xff\xfe" + (len(words) + 2).to_bytes(2, "big") + words + plain[2:]) == []


def test_a_camera_counts_from_a_known_signer_only(know: Know) -> None:
    camera = maker("Camera Works")
    capture = sign(picture(), camera, Recipe([CAPTURED]))
    assert judged(capture) == ("camera", "weak", "unknown-signer")
    know(camera)
    assert judged(capture) == ("camera", "strong", "known-signer")


def test_a_signed_file_that_says_nothing_of_its_origin_is_shown_and_decides_nothing(know: Know) -> None:
    studio = maker("Studio")
    know(studio)
    saved = sign(
        picture(), studio, Recipe([{"action": "c2pa.opened"}, EDITED_BY_HAND], [Part("parentOf", picture())])
    )
    assert judged(saved) == ("other", "weak", "known-signer")


def test_signing_by_a_certificate_older_than_its_issuer_is_not_known(know: Know) -> None:
    now = dt.datetime.now(dt.timezone.utc)
    root = certify("Root", "Late")
    late = certify("Late Issuing", "Late", root, not_before=now - DAY)
    leaf = certify("Late Signer", "Late", late, ca=False, not_before=now - 30 * DAY)
    by = Maker(root, late, leaf, (leaf.certificate, late.certificate))
    know(by)
    assert judged(sign(picture(), by, AI))[2] == "unknown-signer"
