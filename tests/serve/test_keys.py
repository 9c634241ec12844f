"""Who may ask: API keys over a socket, the file of their hashes, and when the command insists on them."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from command import fauxto
from fauxto.errors import UsageError
from fauxto.serve.keys import ApiKeys, new_key
from fauxto.serve.settings import Settings
from live_server import LiveServer, files, picture, problem, running

KEYS = {name: new_key(name) for name in ("anna", "berta")}


@pytest.fixture(scope="module")
def server(bright_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    file = tmp_path_factory.mktemp("keys") / "keys"
    file.write_text("# who may ask\n\n" + "\n".join(line for _, line in KEYS.values()) + "\n")
    with running(Settings(model=str(bright_bundle), api_keys=ApiKeys.read(file))) as live:
        yield live


@pytest.fixture
def client(server: LiveServer) -> Iterator[httpx.Client]:
    with server.client() as one:
        yield one


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/metrics", "/v1/models", "/static/page.js"])
def test_without_a_key_everything_is_a_401(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    problem(answer, 401, "unauthorised")
    assert "Bearer" in answer.headers["www-authenticate"]


@pytest.mark.parametrize(
    "header",
    ["Bearer wrong", "bearer", "Basic !!!", "Basic /w==", "Digest x", "Bearer \xff"],
)
def test_a_wrong_key_is_a_401(client: httpx.Client, header: str) -> None:
    sent = {"Authorization": header.encode("latin-1")}
    answer = client.post("/v1/scan", files=files(picture()), headers=sent)  # type: ignore[arg-type]
    problem(answer, 401, "unauthorised")


def test_the_hash_of_a_key_is_no_key(client: httpx.Client) -> None:
    digest = hashlib.sha256(KEYS["anna"][0].encode()).hexdigest()
    problem(client.get("/v1/models", headers={"Authorization": f"Bearer {digest}"}), 401, "unauthorised")


@pytest.mark.parametrize("name", KEYS)
def test_each_key_lets_in_as_a_token_and_as_a_browsers_password(client: httpx.Client, name: str) -> None:
    key, _ = KEYS[name]
    token = client.post("/v1/scan", files=files(picture()), headers={"Authorization": f"Bearer {key}"})
    assert token.status_code == 200
    assert client.get("/", auth=("whoever", key)).status_code == 200


def test_health_asks_for_no_key_so_that_a_supervisor_can(client: httpx.Client) -> None:
    assert client.get("/health/live").status_code == 200
    assert client.get("/health/ready").status_code == 200


def test_the_description_says_that_a_key_is_needed(client: httpx.Client) -> None:
    schema = client.get("/openapi.json", auth=("", KEYS["anna"][0])).json()
    assert schema["security"] == [{"key": []}]
    assert schema["paths"]["/health/live"]["get"]["security"] == []


def test_every_hash_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = ApiKeys(tuple((name, hashlib.sha256(KEYS[name][0].encode()).digest()) for name in KEYS))
    compared, compare = [], hmac.compare_digest

    def counting(a: bytes, b: bytes) -> bool:
        compared.append(b)
        return compare(a, b)

    monkeypatch.setattr(hmac, "compare_digest", counting)
    assert keys.owner(KEYS["anna"][0]) == "anna"  # the first, and the second is compared all the same
    assert keys.owner("wrong") is None
    assert compared == [digest for _, digest in keys.hashes] * 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no API key"),
        (b"# nothing\n", "no API key"),
        (b"anna:secret\n", "line 1"),
        (b"\xff\xfe", "cannot be read"),
    ],
)
def test_a_file_that_holds_something_else_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "keys"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=said):
        ApiKeys.read(file)


class TestCommand:
    def test_beyond_this_machine_it_wants_keys_or_an_explicit_word(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        done = fauxto(capsys, "serve", "--host", "0.0.0.0")
        assert done.code == 2
        assert "--api-key-file" in done.err and "--no-auth" in done.err

    def test_a_new_key_is_shown_once_and_only_its_hash_is_for_the_file(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        done = fauxto(capsys, "serve", "--new-api-key", "anna")
        key = done.err.strip().rpartition(" ")[2]
        assert key not in done.out
        (tmp_path / "keys").write_text(done.out)
        assert ApiKeys.read(tmp_path / "keys").owner(key) == "anna"

    def test_a_name_that_would_break_the_file_is_refused(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert fauxto(capsys, "serve", "--new-api-key", "an:na").code == 2
