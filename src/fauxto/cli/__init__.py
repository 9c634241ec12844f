"""The command line, one file a command; what is slow to import is imported by the command that needs it."""

from __future__ import annotations

import sys

EXIT_TROUBLE = 2
EXIT_INTERRUPTED = 130


def main() -> None:
    """Run `fauxto`; every expected failure is one line on standard error and exit code 2."""
    from fauxto.cli.app import build
    from fauxto.errors import FauxtoError

    try:
        build(sys.argv[1:2])()
    except FauxtoError as error:
        from fauxto.images import printable

        print(f"fauxto: {printable(str(error))}", file=sys.stderr)
        sys.exit(EXIT_TROUBLE)
    except BrokenPipeError:
        # The reader (`| head`) went away; that is not our failure, but nothing more can be said.
        sys.stderr.close()
        sys.exit(EXIT_TROUBLE)
