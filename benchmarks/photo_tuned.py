"""The last blocks of the photo model's tower, tuned at low rank on the tokens before them.

    python benchmarks/photo_tuned.py --data photos/wild.parquet ... --weights clip.onnx --work FEATURES \\
        [--attention]

Every picture is seen as it is and in a degraded draw at once, with half of its patches masked; the cosine
distance of the features and a symmetric divergence of the scores hold the two views together. A linear head
on them stays as it is. With --attention the blocks stay as well, and what is learnt is which patches
count: a query for each block in place of the mean. A fifth of the origins is left out at a time; what is made
of them, and its mean with the linear head, are rows of results/photo-tried.csv. Tokens take 1.1 GB a view;
what is done stays.
"""

from __future__ import annotations

import argparse
import copy
import math
from itertools import islice

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (the field's usual name)
from numpy.typing import NDArray
from torch import Tensor, nn

from fauxto.models.preprocess import fit, normalise
from fauxto.train.blocks import LowRank
from fauxto.train.tower.clip import WIDTH, Tower, features_of
from fauxto.train.tower.features import BATCH, faster_type
from fauxto.train.tower.heads import Head, fit_heads
from fauxto.train.tower.pictures import group_folds
from fauxto.train.tower.views import Pixels, drawn
from photo_tried import Logits, Material, add_options, linear, looked_at, prepare, store

_RANK, _FOLDS = 8, 5
_RATE, _QUERY_RATE = 2e-4, 1e-2
_ORIGINS, _OF_EACH = 4, 4  # in a batch, and pictures of each class of an origin


class Tuned(nn.Module):
    """Blocks after the kept tokens, and a head that stays; low-rank matrices or queries are learnt.

    `kind` is what the blocks compute in.
    """

    mean: Tensor
    scale: Tensor
    slopes: Tensor

    def __init__(self, tower: Tower, first: int, head: Head, *, attention: bool, kind: torch.dtype) -> None:
        super().__init__()
        self.kind = kind
        self.blocks = tower.blocks[first:]
        self.queries = nn.Parameter(torch.zeros(len(self.blocks) + 1, WIDTH)) if attention else None
        for block in self.blocks if not attention else ():
            for name, layer in list(block.named_children()):
                if isinstance(layer, nn.Linear):
                    setattr(block, name, LowRank(layer, _RANK))
        self.register_buffer("mean", torch.from_numpy(head.mean))
        self.register_buffer("scale", torch.from_numpy(head.scale))
        self.register_buffer("slopes", torch.from_numpy(head.weights))
        self.bias = head.bias

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens (N, T, 768) to standardised features (N, D) and logits (N,)."""
        read = [tokens]
        for block in self.blocks:
            with torch.autocast("cpu", self.kind, enabled=self.kind != torch.float32):
                after = block(read[-1])
            read.append(after.float())
        found = features_of(read, patch_means=True) if self.queries is None else self._attended(read)
        features = (found - self.mean) / self.scale
        return features, features @ self.slopes + self.bias

    def _attended(self, read: list[Tensor]) -> Tensor:
        """As `features_of`, patches weighed by their likeness to a query; a query of zeros is the mean."""
        assert self.queries is not None, "only asked for where there are queries"
        middles = self.mean.chunk(2)[1].chunk(len(read))
        scales = self.scale.chunk(2)[1].chunk(len(read))
        pooled = []
        for tokens, query, middle, scale in zip(read, self.queries, middles, scales, strict=True):
            patches = tokens[:, 1:]
            likeness = ((patches - middle) / scale) @ query / math.sqrt(WIDTH)
            pooled.append((likeness.softmax(1)[:, :, None] * patches).sum(1))
        return torch.cat([tokens[:, 0] for tokens in read] + pooled, dim=1)


def kept_tokens(
    material: Material, tower: Tower, block: int, kind: torch.dtype
) -> dict[str, NDArray[np.float16]]:
    """By view, the tokens (N, 197, 768) after a block, in files of the work folder."""
    recipe, pictures, net = material.recipe, material.pictures, copy.deepcopy(tower).to(kind)
    config, side = recipe.input_config(), recipe.input.side

    def draw(row: int, pixels: Pixels) -> Pixels:  # the first of those that the recipe's head is fitted on
        return drawn(pixels, side, np.random.default_rng([recipe.seed, 0, row]))

    found: dict[str, NDArray[np.float16]] = {}
    for name, view in looked_at(draw).items():
        file = material.work / f"tokens-{block}-{name}-{pictures.fingerprint}.npy"
        if not file.is_file():
            partly = file.with_suffix(".part")
            shape = (len(pictures), (side // 16) ** 2 + 1, WIDTH)
            kept = np.lib.format.open_memmap(partly, "w+", np.float16, shape)
            squares = (fit(view(row, pixels), config) for row, pixels in enumerate(pictures.pixels()))
            for start in range(0, len(pictures), BATCH):
                batch = np.stack(list(islice(squares, BATCH)))
                with torch.inference_mode():
                    (tokens,) = net(torch.from_numpy(normalise(batch, config)).to(kind), [block])
                kept[start : start + len(batch)] = tokens.half().numpy()
            kept.flush()
            partly.replace(file)
        found[name] = np.load(file, mmap_mode="r")
    return found


def batches(material: Material, kept: NDArray[np.bool_], passes: float) -> list[NDArray[np.int64]]:
    """Rows of pictures, a few origins a batch and as many of each class, for so many passes over all."""
    rng = np.random.default_rng(material.recipe.seed)
    pictures = material.pictures
    rows = pictures.matched & kept
    names, size = np.unique(pictures.groups[rows]), 2 * _ORIGINS * _OF_EACH
    found = []
    for _ in range(round(passes * rows.sum() / size)):
        parts = []
        for name in rng.choice(names, _ORIGINS, replace=False):
            for label in (0, 1):
                of_class = np.flatnonzero(rows & (pictures.groups == name) & (pictures.labels == label))
                parts.append(rng.choice(of_class, _OF_EACH, replace=len(of_class) < _OF_EACH))
        found.append(np.concatenate(parts))
    return found


def masked(tokens: NDArray[np.float16], rng: np.random.Generator) -> Tensor:
    """The class token and a random half of the patches of each picture."""
    number = tokens.shape[1] - 1
    picked = np.argsort(rng.random((len(tokens), number)), axis=1)[:, : number // 2] + 1
    picked = np.concatenate([np.zeros((len(tokens), 1), np.int64), picked], axis=1)
    return torch.from_numpy(np.take_along_axis(tokens, picked[:, :, None], axis=1).astype(np.float32))


def tune(
    net: Tuned,
    material: Material,
    tokens: dict[str, NDArray[np.float16]],
    kept: NDArray[np.bool_],
    passes: float,
) -> None:
    """Train what is learnt on the pictures that are kept."""
    torch.manual_seed(material.recipe.seed)
    rng = np.random.default_rng(material.recipe.seed)
    rate = _RATE if net.queries is None else _QUERY_RATE
    optimizer = torch.optim.AdamW([p for p in net.parameters() if p.requires_grad], rate, weight_decay=0.01)
    labels = torch.from_numpy(material.pictures.labels.astype(np.float32))
    plan = batches(material, kept, passes)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=len(plan) + 1)
    for step, rows in enumerate(plan):
        optimizer.zero_grad()
        (clean, first), (drawn_, second) = (
            net(masked(tokens[view][rows], rng)) for view in ("clean", "draw")
        )
        target = labels[rows]
        wrong = sum(F.binary_cross_entropy_with_logits(logits, target) for logits in (first, second))
        apart = 1 - F.cosine_similarity(clean, drawn_).mean()
        p, q = torch.sigmoid(first), torch.sigmoid(second)
        divergence = ((p - q) * (first - second)).mean()  # symmetric KL of two coins
        (wrong + 0.5 * apart + 0.5 * divergence).backward()
        optimizer.step()
        schedule.step()
        if step % 20 == 0:
            said = (f"{float(value.detach()):.3f}" for value in (torch.as_tensor(wrong), apart, divergence))
            print(f"  {step}/{len(plan)}", *said, flush=True)


@torch.inference_mode()
def judged(net: Tuned, tokens: NDArray[np.float16], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Logits of whole pictures."""
    parts = [
        net(torch.from_numpy(tokens[part].astype(np.float32)))[1]
        for part in np.array_split(rows, -(-len(rows) // BATCH))
    ]
    return torch.cat(parts).double().numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add_options(parser)
    parser.add_argument("--passes", type=float, default=1.0)
    parser.add_argument("--attention", action="store_true", help="queries in place of low rank")
    parser.add_argument("--folds", type=int, nargs="+", default=list(range(_FOLDS)))
    arguments = parser.parse_args()
    material, tower = prepare(arguments)
    pictures, first = material.pictures, material.recipe.net.blocks[0]
    kind = faster_type(tower, material.recipe.input.side)
    tokens = kept_tokens(material, tower, first, kind)
    folds, what = group_folds(pictures.groups, _FOLDS), "attention" if arguments.attention else "tuned"
    found = {view: np.zeros(len(pictures)) for view in material.measured}
    for fold in arguments.folds:
        file = material.work / f"{what}-{arguments.passes:g}-{fold}.npy"
        rows = np.flatnonzero((folds == fold) & pictures.matched)
        if not file.is_file():
            kept = (folds != fold) | (pictures.groups == "")
            weights = (material.weights * kept)[:, None]
            views, l2 = list(material.fitted.values()), material.recipe.head.l2
            (head,) = fit_heads(views, pictures.labels, weights, l2=l2, groups=pictures.groups)
            net = Tuned(copy.deepcopy(tower), first, head, attention=arguments.attention, kind=kind)
            tune(net, material, tokens, kept, arguments.passes)
            np.save(file, np.stack([judged(net.eval(), tokens[view], rows) for view in found]))
        for view, logits in zip(found, np.load(file), strict=True):
            found[view][rows] = logits
    if len(arguments.folds) == _FOLDS:
        name = "attention to patches" if arguments.attention else "blocks tuned at low rank"
        store(f"{name}, passes: {arguments.passes:g}", found, material)
        alone = linear(material)
        mean: Logits = {view: logits + alone[view] for view, logits in found.items()}
        store(f"{name}, mean with the linear head, passes: {arguments.passes:g}", mean, material)


if __name__ == "__main__":
    main()
