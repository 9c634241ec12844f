"""The commands and where each one lives."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

import typer

# Command to the module that holds it, as a function of that name or as `app` for a group of commands.
COMMANDS = {
    "scan": "fauxto.cli.scan",
    "inspect": "fauxto.cli.inspect",
    "models": "fauxto.cli.models",
    "info": "fauxto.cli.info",
    "trust": "fauxto.cli.trust",
    "data": "fauxto.cli.data",
    "train": "fauxto.cli.train",
    "evaluate": "fauxto.cli.evaluate",
    "calibrate": "fauxto.cli.calibrate",
    "adapt": "fauxto.cli.adapt",
    "serve": "fauxto.cli.serve",
}


def build(first: Sequence[str] = ()) -> typer.Typer:
    """The application.

    Args:
        first: the first word of the command line. Where it names a command only that one is imported,
            since `fauxto scan` should not wait for the others.
    """
    app = typer.Typer(
        name="fauxto",
        help="Tells whether images were made by a generative model: what speaks for it, how strongly, "
        "and when nobody can tell.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # markup would swallow the brackets of fauxto[evaluate]
    )
    # A callback keeps the command's name on the line even where only one command is registered.
    app.callback()(_options)
    for name in [word for word in first if word in COMMANDS] or COMMANDS:
        module = import_module(COMMANDS[name])
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name)
        else:
            app.command(name)(getattr(module, name))
    return app


def _version(show: bool) -> None:
    if show:
        from fauxto import __version__

        print(f"fauxto {__version__}")
        raise typer.Exit


def _options(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    """Tells whether images were made by a generative model."""
