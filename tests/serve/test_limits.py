"""What many, slow, greedy and vanishing clients do to a server: they are told so, and others are answered."""

from __future__ import annotations

import json
import logging
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event

import httpx
import pytest

from fauxto.detector import Detector, Prepared
from fauxto.record import Record
from fauxto.serve.keys import ApiKeys, new_key
from fauxto.serve.settings import Settings
from live_server import LiveServer, files, multipart, picture, problem, running

STALLED = 1.5  # seconds that the server here lets a client stall


@pytest.fixture(scope="module")
def server(bright_bundle: Path) -> Iterator[LiveServer]:
    """A server with little patience and little room."""
    settings = Settings(
        model=str(bright_bundle), max_bytes=1_000_000, max_body=1_500_000, max_memory=2_000_000, grace=STALLED
    )
    with running(settings, head_seconds=STALLED, connections=8) as live:
        yield live


def metric(server: LiveServer, name: str) -> float:
    """A number that the server counts."""
    with server.client() as client:
        found = re.search(rf"^{name} (\S+)$", client.get("/metrics").text, re.MULTILINE)
    assert found is not None
    return float(found[1])


def until(condition: object, seconds: float = 30.0) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.02)


def answered(server: LiveServer) -> None:
    """An ordinary client is answered."""
    with server.client() as client:
        assert client.post("/v1/scan", files=files(picture())).status_code == 200


def everything(connection: socket.socket) -> bytes:
    """What comes until the server closes or resets the connection."""
    received = b""
    try:
        while part := connection.recv(65536):
            received += part
    except ConnectionError:
        pass
    return received


class TestSlowClients:
    def test_a_head_that_never_ends_is_cut_off_and_stalls_nobody(self, server: LiveServer) -> None:
        with ExitStack() as stack:
            slow = [stack.enter_context(server.connect()) for _ in range(6)]
            begun = time.monotonic()
            for connection in slow:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: ")
            answered(server)
            for _ in range(20):  # a byte now and then does not buy more time
                sent = [_send(one, b"x") for one in slow]
                if not any(sent):
                    break
                time.sleep(0.2)
            assert [everything(connection) for connection in slow] == [b""] * 6
            assert STALLED * 0.9 < time.monotonic() - begun < STALLED * 5

    def test_a_body_that_stalls_is_a_408_and_stalls_nobody(self, server: LiveServer) -> None:
        head, body = multipart(picture())
        with ExitStack() as stack:
            slow = [stack.enter_context(server.connect()) for _ in range(6)]
            for connection in slow:
                connection.sendall(head + body[:-10])
            answered(server)
            for connection in slow:
                answer = everything(connection)
                assert answer.startswith(b"HTTP/1.1 408 ")
                assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "timeout"

    def test_a_slow_body_that_keeps_up_the_least_rate_is_received(self, server: LiveServer) -> None:
        content = picture() + bytes(80_000)  # what stands after a PNG's end is passed over
        head, body = multipart(content)
        with server.connect() as connection:
            connection.sendall(head)
            for at in range(0, len(body), 8000):
                connection.sendall(body[at : at + 8000])
                time.sleep(STALLED / 8)
            assert connection.recv(100).startswith(b"HTTP/1.1 200 ")

    def test_an_answer_that_nobody_takes_is_given_up(self, server: LiveServer) -> None:
        request = b"GET /static/htmx.min.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(20)
            connection.connect(("127.0.0.1", server.port))
            connection.sendall(request * 400)
            time.sleep(STALLED * 3)
            answered(server)
            received = everything(connection)
        assert received.startswith(b"HTTP/1.1 200 ")
        assert received.count(b"HTTP/1.1 200 ") < 400

    def test_a_client_that_vanishes_within_its_body_is_no_fault_of_ours(
        self, server: LiveServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        head, body = multipart(picture())
        for end in (head + body[:-10], head, head[:-10]):
            with server.connect() as connection:
                connection.sendall(end)
        until(lambda: metric(server, "fauxto_upload_bytes") == 0)
        answered(server)
        assert [one for one in caplog.records if one.levelno >= logging.WARNING] == []
        assert 'status="500"' not in server.client().get("/metrics").text


def _send(connection: socket.socket, data: bytes) -> bool:
    try:
        connection.sendall(data)
    except ConnectionError:
        return False
    return True


class TestConnections:
    def test_beyond_the_limit_an_idle_connection_makes_room(self, server: LiveServer) -> None:
        with ExitStack() as stack:
            for _ in range(20):
                stack.enter_context(server.connect())
            answered(server)

    def test_where_none_is_idle_a_new_one_is_told_to_come_again(self, bright_bundle: Path) -> None:
        head, body = multipart(picture())
        with ExitStack() as stack:
            live = stack.enter_context(running(Settings(model=str(bright_bundle)), connections=3))
            busy = [stack.enter_context(live.connect()) for _ in range(3)]
            for connection in busy:
                connection.sendall(head + body[:10])
            time.sleep(0.3)
            refused = everything(stack.enter_context(live.connect()))
            assert refused.startswith(b"HTTP/1.1 503 ") and b"Retry-After: 1" in refused
            assert json.loads(refused.partition(b"\r\n\r\n")[2])["code"] == "busy"
            for connection in busy:
                connection.sendall(body[10:])
                assert connection.recv(100).startswith(b"HTTP/1.1 200 ")

    @pytest.mark.parametrize(
        "request_",
        [b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"X" * 200_000],
    )
    def test_what_is_no_http_is_a_problem_like_any_other(self, server: LiveServer, request_: bytes) -> None:
        with server.connect() as connection:
            connection.sendall(request_)
            head, _, body = everything(connection).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 ")
        assert json.loads(body)["code"] == "bad-request"

    def test_nonsense_after_an_answer_closes_the_connection_quietly(
        self, server: LiveServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        with server.connect() as connection:
            connection.sendall(b"POST /no HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 404 ")
            connection.sendall(b"no chunk\r\n")
            everything(connection)
        answered(server)
        assert [one for one in caplog.records if one.levelno >= logging.ERROR] == []


class TestBackPressure:
    def test_memory_for_uploads_is_bounded_and_given_back(self, server: LiveServer) -> None:
        head, body = multipart(bytes(900_000))
        with ExitStack() as stack:
            for _ in range(2):
                stack.enter_context(server.connect()).sendall(head + body[:900_000])
            until(lambda: metric(server, "fauxto_upload_bytes") >= 1_700_000)
            with server.client() as client:
                answer = client.post("/v1/scan", files=files(bytes(900_000)))
            problem(answer, 503, "busy")
            assert answer.headers["retry-after"] == "1"
            assert metric(server, "fauxto_upload_bytes") <= 2_000_000
        until(lambda: metric(server, "fauxto_upload_bytes") == 0)
        answered(server)

    def test_one_client_gets_429_and_all_together_503(
        self, bright_bundle: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        keys = {name: new_key(name) for name in ("anna", "berta", "carla")}
        hashes = [line.partition(":") for _, line in keys.values()]
        settings = Settings(
            model=str(bright_bundle),
            max_images=5,
            max_images_per_client=3,
            api_keys=ApiKeys(tuple((name, bytes.fromhex(digest)) for name, _, digest in hashes)),
        )
        with running(settings) as live, held_up(live, monkeypatch) as (posted, _):
            posted.append(post(live, keys["anna"][0], 3))
            until(lambda: live.app.state.services.pool._inside == 3)
            with live.client() as client:
                for count, name, status in ((1, "anna", 429), (3, "berta", 503), (2, "berta", 200)):
                    if status == 200:
                        posted.append(post(live, keys[name][0], count))
                        continue
                    answer = client.post(
                        "/v1/scan", files=files(*[picture()] * count), auth=("", keys[name][0])
                    )
                    problem(answer, status, "too-many-requests" if status == 429 else "busy")
                    assert answer.headers["retry-after"] == "1"
                assert client.get("/health/live").status_code == 200

    def test_images_that_wait_together_are_judged_together(
        self, bright_bundle: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with running(Settings(model=str(bright_bundle))) as live:
            with held_up(live, monkeypatch) as (posted, held):
                posted.extend(post(live, "", 2) for _ in range(6))
                queue = live.app.state.services.pool._queue
                # How many of them the batch that is held up found waiting depends on the machine.
                until(lambda: sum(held) + queue.qsize() == 12)
            sizes = re.findall(r"fauxto_batch_images_(?:count|sum) (\S+)", live.client().get("/metrics").text)
        batches, images = map(float, sizes)
        assert images == 12
        assert batches <= 2  # what was held up, and all the others at once


_CLIENTS = ThreadPoolExecutor(8)


def post(server: LiveServer, key: str, count: int) -> Future[httpx.Response]:
    """A request with some images, under way."""

    def send() -> httpx.Response:
        with server.client() as client:
            return client.post("/v1/scan", files=files(*[picture()] * count), auth=("", key))

    return _CLIENTS.submit(send)


@contextmanager
def held_up(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[list[Future[httpx.Response]], list[int]]]:
    """Nothing is judged within the block; then everything that was posted must be.

    Gives a list for what is posted, and the sizes of the batches that are held up.
    """
    go, detector = Event(), server.app.state.services.pool._detector
    judge = Detector.judge

    def wait(batch: Sequence[Prepared]) -> list[Record]:
        held.append(len(batch))
        go.wait(60)
        return judge(detector, batch)

    monkeypatch.setattr(detector, "judge", wait)
    posted: list[Future[httpx.Response]] = []
    held: list[int] = []
    try:
        yield posted, held
    finally:
        go.set()
    assert [one.result().status_code for one in posted] == [200] * len(posted)


class TestCommand:
    """The command itself, in a process of its own."""

    @pytest.fixture
    def process(self, bright_bundle: Path) -> Iterator[subprocess.Popen[bytes]]:
        command = [sys.executable, "-m", "fauxto", "serve", "--port", "0", "--model", str(bright_bundle)]
        with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
            yield process
            process.kill()

    def test_a_signal_lets_it_finish_what_it_accepted_and_it_logs_no_more_than_it_should(
        self, process: subprocess.Popen[bytes]
    ) -> None:
        assert process.stderr is not None
        port = int(re.findall(rb":(\d+)/", process.stderr.readline())[0])
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
            until(lambda: client.get("/health/ready").status_code == 200, 60)
        head, body = multipart(picture(255))
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.sendall(head + body[:-20])
            time.sleep(0.3)
            process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            with pytest.raises(ConnectionError):
                socket.create_connection(("127.0.0.1", port), timeout=5)
            connection.sendall(body[-20:])
            answer = everything(connection)
        assert answer.startswith(b"HTTP/1.1 200 ") and b'"verdict":"ai"' in answer
        assert process.wait(30) in (0, -signal.SIGTERM)
        lines = process.stderr.read().decode().splitlines()
        assert len(lines) == 1
        assert re.fullmatch(r"\S+ \S+ [0-9a-f]{64} \d+ bytes ai \d+\.\d{3} s", lines[0]), lines
