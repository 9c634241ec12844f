"""What other sights of a picture are worth to the photo model: native crops, and a larger square.

    python benchmarks/photo_sight.py --data photos/wild.parquet ... --weights clip.onnx --work FEATURES [NAME]

The recipe's tower sees a picture's centre square at 224 px. Here it also sees crops of 224 px that keep the
picture's own pixels, the centre's or those with the most texture, and the square at 336 px with interpolated
positions; linear heads read either alone, beside what the recipe's head reads, or their logits are joined, as
means or by a join that is learnt for borderline scores. A head may also be fitted on further views, mirrored
squares from anywhere along the longer side. Origins, penalty and yardstick are the recipe's. Every method
writes its rows of results/photo-tried.csv; one that is there is not run again.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from PIL import Image
from sklearn.linear_model import LogisticRegression

from fauxto.train.tower.export import rounded_tower
from fauxto.train.tower.features import View, cached_features, faster_type
from fauxto.train.tower.heads import Features
from fauxto.train.tower.views import Generator, Pixels, cut, degrade, drawn
from photo_ablation import Factor, read
from photo_tried import (
    Logits,
    Material,
    add_options,
    joined,
    linear,
    looked_at,
    prepare,
    store,
    stored,
    views_by,
)

_STRIDE = 16  # px between squares that are looked at for texture


@dataclass(frozen=True)
class Sight:
    """How a picture is seen.

    Attributes:
        name: of its files.
        side: of the square that the tower gets.
        blocks: that are kept.
        native: whether it is a crop that keeps the picture's own pixels.
        textured: which of the native crops with the most texture, from 0 on; None for the centre's.
    """

    name: str
    side: int
    blocks: tuple[int, ...]
    native: bool
    textured: int | None = None

    def views(self, seed: int) -> dict[str, View]:
        """What is fitted on (clean, draw) and what is measured besides."""

        def draw(row: int, pixels: Pixels) -> Pixels:
            rng = np.random.default_rng([seed, 0, row])
            if not self.native:
                return drawn(pixels, self.side, rng)
            return self._part(np.asarray(degrade(Image.fromarray(pixels), rng)), rng)

        whole = looked_at(draw)
        if not self.native:
            return whole
        parts = {name: partial(self._part_of, view) for name, view in whole.items()}
        return {**parts, "draw": draw}  # which is a part already

    def _part_of(self, view: View, row: int, pixels: Pixels) -> Pixels:
        return self._part(view(row, pixels))

    def _part(self, pixels: Pixels, rng: Generator | None = None) -> Pixels:
        if self.textured is None:
            return cut(pixels, self.side, rng)
        return textured(pixels, self.side, self.textured)


NATIVE = Sight("native", 224, (2, 3, 4, 5, 6, 7, 8), native=True)
TEXTURED = tuple(
    Sight(f"textured-{which}", 224, NATIVE.blocks, native=True, textured=which) for which in range(3)
)
LARGE = Sight("large", 336, (5, 6, 7, 8), native=False)


def textured(pixels: Pixels, side: int, which: int) -> Pixels:
    """The square with the most texture that lies half a side away from those with more, or one of those.

    Texture is the mean absolute difference of neighbours in luma.
    """
    part = min(side, *pixels.shape[:2])
    luma = np.asarray(Image.fromarray(pixels).convert("L"), dtype=np.float64)
    steps = np.abs(np.diff(luma, axis=0))[:, :-1] + np.abs(np.diff(luma, axis=1))[:-1]
    sums = np.pad(steps, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    last = part - 1
    found = sums[last:, last:] - sums[:-last, last:] - sums[last:, :-last] + sums[:-last, :-last]
    places = np.stack(np.meshgrid(*(np.arange(0, n, _STRIDE) for n in found.shape), indexing="ij"), -1)
    ranked = sorted(places.reshape(-1, 2).tolist(), key=lambda place: -found[tuple(place)])
    chosen: list[list[int]] = []
    for place in ranked:
        if all(np.abs(np.subtract(place, other)).max() >= part // 2 for other in chosen):
            chosen.append(place)
    top, left = chosen[which % len(chosen)]
    return pixels[top : top + part, left : left + part]


def features(material: Material, sight: Sight, names: Sequence[str]) -> dict[str, Features]:
    """What the tower gives of views of every picture, from the work folder where it lies there."""
    recipe, pictures = material.recipe, material.pictures
    net = recipe.net.model_copy(update={"blocks": sight.blocks})
    config = recipe.input_config().model_copy(update={"side": sight.side})
    tower = rounded_tower(material.published, net.depth, sight.side, net.bits)
    kind, views = faster_type(tower, sight.side), sight.views(recipe.seed)
    found = {}
    for name in names:
        file = material.work / f"{sight.name}-{name}-{pictures.fingerprint}-{net.mark}.npy"
        found[name] = cached_features(file, tower, pictures.pixels(), views[name], config, net, kind)
    return found


def seen_so(material: Material, sight: Sight, blocks: tuple[int, ...]) -> Material:
    """The pictures seen so, at some of the blocks, instead of what the recipe's head reads."""
    found = features(material, sight, list(dict.fromkeys([*material.fitted, *material.measured])))
    chosen = {view: read(one, Factor(blocks), sight.blocks) for view, one in found.items()}
    return material.seen(lambda view, _: chosen[view])


def seen_in_parts(
    material: Material, blocks: tuple[int, ...], *, spread: bool = False, beside: bool = False
) -> Material:
    """The three crops with the most texture: the mean of their features and, if asked for, their spread."""
    several = [seen_so(material, sight, blocks) for sight in TEXTURED]

    def change(view: str, whole: Features) -> Features:
        crops = np.stack([(one.fitted | one.measured)[view] for one in several])
        parts = [whole] if beside else []
        parts += [crops.mean(0), crops.std(0)] if spread else [crops.mean(0)]
        return np.concatenate(parts, axis=1)

    return material.seen(change)


def joined_where_borderline(material: Material, whole: Logits, second: Logits) -> Logits:
    """Log-odds by the whole, and by both where the whole's logit lies between the verdicts' thresholds.

    Thresholds (1 % of photographs above, 5 % of AI-generated pictures below) and both regressions are of all
    origins but the one that is judged. What they are fitted on are logits of heads that did see that origin,
    which flatters the join.
    """
    pictures = material.pictures
    found = {view: np.zeros(len(pictures)) for view in whole}
    both = {view: np.stack([whole[view], second[view]], axis=1) for view in whole}
    for group in np.unique(pictures.groups[pictures.matched]):
        others, labels = pictures.matched & (pictures.groups != group), pictures.labels
        clean = both["clean"]
        top = np.quantile(clean[others & (labels == 0), 0], 0.99)
        bottom = np.quantile(clean[others & (labels == 1), 0], 0.05)
        near = others & (clean[:, 0] > bottom) & (clean[:, 0] < top)
        alone = LogisticRegression().fit(clean[others, :1], labels[others])
        joint = LogisticRegression().fit(clean[near], labels[near])
        rows = pictures.groups == group
        for view, logits in both.items():
            borderline = (logits[rows, 0] > bottom) & (logits[rows, 0] < top)
            found[view][rows] = np.where(
                borderline,
                joint.decision_function(logits[rows]),
                alone.decision_function(logits[rows, :1]),
            )
    return found


def fitted_on_moved(material: Material, count: int) -> Material:
    """The pictures, with so many moved views for a head to be fitted on."""
    head = material.recipe.head.model_copy(update={"moved": count, "reencoded": 0})
    recipe = material.recipe.model_copy(update={"head": head, "rungs": ()})
    views, _ = views_by(recipe, material.pictures, material.work, material.published)
    several = {f"moved {number}": one for number, one in enumerate(views.moved)}
    return replace(material, fitted=material.fitted | several)


EARLY, MIDDLE = (2, 3, 4, 5), (5, 6, 7, 8)
METHODS: dict[str, Callable[[Material], Logits]] = {
    "native crop, blocks 2-5": lambda material: linear(seen_so(material, NATIVE, EARLY)),
    "native crop, blocks 5-8": lambda material: linear(seen_so(material, NATIVE, MIDDLE)),
    "native crop, blocks 5-8, and the whole, mean": lambda material: joined(
        linear(material), linear(seen_so(material, NATIVE, MIDDLE))
    ),
    "three textured native crops, blocks 2-5": lambda material: linear(seen_in_parts(material, EARLY)),
    "three textured native crops, blocks 5-8": lambda material: linear(seen_in_parts(material, MIDDLE)),
    "three textured native crops and their spread, blocks 5-8": lambda material: linear(
        seen_in_parts(material, MIDDLE, spread=True)
    ),
    "three textured native crops, blocks 5-8, beside the whole": lambda material: linear(
        seen_in_parts(material, MIDDLE, beside=True)
    ),
    "three textured native crops, blocks 2-5, and the whole, mean": lambda material: joined(
        linear(material), linear(seen_in_parts(material, EARLY))
    ),
    "three textured native crops, blocks 5-8, and the whole, mean": lambda material: joined(
        linear(material), linear(seen_in_parts(material, MIDDLE))
    ),
    "three textured native crops, blocks 5-8, joined where the whole is borderline": lambda material: (
        joined_where_borderline(material, linear(material), linear(seen_in_parts(material, MIDDLE)))
    ),
    "two mirrored squares from anywhere as well": lambda material: linear(fitted_on_moved(material, 2)),
    "square of 336 px": lambda material: linear(seen_so(material, LARGE, MIDDLE)),
    "squares of 224 and 336 px, mean": lambda material: joined(
        linear(material), linear(seen_so(material, LARGE, MIDDLE))
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(METHODS))
    add_options(parser)
    parser.add_argument("--clean-only", action="store_true", help="no web and hard chains")
    arguments = parser.parse_args()
    material, _ = prepare(arguments)
    if arguments.clean_only:
        material = replace(material, measured={"clean": material.measured["clean"]})
    for name in arguments.names:
        if name not in stored():
            store(name, METHODS[name](material), material)


if __name__ == "__main__":
    main()
