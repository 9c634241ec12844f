"""What a command does before its work: little, and nothing that changes the work."""

from __future__ import annotations

import gc
import os
import subprocess
import sys

import pytest

from fauxto.cli import importing


def test_the_garbage_collector_is_back_after_imports_that_fail_too() -> None:
    with importing():
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ImportError), importing():
        raise ImportError
    assert gc.isenabled()


def test_a_command_looks_for_no_plugins_among_the_installed_distributions() -> None:
    code = (
        "import importlib.metadata as metadata, sys\n"
        "def distributions(**_): raise SystemExit('searched')\n"
        "metadata.distributions = metadata.entry_points = distributions\n"
        "from fauxto.cli import main\n"
        "sys.argv = ['fauxto', 'models']\n"
        "main()\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "PYDANTIC_DISABLE_PLUGINS"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "thumb" in done.stdout
