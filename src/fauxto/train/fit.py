"""One training run from recipe and data to a bundle; it can be stopped and resumed at any epoch."""

from __future__ import annotations

import csv
import json
import logging
import pickle
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
from torch import nn

from fauxto.data import Dataset
from fauxto.errors import UsageError
from fauxto.images import printable
from fauxto.models.config import InputConfig
from fauxto.models.threads import usable_cores
from fauxto.train.augment import Pixels
from fauxto.train.backbones import build_backbone, load_timm, origin, pretrained_file, sha256
from fauxto.train.batches import to_tensor
from fauxto.train.module import Classifier
from fauxto.train.negatives import Photograph, build_pool, part_of
from fauxto.train.nets import TraceNet
from fauxto.train.precision import choose_precision
from fauxto.train.recipe import BackboneSection, Recipe
from fauxto.train.unfold import unfolded

# Images that the batch norms of an exported net are measured on; and the file that keeps a start.
_MEASURED, _START = 1024, "start.ckpt"
_LIGHTNING_PRECISION = {"float32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}

# Images (N, side, side, 3) uint8 and labels (N,) float32, AI-generated = 1.
Labelled = tuple[Pixels, NDArray[np.float32]]


@dataclass(frozen=True)
class TrainingData:
    """Everything a run learns from and chooses its thresholds on.

    Images are uint8 squares (N, side, side, 3), in memory or mapped; labels float32 (N,), AI-generated = 1.

    Attributes:
        training: what the net learns from.
        validation: what calibration and thresholds are chosen on.
        photographs: hard negatives.
        fingerprint: of training and validation images and their labels.
        test: what is measured once, at the end, or None.
        available: how many images there were to learn from, None where all are taken.
        left_out: how many were not learnt from because validation or test hold the same bytes.
    """

    training: Labelled
    validation: Labelled
    photographs: tuple[Photograph, ...]
    fingerprint: str
    test: Dataset | None = None
    available: int | None = None
    left_out: int = 0


@dataclass(frozen=True)
class RunInfo:
    """What is written to run.json, so that a figure can be traced to its run.

    `available_images` is null unless the run learnt from a part of the images only; `weights` is what it
    started from, `random` or a file, whose SHA-256 follows; `pieces` is how many parts a batch went through
    the net in; `left_out` images were not learnt from because validation or test hold them too.
    """

    seed: int
    precision: str
    data_fingerprint: str
    training_images: int
    validation_images: int
    test_images: int
    available_images: int | None
    photographs: int
    torch: str
    processor: str
    parameters: int
    trained_parameters: int
    weights: str
    weights_sha256: str | None
    pieces: int
    left_out: int = 0


def input_config(recipe: Recipe) -> InputConfig:
    """The bundle's input section, as the recipe has it."""
    section = recipe.input
    return InputConfig(
        side=section.side, interpolation=section.interpolation, mean=section.mean, std=section.std
    )


def build_net(recipe: Recipe) -> nn.Module:
    """The recipe's net, freshly initialised from the recipe's seed.

    Raises:
        MissingExtraError: its backbone is timm's, and timm is not installed.
        UsageError: there is no such backbone, or not for this side.
    """
    torch.manual_seed(recipe.seed)
    net = recipe.net
    if isinstance(net, BackboneSection):
        return build_backbone(net, recipe.input.side)
    return TraceNet(net.widths, net.blocks, unshuffle=net.unshuffle, dropout=net.dropout)


def starting_weights(recipe: Recipe, weights: Path | None = None) -> Path | None:
    """The file that a fresh run starts from, downloaded where the recipe asks for timm's own.

    Called before data are touched, so that a missing file costs seconds.

    Args:
        recipe: the run.
        weights: what the user gave instead of the recipe's: a checkpoint of fauxto (.ckpt), for fauxto's own
            net also the model.onnx of its bundle, for a backbone its weights (.safetensors, .pth, .pt, .bin).

    Returns:
        None for random weights.

    Raises:
        MissingExtraError: the backbone is timm's, and timm is not installed.
        UsageError: the file is missing or of no use to this recipe, or cannot be downloaded.
    """
    net = recipe.net
    if isinstance(net, BackboneSection):
        load_timm()
    chosen = weights or (net.weights if isinstance(net, BackboneSection) else None)
    if chosen is None and recipe.bundle.mean_with_start:
        raise UsageError(
            "this recipe goes on from a trained net (bundle.mean_with_start); give it: --weights FILE"
        )
    if chosen is None:
        return pretrained_file(net) if isinstance(net, BackboneSection) and net.pretrained else None
    shown = printable(str(chosen))
    if not chosen.is_file():
        raise UsageError(f"{shown}: no such file of weights")
    if chosen.suffix not in (".ckpt", ".onnx") and not isinstance(net, BackboneSection):
        raise UsageError(
            f"{shown}: this recipe's net starts from a checkpoint (.ckpt) or a bundle's model.onnx only"
        )
    return chosen


def _initial_net(recipe: Recipe, data: TrainingData, weights: Path | None) -> nn.Module:
    """The net that a fresh run starts from."""
    if weights is None:
        return build_net(recipe)
    if weights.suffix == ".ckpt":
        return load_weights(recipe, weights)
    if isinstance(recipe.net, BackboneSection):
        torch.manual_seed(recipe.seed)
        return build_backbone(recipe.net, recipe.input.side, weights)
    net = build_net(recipe)
    assert isinstance(net, TraceNet)
    rows = np.random.default_rng(recipe.seed).permutation(len(data.training[1]))[:_MEASURED]
    return unfolded(net, weights, to_tensor(data.training[0][np.sort(rows)], input_config(recipe)))


def starting_net(recipe: Recipe, folder: Path) -> nn.Module:
    """The net that the run in a folder started from, as `bundle.mean_with_start` keeps it."""
    return load_weights(recipe, folder / "checkpoints" / _START)


def _pool(recipe: Recipe, data: TrainingData) -> Pixels | None:
    """Thumbnails of photographs and graphics that must not be accused, or None where there are none."""
    if recipe.negatives.share == 0:
        return None
    photographs = [photo for photo in data.photographs if part_of(photo.origin) == "train"]
    rng = np.random.default_rng(recipe.seed)
    return build_pool(photographs, input_config(recipe), recipe.negatives, rng)


def _pieces(recipe: Recipe, data: TrainingData, micro_batch: int | None) -> int:
    """How many parts a batch goes through the net in."""
    size = min(recipe.optimizer.batch_size, len(data.training[1]))
    return 1 if micro_batch is None else -(-size // micro_batch)


def _workers(given: int | None) -> int:
    """Processes that prepare batches: some with a GPU; without one the net needs all cores itself."""
    if given is not None:
        return given
    return max(0, min(8, usable_cores() - 1)) if torch.cuda.is_available() else 0


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


def _resume_from(folder: Path, data: TrainingData, *, resume: bool) -> Path | None:
    """The checkpoint to go on from, or None for a fresh run; refuses to overwrite one silently."""
    last = folder / "checkpoints" / "last.ckpt"
    if resume and not last.is_file():
        raise UsageError(
            f"{folder}: nothing to resume: {last.name} is not there; leave out --resume to start"
        )
    if not resume and last.is_file():
        raise UsageError(f"{folder}: holds a run already; add --resume to go on, or choose another --output")
    if resume and read_run_info(folder).data_fingerprint != data.fingerprint:
        raise UsageError(f"{folder}: holds a run on other images; give those, or choose another --output")
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
    micro_batch: int | None = None,
    workers: int | None = None,
) -> Path:
    """Train, logging into `folder`.

    Args:
        recipe: the run.
        data: its images.
        folder: gets run.json, metrics.csv and checkpoints/.
        weights: what a fresh run starts from in place of the recipe's weights, see `starting_weights`.
        resume: go on from the last finished epoch.
        devices: processes (CPU) or GPUs, by DDP when more than one.
        progress: whether to draw a progress bar.
        epochs_now: stop after this many epochs in all, leaving a state to resume.
        micro_batch: images that go through the net at once, where a whole batch needs too much memory; their
            gradients are added up. Batch norms then see so many images at a time.
        workers: processes that prepare batches; None takes some with a GPU and none without.

    Returns:
        The checkpoint with the best validation loss.

    Raises:
        UsageError: nothing to resume, the folder holds a run already or one on other data, or `weights` are
            of another net.
    """
    checkpoint = _resume_from(folder, data, resume=resume)
    pieces = _pieces(recipe, data, micro_batch)
    start = None if resume else starting_weights(recipe, weights)
    folder.mkdir(parents=True, exist_ok=True)
    lightning.seed_everything(recipe.seed, verbose=False)
    net = _initial_net(recipe, data, start)
    if recipe.bundle.mean_with_start and not resume:
        (folder / "checkpoints").mkdir(exist_ok=True)
        torch.save({"state_dict": net.state_dict()}, folder / "checkpoints" / _START)
    precision = recipe.precision
    if precision == "auto":
        precision = choose_precision(net, recipe.input.side, recipe.optimizer.batch_size // pieces)
    classifier = Classifier(
        net,
        recipe,
        input_config(recipe),
        data.training,
        data.validation,
        _pool(recipe, data),
        workers=_workers(workers),
        pieces=pieces,
    )
    if not resume:
        _write_run_info(folder, recipe, _run_info(recipe, data, net, precision, start, pieces))
    _quiet_lightning()
    trainer = lightning.Trainer(
        max_epochs=recipe.stop.epochs,
        accelerator="auto",
        devices=devices,
        strategy="ddp" if devices > 1 else "auto",
        accumulate_grad_batches=pieces,
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


def _run_info(
    recipe: Recipe, data: TrainingData, net: nn.Module, precision: str, start: Path | None, pieces: int
) -> RunInfo:
    return RunInfo(
        seed=recipe.seed,
        precision=precision,
        data_fingerprint=data.fingerprint,
        training_images=len(data.training[1]),
        validation_images=len(data.validation[1]),
        test_images=0 if data.test is None else len(data.test),
        available_images=data.available,
        photographs=len(data.photographs),
        torch=torch.__version__,
        processor=platform.machine(),
        parameters=sum(p.numel() for p in net.parameters()),
        trained_parameters=sum(p.numel() for p in net.parameters() if p.requires_grad),
        weights="random" if start is None else origin(start),
        weights_sha256=None if start is None else sha256(start),
        pieces=pieces,
        left_out=data.left_out,
    )


def _write_run_info(folder: Path, recipe: Recipe, info: RunInfo) -> None:
    (folder / "run.json").write_text(json.dumps(asdict(info), indent=2) + "\n", encoding="utf-8")
    (folder / "recipe.json").write_text(recipe.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_run_info(folder: Path) -> RunInfo:
    """What a run's run.json says.

    Raises:
        UsageError: it is missing or was written by another version.
    """
    try:
        return RunInfo(**json.loads((folder / "run.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(
            f"{folder / 'run.json'}: missing, or not written by this version; choose another --output"
        ) from error


def load_weights(recipe: Recipe, checkpoint: Path) -> nn.Module:
    """The trained net of a checkpoint, in evaluation mode; loads weights only, never code.

    Raises:
        UsageError: the file is no checkpoint, or one of another net.
    """
    shown = printable(str(checkpoint))
    try:
        stored: dict[str, Any] = torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"]
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError, KeyError, TypeError) as error:
        raise UsageError(f"{shown}: is no checkpoint of fauxto") from error
    net = build_net(recipe)
    try:
        net.load_state_dict({name.removeprefix("net."): value for name, value in stored.items()})
    except RuntimeError as error:
        raise UsageError(f"{shown}: does not fit the recipe's net; was the recipe changed?") from error
    return net.eval()
