"""`fauxto adapt`: teach a model a generator that it misses, from a handful of images."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def adapt(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA",
            help="Ten or more images of the generator, and as many photographs or more, labelled.",
        ),
    ],
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the new bundle; must not exist.")],
    model: Annotated[
        str, typer.Option(metavar="NAME|DIR", help="A model's name or a bundle's folder.")
    ] = "photo",
    split: Annotated[str | None, typer.Option(help="Only this split that the data declare.")] = None,
) -> None:
    """Make a bundle that knows a generator which the model misses.

    It fits a small addition on the model's own features and writes it into a copy of the model: no torch, no
    GPU, seconds. Scores only rise, and only for what looks like the new images. Give photographs of the kinds
    that you judge, the more the better: they keep it from accusing. Use the result by `--model DIR`. Needs
    `pip install 'fauxto[evaluate]'`.
    """
    from fauxto.adapt.run import adapt as make
    from fauxto.adapt.run import promise, summary
    from fauxto.cli.evaluate import show_progress
    from fauxto.data import load
    from fauxto.evaluate.run import require_extra
    from fauxto.images import printable
    from fauxto.models import find_bundle, load_bundle

    require_extra("fauxto adapt")
    bundle = load_bundle(find_bundle(model))
    dataset = load(data, split=split, on_error="skip")
    with show_progress(len(dataset)) as progress:
        found = make(dataset, bundle, output, progress)
    print(summary(found))
    print(promise(found))
    if found.found_after <= found.found_before:
        print(
            "fauxto: it finds no more of them than before; give more images of both, or another --model",
            file=sys.stderr,
        )
    if found.left_out:
        print(
            f"fauxto: left out: {found.left_out} (copies, unreadable, or outside the model's domain)",
            file=sys.stderr,
        )
    print(f"bundle: {printable(str(output))}")
