"""`fauxto train`: from a recipe and labelled images to a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train(
    recipe: Annotated[Path, typer.Argument(help="A YAML recipe, such as recipes/thumb.yaml.")],
    data: Annotated[Path, typer.Option(help="Labelled images: class folders, parquet, or a CSV.")],
    output: Annotated[
        Path, typer.Option(help="Folder of the run: log, checkpoints, and bundle/ at the end.")
    ],
    negatives: Annotated[
        Path | None, typer.Option(help="Labelled images whose photographs the model must not accuse.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on after the last finished epoch.")] = False,
    epochs_now: Annotated[
        int | None, typer.Option(min=1, help="Stop after this many epochs in all, to resume later.")
    ] = None,
    devices: Annotated[
        int, typer.Option(min=1, help="GPUs, or processes on a CPU; more than one trains by DDP.")
    ] = 1,
) -> None:
    """Train a model by a recipe, and export it as a bundle."""
    from fauxto.errors import MissingExtraError
    from fauxto.images import printable

    try:
        from fauxto.train.run import run
    except ImportError as error:
        raise MissingExtraError("fauxto train", "train") from error
    bundle = run(
        recipe, data, output, negatives=negatives, resume=resume, epochs_now=epochs_now, devices=devices
    )
    if bundle is None:
        print(f"stopped after {epochs_now} epochs; go on with --resume")
    else:
        print(f"bundle: {printable(str(bundle))}")
