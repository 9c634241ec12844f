"""All readers together: nothing said means no row, no bytes make it raise, and nothing leaves the machine."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import made
from fauxto import provenance
from fauxto.provenance import read_evidence
from fauxto.record import Evidence
from test_containers import SEEDS, damaged

CAMERA = {made.MAKE: "Canon", made.MODEL: "EOS R5"}
EXPOSURE = {made.EXPOSURE: 0.01, made.ISO: 200, made.LENS: "RF 50mm", made.MAKER_NOTE: bytes(range(200))}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF"])
def test_a_file_that_says_nothing_gives_no_row(kind: str) -> None:
    assert read_evidence(made.encode(made.picture(), kind)) == []


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG"])
def test_camera_exif_is_shown_and_weak(kind: str) -> None:
    (row,) = read_evidence(made.with_exif(kind, CAMERA, EXPOSURE))
    assert (row.source, row.claim, row.strength) == ("camera", "camera", "weak")
    assert (row.data["make"], row.data["iso"]) == ("Canon", 200)
    assert row.data["exposure_seconds"] == pytest.approx(0.01)


@pytest.mark.parametrize("missing", [made.EXPOSURE, made.ISO, made.MAKER_NOTE])
def test_half_a_cameras_exif_says_nothing(missing: int) -> None:
    rest = {tag: value for tag, value in EXPOSURE.items() if tag != missing}
    assert read_evidence(made.with_exif("JPEG", CAMERA, rest)) == []
    assert read_evidence(made.with_exif("JPEG", {made.MAKE: "Canon"}, EXPOSURE)) == []


def test_several_families_speak_at_once() -> None:
    xmp = made.packet(attributes='Iptc4xmpExt:DigitalSourceType="trainedAlgorithmicMedia"')
    data = made.with_chunks(
        made.text("parameters", made.WEBUI),
        made.text("AIGC", '{"Label":"1"}'),
        made.chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp),
    )
    assert [row.source for row in read_evidence(data)] == ["iptc", "generator", "aigc"]


def test_a_signal_that_could_not_be_read_is_not_checked_rather_than_absent() -> None:
    for data in (
        made.with_chunks(made.ztext("parameters", "0" * (9 << 20))),
        made.with_segments(made.segment(0xE1, b"Exif\0\0this is no TIFF structure")),
        made.with_segments(made.segment(0xE1, b"Exif\0\0II*\0" + struct.pack("<I", 9999))),
    ):
        (row,) = read_evidence(data)
        assert row.claim == "not-checked"
        assert row.data["problems"]


def test_a_reader_that_fails_is_named_and_does_not_hide_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(file: object) -> list[Evidence]:
        raise RuntimeError("boom")

    readers = tuple(
        (source, broken if source == "aigc" else reader) for source, reader in provenance._READERS
    )
    monkeypatch.setattr(provenance, "_READERS", readers)
    found = read_evidence(made.png(parameters=made.WEBUI))
    assert [(row.source, row.claim) for row in found] == [("generator", "ai"), ("aigc", "not-checked")]
    assert "boom" in found[1].detail


def test_a_declared_synthid_watermark_is_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    def declares(*_: object) -> list[Evidence]:
        data = {"state": "known-signer", "synthid_declared": True}
        return [Evidence(source="c2pa", claim="ai", strength="strong", detail="x", data=data)]

    monkeypatch.setattr(provenance, "read_c2pa", declares)
    row = read_evidence(made.encode(made.picture()))[-1]
    assert (row.source, row.claim) == ("watermark", "not-checked")
    assert "SynthID" in row.detail


def test_details_hold_no_control_characters_whatever_the_file_says() -> None:
    nasty = "Canon\x1b[31m\u202eEOS\nline"
    tags = {made.MAKE: nasty, made.MODEL: nasty}
    xmp = made.packet(attributes='Iptc4xmpExt:AISystemUsed="a&#x202E;b&#x9b;c"')
    for data in (made.with_exif("JPEG", tags, EXPOSURE), made.with_xmp("PNG", xmp)):
        (row,) = read_evidence(data)
        assert row.detail.isprintable()
        json.loads(row.model_dump_json())


@pytest.mark.parametrize(
    "exif",
    [
        b"II*\0",
        b"MM\0*\0\0\0\x08\xff\xff",
        b"II*\0\x08\0\0\0" + b"\xff" * 200,
        b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 0x8769, 4, 1, 8) + bytes(4),
        b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 0x9286, 7, 0xFFFFFFFF, 0) + bytes(4),
        b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 0x829A, 5, 1, 0) + bytes(4),
    ],
)
def test_malformed_exif_is_survived(exif: bytes) -> None:
    for row in read_evidence(made.with_segments(made.segment(0xE1, b"Exif\0\0" + exif))):
        assert row.claim == "not-checked"


@pytest.mark.parametrize("seed", range(len(SEEDS)))
def test_sound_files_cost_milliseconds(seed: int) -> None:
    start = time.process_time()
    read_evidence(SEEDS[seed])
    assert time.process_time() - start < 1


@given(damaged() | st.binary(max_size=300))
@settings(max_examples=150, deadline=None)
def test_no_bytes_make_it_raise_and_every_row_is_json(data: bytes) -> None:
    for row in read_evidence(data):
        json.loads(row.model_dump_json())
        assert row.detail.isprintable()


@pytest.mark.long
@given(damaged() | st.binary(max_size=2000))
@settings(max_examples=20_000, deadline=None)
def test_no_bytes_make_it_raise_at_length(data: bytes) -> None:
    for row in read_evidence(data):
        json.loads(row.model_dump_json())


def test_nothing_goes_to_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    remote = made.packet(
        '<dcterms:provenance xmlns:dcterms="http://purl.org/dc/terms/">http://example.org/m.c2pa</dcterms:provenance>'
    )
    for data in (*SEEDS, made.with_xmp("JPEG", remote), made.png(parameters=made.WEBUI)):
        assert not any("socket" in row.detail for row in read_evidence(data))


def test_an_ordinary_file_imports_no_heavy_library() -> None:
    code = (
        "import sys; from fauxto.provenance import read_evidence;"
        "read_evidence(sys.stdin.buffer.read());"
        "heavy = {'c2pa', 'cryptography', 'defusedxml', 'cbor2', 'rich', 'PIL.Image'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    jpeg = made.encode(made.picture(64, 64), "JPEG")
    done = subprocess.run([sys.executable, "-c", code], input=jpeg, capture_output=True, check=True)
    assert done.stdout.decode().strip() == "[]"


def test_pixels_and_bytes_alone_give_the_same() -> None:
    pixels = made.picture(256, 256)
    data = made.encode(pixels, "JPEG", quality=95)
    assert read_evidence(data, pixels=pixels) == read_evidence(data) == []
    stamped = made.stealth_png("stealth_rgbinfo", made.WEBUI)
    decoded = made.stealth(made.picture(64, 64), "stealth_rgbinfo", made.WEBUI.encode())
    assert read_evidence(stamped, pixels=np.ascontiguousarray(decoded)) == read_evidence(stamped) != []
