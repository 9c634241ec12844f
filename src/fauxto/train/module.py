"""The Lightning module: loss, metrics, optimiser and batches of one run."""

from __future__ import annotations

from typing import Any, cast

import lightning
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchmetrics.functional.classification import binary_auroc

from fauxto.models.config import InputConfig
from fauxto.train.augment import Pixels
from fauxto.train.batches import BalancedBatches, InOrder, Pieces, evaluation_batch, to_tensor
from fauxto.train.optimizers import build_optimizer, schedule
from fauxto.train.recipe import Recipe


class Classifier(lightning.LightningModule):
    """A net under training. The positive class is AI-generated = 1; the net gives one logit.

    `workers` processes prepare batches, none for 0; a batch goes through the net in `pieces`.
    """

    def __init__(
        self,
        net: nn.Module,
        recipe: Recipe,
        config: InputConfig,
        training: tuple[Pixels, NDArray[np.float32]],
        validation: tuple[Pixels, NDArray[np.float32]],
        pool: Pixels | None,
        *,
        workers: int = 0,
        pieces: int = 1,
    ) -> None:
        super().__init__()
        self.net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._recipe, self._config = recipe, config
        self._training, self._validation, self._pool = training, validation, pool
        self._workers, self._pieces = workers, pieces
        self._seen: list[tuple[Tensor, Tensor]] = []

    def train_dataloader(self) -> DataLoader[Any] | Pieces:
        """Batches of the current epoch; the trainer asks again each epoch."""
        batches = BalancedBatches(
            *self._training,
            self._pool,
            self._recipe,
            self._config,
            epoch=self.current_epoch,
            rank=self.global_rank,
            ranks=self.trainer.world_size,
        )
        loader = DataLoader(batches, batch_size=None, num_workers=self._workers)
        return Pieces(loader, len(batches), self._pieces) if self._pieces > 1 else loader

    def val_dataloader(self) -> DataLoader[Any]:
        """Validation images, unchanged and in order."""
        size = evaluation_batch(self._config.side)
        return DataLoader(InOrder(*self._validation, size), batch_size=None)

    def training_step(self, batch: tuple[Tensor, Tensor], _index: int) -> Tensor:
        """Binary cross-entropy on the logits, with label smoothing where the recipe asks for it."""
        images, labels = batch
        smoothing = self._recipe.optimizer.label_smoothing
        targets = labels * (1 - smoothing) + 0.5 * smoothing
        logits = self.net(images).float()
        loss = F.binary_cross_entropy_with_logits(logits, targets)
        sure = (labels - 0.5).abs() > 0.49  # CutMix has no class to be right about
        accuracy = ((logits > 0) == (labels > 0.5))[sure].float().mean()
        self.log_dict(
            {"train_loss": loss, "train_accuracy": accuracy},
            on_epoch=True,
            on_step=False,
            prog_bar=True,
            sync_dist=True,
        )
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], _index: int) -> None:
        """Logits are kept until the epoch ends: AUROC is not a mean over batches."""
        squares, labels = batch
        images = to_tensor(squares.cpu().numpy(), self._config).to(self.device)
        self._seen.append((self.net(images).float(), labels))

    def on_validation_epoch_end(self) -> None:
        """Loss, accuracy and AUROC over the whole validation split."""
        logits = self._gathered([logits for logits, _ in self._seen])
        labels = self._gathered([labels for _, labels in self._seen])
        self._seen.clear()
        self.log_dict(
            {
                "val_loss": F.binary_cross_entropy_with_logits(logits, labels),
                "val_accuracy": ((logits > 0) == (labels > 0.5)).float().mean(),
                "val_auroc": binary_auroc(logits, labels.long()),
            },
            prog_bar=True,
        )

    def _gathered(self, parts: list[Tensor]) -> Tensor:
        """The parts of every process, as one vector."""
        return cast("Tensor", self.all_gather(torch.cat(parts))).flatten()

    def configure_optimizers(self) -> Any:
        """The recipe's optimiser under its schedule over all steps of the run."""
        section = self._recipe.optimizer
        optimizer = build_optimizer(self.net, section)
        steps = int(self.trainer.estimated_stepping_batches)
        rates = torch.optim.lr_scheduler.LambdaLR(optimizer, schedule(section, steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": rates, "interval": "step"}}
