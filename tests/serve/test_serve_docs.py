"""docs/serve.md is true: its limits are the server's, its options and routes exist."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from command import fauxto
from fauxto.cli.serve import _SHUTDOWN_SECONDS, serve
from fauxto.serve.api import MAX_ADDRESS_BYTES, MAX_HEATMAPS
from fauxto.serve.app import create_app
from fauxto.serve.protocol import PatientProtocol
from fauxto.serve.settings import Settings

TEXT = (Path(__file__).parents[2] / "docs" / "serve.md").read_text(encoding="utf-8")
LIMITS = {
    "bytes of a file": Settings.max_bytes,
    "pixels of an image": Settings.max_pixels,
    "files of a request": Settings.max_files,
    "files of a request with `heatmap=true`": MAX_HEATMAPS,
    "images that wait or are judged": Settings.max_images,
    "bytes of a request": Settings.max_body,
    "bytes of a request to `/v1/scan-url`": MAX_ADDRESS_BYTES,
    "bytes of all requests together": Settings.max_memory,
    "seconds for a request's head": PatientProtocol.seconds,
    f"seconds for a body, and one more for each {Settings.min_rate // 1000} kB": Settings.grace,
    "seconds for decoding one image": Settings.decode_seconds,
    "seconds for fetching an address": Settings.url_timeout,
    "connections": PatientProtocol.most,
}


@pytest.mark.parametrize(("words", "value"), LIMITS.items())
def test_every_limit_is_the_servers(words: str, value: float) -> None:
    assert f"| {words} | {value:,.0f} | " in TEXT


def test_one_client_may_have_half_of_all_images_and_the_end_waits_as_long_as_it_says() -> None:
    assert Settings.max_images_per_client * 2 == Settings.max_images
    assert f"ends within {_SHUTDOWN_SECONDS} seconds" in TEXT


def test_the_commands_defaults_are_those_of_the_settings() -> None:
    options = inspect.signature(serve).parameters
    for name in ("max_bytes", "max_pixels", "max_images"):  # test_serve_options.py has max_files
        assert options[name].default == getattr(Settings, name)


def test_options_and_routes_exist(bright_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    offered = fauxto(capsys, "serve", "--help").out
    for option in re.findall(r"`(--[a-z-]+)", TEXT) + re.findall(r"fauxto serve.* (--[a-z-]+)", TEXT):
        assert option in offered
    paths = create_app(Settings(model=str(bright_bundle), allow_network=True)).openapi()["paths"]
    told = set(re.findall(r"`(?:GET |POST )?(/(?:v1|health|metrics)[a-z0-9/-]*)`", TEXT)) - {"/health"}
    assert told == set(paths)
