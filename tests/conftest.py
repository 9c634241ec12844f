"""What every test has: a tiny bundle of known behaviour, and a word on skips in CI."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

from fauxto.provenance import signers
from signed_files import Know, Maker
from tiny_bundle import write_bundle

if importlib.util.find_spec("torchvision"):
    # Here it may lie beside a torch that it was not built for; transformers, for one, imports it too.
    import fauxto.train  # noqa: F401

pytest_plugins = ("browsing",)

# Continuous integration has neither the shared data nor a GPU; every other skip would hide a failure.
ALLOWED_SKIPS = ("needs ../shared", "needs a GPU")


@pytest.fixture(scope="session")
def bright_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle for sides of 8 to 64 whose score rises with brightness: black 0.02, grey 0.5, white 0.98."""
    return write_bundle(tmp_path_factory.mktemp("bundles") / "bright")


@pytest.fixture(autouse=True)
def data_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test sees or changes the trust lists that the person running it has fetched."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data-home"))
    return tmp_path / "data-home"


@pytest.fixture
def know(monkeypatch: pytest.MonkeyPatch) -> Know:
    """Puts makers' issuing certificates into the table of known issuers."""

    def add(*makers: Maker, **row: str) -> None:
        table = dict(signers.known_issuers())
        for one in makers:
            table |= one.known(**row)
        monkeypatch.setattr(signers, "known_issuers", lambda: table)

    return add


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a skip for another reason than a missing ../shared or GPU fails the run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or os.environ.get("CI") != "true":
        return
    for report in reporter.stats.get("skipped", []):
        reason = report.longrepr[2].removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else ""
        if not reason.startswith(ALLOWED_SKIPS):
            reporter.write_line(f"CI does not allow this skip: {report.nodeid}: {reason}", red=True)
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
