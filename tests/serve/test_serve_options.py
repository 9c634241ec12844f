"""The options of `fauxto serve` mean what its help and docs/serve.md say."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

from command import Result, fauxto
from fauxto.serve.settings import Settings

command = import_module("fauxto.cli.serve")
Serve = Callable[..., tuple[Settings | None, Result]]


@pytest.fixture
def serve(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Gives what the server would be started with, and None where the command refuses."""

    def start(*options: object) -> tuple[Settings | None, Result]:
        started: list[Settings] = []

        def listen(settings: Settings, *_: Any, **__: Any) -> None:
            started.append(settings)

        monkeypatch.setattr(command, "_listen", listen)
        result = fauxto(capsys, "serve", *options)
        return (started[0] if started else None), result

    return start


@pytest.mark.parametrize(
    ("options", "images", "each", "files"),
    [
        ((), 128, 64, 32),
        (("--max-images", 1), 1, 1, 1),
        (("--max-images", 40), 40, 20, 20),
        (("--max-images", 400), 400, 200, 32),
        (("--max-files", 64), 128, 64, 64),
        (("--max-images", 40, "--max-files", 3), 40, 20, 3),
    ],
)
def test_images_are_as_many_as_stated_and_half_of_them_for_one_client(
    serve: Serve, options: tuple[object, ...], images: int, each: int, files: int
) -> None:
    settings, result = serve(*options)
    assert settings is not None, result.err
    assert (settings.max_images, settings.max_images_per_client, settings.max_files) == (images, each, files)


@pytest.mark.parametrize(
    ("options", "least"),
    [(("--max-files", 65), 130), (("--max-images", 40, "--max-files", 21), 42)],
)
def test_more_files_than_one_client_may_have_are_refused_with_the_remedy(
    serve: Serve, options: tuple[object, ...], least: int
) -> None:
    settings, result = serve(*options)
    assert settings is None and result.code == 2
    assert f"--max-images {least}" in result.err
    assert serve(*options, "--max-images", least)[0] is not None
