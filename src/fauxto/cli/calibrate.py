"""`fauxto calibrate`: a bundle's thresholds fitted anew on the user's own images."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def calibrate(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA", help="Labelled images as for evaluate, or only some that are not AI-generated."
        ),
    ],
    model: Annotated[str, typer.Option(metavar="NAME|DIR", help="A model's name or a bundle's folder.")],
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the new bundle; must not exist.")],
    max_fpr: Annotated[
        float, typer.Option(help="Greatest false-positive rate of the verdict ai, kept at 95 % confidence.")
    ] = 0.01,
    split: Annotated[str | None, typer.Option(help="Only this split that the data declare.")] = None,
) -> None:
    """Fit a model's calibration and thresholds on your own images, and write a new bundle.

    Images that are not AI-generated are enough (in a folder named `photos`, say): then only the `ai`
    threshold changes. A promise of 1 % needs at least 299 of them. Needs `pip install 'fauxto[evaluate]'`.
    """
    from fauxto.cli.evaluate import show_progress
    from fauxto.data import load
    from fauxto.evaluate.recalibration import promise, recalibrate
    from fauxto.evaluate.run import require_extra
    from fauxto.images import printable
    from fauxto.models import find_bundle, load_bundle

    require_extra("fauxto calibrate")
    bundle = load_bundle(find_bundle(model))
    dataset = load(data, split=split, on_error="skip")
    with show_progress(len(dataset)) as progress:
        found = recalibrate(dataset, bundle, max_fpr=max_fpr, output=output, progress=progress)
    print(f"{bundle.config.name} {found.version}: ai at or above {found.ai_threshold:.6g}, "
          f"no-sign below {found.no_sign_threshold:.6g}")  # fmt: skip
    print(promise(found))
    for count, reason in (
        (found.outside_domain, "outside the model's domain"),
        (found.duplicates, "copies of another image"),
        (found.unreadable, "could not be read"),
    ):
        if count:
            print(f"fauxto: left out: {count} {reason}", file=sys.stderr)
    print(f"bundle: {printable(str(output))}")
