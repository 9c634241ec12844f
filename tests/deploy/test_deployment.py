"""The files for deploying name what exists: sources, options, routes, ports."""

from __future__ import annotations

import configparser
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from command import fauxto
from fauxto.cli.serve import _SHUTDOWN_SECONDS
from fauxto.serve.settings import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


@pytest.fixture
def offered(capsys: pytest.CaptureFixture[str]) -> set[str]:
    """The options of `fauxto serve`."""
    return set(re.findall(r"--[a-z-]+", fauxto(capsys, "serve", "--help").out))


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions with their arguments."""
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines]


class TestDockerfile:
    def test_what_it_copies_exists_and_is_not_ignored(self) -> None:
        ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
        copied = [
            rest.split()[:-1] for name, rest in instructions() if name == "COPY" and "--from" not in rest
        ]
        assert copied
        for source in [name for names in copied for name in names]:
            assert (ROOT / source).exists()
            assert f"!{source}" in ignored

    def test_it_runs_without_root_and_is_asked_whether_it_is_ready(self) -> None:
        given = dict(instructions())
        assert int(given["USER"].split(":")[0]) > 0
        assert [name for name, _ in instructions()].index("USER") < [n for n, _ in instructions()].index(
            "ENTRYPOINT"
        )
        assert f":{given['EXPOSE']}/health/ready" in given["HEALTHCHECK"]
        compile(json.loads(given["HEALTHCHECK"].partition("CMD ")[2])[2], "HEALTHCHECK", "exec")

    def test_its_options_exist_and_it_does_not_let_everybody_in(self, offered: set[str]) -> None:
        given = dict(instructions())
        words = [*json.loads(given["ENTRYPOINT"]), *json.loads(given["CMD"])]
        assert words[:2] == ["fauxto", "serve"]
        assert {word for word in words if word.startswith("--")} <= offered
        assert "--api-key-file" in words and "--no-auth" not in words


class TestCompose:
    @pytest.fixture
    def compose(self) -> dict[str, Any]:
        return dict(yaml.safe_load((DEPLOY / "compose.yaml").read_text()))

    def test_two_bounded_servers_that_can_write_nothing_and_reach_nobody(
        self, compose: dict[str, Any]
    ) -> None:
        server = compose["services"]["fauxto"]
        assert server["deploy"]["replicas"] == 2
        assert server["read_only"] and server["cap_drop"] == ["ALL"]
        assert "ports" not in server
        assert server["networks"] == ["inside"] and compose["networks"]["inside"]["internal"]
        assert (DEPLOY / server["build"]["context"] / server["build"]["dockerfile"]).is_file()
        assert f"/run/secrets/{server['secrets'][0]}" in dict(instructions())["CMD"]
        assert int(server["stop_grace_period"].removesuffix("s")) > _SHUTDOWN_SECONDS

    def test_everything_that_a_service_names_is_declared(self, compose: dict[str, Any]) -> None:
        for service in compose["services"].values():
            assert set(service["networks"]) <= set(compose["networks"])
            assert set(service.get("secrets", [])) <= set(compose["secrets"])
            for volume in service.get("volumes", []):
                source = volume.split(":")[0]
                assert source in compose["volumes"] or (DEPLOY / source).is_file()

    def test_caddy_asks_these_servers_and_lets_through_what_they_take(self, compose: dict[str, Any]) -> None:
        text = (DEPLOY / "Caddyfile").read_text()
        assert text.count("{") == text.count("}")
        assert re.findall(r"name (\S+)\n\s+port (\d+)", text) == [("fauxto", dict(instructions())["EXPOSE"])]
        assert "fauxto" in compose["services"]
        assert int(re.findall(r"max_size (\d+)MB", text)[0]) * 10**6 == Settings.max_body


class TestUnit:
    @pytest.fixture
    def service(self) -> dict[str, str]:
        parser = configparser.RawConfigParser(strict=False)
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        parser.read(DEPLOY / "fauxto.service")
        assert parser["Install"]["WantedBy"] == "multi-user.target"
        return dict(parser["Service"])

    def test_its_options_exist(self, service: dict[str, str], offered: set[str]) -> None:
        words = shlex.split(service["ExecStart"])
        assert words[1] == "serve"
        assert {word for word in words if word.startswith("--")} <= offered

    def test_it_is_confined_and_may_finish(self, service: dict[str, str]) -> None:
        assert service["DynamicUser"] == service["NoNewPrivileges"] == "yes"
        assert service["ProtectSystem"] == "strict"
        assert service["CapabilityBoundingSet"] == ""
        assert int(service["TimeoutStopSec"]) > _SHUTDOWN_SECONDS
        assert service["LoadCredential"].split(":")[0] == service["ExecStart"].rsplit("/")[-1]
