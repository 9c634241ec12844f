"""Whatever a file holds, the reader answers: a row or none, never an exception, never a crash."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fauxto.provenance.c2pa import describe_c2pa, read_c2pa
from fauxto.provenance.containers import Container, parse
from signed_files import MADE_BY_AI, MEDIA_TYPES, Part, Recipe, maker, opened, picture, row, rows, sign

STATES = {"trusted", "known-signer", "unknown-signer", "tampered", "not-checked"}
FILES = {
    format: sign(picture(format), maker("Studio"), Recipe([MADE_BY_AI]), MEDIA_TYPES[format])
    for format in ("JPEG", "PNG", "WEBP", "AVIF", "TIFF")
}
NESTED = opened(opened(FILES["JPEG"], maker("Studio")), maker("Editor"))


@pytest.mark.parametrize("format", FILES)
def test_an_unsigned_file_imports_neither_the_library_nor_cryptography(tmp_path: Path, format: str) -> None:
    path = tmp_path / "picture"
    path.write_bytes(picture(format))
    script = (
        "import sys; from fauxto.provenance.containers import parse;"
        "from fauxto.provenance.c2pa import read_c2pa;"
        f"data = open({str(path)!r}, 'rb').read(); assert read_c2pa(data, parse(data)) == [];"
        "print(sorted({'c2pa', 'cryptography'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_missing_library_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "c2pa", None)
    found = row(FILES["JPEG"])
    assert (found.claim, found.data["state"]) == ("not-checked", "not-checked")
    assert "c2pa-python library cannot be loaded" in found.detail
    assert rows(picture()) == []


def test_a_library_that_gives_up_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    import c2pa

    def give_up(*args: object, **kwargs: object) -> None:
        raise c2pa.C2paError("Other: out of luck")

    monkeypatch.setattr(c2pa, "Reader", give_up)
    found = row(FILES["PNG"])
    assert found.data["state"] == "not-checked"
    assert "out of luck" in found.detail


def test_a_compressed_manifest_is_said() -> None:
    recipe = Recipe([MADE_BY_AI], settings={"core": {"prefer_compress_manifests": True}})
    signed = sign(picture("PNG"), maker("Studio"), recipe, "image/png")
    raw = parse(signed).c2pa
    assert raw is not None and b"brob" in raw
    assert "compressed" in row(signed).detail


def test_a_deep_chain_of_parents_is_read_or_said() -> None:
    deep = FILES["JPEG"]
    for _ in range(12):
        deep = opened(deep, maker("Studio"))
    found = row(deep)
    assert (found.claim, found.data["depth"]) == ("ai", 12)


def test_hostile_names_are_kept_short_and_printable_as_json() -> None:
    long = "\x1b[31m" + "x" * 5000 + "‮\ud7ff"
    recipe = Recipe([{**MADE_BY_AI, "softwareAgent": {"name": long}}])
    found = row(sign(picture(), maker("Studio"), recipe))
    assert len(found.detail) < 1000
    assert found.detail.isprintable()  # no escape sequences for the terminal, no reversed text
    assert len(json.dumps(found.model_dump())) < 8000


def test_threads_may_read_at_once() -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: rows(NESTED)[0].claim, range(64)))
    assert found == ["ai"] * 64


def test_what_the_library_cannot_judge_is_not_called_tampered(monkeypatch: pytest.MonkeyPatch) -> None:
    from fauxto.provenance.c2pa import library

    def unsupported(report: str) -> library.Findings:
        active = json.loads(report)["active_manifest"]
        failure = library.Status(
            "failure", "algorithm.unsupported", f"self#jumbf=/c2pa/{active}/c2pa.signature"
        )
        return library.Findings(active, (failure,), (), report)

    monkeypatch.setattr(library, "_findings", unsupported)
    found = row(FILES["JPEG"])
    assert found.data["state"] == "not-checked"
    assert "algorithm.unsupported" in found.detail


def check(data: bytes, container: Container) -> None:
    found = read_c2pa(data, container)
    for one in found:
        assert one.source == "c2pa"
        assert one.data["state"] in STATES
        assert one.strength != "strong"  # nobody here is known
        one.model_dump_json()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    format=st.sampled_from(sorted(FILES)),
    edits=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_any_bytes_of_a_signed_file_may_change(format: str, edits: list[tuple[float, int]]) -> None:
    data = bytearray(FILES[format])
    for place, value in edits:
        data[int(place * (len(data) - 1))] = value
    check(bytes(data), parse(bytes(data)))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    edits=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=4)), min_size=1, max_size=6),
    cut=st.floats(0.5, 1),
)
def test_any_bytes_of_a_store_may_change(edits: list[tuple[float, bytes]], cut: float) -> None:
    raw = bytearray(parse(NESTED).c2pa or b"")
    for place, value in edits:
        start = int(place * (len(raw) - 1))
        raw[start : start + len(value)] = value
    if cut < 0.6:
        raw = raw[: int(cut * len(raw))]
    check(NESTED, Container("jpeg", c2pa=bytes(raw)))


@pytest.mark.long
@settings(max_examples=20_000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=8)), min_size=1, max_size=12))
def test_any_bytes_of_a_store_may_change_at_length(edits: list[tuple[float, bytes]]) -> None:
    raw = bytearray(parse(NESTED).c2pa or b"")
    for place, value in edits:
        start = int(place * (len(raw) - 1))
        raw[start : start + len(value)] = value
    check(NESTED, Container("jpeg", c2pa=bytes(raw)))


def test_everything_found_can_be_described() -> None:
    saved = sign(NESTED, maker("Editor"), Recipe([], [Part("parentOf", NESTED)]))
    found = describe_c2pa(saved, parse(saved))
    json.dumps(found, allow_nan=False)
    assert found["evidence"][0]["claim"] == "ai"
    assert len(found["manifests"]) == 4
    assert found["active"] == found["report"]["active_manifest"] == found["manifests"][-1]["label"]
    chain = found["manifests"][0]["signer"]["chain"]
    assert [one["common_name"] for one in chain] == ["Studio Signer", "Studio Issuing"]
    assert chain[1]["sha256"] == maker("Studio").issuer.sha256
    assert all(one["verified"] for one in chain)


def test_describing_says_what_cannot_be_read() -> None:
    plain = picture()
    assert describe_c2pa(plain, parse(plain)) == {"evidence": []}
    broken: dict[str, Any] = describe_c2pa(plain, Container("jpeg", c2pa=b"\0\0\0\x08jumb"))
    assert broken["evidence"][0]["data"]["state"] == "not-checked"
    assert broken["problem"]
