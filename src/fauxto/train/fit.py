"""One training run from recipe and data to a bundle; it can be stopped and resumed at any epoch."""

from __future__ import annotations

import csv
import json
import logging
import platform
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from numpy.typing import NDArray

from fauxto.errors import UsageError
from fauxto.models.config import InputConfig
from fauxto.train.augment import Pixels
from fauxto.train.module import Classifier
from fauxto.train.negatives import Photograph, build_pool, part_of
from fauxto.train.nets import TraceNet
from fauxto.train.precision import choose_precision
from fauxto.train.recipe import Recipe

_LIGHTNING_PRECISION = {"float32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}

# Images (N, side, side, 3) uint8 and labels (N,) float32, AI-generated = 1.
Labelled = tuple[Pixels, NDArray[np.float32]]


@dataclass(frozen=True)
class TrainingData:
    """Everything a run learns from and chooses its thresholds on.

    Images are uint8 squares (N, side, side, 3); labels float32 (N,), AI-generated = 1.
    """

    training: Labelled
    validation: Labelled
    photographs: tuple[Photograph, ...]
    fingerprint: str


@dataclass(frozen=True)
class RunInfo:
    """What is written to run.json, so that a figure can be traced to its run."""

    seed: int
    precision: str
    data_fingerprint: str
    training_images: int
    validation_images: int
    photographs: int
    torch: str
    processor: str
    parameters: int


def input_config(recipe: Recipe) -> InputConfig:
    """The bundle's input section, as the recipe has it."""
    return InputConfig(side=recipe.input.side, mean=recipe.input.mean, std=recipe.input.std)


def build_net(recipe: Recipe) -> TraceNet:
    """The recipe's net, freshly initialised from the recipe's seed."""
    torch.manual_seed(recipe.seed)
    net = recipe.net
    return TraceNet(net.widths, net.blocks, unshuffle=net.unshuffle, dropout=net.dropout)


def build_classifier(recipe: Recipe, data: TrainingData) -> Classifier:
    """Net, batches and hard negatives of a run."""
    config = input_config(recipe)
    pool = None
    if recipe.negatives.share > 0:
        photographs = [photo for photo in data.photographs if part_of(photo.origin) == "train"]
        pool = build_pool(photographs, config, recipe.negatives, np.random.default_rng(recipe.seed))
    return Classifier(build_net(recipe), recipe, config, data.training, data.validation, pool)


def _callbacks(recipe: Recipe, folder: Path, *, progress: bool) -> list[Callback]:
    callbacks: list[Callback] = [
        ModelCheckpoint(folder / "checkpoints", "best", monitor="val_loss", enable_version_counter=False),
        # Its own callback: `save_last` of the one above writes only when the loss was the best so far.
        ModelCheckpoint(folder / "checkpoints", "last", enable_version_counter=False),
    ]
    if recipe.stop.patience is not None:
        callbacks.append(EarlyStopping("val_loss", patience=recipe.stop.patience))
    if progress:
        callbacks.append(lightning.pytorch.callbacks.TQDMProgressBar(refresh_rate=5))
    return callbacks


def _resume_from(folder: Path, *, resume: bool) -> Path | None:
    """The checkpoint to go on from, or None for a fresh run; refuses to overwrite one silently."""
    last = folder / "checkpoints" / "last.ckpt"
    if resume and not last.is_file():
        raise UsageError(
            f"{folder}: nothing to resume: {last.name} is not there; leave out --resume to start"
        )
    if not resume and last.is_file():
        raise UsageError(f"{folder}: holds a run already; add --resume to go on, or choose another --output")
    return last if resume else None


def train(
    recipe: Recipe,
    data: TrainingData,
    folder: Path,
    *,
    weights: Path | None = None,
    resume: bool = False,
    devices: int = 1,
    progress: bool = True,
    epochs_now: int | None = None,
) -> Path:
    """Train, logging into `folder`.

    Args:
        recipe: the run.
        data: its images.
        folder: gets run.json, metrics.csv and checkpoints/.
        weights: checkpoint whose net a fresh run starts from, instead of random weights.
        resume: go on from the last finished epoch.
        devices: processes (CPU) or GPUs, by DDP when more than one.
        progress: whether to draw a progress bar.
        epochs_now: stop after this many epochs in all, leaving a state to resume.

    Returns:
        The checkpoint with the best validation loss.

    Raises:
        UsageError: nothing to resume, the folder holds a run already, or `weights` are of another net.
    """
    checkpoint = _resume_from(folder, resume=resume)
    folder.mkdir(parents=True, exist_ok=True)
    lightning.seed_everything(recipe.seed, verbose=False)
    classifier = build_classifier(recipe, data)
    if weights is not None and not resume:
        classifier.net.load_state_dict(load_weights(recipe, weights).state_dict())
    precision = recipe.precision
    if precision == "auto":
        precision = choose_precision(classifier.net, recipe.input.side, recipe.optimizer.batch_size)
    _write_run_info(recipe, data, folder, classifier, precision)
    _quiet_lightning()
    trainer = lightning.Trainer(
        max_epochs=recipe.stop.epochs,
        accelerator="auto",
        devices=devices,
        strategy="ddp" if devices > 1 else "auto",
        precision=_LIGHTNING_PRECISION[precision],  # type: ignore[arg-type]
        callbacks=[*_callbacks(recipe, folder, progress=progress), *_stop_early(epochs_now)],
        # One log a session: the logger deletes what an earlier one left under its name.
        logger=CSVLogger(folder, name="log", version=len(_logs(folder))),
        reload_dataloaders_every_n_epochs=1,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        enable_progress_bar=progress,
        enable_model_summary=False,
        log_every_n_steps=50,
    )
    trainer.fit(classifier, ckpt_path=checkpoint, weights_only=True)
    if trainer.is_global_zero:
        _join_logs(folder)
    return folder / "checkpoints" / "best.ckpt"


def _logs(folder: Path) -> list[Path]:
    """The logs of a run's sessions, oldest first."""
    return sorted(folder.glob("log/version_*/metrics.csv"), key=lambda path: int(path.parent.name[8:]))


def _join_logs(folder: Path) -> None:
    """Write metrics.csv with one row an epoch from the logs of all sessions; the later one counts."""
    epochs: dict[int, dict[str, str]] = {}
    for log in _logs(folder):
        with log.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                epochs.setdefault(int(row["epoch"]), {}).update({k: v for k, v in row.items() if v})
    with (folder / "metrics.csv").open("w", encoding="utf-8", newline="") as stream:
        rows = csv.DictWriter(stream, sorted(set().union(*epochs.values())), lineterminator="\n")
        rows.writeheader()
        rows.writerows(epochs[epoch] for epoch in sorted(epochs))


class _StopAfter(Callback):
    """Ends a session after so many epochs without touching the schedule."""

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs

    def on_train_epoch_end(self, trainer: lightning.Trainer, _module: lightning.LightningModule) -> None:
        if trainer.current_epoch + 1 >= self._epochs:
            trainer.should_stop = True


def _quiet_lightning() -> None:
    """Keep advertisements and advice for other set-ups off the terminal; errors stay."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"lightning\.")


def _stop_early(epochs_now: int | None) -> list[Callback]:
    return [] if epochs_now is None else [_StopAfter(epochs_now)]


def _write_run_info(
    recipe: Recipe, data: TrainingData, folder: Path, classifier: Classifier, precision: str
) -> None:
    info = RunInfo(
        seed=recipe.seed,
        precision=precision,
        data_fingerprint=data.fingerprint,
        training_images=len(data.training[1]),
        validation_images=len(data.validation[1]),
        photographs=len(data.photographs),
        torch=torch.__version__,
        processor=platform.machine(),
        parameters=sum(p.numel() for p in classifier.net.parameters()),
    )
    (folder / "run.json").write_text(json.dumps(asdict(info), indent=2) + "\n", encoding="utf-8")
    (folder / "recipe.json").write_text(recipe.model_dump_json(indent=2) + "\n", encoding="utf-8")


def load_weights(recipe: Recipe, checkpoint: Path) -> TraceNet:
    """The trained net of a checkpoint, in evaluation mode; loads weights only, never code.

    Raises:
        UsageError: the checkpoint is of another architecture.
    """
    stored: dict[str, Any] = torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"]
    net = build_net(recipe)
    try:
        net.load_state_dict({name.removeprefix("net."): value for name, value in stored.items()})
    except RuntimeError as error:
        raise UsageError(f"{checkpoint}: does not fit the recipe's net; was the recipe changed?") from error
    return net.eval()
