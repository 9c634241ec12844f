"""A server of its own process for the benchmarks, and what that process and its children hold."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Held:
    """What the server holds: memory of it and its children, the rest of it alone."""

    megabytes: float
    descriptors: int
    threads: int
    processes: int


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
        pids = [self.process.pid, *_children(self.process.pid)]
        own = Path("/proc") / str(self.process.pid)
        return Held(
            round(sum(map(_resident, pids)) / 1e6, 1),
            len(list((own / "fd").iterdir())),
            len(list((own / "task").iterdir())),
            len(pids),
        )


def _children(pid: int) -> list[int]:
    tasks = (Path("/proc") / str(pid) / "task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def _resident(pid: int) -> int:
    """Bytes in memory; 0 for a process that has just ended."""
    try:
        return int((Path("/proc") / str(pid) / "statm").read_text().split()[1]) * _PAGE
    except (FileNotFoundError, ProcessLookupError):
        return 0


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
