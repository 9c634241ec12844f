"""Optimisers that torch lacks, and the schedule of the learning rate."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from fauxto.train.recipe import OptimizerSection

# Coefficients of the quintic Newton-Schulz iteration (Jordan et al. 2024, "Muon").
_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


def orthogonalise(matrix: Tensor, steps: int = 5) -> Tensor:
    """The nearest semi-orthogonal matrix, roughly: singular values go to between 0.7 and 1.2.

    Newton-Schulz iteration as in Muon. In float32 on purpose: bfloat16 products are many times slower
    on processors without bf16 arithmetic.

    Args:
        matrix: shape (M, N).
        steps: iterations.
    """
    a, b, c = _NEWTON_SCHULZ
    tall = matrix.size(0) > matrix.size(1)
    x = matrix.float().T if tall else matrix.float()
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    result: Tensor = x.T if tall else x
    return result


class Muon(torch.optim.Optimizer):
    """Muon (Jordan et al. 2024) for convolutions: momentum whose update is orthogonalised.

    A filter bank (O, I, K, K) counts as the matrix (O, I*K*K). `torch.optim.Muon` takes two-dimensional
    parameters only. Every parameter that `orthogonal` does not name is stepped by AdamW, so that one
    optimiser (and one state in a checkpoint) does it all.
    """

    def __init__(
        self,
        orthogonal: Iterable[nn.Parameter],
        others: Iterable[nn.Parameter],
        rate: float,
        weight_decay: float,
    ) -> None:
        groups = [
            {"params": list(orthogonal), "lr": rate, "weight_decay": weight_decay, "muon": True},
            {"params": list(others), "lr": 2e-3, "weight_decay": 0.01, "muon": False},
        ]
        super().__init__(groups, {"momentum": 0.9, "betas": (0.9, 0.99), "eps": 1e-8})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update of every parameter; `closure` recomputes the loss, as in torch."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            update = self._muon if group["muon"] else self._adamw
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    update(parameter, parameter.grad, self.state[parameter], group)
        return loss

    @staticmethod
    def _muon(parameter: Tensor, gradient: Tensor, state: dict[str, Tensor], group: dict[str, Any]) -> None:
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        momentum = state["momentum"].mul_(group["momentum"]).add_(gradient)
        nesterov = gradient.add(momentum, alpha=group["momentum"]).flatten(1)
        scale = max(1.0, nesterov.size(0) / nesterov.size(1)) ** 0.5
        parameter.add_(orthogonalise(nesterov).view(parameter.shape), alpha=-group["lr"] * scale)

    @staticmethod
    def _adamw(parameter: Tensor, gradient: Tensor, state: dict[str, Tensor], group: dict[str, Any]) -> None:
        if "step" not in state:
            state["step"] = torch.zeros(())
            state["first"] = torch.zeros_like(parameter)
            state["second"] = torch.zeros_like(parameter)
        beta1, beta2 = group["betas"]
        step = state["step"].add_(1).item()
        first = state["first"].lerp_(gradient, 1 - beta1)
        second = state["second"].mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        root = (second / (1 - beta2**step)).sqrt_().add_(group["eps"])
        parameter.addcdiv_(first, root, value=-group["lr"] / (1 - beta1**step))


def build_optimizer(net: nn.Module, section: OptimizerSection) -> torch.optim.Optimizer:
    """The optimiser of a recipe over the parameters of `net` that are trained."""
    trained = [parameter for parameter in net.parameters() if parameter.requires_grad]
    if section.name == "adam":
        return torch.optim.Adam(trained, section.rate, weight_decay=section.weight_decay)
    if section.name == "adamw":
        return torch.optim.AdamW(trained, section.rate, weight_decay=section.weight_decay)
    if section.name == "sgd":
        return torch.optim.SGD(
            trained, section.rate, momentum=0.9, nesterov=True, weight_decay=section.weight_decay
        )
    # The stem sees three colours, not features: orthogonal updates there do harm (Jordan et al.).
    orthogonal = [p for name, p in net.named_parameters() if p.ndim == 4 and not name.startswith("stem")]
    chosen = {id(p) for p in orthogonal}
    others = [p for p in trained if id(p) not in chosen]
    return Muon(orthogonal, others, section.rate, section.weight_decay)


def trapezoid(warmup: float, steps: int) -> Callable[[int], float]:
    """Factor on the learning rate: linear up over the share `warmup` of `steps`, then linear to zero."""

    def factor(step: int) -> float:
        progress = min(1.0, step / max(1, steps))
        rising = progress / warmup if warmup > 0 else 1.0
        return min(1.0, rising, (1.0 - progress) / (1.0 - warmup) if warmup < 1 else 1.0)

    return factor


def schedule(section: OptimizerSection, steps: int) -> Callable[[int], float]:
    """The recipe's factor on the learning rate over `steps` steps."""
    return trapezoid(section.warmup, steps) if section.schedule == "trapezoid" else lambda _step: 1.0
