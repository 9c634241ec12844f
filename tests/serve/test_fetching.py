"""`/v1/scan-url` fetches from public addresses alone, whatever names, redirects and servers say."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from fauxto.serve import fetching
from fauxto.serve.settings import Settings
from live_server import LiveServer, picture, problem, running

LIMIT = 200_000


@pytest.fixture(scope="module")
def server(bright_bundle: Path) -> Iterator[LiveServer]:
    """A server that may fetch: small files, within two seconds."""
    settings = Settings(model=str(bright_bundle), allow_network=True, max_bytes=LIMIT, url_timeout=2)
    with running(settings) as live:
        yield live


@pytest.fixture
def ask(server: LiveServer) -> Iterator[Callable[[str], httpx.Response]]:
    with server.client() as client:
        yield lambda url: client.post("/v1/scan-url", json={"url": url})


NOT_PUBLIC = [
    "http://127.0.0.1/a.png", "http://localhost/a.png", "http://127.1/", "http://0/",
    "http://2130706433/", "http://0x7f000001/", "http://017700000001/", "http://0.0.0.0/", "http://10.1.2.3/",
    "http://172.16.0.1/", "http://192.168.1.1/", "http://100.64.0.1/", "http://169.254.169.254/latest/meta-data/",
    "http://100.100.100.200/", "http://[fd00:ec2::254]/", "http://224.0.0.1/", "http://255.255.255.255/",
    "http://198.18.0.1/", "http://240.0.0.1/", "http://[::1]/", "http://[::]/", "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:a9fe:a9fe]/", "http://[::127.0.0.1]/", "http://[fe80::1]/", "http://[fc00::1]/",
    "http://[fec0::1]/", "http://[ff02::1]/", "http://[64:ff9b::7f00:1]/", "http://[64:ff9b::a9fe:a9fe]/",
    "http://[64:ff9b:1::7f00:1]/", "http://[2002:7f00:1::]/", "http://[2001:db8::1]/",
    "https://127.0.0.1/a.png",
]  # fmt: skip
MALFORMED = [
    "ftp://example.org/a.png", "file:///etc/passwd", "gopher://example.org/", "//example.org/", "example.org",
    "http://", "http://example.org:22/", "http://example.org:99999/", "http://user@example.org/",
    "http://user:word@example.org/", "http://[::1", "http://example.org/a b", "http://example.org/a\r\nX: y",
    "data:image/png;base64,AAAA", "http://localhost./", "http://127.0.0.1\u3002/",
]  # fmt: skip


@pytest.mark.parametrize("url", NOT_PUBLIC)
def test_an_address_that_is_not_public_is_refused(ask: Callable[[str], httpx.Response], url: str) -> None:
    problem(ask(url), 422, "address-refused")


@pytest.mark.parametrize("url", MALFORMED)
def test_another_scheme_port_or_form_is_refused(ask: Callable[[str], httpx.Response], url: str) -> None:
    answer = ask(url)
    assert answer.json()["code"] in ("address-refused", "fetch-failed"), answer.text
    assert answer.status_code == 422


@pytest.mark.parametrize(
    "body", [{}, {"url": ""}, {"url": "x" * 2001}, {"url": 7}, {"url": "http://a", "b": 1}, []]
)
def test_a_body_of_another_form_is_a_422(server: LiveServer, body: object) -> None:
    with server.client() as client:
        problem(client.post("/v1/scan-url", json=body), 422, "invalid-request")


def posted_raw(server: LiveServer, body: bytes, **headers: str) -> httpx.Response:
    """The answer to a body as it is."""
    with server.client() as client:
        sent = {"Content-Type": "application/json", **headers}
        return client.post("/v1/scan-url", content=body, headers=sent)


class TestBody:
    """A request that states an address is short, and is read no further."""

    def test_a_long_one_is_refused_by_its_declared_size(self, server: LiveServer) -> None:
        with server.connect() as connection:
            connection.sendall(
                b"POST /v1/scan-url HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                b"Content-Length: 300000000\r\n\r\n"
            )
            connection.settimeout(5)
            assert connection.recv(100).startswith(b"HTTP/1.1 413 ")  # before any of it was sent

    def test_a_long_one_of_no_declared_size_is_refused_as_it_comes(self, server: LiveServer) -> None:
        with server.connect() as connection:
            connection.sendall(
                b"POST /v1/scan-url HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n"
            )
            for _ in range(8):
                connection.sendall(b"1388\r\n" + b" " * 5000 + b"\r\n")
            connection.settimeout(5)
            assert connection.recv(100).startswith(b"HTTP/1.1 413 ")  # its end has not come

    def test_one_that_stalls_is_a_408(self, bright_bundle: Path) -> None:
        settings = Settings(model=str(bright_bundle), allow_network=True, grace=0.5)
        with running(settings) as live, live.connect() as connection:
            connection.sendall(
                b"POST /v1/scan-url HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                b'Content-Length: 100\r\n\r\n{"url": "http'
            )
            connection.settimeout(5)
            assert connection.recv(100).startswith(b"HTTP/1.1 408 ")

    def test_the_longest_address_fits_however_it_is_escaped(self, server: LiveServer) -> None:
        url = "http://127.0.0.1/" + "\U0001f600" * (2000 - 17)
        body = json.dumps({"url": url}).encode()  # six characters for each half of a surrogate pair
        assert len(body) > 12 * 1900
        problem(posted_raw(server, body), 422, "address-refused")
        problem(
            posted_raw(server, body, **{"Content-Type": "Application/JSON; charset=utf-8"}),
            422,
            "address-refused",
        )

    @pytest.mark.parametrize(
        "body", [b"", b"{", b"\xff", b'{"url": "http://\\ud800.example/"}', b"[" * 5000, b"NaN"]
    )
    def test_what_is_no_json_is_a_422(self, server: LiveServer, body: bytes) -> None:
        assert problem(posted_raw(server, body), 422, "invalid-request").startswith("body")

    @pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data", ""])
    def test_another_content_type_is_a_415(self, server: LiveServer, kind: str) -> None:
        body = b'{"url": "http://127.0.0.1/"}'
        problem(posted_raw(server, body, **{"Content-Type": kind}), 415, "wrong-content-type")


class Web:
    """A web server of the test's, reached by names that resolve to whatever the test says."""

    def __init__(self) -> None:
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                web.asked.append((self.headers["Host"], self.path))
                web.answers[self.path](self)

            def log_message(self, *_: object) -> None:
                pass

        self.asked: list[tuple[str, str]] = []
        self.answers: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {}
        self.names: dict[str, list[list[str]]] = {"pictures.example": [["127.0.0.1"]]}
        self.resolved: list[str] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def resolve(self, host: str, _port: int) -> list[str]:
        """The addresses of a name: each answer once, the last from then on."""
        self.resolved.append(host)
        answers = self.names[host]
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def says(self, path: str, status: int, body: bytes = b"", **headers: str) -> None:
        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(body)

        self.answers[path] = answer


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """The fetcher takes this machine's own address for a public one, and the test's port for 80."""
    web = Web()
    fetch = partial(
        fetching.Fetch,
        resolver=web.resolve,
        public=lambda address: address == "127.0.0.1",
        ports={"http": web.server.server_port, "https": 443},
    )
    monkeypatch.setattr(fetching, "Fetch", fetch)
    yield web
    web.server.shutdown()
    web.server.server_close()


Ask = Callable[[str], httpx.Response]


def test_a_public_image_is_judged_under_its_address(ask: Ask, web: Web) -> None:
    web.says("/a.png?b=c", 200, picture(255))
    answer = ask("http://pictures.example/a.png?b=c")
    (record,) = answer.json()["results"]
    assert (record["path"], record["verdict"]) == ("http://pictures.example/a.png?b=c", "ai")


def test_the_address_that_was_checked_is_the_one_that_is_asked(ask: Ask, web: Web) -> None:
    web.says("/a.png", 200, picture())
    web.names["pictures.example"] = [["127.0.0.1"], ["10.0.0.1"]]  # rebinding: another answer the next time
    assert ask("http://pictures.example/a.png").status_code == 200
    assert web.resolved == ["pictures.example"]


def test_a_name_with_a_private_address_among_its_public_ones_is_refused(ask: Ask, web: Web) -> None:
    web.names["pictures.example"] = [["127.0.0.1", "10.0.0.1"]]
    problem(ask("http://pictures.example/a.png"), 422, "address-refused")
    assert web.asked == []


def test_a_redirect_is_followed_and_resolved_anew(ask: Ask, web: Web) -> None:
    web.says("/a", 302, Location="/b")
    web.says("/b", 301, Location=f"http://other.example:{web.server.server_port}/c")
    web.says("/c", 200, picture())
    web.names["other.example"] = [["127.0.0.1"]]
    assert ask("http://pictures.example/a").status_code == 200
    assert web.resolved == ["pictures.example", "pictures.example", "other.example"]


@pytest.mark.parametrize(
    "target", ["http://inner.example/", "http://169.254.169.254/", "file:///etc/passwd", "http://[x"]
)
def test_a_redirect_to_what_is_not_public_is_refused(ask: Ask, web: Web, target: str) -> None:
    web.says("/a", 302, Location=target)
    web.names |= {"inner.example": [["10.0.0.1"]], "169.254.169.254": [["169.254.169.254"]]}
    problem(ask("http://pictures.example/a"), 422, "address-refused")
    assert len(web.asked) == 1


def test_a_redirect_to_what_is_no_address_is_refused(ask: Ask, web: Web) -> None:
    web.says("/a", 302, Location="http://[x")
    assert "malformed" in problem(ask("http://pictures.example/a"), 422, "address-refused")


def test_a_name_that_turns_private_between_redirects_is_refused(ask: Ask, web: Web) -> None:
    web.says("/a", 302, Location="/b")
    web.names["pictures.example"] = [["127.0.0.1"], ["10.0.0.1"]]
    problem(ask("http://pictures.example/a"), 422, "address-refused")


def test_redirects_without_end_are_given_up(ask: Ask, web: Web) -> None:
    web.says("/a", 302, Location="/a")
    assert "redirects more" in problem(ask("http://pictures.example/a"), 422, "fetch-failed")
    assert len(web.asked) == fetching.MAX_REDIRECTS + 1


def test_a_body_over_the_limit_is_not_read_to_its_end(ask: Ask, web: Web) -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(bytes(65536))
        except OSError:
            pass

    web.answers["/a"] = endless
    problem(ask("http://pictures.example/a"), 413, "too-large")


@pytest.mark.parametrize("part", ["head", "body"])
def test_a_server_that_sends_a_byte_now_and_then_is_given_up_in_time(ask: Ask, web: Web, part: str) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        if part == "body":
            handler.send_response(200)
            handler.end_headers()
        try:
            while True:
                handler.wfile.write(b"x")
                time.sleep(0.1)
        except OSError:
            pass

    web.answers["/a"] = drip
    begun = time.monotonic()
    assert "in time" in problem(ask("http://pictures.example/a"), 422, "fetch-failed")
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (404, {}),
        (500, {}),
        (302, {}),
        (204, {}),
        (200, {"Content-Encoding": "gzip"}),
        (200, {"Content-Length": "99"}),
    ],
)
def test_what_is_no_whole_plain_answer_is_a_failure(
    ask: Ask, web: Web, status: int, headers: dict[str, str]
) -> None:
    web.says("/a", status, b"", **headers)
    problem(ask("http://pictures.example/a"), 422, "fetch-failed")


def test_what_is_no_image_is_the_matching_problem(ask: Ask, web: Web) -> None:
    web.says("/a", 200, b"<html>")
    problem(ask("http://pictures.example/a"), 415, "not-an-image")


def test_a_name_that_nobody_knows_is_a_failure(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve = socket.getaddrinfo

    def unknown(host: str, *rest: Any, **options: Any) -> Any:
        if host == "nowhere.example":
            raise socket.gaierror
        return resolve(host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    problem(ask("http://nowhere.example/a.png"), 422, "fetch-failed")


def test_nothing_is_fetched_for_a_picture_that_names_an_address(server: LiveServer) -> None:
    """What a file says is read offline here too: its author would learn who asks."""
    assert server.app.state.services.pool._detector._rules.provenance.allow_network is False
