"""The command line, one file a command; what is slow to import is imported by the command that needs it."""

from __future__ import annotations

import atexit
import errno
import gc
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from typing import NoReturn

EXIT_TROUBLE = 2
EXIT_INTERRUPTED = 130
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Runtime(str, Enum):
    """What computes the models."""

    onnxruntime = "onnxruntime"
    openvino = "openvino"


@contextmanager
def importing() -> Iterator[None]:
    """Pause the garbage collector: what imports make stays, and searching it only delays the start."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def entry() -> NoReturn:
    """`main` of a process of its own, which then ends at once.

    Taking the interpreter and all its libraries apart first is a twentieth of the time of a short scan.
    """
    code: object = 0
    try:
        main()
    except SystemExit as end:
        code = end.code
    # What others registered still runs; private, but there is no other way to it.
    atexit._run_exitfuncs()
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else EXIT_TROUBLE)


def main() -> None:
    """Run `fauxto`; every expected failure is one line on standard error and exit code 2."""
    _open_closed_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal that lacks a letter is no reason to end
        sys.stdout.reconfigure(errors="backslashreplace")
    # No plugin of pydantic has a part here, and looking for one reads every installed distribution.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        _guarded()
    except OSError:  # nobody reads, or there is no room for a last word
        _end_unheard()


def _open_closed_streams() -> None:
    """Give standard streams that the caller closed an end: nothing to read, and nowhere to write records.

    Otherwise the next file that is opened takes their number, and what is said goes into it.
    """
    for name, flags, mode in (
        ("stdin", os.O_RDONLY, "r"),
        ("stdout", os.O_RDONLY, "w"),  # records that nobody can get are a failure, as for `ls >&-`
        ("stderr", os.O_WRONLY, "w"),
    ):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, flags), mode, encoding="utf-8"))


def _guarded() -> None:
    """Run, and say in one line what went wrong; raises an OSError only where nothing can be said."""
    from fauxto.cli.app import build
    from fauxto.errors import FauxtoError

    try:
        _check_options(sys.argv[1:])
        with importing():
            app = build(sys.argv[1:2])
        _run(app)
    except FauxtoError as error:
        from fauxto.images import printable

        print(f"fauxto: {printable(str(error))}", file=sys.stderr)
        sys.exit(EXIT_TROUBLE)
    except BrokenPipeError:
        raise
    except Exception as error:  # exit code 1 would say that an image is AI-generated
        print(f"fauxto: {_unforeseen(error)}", file=sys.stderr)
        sys.exit(EXIT_TROUBLE)


def _run(app: Callable[[], object]) -> None:
    """Run the application and write out what it has said; raises what it raises.

    Raises:
        BrokenPipeError: nobody reads.
    """
    try:
        app()
    except SystemExit as end:
        # Typer makes exit code 1 of it before anybody else can see it: that is the code for images by AI.
        if isinstance(end.__context__, BrokenPipeError):
            raise end.__context__ from None
        # So it does of an end of file that nobody has caught, by way of an exception of its own.
        cause = None if end.__context__ is None else end.__context__.__cause__
        if isinstance(cause, EOFError):
            raise cause from None
        sys.stdout.flush()
        raise


def _end_unheard() -> NoReturn:
    """End where the reader (`| head`) went away: that is not our failure, but nothing more can be said.

    What waits to be written goes nowhere, or the interpreter would try again at its end and fail with a
    message and a code of its own.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    sys.exit(EXIT_TROUBLE)


def _unforeseen(error: Exception) -> str:
    """One line about an error that nobody gave words to: a path that may not be touched, or a defect."""
    import traceback
    from pathlib import Path

    from fauxto.images import printable

    if isinstance(error, OSError) and error.filename is not None:
        name = printable(os.fsdecode(error.filename))
        return f"{name}: {error.strerror}; check the path and who may use it"
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        return f"the output cannot be written: {error.strerror}; make room, or send it elsewhere"
    if isinstance(error, OSError) and error.errno == errno.EBADF:
        return "standard output is closed; leave it open, or name a file by --output"
    if isinstance(error, OSError) and error.errno == errno.EIO:  # a terminal that went away, a failing disk
        return f"reading or writing failed: {error.strerror}; check the disk, or where input and output go"
    package = f"{Path(__file__).parents[1]}{os.sep}"
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if frame.filename.startswith(package)]
    where = f" ({ours[-1].filename.removeprefix(package)}, line {ours[-1].lineno})" if ours else ""
    return printable(f"a defect of fauxto{where}: {type(error).__name__}: {error}; please report it")


def _check_options(arguments: list[str]) -> None:
    """A file name that a pattern of the shell put in an option's place: what to do, and nothing unprintable.

    Raises:
        UsageError: an option whose name no option has.
    """
    from fauxto.errors import UsageError

    for argument in arguments:
        if argument == "--":
            return
        name = argument.partition("=")[0]
        if name.startswith("-") and (not name.isprintable() or ("." in name and os.path.lexists(argument))):
            raise UsageError(
                f"{argument}: no such option; write ./ before a file name that begins with a dash"
            )
