"""A decoder that crashes or hangs costs the server one image: over a socket, with others under way."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from PIL import Image

from fauxto import isolation
from fauxto.serve.settings import Settings
from live_server import LiveServer, files, picture, problem, running
from misbehaving import CRASH, HANG, misbehaving_child


@pytest.fixture(scope="module")
def server(bright_bundle: Path) -> Iterator[LiveServer]:
    """A server whose decoder crashes or hangs on certain bytes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(isolation, "child_program", misbehaving_child)
        with running(Settings(model=str(bright_bundle), decode_seconds=2)) as live:
            yield live


def post(server: LiveServer, *contents: bytes, path: str = "/v1/scan") -> httpx.Response:
    with server.client() as client:
        return client.post(path, files=files(*contents))


@pytest.mark.parametrize(("content", "said"), [(CRASH, "crashed"), (HANG, "stopped after 2 seconds")])
def test_alone_it_is_a_422_of_code_corrupt(server: LiveServer, content: bytes, said: str) -> None:
    assert said in problem(post(server, content), 422, "corrupt")
    assert said in problem(post(server, content, path="/v1/inspect"), 422, "corrupt")
    assert post(server, picture()).status_code == 200


def test_among_others_it_is_one_error_record(server: LiveServer) -> None:
    answer = post(server, picture(255), CRASH, picture(0))
    assert [record["verdict"] for record in answer.json()["results"]] == ["ai", None, "no-sign"]
    assert answer.json()["results"][1]["error"]["code"] == "corrupt"


def test_requests_under_way_are_answered_whatever_crashes_beside_them(server: LiveServer) -> None:
    with ThreadPoolExecutor(12) as clients:
        sound = [clients.submit(post, server, *[picture(255)] * 4) for _ in range(6)]
        crashes = [clients.submit(post, server, CRASH) for _ in range(6)]
        hang = clients.submit(post, server, HANG)
        assert [one.result().status_code for one in sound] == [200] * 6
        assert [one.result().status_code for one in (*crashes, hang)] == [422] * 7


def test_the_page_decodes_nothing_in_the_server_itself(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decoded(*_: object, **__: object) -> None:
        raise AssertionError("the server itself decoded a stranger's file")

    content = picture(255, (640, 480))
    monkeypatch.setattr(Image, "open", decoded)
    answer = post(server, content, path="/results")
    assert answer.status_code == 200
    assert "data:image/jpeg;base64," in answer.text


def test_stopping_the_server_ends_its_decoding_processes(bright_bundle: Path) -> None:
    with running(Settings(model=str(bright_bundle))) as live:
        children = live.app.state.services.pool._detector._children._idle
        processes = [child.process for child in children.queue]
        assert processes and all(process.poll() is None for process in processes)
    assert all(process.poll() is not None for process in processes)
