"""`fauxto train`: from a recipe and labelled images to a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train(
    recipe: Annotated[Path, typer.Argument(help="A YAML recipe, such as recipes/thumb.yaml.")],
    data: Annotated[
        list[Path],
        typer.Option(
            help="Labelled images: class folders, parquet, or a CSV; again for each further data set of a "
            "recipe that leaves origins out."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(help="Folder of the run: log, curves, checkpoints, and in the end bundle/ and test/."),
    ],
    negatives: Annotated[
        Path | None, typer.Option(help="Labelled images whose photographs the model must not accuse.")
    ] = None,
    others: Annotated[
        Path | None,
        typer.Option(
            help="Parquet file of pictures that are no photographs (image, kind, split), for a gate."
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            help="File that the net starts from: .safetensors, .pth or .bin of timm's, a .ckpt, the "
            "model.onnx of a bundle of fauxto's own net, or CLIP's image tower (.onnx, .safetensors)."
        ),
    ] = None,
    no_pretrained: Annotated[
        bool, typer.Option("--no-pretrained", help="Start from random weights, download nothing.")
    ] = False,
    images: Annotated[
        int | None,
        typer.Option(
            min=2, help="Learn from so many images only, of each class its share, and test on as many."
        ),
    ] = None,
    micro_batch: Annotated[
        int | None,
        typer.Option(
            min=4, help="Put so many images through the net at once, where a batch needs too much memory."
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Processes that prepare batches; by default some with a GPU.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on after the last finished epoch.")] = False,
    epochs_now: Annotated[
        int | None, typer.Option(min=1, help="Stop after this many epochs in all, to resume later.")
    ] = None,
    bundle: Annotated[
        str | None,
        typer.Option(
            help="Name or folder of a finished bundle of this recipe: only its calibration and thresholds "
            "are chosen anew."
        ),
    ] = None,
    devices: Annotated[
        int, typer.Option(min=1, help="GPUs, or processes on a CPU; more than one trains by DDP.")
    ] = 1,
) -> None:
    """Train a model by a recipe, and export it as a bundle.

    A recipe with a timm backbone (extra `backbones`) starts from timm's weights: from a file given with
    --weights, from the cache of an earlier download, or downloaded. Resume a run with the options that it
    was started with.
    """
    from fauxto.errors import MissingExtraError
    from fauxto.images import printable

    try:
        from fauxto.train.run import Options, run
    except ImportError as error:
        raise MissingExtraError("fauxto train", "train") from error
    options = Options(
        negatives=negatives,
        others=others,
        weights=weights,
        pretrained=not no_pretrained,
        images=images,
        micro_batch=micro_batch,
        workers=workers,
        devices=devices,
        resume=resume,
        epochs_now=epochs_now,
        bundle=bundle,
    )
    made = run(recipe, data, output, options)
    if made is None:
        if epochs_now is not None:
            print(f"stopped after {epochs_now} epochs; go on with --resume")
        return
    print(f"bundle: {printable(str(made))}")
    report = output / "test" / "report.html"
    if report.is_file():
        print(f"test report: {printable(str(report))}")
