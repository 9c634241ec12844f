"""A small net beside the linear head: what a straight line through the features cannot tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (the field's usual name)
from numpy.typing import NDArray
from torch import Tensor

from fauxto.train.tower.heads import Features, Head, LeftOut
from fauxto.train.tower.pictures import group_folds

PARTS = 10
"""Parts of the groups that are left out at a time: a net takes longer to fit than a line."""
_PASSES, _BATCH, _RATE, _DECAY = 60, 128, 3e-4, 0.1
_DROPPED = 0.2, 0.5  # of the features, and of the hidden units


@dataclass(frozen=True)
class Settings:
    """How the net is trained.

    Attributes:
        units: hidden ones.
        seed: of the first weights, the draws and the dropping.
        steady: so many views after the first are of kinds that should not change the logit.
        consistency: `consistency` / 2 times their mean squared change is added to the loss, as in a linear
            head.
    """

    units: int
    seed: int
    steady: int
    consistency: float


@dataclass(frozen=True)
class Hidden:
    """logit = outer . relu(inner (features - mean) / scale + inner_bias) + bias.

    Attributes:
        mean: (D,).
        scale: (D,).
        inner: (U, D).
        inner_bias: (U,).
        outer: (U,).
        bias: one number.
    """

    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    inner: NDArray[np.float32]
    inner_bias: NDArray[np.float32]
    outer: NDArray[np.float32]
    bias: float

    def logits(self, features: Features) -> NDArray[np.float64]:
        """Features (N, D) to logits (N,)."""
        units = (features - self.mean) / self.scale @ self.inner.T + self.inner_bias
        return np.maximum(units, 0).astype(np.float64) @ self.outer + self.bias

    def times(self, factor: float) -> Hidden:
        """The same with every logit multiplied."""
        return replace(self, outer=self.outer * np.float32(factor), bias=self.bias * factor)


@dataclass(frozen=True)
class Joined:
    """A linear head and a small net; their logits are added."""

    linear: Head
    hidden: Hidden

    def logits(self, features: Features) -> NDArray[np.float64]:
        """Features (N, D) to logits (N,)."""
        return self.linear.logits(features) + self.hidden.logits(features)


def fit_hidden(
    views: Sequence[Features],
    labels: NDArray[np.int64],
    weights: NDArray[np.float32],
    settings: Settings,
) -> Hidden:
    """Train the net by AdamW with dropout.

    Every step sees pictures as they are and in one other view, drawn for each. Both lose the same features
    and units, so that dropping is no change between them.

    Args:
        views: of the same pictures in the same order, each (N, D), as they are first; at least two.
        labels: AI-generated = 1, shape (N,).
        weights: of each picture, (N,); 0 leaves it out.
        settings: how.
    """
    kept = weights > 0
    shown = [view[kept] for view in views]
    mean = np.mean([view.mean(0) for view in shown], axis=0)
    scale = np.sqrt(np.mean([((view - mean) ** 2).mean(0) for view in shown], axis=0)) + 1e-6
    x = torch.from_numpy(np.stack([(view - mean) / scale for view in shown]).astype(np.float32))
    net = _Net(x.shape[2], settings.units, settings.seed)
    cost = torch.zeros(len(views))
    if settings.steady:  # the mean over all other views is that of the steady ones
        cost[1 : settings.steady + 1] = settings.consistency / 2 * (len(views) - 1) / settings.steady
    targets = torch.from_numpy(labels[kept].astype(np.float32))
    shares = torch.from_numpy(weights[kept] / weights[kept].mean())
    optimizer = torch.optim.AdamW(net.parameters(), _RATE, weight_decay=_DECAY)
    generator = torch.Generator().manual_seed(settings.seed)
    for _ in range(_PASSES):
        for rows in torch.split(torch.randperm(len(targets), generator=generator), _BATCH):
            drawn = torch.randint(1, len(views), (len(rows),), generator=generator)
            first, second = net.twice(x[0, rows], x[drawn, rows], generator)
            wrong = sum(
                (
                    F.binary_cross_entropy_with_logits(one, targets[rows], reduction="none") * shares[rows]
                ).mean()
                for one in (first, second)
            )
            optimizer.zero_grad()
            loss = wrong / 2 + (cost[drawn] * (first - second) ** 2).mean()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return net.kept(mean.astype(np.float32), scale.astype(np.float32))


class _Net(torch.nn.Module):
    """What is trained, on standardised features."""

    def __init__(self, width: int, units: int, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.inner, self.outer = torch.nn.Linear(width, units), torch.nn.Linear(units, 1)

    def twice(self, first: Tensor, second: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Logits (N,) of two views (N, D) of the same pictures, the same dropped in both."""
        given, passed = (
            (torch.rand(len(first), width, generator=generator) >= share) / (1 - share)
            for width, share in zip((first.shape[1], len(self.inner.bias)), _DROPPED, strict=True)
        )
        one, two = (self.outer(F.relu(self.inner(view * given)) * passed)[:, 0] for view in (first, second))
        return one, two

    def kept(self, mean: NDArray[np.float32], scale: NDArray[np.float32]) -> Hidden:
        """What was learnt."""
        inner, inner_bias, outer = (
            one.detach().numpy().copy() for one in (self.inner.weight, self.inner.bias, self.outer.weight[0])
        )
        return Hidden(mean, scale, inner, inner_bias, outer, float(self.outer.bias.detach()))


def hidden_left_out(
    views: Sequence[Features],
    labels: NDArray[np.int64],
    weights: NDArray[np.float32],
    groups: NDArray[np.str_],
    settings: Settings,
) -> LeftOut[Hidden]:
    """Nets that leave out a tenth of the groups each; what has no group ("") is always learnt from."""
    parts = group_folds(groups, PARTS)
    without: dict[str, Hidden] = {}
    for part in np.unique(parts[groups != ""]):
        out = (parts == part) & (groups != "")
        net = fit_hidden(views, labels, np.where(out, np.float32(0), weights), settings)
        without |= dict.fromkeys(np.unique(groups[out]).tolist(), net)
    return LeftOut(without, fit_hidden(views, labels, weights, settings))


def joined(
    linear: LeftOut[Head],
    hidden: LeftOut[Hidden],
    features: Features,
    groups: NDArray[np.str_],
    rows: NDArray[np.bool_],
) -> LeftOut[Joined]:
    """Both heads, the nets' logits brought to the spread of the linear heads' first.

    Args:
        linear: by group.
        hidden: by group.
        features: (N, D) of pictures as they are.
        groups: theirs, (N,).
        rows: on whose logits, by heads that never saw their group, the spread is taken, (N,).
    """
    named = rows & (groups != "")
    spread = [heads.logits(features, groups)[named].std() for heads in (linear, hidden)]
    factor = float(spread[0] / spread[1])
    without = {
        name: Joined(head, hidden.without[name].times(factor)) for name, head in linear.without.items()
    }
    return LeftOut(without, Joined(linear.whole, hidden.whole.times(factor)))
