"""`fauxto evaluate`: measure a model on labelled images."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fauxto.cli import Runtime

if TYPE_CHECKING:
    from fauxto.evaluate import Evaluation


def evaluate(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA",
            help="Folder with class folders, parquet file or folder, or CSV of paths and labels.",
        ),
    ],
    model: Annotated[str, typer.Option(metavar="NAME|DIR", help="A model's name or a bundle's folder.")],
    output: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for metrics.json, predictions.csv and report.html.")
    ],
    split: Annotated[str | None, typer.Option(help="Only this split that the data declare.")] = None,
    robustness: Annotated[
        bool, typer.Option("--robustness", help="Also measure under a ladder of degradations.")
    ] = False,
    compare: Annotated[
        str | None, typer.Option(metavar="NAME|DIR", help="A second model, side by side with paired tests.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap and of --limit.")] = 0,
    bootstrap: Annotated[int, typer.Option(min=100, help="Resamples for the intervals.")] = 2000,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only about so many images, of each class and source its share.")
    ] = None,
    runtime: Annotated[
        Runtime, typer.Option(help="What computes the models; openvino is an extra, for fauxto's own models.")
    ] = Runtime.onnxruntime,
) -> None:
    """Measure a model on labelled images: figures with intervals, by source, under degradation; a report.

    The model is used within its domain and by its own thresholds; images outside count as abstentions.
    Needs `pip install 'fauxto[evaluate]'`.
    """
    from fauxto.data import load
    from fauxto.errors import UsageError
    from fauxto.evaluate import evaluate as measure
    from fauxto.evaluate.run import require_extra
    from fauxto.models import find_bundle, load_bundle

    require_extra("fauxto evaluate")
    if output.exists() and not output.is_dir():
        raise UsageError(f"{output}: is not a folder; choose another --output")
    bundle = load_bundle(find_bundle(model), runtime=runtime.value)
    second = load_bundle(find_bundle(compare), runtime=runtime.value) if compare else None
    dataset = load(data, split=split, on_error="skip")
    options: list[tuple[str, object]] = [
        ("split", split), ("robustness", robustness), ("compare", compare), ("seed", seed),
        ("bootstrap", bootstrap), ("limit", limit),
        ("runtime", None if runtime is Runtime.onnxruntime else runtime.value),
    ]  # fmt: skip
    with show_progress(min(len(dataset), limit or len(dataset))) as progress:
        found = measure(
            dataset,
            bundle,
            compare=second,
            split=split,
            limit=limit,
            robustness=robustness,
            seed=seed,
            resamples=bootstrap,
            command=_command(data, model, output, options),
            progress=progress,
        )
    found.write(output)
    _print(found, output)


def _command(data: Path, model: str, output: Path, options: list[tuple[str, object]]) -> str:
    """The command line that gives the same report, with the last part of every path only."""
    import shlex

    words = ["fauxto", "evaluate", _last(data), "--model", _last(model), "--output", _last(output)]
    for name, value in options:
        if value is True:
            words.append(f"--{name}")
        elif value is not None and value is not False:
            words += [f"--{name}", _last(str(value))]
    return " ".join(map(shlex.quote, words))


def _last(path: str | Path) -> str:
    return Path(path).name or str(path)


@contextmanager
def show_progress(total: int) -> Iterator[Callable[[int], object] | None]:
    """A bar on standard error, where that is a terminal.

    Args:
        total: how many images there are to do.

    Yields:
        A function to call with the number done, or None where nobody watches.
    """
    if total < 2 or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda done: bar.update(task, completed=done)


def _print(found: Evaluation, output: Path) -> None:
    from fauxto.images import printable

    metrics = found.metrics
    result, data = metrics.result, metrics.data
    model = f"{result.model.name} {result.model.version}"
    print(f"{model} on {data.name}: {data.images} images, {data.ai} AI-generated")
    for name in ("accuracy", "balanced_accuracy", "auroc", "tpr_at_1_percent_fpr", "calibration_error"):
        figure = getattr(result.figures, name)
        if figure.value is not None:
            print(f"    {name.replace('_', ' ')}: {figure.value:.4f} ({figure.low:.4f} to {figure.high:.4f})")
    if result.outside_domain:
        print(f"    outside the model's domain, not scored: {result.outside_domain}")
    if metrics.comparison:
        second = metrics.comparison.second.model
        p_value = metrics.comparison.mcnemar.p_value
        print(f"    against {second.name} {second.version}: McNemar's exact test, p = {p_value:.4g}")
    print(f"report: {printable(str(output / 'report.html'))}")
    if data.unreadable:
        print(
            f"fauxto: {len(data.unreadable)} images could not be read and are in no figure", file=sys.stderr
        )
