"""A server of its own process for the benchmarks, and what it holds."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from growth import Held, held


@dataclass(frozen=True)
class Server:
    """Where a server listens, and its process."""

    url: str
    process: subprocess.Popen[bytes]

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        url = httpx.URL(self.url)
        return url.host, url.port or 80

    def held(self) -> Held:
        """What it holds now."""
        return held(self.process.pid)


@contextmanager
def serving(*options: str) -> Iterator[Server]:
    """`fauxto serve` on a free port until the block ends; it must then stop by itself when asked to."""
    command = [sys.executable, "-m", "fauxto", "serve", "--port", "0", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    assert process.stderr is not None
    try:
        said = process.stderr.readline().decode()
        found = re.search(r"http://\S+", said)
        if found is None:
            raise SystemExit(f"the server did not start: {said}")
        drain = subprocess.Popen(["cat"], stdin=process.stderr, stdout=subprocess.DEVNULL)
        server = Server(found[0], process)
        with httpx.Client(base_url=server.url, timeout=60, trust_env=False) as client:
            while client.get("/health/ready").status_code != 200:
                pass  # it listens before the models are loaded, and answers after
        yield server
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        drain.wait(60)
    finally:
        process.kill()
        process.wait()
