"""Nothing goes over the network unless the user says so, and then within limits."""

from __future__ import annotations

import io
import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import c2pa
import pytest

from fauxto.provenance.c2pa.library import settings
from fauxto.provenance.fetch import FetchError, fetch
from fauxto.provenance.trust import TrustInForce
from loopback import Site, serving
from signed_files import (
    MADE_BY_AI,
    MEDIA_TYPES,
    Know,
    Recipe,
    fresh_maker,
    judged,
    maker,
    picture,
    row,
    rows,
    sign,
    sign_apart,
)


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as found:
        yield found


@pytest.fixture
def no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's sockets fail; what the native library might do is counted by a server beside it."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("something opened a socket")

    for method in ("connect", "connect_ex", "bind", "sendto"):
        monkeypatch.setattr(socket.socket, method, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def remote_only(site: Site, format: str = "JPEG") -> bytes:
    """A file whose manifest lies on the site."""
    recipe = Recipe([MADE_BY_AI], remote=f"{site.url}/store.c2pa", embed=False)
    data, store = sign_apart(picture(format), maker("Studio"), recipe, MEDIA_TYPES[format])
    site.files["/store.c2pa"] = store
    return data


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_a_remote_manifest_is_named_and_not_fetched(site: Site, no_sockets: None, format: str) -> None:
    found = row(remote_only(site, format))
    assert (found.claim, found.data["state"]) == ("not-checked", "not-checked")
    assert "remote" in found.detail and "--allow-network" in found.detail
    assert found.data["remote"] == f"{site.url}/store.c2pa"
    assert site.asked == []


def test_signed_files_and_their_ocsp_addresses_are_left_alone(site: Site, no_sockets: None) -> None:
    by = fresh_maker("Studio", ocsp=f"{site.url}/ocsp")
    embedded_too = sign(picture(), by, Recipe([MADE_BY_AI], remote=f"{site.url}/store.c2pa"))
    assert judged(embedded_too) == ("ai", "moderate", "unknown-signer")
    assert judged(embedded_too, allow_network=True) == ("ai", "moderate", "unknown-signer")
    assert site.asked == []


def native(data: bytes, configuration: dict[str, Any]) -> None:
    """Read with the library alone under other settings, whatever comes of it."""
    try:
        context = c2pa.Context.from_dict(configuration)
        with c2pa.Reader("image/jpeg", io.BytesIO(data), context=context) as reader:
            reader.json()
    except c2pa.C2paError:
        pass


def changed(section: str, **values: Any) -> dict[str, Any]:
    found = settings(TrustInForce())
    return {**found, section: {**found[section], **values}}


def test_each_setting_that_keeps_the_library_offline_takes_effect(site: Site) -> None:
    """Unknown settings pass in silence, so each is switched off in turn to see what it prevents."""
    remote = remote_only(site)
    native(remote, settings(TrustInForce()))
    assert site.asked == []
    native(remote, changed("verify", remote_manifest_fetch=True))
    assert site.asked == []  # no host is allowed
    open_hosts = changed("verify", remote_manifest_fetch=True)
    del open_hosts["core"]["allowed_network_hosts"]
    native(remote, open_hosts)
    assert site.asked == ["/store.c2pa"]


def test_the_ocsp_setting_takes_effect(site: Site) -> None:
    signed = sign(picture(), fresh_maker("Studio", ocsp=f"{site.url}/ocsp"), Recipe([MADE_BY_AI]))
    online = settings(TrustInForce())
    del online["core"]["allowed_network_hosts"]
    native(signed, online)
    assert site.asked == []
    online["verify"]["ocsp_fetch"] = True
    native(signed, online)
    assert site.asked


def test_identity_assertions_are_not_decoded() -> None:
    """Decoding one can mean looking its issuer up on the web."""
    assertions = [
        {"label": "c2pa.actions.v2", "data": {"actions": [MADE_BY_AI]}},
        {"label": "cawg.identity", "data": {"not": "an identity"}},
    ]
    signed = sign(picture(), maker("Studio"), Recipe(fields={"assertions": assertions}))
    assert judged(signed) == ("ai", "moderate", "unknown-signer")

    def readable(configuration: dict[str, Any]) -> bool:
        context = c2pa.Context.from_dict(configuration)
        with c2pa.Reader("image/jpeg", io.BytesIO(signed), context=context) as reader:
            return bool(json.loads(reader.json())["manifests"])

    assert readable(settings(TrustInForce()))
    assert not readable(changed("core", decode_identity_assertions=True))


def test_a_remote_manifest_is_read_where_the_user_allows_it(site: Site, know: Know) -> None:
    data = remote_only(site)
    assert judged(data, allow_network=True) == ("ai", "moderate", "unknown-signer")
    know(maker("Studio"))
    found = row(data, allow_network=True)
    assert (found.claim, found.strength) == ("ai", "strong")
    assert found.data["remote"] == f"{site.url}/store.c2pa"


def test_a_remote_manifest_of_another_picture_is_tampered(site: Site) -> None:
    data = remote_only(site)
    _, other = sign_apart(picture(seed=5), maker("Studio"), Recipe([MADE_BY_AI]))
    site.files["/store.c2pa"] = other
    assert judged(data, allow_network=True)[2] == "tampered"


@pytest.mark.parametrize("body", [b"", b"<html>no</html>", b"\0\0\0\x08jumb"])
def test_a_remote_answer_that_is_no_manifest(site: Site, body: bytes) -> None:
    data = remote_only(site)
    site.files["/store.c2pa"] = body
    assert judged(data, allow_network=True)[2] == "not-checked"


def test_a_remote_manifest_that_is_gone_or_too_large_or_slow(site: Site) -> None:
    data = remote_only(site)
    assert "larger than 100 bytes" in row(data, allow_network=True, network_limit=100).detail
    site.slow.add("/store.c2pa")
    start = time.monotonic()
    assert "within 0.4 seconds" in row(data, allow_network=True, network_timeout=0.4).detail
    assert time.monotonic() - start < 5
    site.files.clear()
    found = row(data, allow_network=True)
    assert found.data["state"] == "not-checked"
    assert "Not Found" in found.detail


@pytest.mark.parametrize(
    "address", ["file:///etc/passwd", "ftp://example.com/x", "data:,x", "store.c2pa", "http://[", ""]
)
def test_other_addresses_than_http_are_refused(address: str) -> None:
    with pytest.raises(FetchError):
        fetch(address, 1.0, 1000)


def test_a_redirection_may_not_leave_http(site: Site) -> None:
    site.files["/here"] = b"body"
    site.moved |= {"/a": "/here", "/b": "file:///etc/passwd", "/c": "/c"}
    assert fetch(f"{site.url}/a", 5.0, 1000) == b"body"
    for path in ("/b", "/c"):
        with pytest.raises(FetchError):
            fetch(site.url + path, 5.0, 1000)


XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description xmlns:dcterms="http://purl.org/dc/terms/" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    "{attribute}/></rdf:RDF></x:xmpmeta>"
)


def with_xmp(attribute: str) -> bytes:
    segment = b"http://ns.adobe.com/xap/1.0/\0" + XMP.format(attribute=attribute).encode()
    plain = picture()
    return plain[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + plain[2:]


def test_the_address_is_the_property_in_the_xmp() -> None:
    found = row(with_xmp('dcterms:provenance="https://example.com/store"'))
    assert (found.data["state"], found.data["remote"]) == ("not-checked", "https://example.com/store")


def test_what_is_left_of_an_embedded_manifest_that_was_stripped_is_no_remote_one() -> None:
    assert rows(with_xmp('dcterms:provenance="self#jumbf=c2pa/urn:uuid:1/c2pa.claim"')) == []


def test_an_address_that_is_not_on_the_web_is_not_fetched() -> None:
    found = row(with_xmp('dcterms:provenance="file:///etc/passwd"'), allow_network=True)
    assert found.data["state"] == "not-checked"
    assert "only http and https" in found.detail


def test_an_address_in_a_caption_is_no_remote_manifest() -> None:
    caption = 'dc:description="dcterms:provenance=https://example.com/store"'
    assert rows(with_xmp(caption)) == []
