"""The OpenAPI description is true: schemathesis makes requests from it, good and bad, and checks answers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fauxto.serve.keys import ApiKeys, new_key
from fauxto.serve.settings import Settings
from live_server import LiveServer, running

KEY, LINE = new_key("schemathesis")
# No description can say what is an image, so what fits it may be refused; 413 is one way to refuse the rest.
CONFIG = """
[checks.positive_data_acceptance]
enabled = false
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 405, 413, 415, 422]
"""


@pytest.fixture(scope="module")
def server(bright_bundle: Path) -> Iterator[LiveServer]:
    """Every route, behind a key."""
    name, _, digest = LINE.partition(":")
    keys = ApiKeys(((name, bytes.fromhex(digest)),))
    settings = Settings(model=str(bright_bundle), allow_network=True, url_timeout=1, api_keys=keys)
    with running(settings) as live:
        yield live


@pytest.mark.parametrize("examples", [12, pytest.param(300, marks=pytest.mark.long)])
def test_every_answer_is_one_that_the_description_knows(
    server: LiveServer, tmp_path: Path, examples: int
) -> None:
    command = [
        str(Path(sys.executable).parent / "schemathesis"), "run", f"{server.url}/openapi.json",
        "--header", f"Authorization: Bearer {KEY}",
        "--max-examples", str(examples), "--seed", "1", "--no-color",
    ]  # fmt: skip
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr
    assert "Tested: 7" in done.stdout


def test_it_states_the_limits_of_this_server(server: LiveServer) -> None:
    with server.client() as client:
        schema = client.get("/openapi.json", headers={"Authorization": f"Bearer {KEY}"}).json()
    form = schema["paths"]["/v1/scan"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["properties"]["files"]["maxItems"] == Settings.max_files
    for path in ("/v1/scan", "/v1/scan-url", "/v1/inspect"):
        answers = schema["paths"][path]["post"]["responses"]
        refused = {"400", "401", "403", "408", "413", "415", "422", "429", "500", "503"}
        assert set(answers) == {"200"} | refused
        assert all(list(answers[status]["content"]) == ["application/problem+json"] for status in refused)
        assert "Retry-After" in answers["429"]["headers"] and "Retry-After" in answers["503"]["headers"]
