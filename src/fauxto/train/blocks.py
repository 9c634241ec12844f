"""A vision transformer read at several depths, and tuned at low rank.

Middle blocks carry what tells generated pictures apart better than the last embedding does (Koutlis and
Papadopoulos 2024, "RINE"); low-rank tuning (Hu et al. 2022, "LoRA") changes few numbers, so fewer images do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (the field's usual name)
from torch import Tensor, nn

from fauxto.errors import UsageError

# Linear layers of a block by their names in timm: attention in one or three parts, and the feed-forward pair.
_TUNED = ("qkv", "q_proj", "k_proj", "v_proj", "proj", "fc1", "fc1_g", "fc1_x", "fc2")


class LowRank(nn.Module):
    """A linear layer that stays as it is, plus up(down(x)); `up` starts at zero and changes nothing yet."""

    def __init__(self, base: nn.Linear, rank: int) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down = nn.Parameter(torch.randn(rank, base.in_features) / math.sqrt(base.in_features))
        self.up = nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        """(..., in_features) to (..., out_features)."""
        changed: Tensor = self.base(x) + F.linear(F.linear(x, self.down), self.up)
        return changed

    @property
    def weight(self) -> Tensor:
        """The product's matrix as it acts; timm's attention asks for it in places."""
        return torch.as_tensor(self.base.weight) + self.up @ self.down


class BlockReader(nn.Module):
    """Class token (where there is one) and mean of the patches after each chosen block, each normalised."""

    def __init__(self, backbone: nn.Module, blocks: Sequence[int]) -> None:
        super().__init__()
        self.backbone, self.indices = backbone, [block - 1 for block in blocks]

    def forward(self, x: Tensor) -> Tensor:
        """Normalised images (N, 3, H, W) to features (N, D)."""
        found: Any = self.backbone.forward_intermediates(  # type: ignore[operator]
            x,
            indices=self.indices,
            output_fmt="NLC",
            return_prefix_tokens=True,
            norm=False,
            intermediates_only=True,
        )
        parts: list[Tensor] = []
        for patches, prefix in found:
            tokens = [patches.mean(1)]
            if prefix is not None and prefix.shape[1] > 0:
                tokens.insert(0, prefix[:, 0])
            parts += [F.layer_norm(token, token.shape[-1:]) for token in tokens]
        return torch.cat(parts, dim=1)


def read_blocks(name: str, backbone: nn.Module, blocks: Sequence[int], low_rank: int) -> nn.Module:
    """A timm transformer, read after `blocks` and cut behind the last of them.

    Args:
        name: for messages.
        backbone: timm's net.
        blocks: numbered from 1, in ascending order.
        low_rank: rank of the tuning of the blocks that are kept; 0 tunes none so.

    Raises:
        UsageError: it is no transformer whose blocks timm can give, or has too few of them.
    """
    held = getattr(backbone, "blocks", None)
    if held is None or not hasattr(backbone, "forward_intermediates"):
        raise UsageError(f"net.blocks: {name} has no blocks to read; take a vision transformer of timm's")
    if blocks[-1] > len(held):
        raise UsageError(f"net.blocks: {name} has {len(held)} blocks, so there is no block {blocks[-1]}")
    prune: Any = getattr(backbone, "prune_intermediate_layers", None)
    if prune is not None:
        prune([blocks[-1] - 1], prune_norm=True, prune_head=True)
    backbone.requires_grad_(low_rank == 0)
    if low_rank:
        for module in list(backbone.modules()):
            for part, child in list(module.named_children()):
                if part in _TUNED and isinstance(child, nn.Linear):
                    setattr(module, part, LowRank(child, low_rank))
    return BlockReader(backbone, blocks)
