"""China's AIGC label and its relatives, in the places the standard and the apps use."""

from __future__ import annotations

import json

import pytest

import made
from fauxto.provenance import read_evidence
from fauxto.record import Evidence

LABEL = {
    "Label": "1",
    "ContentProducer": "001191110000MA00000000",
    "ProduceID": "id-1",
    "ReservedCode1": "",
    "ContentPropagator": "",
    "PropagateID": "",
    "ReservedCode2": "",
}
JSON = json.dumps(LABEL)
QUOTED = JSON.replace('"', "&quot;")


def rows(data: bytes) -> list[Evidence]:
    return [row for row in read_evidence(data) if row.source == "aigc"]


def in_exif(tag: str, value: str, kind: str = "JPEG") -> bytes:
    if tag == "UserComment":
        return made.with_exif(kind, inner={made.USER_COMMENT: made.comment(value, bytes(8), "utf-8")})
    return made.with_exif(kind, {made.DESCRIPTION: value})


PLACES = {
    "XMP element": made.with_xmp("JPEG", made.packet(f"<TC260:AIGC>{QUOTED}</TC260:AIGC>")),
    "XMP attribute": made.with_xmp("PNG", made.packet(attributes=f'TC260:AIGC="{QUOTED}"')),
    "XMP structure": made.with_xmp(
        "WEBP",
        made.packet(
            '<TC260:AIGC rdf:parseType="Resource"><TC260:Label>1</TC260:Label>'
            f"<TC260:ContentProducer>{LABEL['ContentProducer']}</TC260:ContentProducer></TC260:AIGC>"
        ),
    ),
    "PNG text": made.with_chunks(made.text("AIGC", JSON)),
    "PNG text, compressed": made.with_chunks(
        made.itext("AIGC", json.dumps({"AIGC": LABEL}), compressed=True)
    ),
    "EXIF UserComment": in_exif("UserComment", json.dumps({"AIGC": LABEL})),
    "EXIF ImageDescription": in_exif("ImageDescription", json.dumps({"AIGC": LABEL}), "WEBP"),
    "text inside EXIF": in_exif("UserComment", json.dumps({"AIGC": JSON})),
    "JPEG segment": made.with_segments(made.segment(0xEF, b"AIGC" + JSON.encode())),
}


@pytest.mark.parametrize("place", PLACES)
def test_label_one_is_an_ai_claim_in_every_place(place: str) -> None:
    (row,) = rows(PLACES[place])
    assert (row.claim, row.strength) == ("ai", "moderate")
    assert row.data["Label"] == "1"
    assert row.data["ContentProducer"] == LABEL["ContentProducer"]


@pytest.mark.parametrize("label", ["2", "3", 2])
def test_possibly_and_suspected_are_weak(label: object) -> None:
    (row,) = rows(made.with_chunks(made.text("AIGC", json.dumps({**LABEL, "Label": label}))))
    assert (row.claim, row.strength) == ("ai", "weak")


def test_tencents_variant() -> None:
    value = json.dumps({"ServiceProvider": "Tencent", "ServiceUser": "u1", "Time": "2026"})
    (row,) = rows(in_exif("ImageDescription", value))
    assert (row.claim, row.strength) == ("ai", "moderate")
    assert rows(in_exif("UserComment", value)) == []
    for more in ({}, {"job": 17}, {"Label": ""}):
        value = json.dumps({"ServiceProvider": "Acme Plumbing", "ServiceUser": "J. Doe", **more})
        assert [row.strength for row in rows(in_exif("ImageDescription", value))] == ["weak"]


@pytest.mark.parametrize("tag", ["UserComment", "ImageDescription"])
@pytest.mark.parametrize(
    ("fields", "discloses"),
    [
        ({"product": "dreamina", "aigc_type": 1}, True),
        ({"data": {"product": "vicut", "aigc_info": '{"aigc_label_type": 1}'}}, True),
        ({"aigc_info": {"aigc_label_type": "2"}}, True),
        ({"product": "retouch", "aigc_type": 0}, False),
        ({"aigc_label_type": 0}, False),
        ({"product": "aigc"}, False),
        ({"data": {"product": "jimeng"}}, False),
    ],
)
def test_bytedances_disclosure(fields: dict[str, object], discloses: bool, tag: str) -> None:
    found = rows(in_exif(tag, json.dumps(fields)))
    assert [(row.claim, row.strength) for row in found] == ([("ai", "moderate")] if discloses else [])


@pytest.mark.parametrize(
    "data",
    [
        made.encode(made.picture(), "JPEG") + b"AIGC" + JSON.encode(),
        made.encode(made.picture(), "JPEG", comment=b"AIGC" + JSON.encode()),
        made.with_segments(made.segment(0xEF, b"about AIGC" + JSON.encode())),
        made.with_chunks(made.text("Description", json.dumps({"AIGC": LABEL}))),
        made.with_chunks(made.text("AIGC", "this is about AIGC")),
        made.with_chunks(made.text("AIGC", json.dumps({**LABEL, "Label": "0"}))),
        in_exif("UserComment", JSON),
        made.with_xmp("JPEG", made.packet(f"<dc:AIGC>{QUOTED}</dc:AIGC>")),
    ],
)
def test_the_same_words_elsewhere_say_nothing(data: bytes) -> None:
    assert rows(data) == []
