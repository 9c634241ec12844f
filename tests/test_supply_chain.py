"""What SECURITY.md promises of this repository: its tests exist, workflows are pinned, loads are safe."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

if sys.version_info >= (3, 11):
    import tomllib

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
SOURCES = sorted((ROOT / "src").rglob("*.py"))


def rows() -> list[list[str]]:
    lines = (ROOT / "SECURITY.md").read_text(encoding="utf-8").splitlines()
    table = [line for line in lines if line.startswith("| ")][1:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row[0]}, {row[1]}"[:60])
def test_each_threat_names_who_what_what_stops_it_and_a_test_that_exists(row: list[str]) -> None:
    who, gain, stops, shown = row
    named = re.findall(r"`([^`]+)`", shown)
    assert who and gain and stops and named
    for place in named:
        path, _, test = place.partition("::")
        assert (ROOT / path).exists(), path
        assert not test or f"def {test}(" in (ROOT / path).read_text(encoding="utf-8"), place


def test_the_threat_table_names_everyone_who_can_attack() -> None:
    assert {row[0].split(" of ")[0] for row in rows()} >= {"sender", "author", "client", "page"}
    assert len(rows()) >= 10


def steps(workflow: Path) -> list[dict[str, Any]]:
    jobs = yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_pin_their_actions_and_may_only_read(workflow: Path) -> None:
    content = yaml.safe_load(workflow.read_text(encoding="utf-8"))
    assert content["permissions"] == {"contents": "read"}
    for job in content["jobs"].values():
        writes = {name for name, right in job.get("permissions", {}).items() if right == "write"}
        assert writes <= ({"id-token", "attestations"} if workflow.name == "release.yml" else set())
        assert job["timeout-minutes"] <= 60
    for step in steps(workflow):
        if "uses" in step:
            assert re.fullmatch(r"[\w.-]+(/[\w.-]+)+@[0-9a-f]{40}", step["uses"]), step
        if str(step.get("uses", "")).startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_the_audit_is_strict_and_the_release_is_attested_and_published_without_a_token() -> None:
    audit, release, tests = (
        ROOT / ".github" / "workflows" / f"{name}.yml" for name in ("audit", "release", "tests")
    )
    assert any("pip_audit --strict" in step.get("run", "") for step in steps(audit))
    assert any(step.get("run") == ".ci/run" for step in steps(tests))
    used = [step.get("uses", "").partition("@")[0] for step in steps(release)]
    assert "actions/attest-build-provenance" in used and "pypa/gh-action-pypi-publish" in used
    assert "secrets." not in release.read_text(encoding="utf-8")


if sys.version_info >= (3, 11):  # tomllib

    def test_the_licence_check_sees_every_extra() -> None:
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
            "optional-dependencies"
        ]

        def closure(name: str) -> set[str]:
            inner = [re.fullmatch(r"fauxto\[(.+)\]", one) for one in extras[name]]
            names = [extra for found in inner if found for extra in found[1].split(",")]
            return {one for one in extras[name] if not one.startswith("fauxto[")}.union(*map(closure, names))

        wanted: set[str] = set().union(*(closure(name) for name in extras if name != "dev"))
        assert closure("all") == wanted
        assert wanted <= closure("dev"), "dev is what .ci/run installs before it looks at licences"


def calls(source: Path) -> list[ast.Call]:
    return [node for node in ast.walk(ast.parse(source.read_text("utf-8"))) if isinstance(node, ast.Call)]


def keyword(call: ast.Call, name: str) -> object:
    found = [one.value for one in call.keywords if one.arg == name]
    return ast.literal_eval(found[0]) if found else None


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_nothing_is_loaded_in_a_way_that_can_run_code(source: Path) -> None:
    for call in calls(source):
        name = ast.unparse(call.func)
        if name == "torch.load":
            assert keyword(call, "weights_only") is True, ast.unparse(call)
        assert name not in {
            "eval",
            "exec",
            "pickle.load",
            "pickle.loads",
            "yaml.load",
            "joblib.load",
            "os.system",
        }
        assert keyword(call, "allow_pickle") is None and not keyword(call, "trust_remote_code")
        assert keyword(call, "shell") is None
