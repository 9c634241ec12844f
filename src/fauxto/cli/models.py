"""`fauxto models`: the bundles in this installation with their cards, and `fauxto models import`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup


class _NameOrCommand(TyperGroup):
    """`fauxto models NAME` prints a card: a first word that is no command is the name of a model."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in self.commands:
            args = ["card", *args]
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=_NameOrCommand,
    invoke_without_command=True,
    help="List the models, or print the card of one: fauxto models NAME|DIR.",
    rich_markup_mode=None,
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print configs as JSON.")]


class Resize(str, Enum):
    """How an image becomes the model's square."""

    square = "square"
    shortest = "shortest"
    stretch = "stretch"


class Interpolation(str, Enum):
    """The kernel of resizing."""

    nearest = "nearest"
    bilinear = "bilinear"
    bicubic = "bicubic"
    box = "box"
    hamming = "hamming"
    lanczos = "lanczos"


class OutputKind(str, Enum):
    """What a model gives for each image."""

    logit = "logit"
    softmax = "softmax"
    probability = "probability"


@app.callback()
def models(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the models, or print the card of one: fauxto models NAME|DIR."""
    context.obj = as_json
    if context.invoked_subcommand is not None:
        return
    from fauxto.models import read_config, shipped

    folders = list(shipped().values())
    configs = [read_config(folder) for folder in folders]
    if as_json:
        _print_json(configs)
        return
    for folder, config in zip(folders, configs, strict=True):
        domain, thresholds = config.domain, config.thresholds
        print(f"{config.name} {config.version}: {domain.content}; sides of {domain.sides}")
        print(f"    ai at or above {thresholds.ai:.4f}, no-sign below {thresholds.no_sign:.4f}")
        print(f"    used by --model auto: {'yes' if domain.automatic else 'no'}; licence {config.licence}")
        print(f"    card: {folder / 'MODEL_CARD.md'}")


@app.command("card", hidden=True)
def card(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME|DIR", help="A model's name or a bundle's folder.")],
    as_json: JsonOption = False,
) -> None:
    """Print the card of a model."""
    from fauxto.images import printable
    from fauxto.models import find_bundle, read_config
    from fauxto.models.files import read_file

    folder = find_bundle(name)
    config = read_config(folder)
    if as_json or context.obj:
        _print_json([config])
    else:
        text = read_file(folder / "MODEL_CARD.md").decode("utf-8", errors="replace")
        print("\n".join(map(printable, text.splitlines())))


def _print_json(configs: list[Any]) -> None:
    import json

    print(json.dumps([config.model_dump(mode="json") for config in configs], indent=2))


@app.command("import")
def import_(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="hf:OWNER/NAME[@REVISION] (fetched from the Hugging Face hub), a folder in that layout, or "
            "an ONNX file.",
        ),
    ],
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the bundle; must not exist.")],
    ai_index: Annotated[
        int | None, typer.Option(min=0, help="The class that is AI-generated, where labels do not tell.")
    ] = None,
    output_kind: Annotated[
        OutputKind | None,
        typer.Option(help="One logit for a sigmoid, a logit for each class, or probabilities."),
    ] = None,
    side: Annotated[int | None, typer.Option(help="Side of the model's square, in pixels.")] = None,
    resize: Annotated[
        Resize | None,
        typer.Option(help="Centre square, shortest side and centre crop, or stretch to the square."),
    ] = None,
    resize_side: Annotated[
        int | None, typer.Option(help="Shorter side before the crop, for --resize shortest, in pixels.")
    ] = None,
    interpolation: Annotated[Interpolation | None, typer.Option(help="Kernel of resizing.")] = None,
    antialias: Annotated[
        bool | None, typer.Option("--antialias/--no-antialias", help="Whether shrinking reads all pixels.")
    ] = None,
    mean: Annotated[
        str | None, typer.Option(metavar="R,G,B", help="Mean of each channel, of pixels in [0, 1].")
    ] = None,
    std: Annotated[str | None, typer.Option(metavar="R,G,B", help="Standard deviation likewise.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the bundle; by default the source's.")] = None,
    licence: Annotated[str | None, typer.Option(help="Licence, where the source's files state none.")] = None,
    min_side: Annotated[int, typer.Option(min=1, help="Least side it is used on, in pixels.")] = 32,
    max_side: Annotated[int, typer.Option(min=1, help="Greatest side it is used on, in pixels.")] = 20000,
) -> None:
    """Turn somebody else's detector into a bundle.

    It never says ai until `fauxto calibrate` has set its thresholds on your images. Weights are read from
    safetensors or ONNX, never from pickles, and no code of the source is run. Its files say how images are
    prepared and which class is AI-generated; where they do not, or contradict each other, the options do.
    Needs `pip install 'fauxto[import]'`, but for an ONNX file.
    """
    from fauxto.images import printable
    from fauxto.importing import Answers, import_detector

    answers = Answers(
        side=side,
        resize=resize.value if resize else None,
        resize_side=resize_side,
        interpolation=interpolation.value if interpolation else None,
        antialias=antialias,
        mean=_triple(mean, "--mean"),
        std=_triple(std, "--std"),
        output=output_kind.value if output_kind else None,
        ai_index=ai_index,
        name=name,
        licence=licence,
        min_side=min_side,
        max_side=max_side,
    )
    imported = import_detector(source, output, answers)
    config = imported.config
    print(f"{config.name} {config.version}, licence {config.licence}: {printable(str(output))}")
    if imported.difference is None:
        print("Not compared with the source's own pipeline: the preprocessing is the one you stated.")
    else:
        print(f"Greatest difference to the source's own pipeline: {imported.difference:.1e}")
    print(f"It never says ai until: fauxto calibrate DATA --model {printable(str(output))} --output DIR")


def _triple(text: str | None, option: str) -> tuple[float, float, float] | None:
    from fauxto.errors import UsageError

    if text is None:
        return None
    try:
        red, green, blue = (float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(
            f"{option} takes three numbers with commas, such as 0.5,0.5,0.5, not {text}"
        ) from None
    return red, green, blue
