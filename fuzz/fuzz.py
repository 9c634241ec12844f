#!/usr/bin/env python3
"""Fuzz one target with atheris: `fuzz.py TARGET CORPUS... [libFuzzer options]`.

A finding is a traceback and a file `crash-*`; fix it and put the file into tests/corpus/findings/.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parent))
with atheris.instrument_imports(include=["fauxto", "python_multipart", "starlette.formparsers"]):
    from targets import TARGETS


def main() -> None:
    """Run libFuzzer on the target that the first argument names."""
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
