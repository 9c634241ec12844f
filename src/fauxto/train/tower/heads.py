"""Linear heads on standardised features, fitted for many held-out groups at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

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


def fit_heads(
    draws: Sequence[Features],
    labels: NDArray[np.int64],
    weights: NDArray[np.float32],
    *,
    l2: float,
    groups: NDArray[np.str_] | None = None,
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
    """
    shown = draws if groups is None else [centred(view, labels, groups) for view in draws]
    stacked = torch.from_numpy(np.concatenate(shown))
    mean, scale = stacked.mean(0), stacked.std(0) + 1e-6
    x = (stacked - mean) / scale
    if groups is not None:
        mean = torch.from_numpy(np.mean([view.mean(0) for view in draws], axis=0))
    targets = torch.from_numpy(np.tile(labels, len(draws)).astype(np.float32))
    shares = torch.from_numpy(np.tile(weights, (len(draws), 1)))
    found = (_optimum(x, targets, column, l2) for column in shares.unbind(1))
    return [Head(mean.numpy(), scale.numpy(), slopes.numpy(), float(bias)) for slopes, bias in found]


def _optimum(x: Tensor, targets: Tensor, shares: Tensor, l2: float) -> tuple[Tensor, Tensor]:
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
        slopes.grad, bias.grad = x.T @ errors + l2 * slopes, errors.sum()[None]
        losses = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        return float((losses * shares).sum() + l2 / 2 * (slopes @ slopes))

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return slopes, bias


def held_out_heads(
    draws: Sequence[Features],
    labels: NDArray[np.int64],
    weights: NDArray[np.float32],
    groups: NDArray[np.str_],
    *,
    l2: float,
    centre: bool = False,
) -> dict[str, Head]:
    """For every group the head that was fitted without it; what has no group ("") is always learnt from.

    With `centre` the views are `centred` in the groups first. A group that is left out enters only through
    the means and scales of all features, which is where its labels have a part in centring.
    """
    names = np.unique(groups[groups != ""])
    kept = weights[:, None] * (groups[:, None] != names[None, :])
    heads = fit_heads(draws, labels, kept.astype(np.float32), l2=l2, groups=groups if centre else None)
    return dict(zip(names.tolist(), heads, strict=True))


def held_out_logits(
    heads: dict[str, Head], features: Features, groups: NDArray[np.str_]
) -> NDArray[np.float64]:
    """Logits (N,), each by the head that never saw the picture's group."""
    logits = np.empty(len(features))
    for group, head in heads.items():
        rows = groups == group
        logits[rows] = head.logits(features[rows])
    return logits
