"""Run the command line inside the test process, as a user's shell would."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import pytest

from fauxto.cli import main


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str


def fauxto(capsys: pytest.CaptureFixture[str], *arguments: object) -> Result:
    """Run `fauxto ARGUMENTS...`."""
    before = sys.argv
    sys.argv = ["fauxto", *map(str, arguments)]
    capsys.readouterr()
    try:
        main()
        code = 0
    except SystemExit as exit_:
        code = int(exit_.code or 0)
    finally:
        sys.argv = before
    captured = capsys.readouterr()
    return Result(code, captured.out, captured.err)
