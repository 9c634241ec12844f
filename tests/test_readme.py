"""The README is true: its figures are those of results/, its examples run, its commands exist."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from command import fauxto
from fauxto.cli.app import COMMANDS
from fauxto.verdict import RULES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = ROOT / "results"
MODELS = ROOT / "src" / "fauxto" / "models"
SHIPPED = sorted(path.parent.name for path in MODELS.glob("*/config.json"))
CODE = re.findall(r"```(\w*)\n(.*?)```", README, re.DOTALL)


def test_figures_are_those_of_the_results() -> None:
    check = [sys.executable, str(ROOT / "benchmarks" / "figures.py"), "--check"]
    found = subprocess.run(check, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def outside_of_blocks(text: str) -> str:
    """A page without code and without what benchmarks/figures.py writes."""
    return re.sub(r"<!-- figures: .*?<!-- /figures -->|```.*?```", "", text, flags=re.DOTALL)


def test_no_measurement_is_typed_into_the_readme() -> None:
    text = outside_of_blocks(README).replace("95 % interval", "")
    assert re.findall(r"\b0\.\d{2,}|\d ?%|\b\d{1,3},\d{3}\b", text) == []


def entries(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, float]]:
    """Every number below a value with the names that lead there, as a card's table has them."""
    if isinstance(value, dict):
        for name, below in value.items():
            yield from entries(below, (*path, name))
    elif isinstance(value, int | float):
        yield ", ".join(path).replace("_", " "), value


@pytest.mark.parametrize("name", SHIPPED)
def test_the_cards_figures_are_those_of_its_bundle(name: str) -> None:
    card = (MODELS / name / "MODEL_CARD.md").read_text(encoding="utf-8")
    metrics, config = read(MODELS / name / "metrics.json"), read(MODELS / name / "config.json")
    known = dict(entries(metrics.get("validation", metrics)))
    rows = re.findall(r"^\| (?!figure)(.+?) \| ([\d.]+) \|$", outside_of_blocks(card), re.MULTILINE)
    assert len(rows) >= 10
    for row, shown in rows:
        assert shown in (str(known[row]), f"{known[row]:.4f}"), row
    assert card.startswith(f"# {name} {config['version']}\n")
    thresholds = config["thresholds"]
    assert f"At or above {thresholds['ai']:.4f} the verdict is `ai`" in card
    assert f"below {thresholds['no_sign']:.4f} it is `no-sign`" in card


@pytest.mark.parametrize("file", ["thumb.json", "thumb-ladder.json", "face.json", "face-sources.json"])
def test_what_was_measured_is_the_model_that_is_shipped(file: str) -> None:
    found = read(RESULTS / file)
    digest = found["result"]["model"]["sha256"] if "result" in found else found["model_sha256"]
    assert digest == read(MODELS / file.split(".")[0].split("-")[0] / "config.json")["model_sha256"]


def test_the_photo_models_figures_are_those_of_its_bundle() -> None:
    assert read(RESULTS / "photo.json") == read(MODELS / "photo" / "metrics.json")


def test_no_figure_of_the_readme_is_from_a_part_of_the_data() -> None:
    for name in ("thumb.json", "face.json"):
        assert read(RESULTS / name)["data"]["limit"] is None, name


def test_every_block_of_figures_is_filled() -> None:
    pages = [ROOT / "README.md", *ROOT.glob("docs/*.md")]
    texts = [page.read_text(encoding="utf-8") for page in pages]
    blocks = [block for text in texts for block in text.split("<!-- figures:")[1:]]
    assert blocks and all(re.match(r" \S+ -->\n\S", block) for block in blocks)
    assert not any(re.match(r" \S+ -->\n<!--", block) for block in blocks)


@pytest.mark.parametrize(
    "page", ["README.md", *sorted(f"docs/{path.name}" for path in ROOT.glob("docs/*.md"))]
)
def test_make_writes_every_file_that_a_page_names(page: str) -> None:
    named = re.findall(r"`(results/[\w-]+\.\w+)`", (ROOT / page).read_text(encoding="utf-8"))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert set(named) <= set(re.findall(r"results/[\w-]+\.\w+", makefile))


def test_reference_runs_say_what_they_are() -> None:
    found = read(RESULTS / "reference.json")
    assert set(found) == {path.stem for path in (ROOT / "recipes").glob("reference-*.yaml")}
    for name, row in found.items():
        assert f"recipes/{name}.yaml" in row["command"] and "--no-pretrained" in row["command"]
        assert row["weights"] == "random"
        learnt = row["training_images"] + row["validation_images"]
        assert row["available_images"] > learnt, "a part of the data, and the record says of how many"
        assert sum(row["confusion"].values()) == row["test_images"]


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
