"""JUMBF and CBOR are read within limits, whatever they say of themselves."""

from __future__ import annotations

import hashlib
import math
import struct
import time
from contextlib import suppress
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fauxto.provenance.c2pa.store import Store
from fauxto.provenance.jumbf import JumbfError, decode_cbor, parse_superbox

TAIL = bytes.fromhex("00110010800000aa00389b71")


def box(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload) + 8) + kind + payload


def superbox(label: str, kind: bytes, *children: bytes) -> bytes:
    description = box(b"jumd", kind + TAIL + b"\x03" + label.encode() + b"\0")
    return box(b"jumb", description + b"".join(children))


def test_a_tree_of_boxes() -> None:
    tree = parse_superbox(superbox("c2pa", b"c2pa", superbox("a", b"c2ma", box(b"cbor", b"\x01"))))
    assert tree.label == "c2pa"
    (child,) = tree.children
    assert (child.label, child.uuid, child.content(b"cbor")) == ("a", b"c2ma" + TAIL, b"\x01")


def test_padding_after_the_store_is_ignored() -> None:
    assert parse_superbox(superbox("c2pa", b"c2pa") + b"\0\0\0").label == "c2pa"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\0\0\x08jumb",
        box(b"free", b"x"),
        superbox("c2pa", b"c2pa")[:-1],
        superbox("c2pa", b"c2pa") + b"x",
        superbox("c2pa", b"c2pa", b"\0\0\0\x01cbor\xff\xff\xff\xff\xff\xff\xff\xff"),
        superbox("c2pa", b"c2pa", b"\0\0\0\x07cbor"),
        superbox("c2pa", b"c2pa", b"\0\0\0"),
        superbox("a/b", b"c2pa"),
        superbox("a\nb", b"c2pa"),
        box(b"jumb", box(b"jumd", b"c2pa" + TAIL + b"\x03no end")),
        box(b"jumb", box(b"jumd", b"c2pa" + TAIL + b"\x03\xff\xff\0")),
        box(b"jumb", box(b"jumd", b"short")),
        box(b"jumb", box(b"cbor", b"\x01")),
    ],
)
def test_malformed_boxes_are_refused(data: bytes) -> None:
    with pytest.raises(JumbfError):
        parse_superbox(data)


def test_depth_and_number_of_boxes_are_bounded() -> None:
    deep = superbox("x", b"c2as")
    for _ in range(2000):
        deep = superbox("x", b"c2as", deep)
    with pytest.raises(JumbfError, match="deep"):
        parse_superbox(deep)
    with pytest.raises(JumbfError, match="too many"):
        parse_superbox(superbox("x", b"c2as", box(b"free", b"") * 60_000))


JSON_LIKE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.binary(max_size=300),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(JSON_LIKE)
def test_cbor_is_decoded_as_a_general_decoder_does(value: Any) -> None:
    for canonical in (False, True):
        assert decode_cbor(cbor2.dumps(value, canonical=canonical)) == value


def test_indefinite_lengths_and_tags() -> None:
    assert decode_cbor(b"\x9f\x01\x02\xff") == [1, 2]
    assert decode_cbor(b"\xbf\x61a\x01\xff") == {"a": 1}
    assert decode_cbor(b"\x7f\x61a\x61b\xff") == "ab"
    assert decode_cbor(b"\x5f\x41a\x41b\xff") == b"ab"
    assert decode_cbor(cbor2.dumps(cbor2.CBORTag(18, [1]))) == [1]
    assert decode_cbor(b"\xc0\x741986-01-01T00:00:00Z") == "1986-01-01T00:00:00Z"
    assert decode_cbor(b"\xf7") is None
    assert math.isinf(decode_cbor(b"\xf9\x7c\x00"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01\x01",
        b"\x18",
        b"\x1c",
        b"\x5b\x00\x00\x00\xff\xff\xff\xff\xff",
        b"\x9b\x00\x00\x00\xff\xff\xff\xff\xff",
        b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x9f\x01",
        b"\xbf\x01\xff",
        b"\xff",
        b"\x81\xff",
        b"\xc1\xff",
        b"\x7f\x41a\xff",
        b"\x61\xff",
        b"\xa1\x80\x01",
        b"\xa2\x01\x01\x01\x02",
        b"\xa1\x1a\xff\xff\xff\xff\x01",
        b"\xf8\x20",
        b"\x81" * 100_000 + b"\x01",
        b"\xc1" * 100_000 + b"\x01",
        b"\x9f" * 100_000,
    ],
)
def test_malformed_cbor_is_refused(data: bytes) -> None:
    with pytest.raises(JumbfError):
        decode_cbor(data)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_refused(data: bytes) -> None:
    for read in (decode_cbor, parse_superbox):
        with suppress(JumbfError):
            read(data)


def test_costly_cbor_is_refused_quickly() -> None:
    start = time.monotonic()
    for data in (b"\x80" * 1, b"\x9a\x00\x0f\x42\x40" + b"\x80" * 1_000_000, b"\x5f" + b"\x41a" * 1_000_000):
        try:
            decode_cbor(data)
        except JumbfError as error:
            assert "too many" in str(error)
    assert time.monotonic() - start < 20


# Stores


def manifest(label: str, *ingredients: str, claim: dict[str, Any] | None = None) -> bytes:
    """An unsigned manifest whose ingredients are the manifests of those labels."""
    assertions, links = [], []
    for index, target in enumerate(ingredients):
        name = f"c2pa.ingredient.v3__{index}"
        link = {"url": f"self#jumbf=/c2pa/{target}", "hash": bytes(32)}
        content = cbor2.dumps({"relationship": "parentOf", "activeManifest": link})
        assertion = superbox(name, b"cbor", box(b"cbor", content))
        assertions.append(assertion)
        links.append(
            {"url": f"self#jumbf=c2pa.assertions/{name}", "hash": hashlib.sha256(assertion[8:]).digest()}
        )
    fields = {"alg": "sha256", "created_assertions": links, **(claim or {})}
    return superbox(
        label,
        b"c2ma",
        superbox("c2pa.assertions", b"c2as", *assertions),
        superbox("c2pa.claim.v2", b"c2cl", box(b"cbor", cbor2.dumps(fields))),
        superbox("c2pa.signature", b"c2cs", box(b"cbor", cbor2.dumps([b"", {}, None, b""]))),
    )


def store(*manifests: bytes) -> bytes:
    return superbox("c2pa", b"c2pa", *manifests)


def test_the_last_manifest_is_the_active_one() -> None:
    found = Store(store(manifest("urn:a"), manifest("urn:b", "urn:a")))
    assert (found.active, found.labels) == ("urn:b", ("urn:a", "urn:b"))
    (ingredient,) = found.manifest("urn:b").ingredients
    assert ingredient.target == "urn:a"
    assert not found.links_match(ingredient)


@pytest.mark.parametrize(
    "manifests",
    [
        [manifest("urn:a", "urn:a")],
        [manifest("urn:a", "urn:b"), manifest("urn:b", "urn:a")],
        [
            manifest("urn:a"),
            manifest("urn:b", "urn:a", "urn:d"),
            manifest("urn:c", "urn:b"),
            manifest("urn:d", "urn:c"),
        ],
    ],
)
def test_ingredients_that_lead_back_are_refused(manifests: list[bytes]) -> None:
    with pytest.raises(JumbfError, match="back to themselves"):
        Store(store(*manifests))


def test_many_ways_to_the_same_ingredient_are_walked_once() -> None:
    rungs = [manifest("urn:0")] + [manifest(f"urn:{n}", *[f"urn:{n - 1}"] * 4) for n in range(1, 100)]
    start = time.monotonic()
    assert len(Store(store(*rungs)).labels) == 100
    assert time.monotonic() - start < 20


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (store(), "0 manifests"),
        (store(*(manifest(f"urn:{n}") for n in range(300))), "300 manifests"),
        (store(manifest("urn:a"), manifest("urn:a")), "same label"),
        (superbox("other", b"c2pa", manifest("urn:a")), "not a C2PA manifest store"),
        (store(superbox("urn:a", b"c2cm", box(b"brob", b"x"))), "compressed"),
    ],
)
def test_stores_that_are_refused(raw: bytes, reason: str) -> None:
    with pytest.raises(JumbfError, match=reason):
        Store(raw)


def test_an_assertion_without_its_hash_does_not_count() -> None:
    action = superbox("c2pa.actions.v2", b"cbor", box(b"cbor", cbor2.dumps({"actions": [{"action": "x"}]})))
    for link in (
        {"url": "self#jumbf=c2pa.assertions/c2pa.actions.v2", "hash": bytes(32)},
        {"url": "self#jumbf=c2pa.assertions/c2pa.actions.v2"},
        {"url": "self#jumbf=c2pa.assertions/c2pa.actions.v2", "hash": bytes(16), "alg": "md5"},
    ):
        claim = superbox("c2pa.claim.v2", b"c2cl", box(b"cbor", cbor2.dumps({"created_assertions": [link]})))
        signature = superbox("c2pa.signature", b"c2cs", box(b"cbor", b"\x01"))
        raw = store(
            superbox("urn:a", b"c2ma", superbox("c2pa.assertions", b"c2as", action), claim, signature)
        )
        found = Store(raw).manifest("urn:a")
        assert found.actions == ()
        assert found.broken
