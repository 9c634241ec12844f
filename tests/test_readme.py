"""The README is true: its figures are those of results/, its examples run, its commands exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from command import fauxto
from fauxto.cli.app import COMMANDS
from fauxto.verdict import RULES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CODE = re.findall(r"```(\w*)\n(.*?)```", README, re.DOTALL)


def test_figures_are_those_of_the_results() -> None:
    check = [sys.executable, str(ROOT / "benchmarks" / "figures.py"), "--check"]
    found = subprocess.run(check, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr


def test_demo_prints_what_the_readme_shows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    shown = (ROOT / "results" / "demo.txt").read_text(encoding="utf-8")
    assert fauxto(capsys, "scan", "examples/").out == shown


def test_python_example_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    for snippet in (code for language, code in CODE if language == "python"):
        exec(compile(snippet, "README.md", "exec"), {})
    assert "examples/photos/cat.jpg uncertain" in capsys.readouterr().out


def mentioned() -> set[tuple[str, str]]:
    """Every pair of command and option that a code block or a span names."""
    spans = [code for language, code in CODE if not language] + re.findall(r"`(fauxto [^`]+)`", README)
    pairs = set()
    for line in "\n".join(spans).splitlines():
        # `data` and `models` hold commands of their own, whose names go with them.
        if words := re.search(r"\bfauxto ((?:data|models) [a-z]+|[a-z]+)(.*)", line.split("#")[0]):
            options = re.findall(r"--[a-z-]+", words[2])
            pairs |= {(words[1], option) for option in ["", *options]}
    return pairs


@pytest.mark.parametrize(("command", "option"), sorted(mentioned()))
def test_commands_and_options_exist(command: str, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.split()[0] in COMMANDS
    assert option in fauxto(capsys, *command.split(), "--help").out


def test_architecture_prints_every_rule_in_order() -> None:
    table = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE)
    assert [name for name in named if name in {rule.name for rule in RULES}] == [rule.name for rule in RULES]


def test_every_file_that_the_architecture_names_is_there() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    package = ROOT / "src" / "fauxto"
    for name in re.findall(r"`((?:[a-z_0-9]+/)*[a-z_0-9]+\.(?:py|csv))`", text):
        assert list(package.rglob(name)) or (ROOT / name).is_file(), name
