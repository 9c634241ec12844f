"""The comparison with peers measures what is there now, on pictures of the size that was asked for."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

sys.path.append(str(Path(__file__).parents[1] / "benchmarks" / "peers"))  # as where it is run as a command

import measure


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What would have been run: a venv is an empty folder here, and nothing is installed."""
    ran: list[list[str]] = []

    def instead(command: list[object], *, check: bool) -> None:
        ran.append([str(word) for word in command])
        if "venv" in command:
            Path(ran[-1][-1]).mkdir(exist_ok=True)

    monkeypatch.setattr(subprocess, "run", instead)
    return ran


def test_an_environment_is_made_anew_where_its_requirements_have_changed(
    tmp_path: Path, commands: list[list[str]]
) -> None:
    measure.environment(tmp_path, measure.Peer("one", ("numpy>=1",), ()))
    assert len(commands) == 2
    measure.environment(tmp_path, measure.Peer("one", ("numpy>=1",), ()))
    assert len(commands) == 2
    measure.environment(tmp_path, measure.Peer("one", ("numpy>=2",), ()))
    assert ["venv" in command for command in commands] == [True, False, True, False]
    assert commands[-1][-1] == "numpy>=2"


def test_a_source_tree_is_installed_at_every_run_and_made_anew_with_its_pyproject(
    tmp_path: Path, commands: list[list[str]]
) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "pyproject.toml").write_text("a = 1")
    peer = measure.Peer("one", (str(tree),), (), tree=tree)
    measure.environment(tmp_path, peer)
    del commands[:]
    measure.environment(tmp_path, peer)
    (command,) = commands
    assert command[-3:] == ["--force-reinstall", "--no-deps", str(tree)]
    (tree / "pyproject.toml").write_text("a = 2")
    measure.environment(tmp_path, peer)
    assert "venv" in commands[1]


@pytest.mark.parametrize("size", [(512, 512), (128, 72), (72, 128)])
def test_crops_have_the_size_that_was_asked_for(
    tmp_path: Path, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "COUNT", 7)
    paths = sorted(measure.crops(tmp_path / "crops", size).iterdir())
    assert [Image.open(path).size for path in paths] == [size] * 7


@pytest.mark.parametrize("text", ["1280", "1280x", "0x720", "axb", "1x2x3"])
def test_a_size_that_is_none_is_refused(text: str) -> None:
    assert measure.picture_size("1280x720") == (1280, 720)
    with pytest.raises(argparse.ArgumentTypeError, match="1280x720"):
        measure.picture_size(text)
