"""Object stores and web servers, asked for real over the loopback interface."""

from __future__ import annotations

import http.server
import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from command import fauxto
from scan_runs import lines, png, stored, tar_of, zip_of

IMAGES = {
    "photos/a.png": png(255),
    "photos/b/deep.png": png(0),
    "photos/cut.png": png(0)[:40],
    "photos/notes.txt": b"no image",
    "photos/z.png": png(128),
}


def parquet_of(images: list[bytes]) -> bytes:
    import pyarrow
    from pyarrow import parquet

    buffer = io.BytesIO()
    parquet.write_table(pyarrow.table({"image": [{"bytes": data} for data in images]}), buffer)
    return buffer.getvalue()


# Object stores


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """A server that speaks S3, with one bucket; gives its address."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(store: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The bucket `shelf`, filled; the environment names server and keys, as a user's would."""
    import boto3
    import fsspec

    for name, value in {
        "AWS_ENDPOINT_URL": store,
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
    }.items():
        monkeypatch.setenv(name, value)
    fsspec.filesystem("s3").clear_instance_cache()
    client = boto3.client("s3", endpoint_url=store)
    client.create_bucket(Bucket="shelf")
    for key, data in IMAGES.items():
        client.put_object(Bucket="shelf", Key=key, Body=data)
    yield client
    for entry in client.list_objects_v2(Bucket="shelf").get("Contents", []):
        client.delete_object(Bucket="shelf", Key=entry["Key"])
    client.delete_bucket(Bucket="shelf")


def verdicts(capsys: pytest.CaptureFixture[str], bundle: Path, *arguments: object) -> dict[str, str | None]:
    """Of each image the verdict, or the code of its error."""
    result = fauxto(capsys, "scan", *arguments, "--model", bundle, "--format", "jsonl")
    assert "Traceback" not in result.err
    return {record["path"]: record["verdict"] or record["error"]["code"] for record in lines(result.out)}


def test_a_folder_of_a_store_is_walked_in_order(
    capsys: pytest.CaptureFixture[str], bucket: Any, bright_bundle: Path
) -> None:
    found = verdicts(capsys, bright_bundle, "s3://shelf/photos/")
    assert list(found.items()) == [
        ("s3://shelf/photos/a.png", "ai"),
        ("s3://shelf/photos/b/deep.png", "no-sign"),
        ("s3://shelf/photos/cut.png", "truncated"),
        ("s3://shelf/photos/z.png", "uncertain"),
    ]
    assert list(verdicts(capsys, bright_bundle, "s3://shelf/photos")) == list(found)


def test_objects_patterns_and_what_is_not_there(
    capsys: pytest.CaptureFixture[str], bucket: Any, bright_bundle: Path
) -> None:
    asked = ("s3://shelf/photos/a.png", "s3://shelf/photos/none.png", "s3://nowhere/a.png", "s3://shelf/*/z*")
    assert list(verdicts(capsys, bright_bundle, *asked).values()) == [
        "ai",
        "not-found",
        "not-found",
        "uncertain",
    ]


@pytest.mark.parametrize("name", ["shard.tar", "shard.zip", "shard.parquet"])
def test_shards_are_read_in_place(
    capsys: pytest.CaptureFixture[str], bucket: Any, bright_bundle: Path, name: str
) -> None:
    members = {"0.png": png(255), "1.png": png(0)}
    data = {"tar": tar_of, "zip": zip_of}.get(name[6:], lambda _: parquet_of(list(members.values())))(members)
    bucket.put_object(Bucket="shelf", Key=name, Body=data)
    assert list(verdicts(capsys, bright_bundle, f"s3://shelf/{name}").values()) == ["ai", "no-sign"]


def test_a_csv_in_a_store_and_one_on_disk_name_objects(
    capsys: pytest.CaptureFixture[str], bucket: Any, bright_bundle: Path, tmp_path: Path
) -> None:
    bucket.put_object(Bucket="shelf", Key="photos/list.csv", Body=b"path\na.png\nb/deep.png\n")
    (tmp_path / "list.csv").write_text("url\ns3://shelf/photos/a.png\n")
    asked = ("s3://shelf/photos/list.csv", tmp_path / "list.csv")
    result = fauxto(capsys, "scan", *asked, "--model", bright_bundle, "--format", "jsonl")
    assert [record["verdict"] for record in lines(result.out)] == ["ai", "no-sign", "ai"]


def test_an_object_over_the_limit_is_refused(
    capsys: pytest.CaptureFixture[str], bucket: Any, bright_bundle: Path
) -> None:
    bucket.put_object(Bucket="shelf", Key="huge.png", Body=bytes(50_000))
    asked = ("s3://shelf/huge.png", "--max-bytes", 20_000)
    assert list(verdicts(capsys, bright_bundle, *asked).values()) == ["too-large"]


def test_a_scan_of_a_store_is_gone_on_with_and_changed_shards_are_named(
    capsys: pytest.CaptureFixture[str], bucket: Any, bright_bundle: Path, tmp_path: Path
) -> None:
    shard = {f"{index}.png": png(index) for index in range(3)}
    bucket.put_object(Bucket="shelf", Key="s.tar", Body=tar_of(shard))
    scan = (
        "scan", "s3://shelf/photos/", "s3://shelf/s.tar", "--model", bright_bundle,
        "--output", tmp_path / "out", "--resume", "--part-size", 2,
    )  # fmt: skip
    fauxto(capsys, *scan)
    whole = stored(tmp_path / "out")
    assert len(whole) == 7
    for part in sorted((tmp_path / "out").glob("part-*"))[-2:]:
        part.unlink()
    fauxto(capsys, *scan)
    assert stored(tmp_path / "out") == whole
    for part in sorted((tmp_path / "out").glob("part-*"))[-2:]:
        part.unlink()
    bucket.put_object(Bucket="shelf", Key="s.tar", Body=tar_of(shard | {"4.png": png(9)}))
    result = fauxto(capsys, *scan)
    assert result.code == 2
    assert "has changed since the scan began" in stored(tmp_path / "out")[-1]["error"]["message"]


def test_a_store_that_does_not_answer_is_an_error_record(
    capsys: pytest.CaptureFixture[str], bucket: Any, bright_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fsspec

    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    fsspec.filesystem("s3").clear_instance_cache()
    try:
        assert list(verdicts(capsys, bright_bundle, "s3://shelf/photos/a.png").values()) == ["unreadable"]
    finally:
        fsspec.filesystem("s3").clear_instance_cache()


def test_an_unknown_scheme_and_a_missing_extra_are_named(
    capsys: pytest.CaptureFixture[str], bright_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list(verdicts(capsys, bright_bundle, "ftp://host/a.png").values()) == ["unsupported"]
    monkeypatch.setitem(__import__("sys").modules, "fsspec.core", None)
    result = fauxto(capsys, "scan", "s3://shelf/a.png", "--model", bright_bundle)
    assert result.code == 2 and "fauxto[remote]" in result.err and "Traceback" not in result.err


# Web servers


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `IMAGES`, redirects `/moved.png`, fails at `/broken.png`; notes every request."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path == "/moved.png":
            self.send_response(302)
            self.send_header("Location", "/photos/a.png")
            self.end_headers()
            return
        data = IMAGES.get(self.path.partition("?")[0].lstrip("/"))
        if data is None:
            self.send_error(500 if self.path == "/broken.png" else 404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def web() -> Iterator[tuple[str, list[str]]]:
    """A web server's address, and the requests that came."""
    asked: list[str] = []
    handler = type("OneServer", (Handler,), {"asked": asked})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def test_web_servers_are_asked_only_when_allowed(
    capsys: pytest.CaptureFixture[str], web: tuple[str, list[str]], bright_bundle: Path, tmp_path: Path
) -> None:
    address, asked = web
    (tmp_path / "list.csv").write_text(f"url\n{address}/photos/a.png\n")
    paths = (f"{address}/photos/a.png", f"{address}/list.csv", f"{address}/a.tar", tmp_path / "list.csv")
    result = fauxto(capsys, "scan", *paths, "--model", bright_bundle, "--format", "jsonl")
    assert result.code == 2
    assert all("--allow-network" in record["error"]["message"] for record in lines(result.out))
    assert len(lines(result.out)) == 4 and asked == []


def test_images_of_a_web_server(
    capsys: pytest.CaptureFixture[str], web: tuple[str, list[str]], bright_bundle: Path
) -> None:
    address, _ = web
    names = ("photos/a.png", "photos/b/deep.png?size=full", "moved.png", "none.png", "broken.png")
    found = verdicts(capsys, bright_bundle, *(f"{address}/{name}" for name in names), "--allow-network")
    assert list(found.values()) == ["ai", "no-sign", "ai", "not-found", "unreadable"]
