"""IPTC's DigitalSourceType and AI properties: where they stand, what they claim, what is not read."""

from __future__ import annotations

import io
import struct
import time

import pytest
from PIL import Image

import made
from fauxto.provenance import read_evidence
from fauxto.record import Evidence

CV = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def rows(data: bytes) -> list[Evidence]:
    return [row for row in read_evidence(data) if row.source == "iptc"]


def as_attribute(value: str) -> bytes:
    return made.packet(attributes=f'Iptc4xmpExt:DigitalSourceType="{value}"')


def as_element(value: str) -> bytes:
    return made.packet(f"<Iptc4xmpExt:DigitalSourceType>{value}</Iptc4xmpExt:DigitalSourceType>")


def as_resource(value: str) -> bytes:
    return made.packet(f'<Iptc4xmpExt:DigitalSourceType rdf:resource="{value}"/>')


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("write", [as_attribute, as_element, as_resource])
def test_the_ai_term_is_found_in_every_form_and_container(write: object, kind: str) -> None:
    assert callable(write)
    (row,) = rows(made.with_xmp(kind, write(CV + "trainedAlgorithmicMedia")))
    assert (row.claim, row.strength) == ("ai", "moderate")
    assert "trainedAlgorithmicMedia" in row.detail
    assert "anybody can write this" in row.detail


def test_it_is_found_inside_extended_xmp() -> None:
    element = f"<Iptc4xmpExt:DigitalSourceType>{CV}trainedAlgorithmicMedia</Iptc4xmpExt:DigitalSourceType>"
    padding = "<dc:description>" + "long " * 300 + "</dc:description>"
    (row,) = rows(made.extended_xmp(padding + element))
    assert (row.claim, row.strength) == ("ai", "moderate")


TERMS = [
    (CV + "trainedAlgorithmicMedia", "ai", "moderate"),
    (CV.replace("http:", "https:") + "trainedAlgorithmicMedia", "ai", "moderate"),
    ("trainedAlgorithmicMedia", "ai", "moderate"),
    (CV + "compositeWithTrainedAlgorithmicMedia", "ai-edited", "moderate"),
    (CV + "compositedWithTrainedAlgorithmicMedia", "ai-edited", "moderate"),
    (CV + "compositeSynthetic", "ai-edited", "moderate"),
    *[
        (CV + term, "camera", "weak")
        for term in ("digitalCapture", "computationalCapture", "negativeFilm", "print")
    ],
    *[
        (CV + term, "other", "weak")
        for term in (
            "algorithmicMedia",
            "humanEdits",
            "digitalArt",
            "digitalCreation",
            "screenCapture",
            "compositeCapture",
            "virtualRecording",
            "dataDrivenMedia",
            "softwareImage",
            "minorHumanEdits",
            "algorithmicallyEnhanced",
            "composite",
        )
    ],
]


@pytest.mark.parametrize(("value", "claim", "strength"), TERMS)
def test_every_term_claims_what_it_means_and_no_more(value: str, claim: str, strength: str) -> None:
    (row,) = rows(made.with_xmp("JPEG", as_attribute(value)))
    assert (row.claim, row.strength) == (claim, strength)


@pytest.mark.parametrize(
    "value",
    ["http://example.org/trainedAlgorithmicMedia", CV + "x/trainedAlgorithmicMedia", "made with AI", ""],
)
def test_values_outside_the_vocabulary_say_nothing(value: str) -> None:
    assert rows(made.with_xmp("JPEG", as_attribute(value))) == []


def test_the_type_of_an_ingredient_is_not_the_type_of_the_image() -> None:
    inside = (
        "<xmpMM:Ingredients><rdf:Bag><rdf:li>"
        f'<rdf:Description Iptc4xmpExt:DigitalSourceType="{CV}trainedAlgorithmicMedia"/>'
        "</rdf:li></rdf:Bag></xmpMM:Ingredients>"
    )
    assert rows(made.with_xmp("JPEG", made.packet(inside))) == []


def test_the_same_words_in_another_namespace_or_in_text_say_nothing() -> None:
    foreign = made.packet(
        '<dc:DigitalSourceType xmlns:dc="urn:x">trainedAlgorithmicMedia</dc:DigitalSourceType>'
    )
    caption = made.packet("<dc:description>DigitalSourceType trainedAlgorithmicMedia</dc:description>")
    assert rows(made.with_xmp("JPEG", foreign)) == []
    assert rows(made.with_xmp("JPEG", caption)) == []


def test_the_ai_properties_of_iptc_2025() -> None:
    used = 'Iptc4xmpExt:AISystemUsed="DALL-E 3" Iptc4xmpExt:AIPromptInformation="a cat"'
    (row,) = rows(made.with_xmp("PNG", made.packet(attributes=used)))
    assert (row.claim, row.strength) == ("ai", "moderate")
    assert row.data == {"AISystemUsed": "DALL-E 3", "AIPromptInformation": "a cat"}
    edited = made.packet(attributes=used + ' Iptc4xmpExt:DigitalSourceType="compositeSynthetic"')
    assert {row.claim for row in rows(made.with_xmp("PNG", edited))} == {"ai-edited"}
    denied = made.packet(attributes=used + ' Iptc4xmpExt:DigitalSourceType="digitalCapture"')
    assert {row.strength for row in rows(made.with_xmp("PNG", denied))} == {"weak"}
    writer = made.packet(attributes='Iptc4xmpExt:AIPromptWriterName="Somebody"')
    assert rows(made.with_xmp("PNG", writer)) == []


@pytest.mark.parametrize(
    "value", ["None", "none.", "N/A", "-", "No AI was used", "not applicable", "Without AI"]
)
@pytest.mark.parametrize("name", ["AISystemUsed", "AIPromptInformation"])
def test_a_denial_in_an_ai_property_is_no_claim(name: str, value: str) -> None:
    assert rows(made.with_xmp("PNG", made.packet(attributes=f'Iptc4xmpExt:{name}="{value}"'))) == []


def test_a_prompt_alone_is_weak() -> None:
    used = made.packet(attributes='Iptc4xmpExt:AIPromptInformation="a cat"')
    assert [row.strength for row in rows(made.with_xmp("PNG", used))] == ["weak"]


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(9))
    + b"]>"
    + as_element("&j;")
)
DEEP = as_element("<a>" * 5000 + "trainedAlgorithmicMedia" + "</a>" * 5000)
UNREADABLE = {
    "entity expansion": BOMB,
    "an external entity": b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + as_element("&a;"),
    "deep nesting": DEEP,
    "fifty megabytes": made.packet("<dc:title>x</dc:title>" * (50 * 50_000)),
    "a hundred thousand properties": made.packet("<Iptc4xmpExt:AISystemUsed/>" * 100_000),
    "a namespace that is not declared": made.packet("<nope:DigitalSourceType>x</nope:DigitalSourceType>"),
    "an element that is not closed": as_attribute("trainedAlgorithmicMedia")[:-80],
    "an encoding that does not exist": b'<?xml version="1.0" encoding="nope"?>'
    + made.packet("<a>AISystem</a>"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_hostile_xmp_is_not_checked_in_bounded_time(name: str) -> None:
    data = made.with_xmp("PNG", UNREADABLE[name])
    start = time.process_time()
    found = read_evidence(data)
    assert time.process_time() - start < 3
    (row,) = [row for row in found if row.source == "iptc"] or found
    assert row.claim == "not-checked"
    assert len(row.detail) > 20


def test_padding_and_the_other_encodings_of_xmp_are_read() -> None:
    xmp = as_attribute("trainedAlgorithmicMedia")
    for packet in (xmp + b"\0", xmp + b" " * 2000, xmp.decode().encode("utf-16")):
        (row,) = rows(made.with_xmp("WEBP", packet))
        assert row.claim == "ai"


def test_metadata_of_another_item_in_the_file_is_not_the_pictures() -> None:
    """An AVIF or HEIC holds several pictures (thumbnails, depth maps); `cdsc` says which one XMP is about."""
    data = made.encode(made.picture(), "AVIF", xmp=as_attribute("trainedAlgorithmicMedia"))
    assert [row.claim for row in rows(data)] == ["ai"]
    place = data.index(b"cdsc") + 8  # after the type: the item that describes, a count, the item described
    other = data[:place] + struct.pack(">H", 99) + data[place + 2 :]
    assert rows(other) == []
    assert "xmp" not in Image.open(io.BytesIO(other)).info, "decoders see it so, too"
