"""One server for all tests that change nothing about it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from fauxto.serve.settings import Settings
from live_server import LiveServer, running


@pytest.fixture(scope="session")
def server(bright_bundle: Path) -> Iterator[LiveServer]:
    """A server with the tests' model, small limits and no network."""
    settings = Settings(
        model=str(bright_bundle), max_bytes=1_000_000, max_body=2_500_000, max_files=8, max_pixels=10_000_000
    )
    with running(settings) as live:
        yield live


@pytest.fixture
def client(server: LiveServer) -> Iterator[httpx.Client]:
    with server.client() as one:
        yield one
