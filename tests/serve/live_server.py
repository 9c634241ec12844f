"""A server on a socket of its own, in a thread of the test process, and pictures to send to it."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from PIL import Image

from fauxto.serve.app import create_app
from fauxto.serve.protocol import PatientProtocol
from fauxto.serve.settings import Settings


@dataclass(frozen=True)
class LiveServer:
    """Where a server listens, and what it is made of."""

    port: int
    app: FastAPI

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=20, trust_env=False, **options)

    def connect(self) -> socket.socket:
        """A bare connection, for what no HTTP client would send."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)


@contextmanager
def running(
    settings: Settings, *, head_seconds: float = 20.0, connections: int = 800
) -> Iterator[LiveServer]:
    """Serve until the block ends."""
    protocol = type("Protocol", (PatientProtocol,), {"seconds": head_seconds, "most": connections})
    app = create_app(settings)
    config = uvicorn.Config(
        app, http=protocol, ws="none", log_config=None, access_log=False, server_header=False
    )
    server = uvicorn.Server(config)
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(2048)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    live = LiveServer(listening.getsockname()[1], app)
    with live.client() as client:
        while client.get("/health/ready").status_code != 200:
            time.sleep(0.05)
    try:
        yield live
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive(), "the server did not stop"


def picture(value: int = 255, size: tuple[int, int] = (16, 16), kind: str = "PNG") -> bytes:
    """An image of one grey value: the tests' model scores black 0.02, grey 0.5, white 0.98."""
    buffer = io.BytesIO()
    Image.new("RGB", size, (value,) * 3).save(buffer, kind)
    return buffer.getvalue()


def problem(answer: httpx.Response, status: int, code: str) -> str:
    """Check a problem response (RFC 9457); its sentence for a person."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["code"] == code
    assert body["type"] == f"urn:fauxto:problem:{code}"
    assert body["title"]
    return str(body["detail"])


def files(*contents: bytes) -> list[tuple[str, tuple[str, bytes]]]:
    """Files `0.png`, `1.png`, ... in the field `files`, as httpx takes them."""
    return [("files", (f"{index}.png", content)) for index, content in enumerate(contents)]


def multipart(content: bytes, boundary: str = "edge") -> tuple[bytes, bytes]:
    """The head and the body of a request that sends one file, for bare connections."""
    body = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'.encode()
        + content
        + f"\r\n--{boundary}--\r\n".encode()
    )
    head = (
        "POST /v1/scan HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Content-Type: multipart/form-data; boundary={boundary}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode(), body
