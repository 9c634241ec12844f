"""`fauxto data download`: what a user reads when there is no network, no account or no kagglehub."""

from __future__ import annotations

import errno
import sys
from pathlib import Path
from typing import Any

import kagglehub
import pytest
import requests
from kagglehub.exceptions import DataCorruptionError, KaggleApiHTTPError, UnauthenticatedError
from typer.testing import CliRunner

from fauxto.cli.data import app
from fauxto.data import download
from fauxto.errors import DataError, MissingExtraError, UsageError


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "head", lambda *_, **__: requests.Response())


def kaggle_raises(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_: Any, **__: Any) -> str:
        raise error

    monkeypatch.setattr(kagglehub, "dataset_download", fail)


def http(status: int) -> KaggleApiHTTPError:
    response = requests.Response()
    response.status_code = status
    return KaggleApiHTTPError("refused", response=response)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (requests.exceptions.ConnectionError("Max retries exceeded"), "no connection"),
        (requests.exceptions.ConnectTimeout(), "no answer in time"),
        (requests.exceptions.SSLError("self-signed"), "its certificate is not accepted"),
        (requests.exceptions.ProxyError("refused"), "the proxy does not answer"),
    ],
)
def test_without_a_network_the_message_says_so_and_offers_another_way(
    monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    def unreachable(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(requests, "head", unreachable)
    kaggle_raises(monkeypatch, AssertionError("kagglehub must not be asked: it has no time limit"))
    with pytest.raises(DataError) as caught:
        download("cifake")
    assert f"Kaggle cannot be reached ({reason})" in str(caught.value)
    assert "https://www.kaggle.com/datasets/birdy654/cifake-real-and-ai-generated" in str(caught.value)


def test_the_question_whether_kaggle_answers_has_a_time_limit_of_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(requests, "head", lambda url, timeout, **_: asked.append((url, timeout)))
    monkeypatch.setattr(kagglehub, "dataset_download", lambda *_, **__: "/data")
    download("cifake")
    ((url, timeout),) = asked
    assert url.startswith("https://")
    assert sum(timeout) <= 20


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (http(401), r"refuses access \(HTTP 401\); make an API token .*KAGGLE_USERNAME"),
        (http(403), r"refuses access \(HTTP 403\)"),
        (http(404), r"no longer has it \(HTTP 404\)"),
        (http(429), r"fewer requests \(HTTP 429\)"),
        (http(503), r"HTTP 503\); try again later"),
        (UnauthenticatedError(), "wants an account for this; make an API token"),
        (ValueError("Invalid Kaggle credentials file at kaggle.json"), "Invalid Kaggle credentials file"),
        (DataCorruptionError("checksum"), "what arrived is damaged"),
        (requests.exceptions.ConnectionError("reset"), "cannot be reached"),
        (OSError(errno.ENOSPC, "No space left on device"), r"cannot be stored \(No space left on device\)"),
        (FileExistsError("output_dir is not empty"), "name an empty or a new folder by --output"),
    ],
)
def test_each_failure_of_kagglehub_becomes_one_sentence_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch, online: None, error: Exception, message: str
) -> None:
    kaggle_raises(monkeypatch, error)
    with pytest.raises(DataError, match=message):
        download("faces140k", "somewhere")


@pytest.mark.parametrize(
    ("name", "handle"),
    [
        ("cifake", "birdy654/cifake-real-and-ai-generated-synthetic-images"),
        ("faces140k", "xhlulu/140k-real-and-fake-faces"),
    ],
)
def test_the_command_downloads_and_prints_the_folder(
    monkeypatch: pytest.MonkeyPatch, online: None, tmp_path: Path, name: str, handle: str
) -> None:
    asked: list[Any] = []

    def fetch(handle: str, *, output_dir: str | None) -> str:
        asked.append((handle, output_dir))
        print("Downloading ...")
        return str(tmp_path / "set")

    monkeypatch.setattr(kagglehub, "dataset_download", fetch)
    answer = CliRunner().invoke(app, ["download", name, "--output", str(tmp_path)], catch_exceptions=False)
    assert answer.stdout == f"{tmp_path / 'set'}\n"
    assert asked == [(handle, str(tmp_path))]


def test_kagglehub_takes_the_arguments_that_it_is_given() -> None:
    import inspect

    assert {"handle", "output_dir"} <= set(inspect.signature(kagglehub.dataset_download).parameters)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match="choose one of cifake, faces140k"):
        download("imagenet")


def test_without_kagglehub_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(MissingExtraError, match=r"downloading data sets .*fauxto\[train\]"):
        download("cifake")
