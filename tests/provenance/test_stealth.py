"""The stealth channel's four magics, and NovelAI's signature, which is the one strong metadata."""

from __future__ import annotations

import gzip
import json
import struct

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import made
from fauxto.provenance import read_evidence
from fauxto.provenance.generators import novelai
from fauxto.record import Evidence

MAGICS = ["stealth_pngcomp", "stealth_pnginfo", "stealth_rgbcomp", "stealth_rgbinfo"]
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
COMMENT = {"prompt": "1girl, café", "steps": 28, "scale": 5.0, "seed": 4, "uc": "bad"}


def rows(data: bytes, source: str = "stealth", pixels: made.Pixels | None = None) -> list[Evidence]:
    return [row for row in read_evidence(data, pixels=pixels) if row.source == source]


@pytest.fixture
def known_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """NovelAI's public key replaced by that of a key the tests hold."""
    monkeypatch.setattr(novelai, "PUBLIC_KEY", KEY.public_key().public_bytes_raw())


@pytest.mark.parametrize("magic", MAGICS)
@pytest.mark.parametrize("settings", [made.WEBUI, json.dumps({"parameters": made.WEBUI})])
def test_all_four_magics(magic: str, settings: str) -> None:
    (row,) = rows(made.stealth_png(magic, settings))
    assert (row.claim, row.strength, row.data["channel"]) == ("ai", "moderate", magic)
    assert row.data["value"] == settings


@pytest.mark.parametrize("magic", MAGICS)
def test_a_lossless_webp_keeps_it(magic: str) -> None:
    payload = made.WEBUI.encode()
    payload = gzip.compress(payload) if magic.endswith("comp") else payload
    pixels = made.stealth(made.picture(64, 48), magic, payload)
    data = made.encode(pixels, "WEBP", lossless=True, exact=True)
    assert [row.data["channel"] for row in rows(data)] == [magic]


def test_pixels_that_the_caller_has_decoded_are_used_where_they_are_the_stored_ones() -> None:
    data = made.stealth_png("stealth_rgbinfo", made.WEBUI)
    blank = np.zeros((64, 64, 3), np.uint8)
    assert rows(data, pixels=blank) == []
    with_alpha = made.stealth_png("stealth_pnginfo", made.WEBUI)
    assert len(rows(with_alpha, pixels=blank)) == 1


def test_a_hidden_text_that_is_no_settings_is_weak() -> None:
    (row,) = rows(made.stealth_png("stealth_pnginfo", "hello there"))
    assert row.strength == "weak"


def test_the_channel_makes_no_more_of_settings_than_a_png_text_does() -> None:
    upscaling = json.dumps({"1": {"class_type": "ImageUpscaleWithModel", "inputs": {}}})
    for settings in (upscaling, json.dumps({"prompt": upscaling})):
        (row,) = rows(made.stealth_png("stealth_pnginfo", settings))
        assert (row.claim, row.strength) == ("ai-edited", "weak")
    (row,) = rows(made.stealth_png("stealth_pnginfo", json.dumps({"Software": "GIMP"})))
    assert row.strength == "weak"
    (row,) = rows(made.stealth_png("stealth_pnginfo", json.dumps({"workflow": made.COMFYUI_WORKFLOW})))
    assert (row.claim, row.strength) == ("ai", "moderate")


@pytest.mark.parametrize(
    ("magic", "length", "payload"),
    [
        ("stealth_pngcomp", None, b"not gzip at all"),
        ("stealth_pnginfo", None, b"\xff\xfe\xfd"),
        ("stealth_pnginfo", 2**31, b"too long"),
        ("stealth_rgbinfo", 0, b""),
        ("stealth_pngcomp", None, gzip.compress(b"0" * (20 << 20))),
    ],
)
def test_a_magic_with_unreadable_settings_is_not_checked(
    magic: str, length: int | None, payload: bytes
) -> None:
    pixels = made.stealth(made.picture(512, 512), magic, payload)
    if length is not None:
        head = np.unpackbits(np.frombuffer(magic.encode() + struct.pack(">I", length), np.uint8))
        plane = pixels[:, :, 3] if pixels.shape[2] == 4 else pixels
        column = np.ascontiguousarray(plane.swapaxes(0, 1)).reshape(-1)
        column[: head.size] = column[: head.size] & 0xFE | head
        back = column.reshape(plane.swapaxes(0, 1).shape).swapaxes(0, 1)
        pixels = np.dstack([pixels[:, :, :3], back]) if pixels.shape[2] == 4 else back
    (row,) = rows(made.encode(pixels))
    assert row.claim == "not-checked"


def test_a_magic_in_the_wrong_plane_or_order_says_nothing() -> None:
    pixels = made.stealth(made.picture(64, 64), "stealth_pnginfo", made.WEBUI.encode())
    assert rows(made.encode(np.ascontiguousarray(pixels.swapaxes(0, 1)))) == []
    assert rows(made.encode(np.dstack([pixels[:, :, 3]] * 3))) == []


def test_ordinary_pictures_say_nothing() -> None:
    for seed in range(20):
        assert rows(made.encode(made.picture(40, 40, seed))) == []
    assert rows(made.encode(made.picture(1, 1))) == []
    assert rows(made.encode(np.dstack([made.picture(4, 4), np.full((4, 4), 255, np.uint8)]))) == []


# NovelAI's signature


def novelai_png(comment: str, pixels: made.Pixels) -> bytes:
    texts = {"Software": "NovelAI", "Source": "NovelAI Diffusion", "Comment": comment}
    return made.with_chunks(*(made.text(k, v) for k, v in texts.items()), pixels=pixels)


@pytest.mark.usefixtures("known_key")
def test_a_signature_that_fits_is_strong() -> None:
    pixels = made.picture(64, 64)
    (row,) = rows(novelai_png(made.sign_novelai(COMMENT, pixels, KEY), pixels), "generator")
    assert (row.claim, row.strength, row.data["signature"]) == ("ai", "strong", "verified")
    assert "anybody" not in row.detail


@pytest.mark.usefixtures("known_key")
def test_a_signature_in_the_stealth_channel_is_strong_too() -> None:
    pixels = made.picture(96, 96)
    settings = {"Software": "NovelAI", "Comment": made.sign_novelai(COMMENT, pixels, KEY)}
    payload = json.dumps(settings).encode()
    (row,) = rows(made.encode(made.stealth(pixels, "stealth_pnginfo", payload)))
    assert (row.strength, row.data["signature"]) == ("strong", "verified")


@pytest.mark.usefixtures("known_key")
@pytest.mark.parametrize("changed", ["picture", "settings", "signature"])
def test_one_change_anywhere_leaves_plain_metadata(changed: str) -> None:
    pixels = made.picture(64, 64)
    comment = json.loads(made.sign_novelai(COMMENT, pixels, KEY))
    if changed == "picture":
        pixels = pixels.copy()
        pixels[5, 5, 1] ^= 1
    elif changed == "settings":
        comment["seed"] += 1
    else:
        comment["signed_hash"] = "A" * 86 + "=="
    (row,) = rows(novelai_png(json.dumps(comment), pixels), "generator")
    assert (row.claim, row.strength, row.data["signature"]) == ("ai", "moderate", "mismatch")


def test_another_key_than_novelais_leaves_plain_metadata() -> None:
    pixels = made.picture(64, 64)
    (row,) = rows(novelai_png(made.sign_novelai(COMMENT, pixels, KEY), pixels), "generator")
    assert (row.strength, row.data["signature"]) == ("moderate", "mismatch")


@pytest.mark.parametrize("signed", ["", "%%%", 5, None, "QUJD"])
def test_a_malformed_signature_is_no_signature(signed: object) -> None:
    comment = json.dumps({**COMMENT, "signed_hash": signed})
    (row,) = rows(novelai_png(comment, made.picture()), "generator")
    assert row.strength == "moderate"
