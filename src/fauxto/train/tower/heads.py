"""Linear heads on standardised features, fitted for many held-out groups at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (the field's usual name)
from numpy.typing import NDArray
from torch import Tensor

Features = NDArray[np.float32]
_TOLERANCE = 5e-4
"""Where a fit stops: the loss's greatest derivative over the penalty, the least curvature."""


@dataclass(frozen=True)
class Head:
    """logit = weights . (features - mean) / scale + bias."""

    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    weights: NDArray[np.float32]
    bias: float

    def logits(self, features: Features) -> NDArray[np.float64]:
        """Features (N, D) to logits (N,)."""
        slopes = (self.weights / self.scale).astype(np.float64)
        return features.astype(np.float64) @ slopes + (self.bias - float(self.mean @ slopes))


def origin_weights(labels: NDArray[np.int64], origins: NDArray[np.str_]) -> NDArray[np.float32]:
    """What each picture weighs: each class of an origin by the square root of its number, both classes alike.

    An origin with one class only counts half: its style could stand for the class.
    """
    weights = np.zeros(len(labels))
    for origin in np.unique(origins):
        parts = [(origins == origin) & (labels == label) for label in (0, 1)]
        matched = all(part.any() for part in parts)
        for part in parts:
            if part.any():
                weights[part] = (1.0 if matched else 0.5) / math.sqrt(part.sum())
    for label in (0, 1):
        weights[labels == label] /= weights[labels == label].sum()
    return weights.astype(np.float32)


def centred(features: Features, labels: NDArray[np.int64], groups: NDArray[np.str_]) -> Features:
    """Features (N, D) less the middle of their group, which lies halfway between the means of its classes.

    A group with one class only, and what has no group (""), lose the mean of all instead: there the middle
    would hold the class. What is the same within a group, such as its subjects, its camera or its editor,
    then teaches nothing (the within transformation of panel data, Mundlak 1978).
    """
    found: Features = features - features.mean(0)
    for group in np.unique(groups[groups != ""]):
        parts = [(groups == group) & (labels == label) for label in (0, 1)]
        if all(part.any() for part in parts):
            middle = np.mean([features[part].mean(0) for part in parts], axis=0)
            found[groups == group] = features[groups == group] - middle
    return found


@dataclass(frozen=True)
class Consistency:
    """That a picture's logit is to change little between two views of it (Zheng et al. 2016, "stability").

    `penalty` / 2 times the mean squared change is added to the loss.

    Attributes:
        views: features of both views of every picture, (N, D) each, several such pairs.
        penalty: how much.
    """

    views: Sequence[tuple[Features, Features]]
    penalty: float


def fit_heads(
    draws: Sequence[Features],
    labels: NDArray[np.int64],
    weights: NDArray[np.float32],
    *,
    l2: float,
    groups: NDArray[np.str_] | None = None,
    consistency: Consistency | None = None,
) -> list[Head]:
    """Logistic regressions with L2 penalty, one for each column of weights, to their optimum by L-BFGS.

    Each starts from nothing: one that started from a fit on all pictures, and stopped short of its optimum,
    would still know those that it is to be measured on.

    Args:
        draws: views of the same pictures in the same order, each (N, D).
        labels: AI-generated = 1, shape (N,).
        weights: of each picture in each regression, (N, G); 0 leaves it out.
        l2: penalty on the squared weights of standardised features, relative to the mean loss.
        groups: where they are given, (N,), the views are `centred` in them first; a head still judges
            features as they are.
        consistency: between views of the pictures that weigh anything.
    """
    shown = draws if groups is None else [centred(view, labels, groups) for view in draws]
    stacked = torch.from_numpy(np.concatenate(shown))
    mean, scale = stacked.mean(0), stacked.std(0) + 1e-6
    x = (stacked - mean) / scale
    if groups is not None:
        mean = torch.from_numpy(np.mean([view.mean(0) for view in draws], axis=0))
    targets = torch.from_numpy(np.tile(labels, len(draws)).astype(np.float32))
    shares = torch.from_numpy(np.tile(weights, (len(draws), 1)))
    basis = None if consistency is None else _Basis.of(consistency, scale, l2)
    if basis is not None:
        x = x @ basis.axes
    found = []
    for column, kept in zip(shares.unbind(1), weights.T > 0, strict=True):
        penalty = _ridge(l2) if basis is None else basis.penalty(torch.from_numpy(kept))
        slopes, bias = _optimum(x, targets, column, penalty, l2)
        if basis is not None:
            slopes = basis.axes @ slopes
        found.append(Head(mean.numpy(), scale.numpy(), slopes.numpy(), float(bias)))
    return found


Penalty = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Slopes (D,) to what is added to the loss, (), and its gradient, (D,)."""


def _ridge(l2: float) -> Penalty:
    return lambda slopes: (l2 / 2 * (slopes @ slopes), l2 * slopes)


@dataclass(frozen=True)
class _Basis:
    """Axes in which the ridge and the consistency of all pictures together are one ridge.

    In the features' own axes the two are so unlike in scale that a fit takes a hundred times the steps.

    Attributes:
        axes: (D, D), slopes in these axes to slopes of standardised features.
        squares: of the axes' lengths, (D,).
        changes: of every picture between its views, in these axes, (P, N, D) for P pairs.
        l2: the ridge's penalty.
        consistency: its penalty.
    """

    axes: Tensor
    squares: Tensor
    changes: Tensor
    l2: float
    consistency: float

    @classmethod
    def of(cls, consistency: Consistency, scale: Tensor, l2: float) -> _Basis:
        changes = torch.stack([torch.from_numpy(a - b) / scale for a, b in consistency.views])
        flat = changes.flatten(0, 1)
        values, vectors = torch.linalg.eigh((flat.T @ flat / len(flat)).double())
        squares = (1 / (1 + consistency.penalty / l2 * values.clamp(min=0))).float()
        axes = vectors.float() * squares.sqrt()
        return cls(axes, squares, changes @ axes, l2, consistency.penalty)

    def penalty(self, kept: Tensor) -> Penalty:
        """The ridge and the consistency of the pictures that are kept, (N,), which are most of them."""
        # The mean over the kept is that over all, as the axes have it, less what the others have a part in.
        raised = len(kept) / kept.sum()
        without = self.changes[:, ~kept].flatten(0, 1)
        share = self.consistency / (len(self.changes) * kept.sum())
        weights = self.l2 * (raised + (1 - raised) * self.squares)

        def penalty(slopes: Tensor) -> tuple[Tensor, Tensor]:
            gradient = weights * slopes - share * (without.T @ (without @ slopes))
            return slopes @ gradient / 2, gradient

        return penalty


def _optimum(
    x: Tensor, targets: Tensor, shares: Tensor, penalty: Penalty, l2: float
) -> tuple[Tensor, Tensor]:
    """Slopes (D,) and bias (1,) at the least loss; the gradient by hand, which spares recording it."""
    slopes, bias, shares = torch.zeros(x.shape[1]), torch.zeros(1), shares / shares.sum()
    optimizer = torch.optim.LBFGS(
        [slopes, bias],
        max_iter=1000,
        tolerance_grad=_TOLERANCE * l2,
        history_size=10,
        line_search_fn="strong_wolfe",
    )

    def loss() -> float:
        logits = x @ slopes + bias
        errors = (torch.sigmoid(logits) - targets) * shares
        added, gradient = penalty(slopes)
        slopes.grad, bias.grad = x.T @ errors + gradient, errors.sum()[None]
        losses = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        return float((losses * shares).sum() + added)

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return slopes, bias


class Judge(Protocol):
    """What gives features a logit."""

    def logits(self, features: Features) -> NDArray[np.float64]:
        """Features (N, D) to logits (N,)."""


J = TypeVar("J", bound=Judge)


@dataclass(frozen=True)
class LeftOut(Generic[J]):
    """Heads fitted without a group, or without it and others, and the one that was fitted on everything.

    Attributes:
        without: by group, the head that never saw it.
        whole: the head of all pictures.
    """

    without: dict[str, J]
    whole: J

    def logits(self, features: Features, groups: NDArray[np.str_]) -> NDArray[np.float64]:
        """Features (N, D) to logits (N,), each by the head that never saw the picture's group.

        What has no group ("") was seen by all of them and gets NaN.
        """
        found = np.full(len(features), np.nan)
        for group, head in self.without.items():
            rows = groups == group
            found[rows] = head.logits(features[rows])
        return found


def leave_out(
    draws: Sequence[Features],
    labels: NDArray[np.int64],
    weights: NDArray[np.float32],
    groups: NDArray[np.str_],
    *,
    l2: float,
    centre: bool = False,
    consistency: Consistency | None = None,
) -> LeftOut[Head]:
    """Fit heads that leave out one group each; what has no group ("") is always learnt from.

    With `centre` the views are `centred` in the groups first. A group that is left out enters only through
    the means and scales of all features, which is where its labels have a part in centring.
    """
    names = np.unique(groups[groups != ""])
    kept = weights[:, None] * np.column_stack([groups[:, None] != names, np.ones(len(groups))])
    centres = groups if centre else None
    *heads, whole = fit_heads(
        draws, labels, kept.astype(np.float32), l2=l2, groups=centres, consistency=consistency
    )
    return LeftOut(dict(zip(names.tolist(), heads, strict=True)), whole)
