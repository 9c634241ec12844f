"""The REST API as programs use it, over a socket."""

from __future__ import annotations

import base64
import io
import struct
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

from fauxto import Detector
from fauxto.record import Record
from fauxto.serve.settings import Settings
from live_server import LiveServer, files, multipart, picture, problem, running

BLACK, GREY, WHITE = 0, 128, 255


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


def bomb(width: int, height: int) -> bytes:
    """A tiny PNG that claims to be huge."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0"))
        + chunk(b"IEND", b"")
    )


class TestScan:
    def test_one_image_gives_the_record_that_the_library_gives(
        self, client: httpx.Client, bright_bundle: object
    ) -> None:
        answer = client.post("/v1/scan", files=files(picture(WHITE)))
        assert answer.status_code == 200
        (record,) = answer.json()["results"]
        expected = Detector(str(bright_bundle)).scan(picture(WHITE)).model_dump(mode="json")
        assert record == expected | {"path": "0.png"}
        assert list(answer.json()) == ["results"]

    def test_several_images_come_back_in_order(self, client: httpx.Client) -> None:
        answer = client.post("/v1/scan", files=files(picture(BLACK), picture(WHITE), picture(GREY)))
        assert [record["verdict"] for record in answer.json()["results"]] == ["no-sign", "ai", "uncertain"]
        assert [record["path"] for record in answer.json()["results"]] == ["0.png", "1.png", "2.png"]

    def test_an_unreadable_file_among_several_is_an_error_record(self, client: httpx.Client) -> None:
        answer = client.post("/v1/scan", files=files(picture(WHITE), b"no image at all"))
        assert answer.status_code == 200
        good, bad = (Record.model_validate(record) for record in answer.json()["results"])
        assert good.verdict == "ai"
        assert bad.status == "error"
        assert bad.error is not None
        assert bad.error.code == "not-an-image"

    @pytest.mark.parametrize(
        ("content", "status", "code"),
        [
            (picture(kind="JPEG", size=(64, 64))[:-200], 422, "truncated"),
            (b"plain text, not an image", 415, "not-an-image"),
            (b"", 422, "empty"),
            (bomb(30_000, 30_000), 413, "too-large"),
            (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "unsupported"),
            (b"\x00" * 1_000_001, 413, "too-large"),
        ],
    )
    def test_an_unreadable_image_alone_is_the_matching_problem(
        self, client: httpx.Client, content: bytes, status: int, code: str
    ) -> None:
        detail = problem(client.post("/v1/scan", files=files(content)), status, code)
        assert detail.startswith("0.png: ")

    def test_a_heatmap_is_a_png_for_each_image_that_got_a_score(self, client: httpx.Client) -> None:
        sent = files(picture(WHITE), picture(WHITE, (100, 100)))
        answer = client.post("/v1/scan", params={"heatmap": "true"}, files=sent).json()
        drawn, none = answer["heatmaps"]
        assert Image.open(io.BytesIO(base64.b64decode(drawn))).size == (256, 256)
        assert none is None
        assert answer["results"][1]["score"] is None

    def test_a_name_with_escapes_is_made_harmless(self, client: httpx.Client) -> None:
        answer = client.post("/v1/scan", files=[("files", ("\u202eevil.png", picture()))])
        assert answer.json()["results"][0]["path"] == "\\u202eevil.png"

    def test_a_very_long_name_is_cut(self, client: httpx.Client) -> None:
        answer = client.post("/v1/scan", files=[("files", ("x" * 2000, picture()))])
        assert len(answer.json()["results"][0]["path"]) == 255


class TestRefusals:
    def test_no_files(self, client: httpx.Client) -> None:
        problem(client.post("/v1/scan", files=[("other", ("a.png", picture()))]), 400, "no-files")

    def test_a_field_that_is_no_file(self, client: httpx.Client) -> None:
        sent = {"files": (None, "just text")}
        problem(client.post("/v1/scan", files=sent), 400, "no-files")

    def test_another_content_type(self, client: httpx.Client) -> None:
        problem(client.post("/v1/scan", content=picture()), 415, "wrong-content-type")

    def test_a_multipart_body_without_its_boundary(self, client: httpx.Client) -> None:
        headers = {"Content-Type": "multipart/form-data"}
        problem(client.post("/v1/scan", content=b"--x", headers=headers), 400, "bad-request")

    def test_a_body_that_ends_within_a_file_is_refused_and_not_judged_in_part(
        self, client: httpx.Client
    ) -> None:
        headers = {"Content-Type": "multipart/form-data; boundary=edge"}
        _, whole = multipart(picture())
        begin = b'--edge\r\nContent-Disposition: form-data; name="files"; filename="b.png"\r\n\r\nabc'
        for cut in (whole[:-20], whole.removesuffix(b"--edge--\r\n") + begin):
            answer = client.post("/v1/scan", content=cut, headers=headers)
            assert "ends too early" in problem(answer, 400, "bad-request")

    def test_more_files_than_one_request_may_have(self, client: httpx.Client) -> None:
        problem(client.post("/v1/scan", files=files(*[picture()] * 9)), 413, "too-many-files")

    def test_a_body_over_the_limit(self, client: httpx.Client) -> None:
        sent = files(*[b"x" * 900_000] * 3)
        assert "2.5 MB" in problem(client.post("/v1/scan", files=sent), 413, "too-large")

    def test_a_body_over_the_limit_that_did_not_say_so(self, client: httpx.Client) -> None:
        headers = {"Content-Type": "multipart/form-data; boundary=edge"}
        begin = b'--edge\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
        chunks = (begin if index == 0 else b"x" * 100_000 for index in range(30))
        problem(client.post("/v1/scan", content=chunks, headers=headers), 413, "too-large")

    def test_a_wrong_parameter(self, client: httpx.Client) -> None:
        answer = client.post("/v1/scan", params={"heatmap": "perhaps"}, files=files(picture()))
        assert "heatmap" in problem(answer, 422, "invalid-request")

    def test_an_address_that_there_is_not(self, client: httpx.Client) -> None:
        problem(client.get("/v2/scan"), 404, "not-found")

    def test_a_method_that_there_is_not(self, client: httpx.Client) -> None:
        answer = client.get("/v1/scan")
        problem(answer, 405, "method-not-allowed")
        assert answer.headers["allow"] == "POST"

    def test_fetching_is_not_offered_without_being_allowed(self, client: httpx.Client) -> None:
        problem(client.post("/v1/scan-url", json={"url": "http://example.org/a.png"}), 404, "not-found")
        assert "/v1/scan-url" not in client.get("/openapi.json").json()["paths"]

    def test_a_fault_of_ours_is_a_500_without_a_trace(
        self, server: LiveServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        message = "secret.png: something odd"

        def fail(*_arguments: object) -> None:
            raise RuntimeError(message)

        monkeypatch.setattr(server.app.state.services.pool._detector, "judge", fail)
        with server.client() as client:
            detail = problem(client.post("/v1/scan", files=files(picture())), 500, "internal")
        assert "secret" not in detail
        assert "secret" not in caplog.text


class TestOtherRoutes:
    def test_models_state_domain_thresholds_and_limits(self, client: httpx.Client) -> None:
        (model,) = client.get("/v1/models").json()["models"]
        assert model["name"] == "bright"
        assert model["domain"]["max_side"] == 64
        assert model["thresholds"]["ai"] == 0.9
        assert model["limits"] == ["It only sees brightness."]

    def test_inspect_shows_raw_values(self, client: httpx.Client) -> None:
        from PIL.PngImagePlugin import PngInfo

        texts, buffer = PngInfo(), io.BytesIO()
        texts.add_text(
            "parameters", "a lighthouse\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 16x16"
        )
        Image.new("RGB", (16, 16)).save(buffer, "PNG", pnginfo=texts)
        found = client.post("/v1/inspect", files=files(buffer.getvalue())).json()
        assert found["path"] == "0.png"
        assert found["container"] == "png"
        assert any("lighthouse" in entry["value"] for entry in found["png_text"])
        assert found["evidence"][0]["claim"] == "ai"

    def test_inspect_refuses_what_is_no_image(self, client: httpx.Client) -> None:
        problem(client.post("/v1/inspect", files=files(b"text")), 415, "not-an-image")
        problem(client.post("/v1/inspect", files=files(b"")), 422, "empty")

    def test_health(self, client: httpx.Client) -> None:
        assert client.get("/health/live").json() == {"status": "ok"}
        assert client.get("/health/ready").json() == {"status": "ok"}

    def test_metrics_count_verdicts_and_answers(self, client: httpx.Client) -> None:
        client.post("/v1/scan", files=files(picture(WHITE)))
        text = client.get("/metrics").text
        assert 'fauxto_images_total{outcome="ai"}' in text
        assert 'fauxto_requests_total{route="/v1/scan",status="200"}' in text
        assert "fauxto_upload_bytes 0.0" in text
        assert "fauxto_images_in_flight 0.0" in text

    def test_the_documentation_asks_no_other_host(self, client: httpx.Client) -> None:
        text = client.get("/docs").text
        assert "/v1/scan" in text
        assert "src=" not in text.replace('src="/static/', "")
        assert "//cdn" not in text


class TestAnswers:
    def test_every_answer_carries_the_security_headers(self, client: httpx.Client) -> None:
        for path in ("/", "/v1/models", "/nowhere", "/static/page.js", "/docs"):
            headers = client.get(path).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert "http" not in policy

    def test_other_sites_cannot_read_answers_or_post(self, client: httpx.Client) -> None:
        foreign = {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
        answer = client.post("/v1/scan", files=files(picture()), headers=foreign)
        problem(answer, 403, "cross-origin")
        assert "access-control-allow-origin" not in client.get("/v1/models", headers=foreign).headers

    def test_an_upload_never_goes_to_the_disk(
        self, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def rollover(_file: object) -> None:
            raise AssertionError("an upload was about to be written to the disk")

        monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", rollover)
        problem(client.post("/v1/scan", files=files(bytes(2_000_000))), 413, "too-large")

    def test_only_verdicts_are_logged(self, client: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level("INFO"):
            client.post("/v1/scan", files=[("files", ("private-name.png", picture(WHITE)))])
        lines = [record.getMessage() for record in caplog.records if record.name == "fauxto.serve"]
        assert len(lines) == 1
        sha256, size, _, verdict, seconds, _ = lines[0].split()
        assert (len(sha256), int(size), verdict) == (64, len(picture(WHITE)), "ai")
        assert float(seconds) >= 0
        assert "private-name" not in caplog.text


@pytest.fixture(scope="module")
def named(bright_bundle: Path) -> Iterator[httpx.Client]:
    """A server that was given names with large letters."""
    settings = Settings(
        model=str(bright_bundle), hosts=("127.0.0.1", "Foo.Example"), origins=("https://Friend.Example",)
    )
    with running(settings) as live, live.client() as client:
        yield client


class TestNames:
    """What the person who starts the server calls it and its friends, in large letters or small ones."""

    @pytest.mark.parametrize("host", ["foo.example", "FOO.example:8765", "127.0.0.1"])
    def test_its_own_name_is_answered(self, named: httpx.Client, host: str) -> None:
        assert named.get("/v1/models", headers={"Host": host}).status_code == 200

    @pytest.mark.parametrize("host", ["other.example", "foo.example.other.example", "", "[x"])
    def test_another_name_is_refused(self, named: httpx.Client, host: str) -> None:
        problem(named.get("/v1/models", headers={"Host": host}), 400, "unknown-host")

    def test_a_friends_page_may_call_it_and_read_the_answer(self, named: httpx.Client) -> None:
        friend = {"Origin": "https://friend.example", "Sec-Fetch-Site": "cross-site"}
        answer = named.post("/v1/scan", files=files(picture()), headers=friend)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "https://friend.example"
        stranger = {**friend, "Origin": "https://friend.example.other.example"}
        problem(named.post("/v1/scan", files=files(picture()), headers=stranger), 403, "cross-origin")
