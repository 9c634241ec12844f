"""What else was tried on the photo model's features, beside the head that it has.

    python benchmarks/photo_tried.py --data photos/wild.parquet ... --weights clip.onnx \\
        --work runs/photo/features [NAME...]

Views, origins and yardstick are the recipe's; features are taken from the cache of `fauxto train` where they
lie there. Every method writes its rows of results/photo-tried.csv; one that is there is not run again. What
cannot leave out one origin after the other at a bearable cost leaves out a tenth of them at a time.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from fauxto.train.tower.clip import Tower
from fauxto.train.tower.export import rounded_tower
from fauxto.train.tower.features import View, Views, compute_views, faster_type
from fauxto.train.tower.heads import (
    Features,
    LeftOut,
    centred,
    fit_heads,
    leave_out,
    origin_weights,
)
from fauxto.train.tower.measure import figures
from fauxto.train.tower.pictures import Pictures, group_folds, load_pictures
from fauxto.train.tower.recipe import TowerRecipe, load_tower_recipe
from fauxto.train.tower.run import fit_all, fit_linear, with_nets
from fauxto.train.tower.verdicts import remake_rows
from fauxto.train.tower.views import RUNGS, degrade
from photo_ablation import Factor, read
from residuals import residual_statistics

RECIPE = Path(__file__).parents[1] / "recipes" / "photo.yaml"
RESULTS = Path("results/photo-tried.csv")
MEASURED = ("clean", "web", "hard")
_FOLDS, _INNER = 10, 5

Logits = dict[str, NDArray[np.float64]]
Fit = Callable[[Features, NDArray[np.int64], NDArray[np.float32]], Callable[[Features], NDArray[np.float64]]]
"""Features (N, D), labels and weights to what judges features."""


@dataclass(frozen=True)
class Material:
    """The pictures, their features in the views that are fitted on and in those that are measured.

    `published` is the file with the tower's weights, `work` where features are kept.
    """

    recipe: TowerRecipe
    pictures: Pictures
    fitted: dict[str, Features]
    measured: dict[str, Features]
    work: Path
    published: Path

    def seen(self, change: Callable[[str, Features], Features]) -> Material:
        """The same with the features of every view, given with its name, changed."""
        fitted, measured = (
            {view: change(view, one) for view, one in views.items()} for views in (self.fitted, self.measured)
        )
        return replace(self, fitted=fitted, measured=measured)

    @property
    def weights(self) -> NDArray[np.float32]:
        """What each picture weighs, (N,)."""
        return origin_weights(self.pictures.labels, self.pictures.groups)


def linear(
    material: Material, *, weights: NDArray[np.float64 | np.float32] | None = None, **changes: Any
) -> Logits:
    """A centred head on two views, pictures weighed otherwise (N,) or with something changed."""
    head, pictures = material.recipe.head, material.pictures
    options = {"l2": head.l2, "centre": head.centred, **changes}
    weights = material.weights if weights is None else weights
    heads = leave_out(
        list(material.fitted.values()),
        pictures.labels,
        weights.astype(np.float32),
        pictures.groups,
        **options,
    )
    return judged_by(heads, material)


def judged_by(heads: LeftOut[Any], material: Material) -> Logits:
    """What heads that never saw a picture's origin say of it in every measured view."""
    return {view: heads.logits(found, material.pictures.groups) for view, found in material.measured.items()}


def as_in_the_recipe(material: Material, **changes: Any) -> Logits:
    """The recipe's head with something changed in its section."""
    changed = material.recipe.head.model_copy(update=changes)
    recipe = material.recipe.model_copy(update={"head": changed, "rungs": []})
    views, _ = views_by(recipe, material.pictures, material.work, material.published)
    return judged_by(fit_all(recipe, material.pictures, views), material)


def several_nets(material: Material, number: int) -> Logits:
    """The recipe's linear head and the mean of nets that differ in their seed, on the recipe's views."""
    recipe, pictures = material.recipe.model_copy(update={"rungs": []}), material.pictures
    views, _ = views_by(recipe, pictures, material.work, material.published)
    linear_heads = fit_linear(recipe, pictures, views)
    found = [
        judged_by(
            with_nets(recipe.model_copy(update={"seed": seed}), pictures, views, linear_heads), material
        )
        for seed in range(number)
    ]
    return {view: np.mean([one[view] for one in found], axis=0) for view in found[0]}


def by_folds(material: Material, fit: Fit, *, centre: bool) -> Logits:
    """Leave out a tenth of the origins at a time; with `centre` views are centred in their origins first.

    What is not linear is fitted on features as they are judged.
    """
    pictures = material.pictures
    folds = group_folds(pictures.groups, _FOLDS)
    found = {view: np.empty(len(pictures)) for view in material.measured}
    for fold in range(_FOLDS):
        kept = folds != fold
        labels, groups = pictures.labels[kept], pictures.groups[kept]
        parts = [one[kept] for one in material.fitted.values()]
        middle = np.mean([part.mean(0) for part in parts], axis=0)
        if centre:
            parts = [centred(part, labels, groups) for part in parts]
        else:
            parts = [part - middle for part in parts]
        scale = np.concatenate(parts).std(0) + 1e-6
        repeated = np.tile(labels, len(parts)), np.tile(material.weights[kept], len(parts))
        judge = fit(np.concatenate(parts) / scale, *repeated)
        for view, features in material.measured.items():
            found[view][~kept] = judge((features[~kept] - middle) / scale)
    return found


def nearest_mean(x: Features, labels: NDArray[np.int64], weights: NDArray[np.float32]) -> Any:
    """How much nearer the mean of the AI-generated pictures lies than that of the photographs."""
    ai, other = (
        (x[labels == label] * weights[labels == label, None]).sum(0) / weights[labels == label].sum()
        for label in (1, 0)
    )
    return lambda seen: (seen @ (ai - other) - (ai @ ai - other @ other) / 2).astype(np.float64) / len(ai)


def ridge(kernel: Callable[[Features, Features], NDArray[np.float32]], penalty: float) -> Fit:
    """Weighted kernel ridge regression of the label."""

    def fit(x: Features, labels: NDArray[np.int64], weights: NDArray[np.float32]) -> Any:
        gram = kernel(x, x).astype(np.float64)
        gram[np.diag_indices_from(gram)] += penalty / (weights * len(weights) / weights.sum() + 1e-9)
        targets = np.where(labels == 1, 1.0, -1.0)
        slopes = torch.linalg.solve(torch.from_numpy(gram), torch.from_numpy(targets)).numpy()
        return lambda seen: kernel(seen, x).astype(np.float64) @ slopes

    return fit


def gaussian(a: Features, b: Features) -> NDArray[np.float32]:
    """exp(-|a - b|^2 / D), for standardised features about half the median distance."""
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T
    found: NDArray[np.float32] = np.exp(-np.maximum(squares, 0) / a.shape[1])
    return found


def small_net(x: Features, labels: NDArray[np.int64], weights: NDArray[np.float32]) -> Any:
    """Sixty-four hidden units, half of them dropped, twenty passes of AdamW."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Dropout(0.2), torch.nn.Linear(x.shape[1], 64), torch.nn.ReLU(), torch.nn.Dropout(0.5),
        torch.nn.Linear(64, 1),
    )  # fmt: skip
    optimizer = torch.optim.AdamW(net.parameters(), 3e-4, weight_decay=0.1)
    inputs, targets = torch.from_numpy(x), torch.from_numpy(labels.astype(np.float32))
    shares = torch.from_numpy(weights / weights.mean())
    for _ in range(20):
        for rows in torch.chunk(torch.randperm(len(x)), -(-len(x) // 128)):
            optimizer.zero_grad()
            logits = net(inputs[rows])[:, 0]
            losses = torch.nn.functional.binary_cross_entropy_with_logits(
                logits, targets[rows], reduction="none"
            )
            (losses * shares[rows]).mean().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    net.eval()

    @torch.inference_mode()
    def judge(seen: Features) -> NDArray[np.float64]:
        found: NDArray[np.float64] = net(torch.from_numpy(seen.astype(np.float32)))[:, 0].double().numpy()
        return found

    return judge


def gaussian_ridge(material: Material) -> Logits:
    """Kernel ridge regression with the Gaussian kernel."""
    return by_folds(material, ridge(gaussian, 0.3), centre=False)


def hidden_units(material: Material) -> Logits:
    """The small net."""
    return by_folds(material, small_net, centre=False)


def joined(*several: Logits) -> Logits:
    """The mean of logits, each on the scale of its spread on clean pictures."""
    return {view: sum(one[view] / one["clean"].std() for one in several) for view in several[0]}


def components(material: Material, number: int) -> Material:
    """Features as their first principal components, found without labels on the clean view."""
    found = PCA(number, random_state=0).fit(material.fitted["clean"])
    return material.seen(lambda _, features: found.transform(features).astype(np.float32))


def looked_at(draw: View) -> dict[str, View]:
    """The views that are fitted on and measured, with a draw of the caller's own."""
    return {
        "clean": lambda _, pixels: pixels,
        "draw": draw,
        "web": lambda _, pixels: RUNGS["web"].apply(pixels),
        "hard": lambda _, pixels: RUNGS["hard"].apply(pixels),
    }


def residuals(material: Material, *, beside: bool) -> Material:
    """Statistics of residuals in place of the features, or beside them."""
    found: dict[str, Features] = {}
    for name, view in looked_at(_degraded_whole).items():
        file = material.work / f"residuals-{name}-{material.pictures.fingerprint}.npy"
        if not file.is_file():
            seen = (view(row, pixels) for row, pixels in enumerate(material.pictures.pixels()))
            np.save(file, np.stack([residual_statistics(pixels) for pixels in seen]))
        found[name] = np.load(file)
    if beside:
        return material.seen(lambda view, features: np.concatenate([features, found[view]], axis=1))
    return material.seen(lambda view, _: found[view])


def _degraded_whole(row: int, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    from PIL import Image

    return np.asarray(degrade(Image.fromarray(pixels), np.random.default_rng([7, row])))


def some_origins(material: Material, number: int, seed: int) -> Logits:
    """The head fitted on so many of the origins that hold both classes."""
    pictures = material.pictures
    names = np.unique(pictures.groups[pictures.matched])
    chosen = np.random.default_rng(seed).permutation(names)[:number]
    return linear(material, weights=material.weights * np.isin(pictures.groups, chosen))


def by_parts(
    material: Material, number: int, weights: NDArray[np.float64 | np.float32] | None = None
) -> Logits:
    """The head on two views with a part of the origins left out at a time, weights (N, parts) for each."""
    pictures = material.pictures
    parts = group_folds(pictures.groups, number)
    if weights is None:
        weights = material.weights[:, None] * (parts[:, None] != np.arange(number))
    heads = fit_heads(
        list(material.fitted.values()),
        pictures.labels,
        weights.astype(np.float32),
        l2=material.recipe.head.l2,
        groups=pictures.groups,
    )
    judged = {view: np.stack([head.logits(one) for head in heads]) for view, one in material.measured.items()}
    return {view: logits[parts, np.arange(len(parts))] for view, logits in judged.items()}


def hard_photographs(material: Material) -> Logits:
    """Photographs that a first head takes for AI-generated, a tenth of them, weigh threefold in a second.

    A fifth of the origins is left out at a time; what is hard among the others is said by heads that saw
    neither them nor it.
    """
    pictures, weights = material.pictures, material.weights
    folds = group_folds(pictures.groups, _INNER)
    pairs = [(outer, inner) for outer in range(_INNER) for inner in range(_INNER) if inner != outer]
    seen = np.stack([weights * ~np.isin(folds, pair) for pair in pairs], axis=1).astype(np.float32)
    views, l2 = list(material.fitted.values()), material.recipe.head.l2
    first = fit_heads(views, pictures.labels, seen, l2=l2, groups=pictures.groups)
    photographs = pictures.labels == 0
    second = []
    for outer in range(_INNER):
        scores = np.full(len(pictures), -np.inf)
        for pair, head in zip(pairs, first, strict=True):
            if pair[0] == outer:
                rows = photographs & (folds == pair[1])
                scores[rows] = head.logits(material.fitted["clean"][rows])
        hard = scores >= np.quantile(scores[np.isfinite(scores)], 0.9)
        second.append(weights * (folds != outer) * np.where(hard, 3, 1))
    return by_parts(material, _INNER, np.stack(second, axis=1))


def unbalanced(material: Material) -> Logits:
    """The classes weigh alike, and so does every picture of a class, whatever its origin."""
    labels = material.pictures.labels
    return linear(material, weights=1 / np.bincount(labels)[labels])


def mean_of_depths(material: Material) -> Logits:
    """A head for each block, and the mean of their logits."""
    several: list[Logits] = []
    blocks = material.recipe.net.blocks
    for block in blocks:
        alone = Factor((block,))
        several.append(linear(material.seen(lambda _, features, alone=alone: read(features, alone, blocks))))  # type: ignore[misc]
    return joined(*several)


def four_bits(material: Material) -> Logits:
    """The linear head on two views, on a tower with weights of four bits, half the size."""
    net = material.recipe.net.model_copy(update={"bits": 4})
    recipe = material.recipe.model_copy(update={"net": net})
    return linear(seen_by(recipe, material.pictures, material.work, material.published)[0])


METHODS: dict[str, Callable[[Material], Logits]] = {
    **{
        f"consistency {penalty:g}": lambda material, penalty=penalty: as_in_the_recipe(  # type: ignore[misc]
            material, consistency=penalty, moved=0, hidden=0
        )
        for penalty in (0, 0.01, 0.06, 0.1)
    },
    "consistency 0.06, moved squares": lambda material: as_in_the_recipe(material, hidden=0),
    "consistency 0.06, hidden units": lambda material: as_in_the_recipe(material, moved=0),
    "consistency 0.06, moved squares, four nets": lambda material: several_nets(material, 4),
    "no views encoded anew": linear,
    "a tenth of the origins left out at a time": lambda material: by_parts(material, _FOLDS),
    "a fifth of the origins left out at a time": lambda material: by_parts(material, _INNER),
    "weights of four bits": four_bits,
    "a head for each block, mean": mean_of_depths,
    "pictures weighed alike": unbalanced,
    "hard photographs weighed threefold": hard_photographs,
    "nearest mean": lambda material: by_folds(material, nearest_mean, centre=True),
    "600 principal components": lambda material: linear(components(material, 600)),
    "kernel ridge, linear": lambda material: by_folds(
        material, ridge(lambda a, b: a @ b.T / a.shape[1], 1.0), centre=True
    ),
    "kernel ridge, Gaussian": gaussian_ridge,
    "64 hidden units": hidden_units,
    "linear head, kernel ridge and hidden units, mean": lambda material: joined(
        linear(material), gaussian_ridge(material), hidden_units(material)
    ),
    "residual statistics alone": lambda material: linear(residuals(material, beside=False)),
    "residual statistics beside": lambda material: linear(residuals(material, beside=True)),
    **{
        f"fitted on {number} origins (draw {seed})": lambda material, number=number, seed=seed: some_origins(  # type: ignore[misc]
            material, number, seed
        )
        for number in (4, 8, 16, 32)
        for seed in (0, 1, 2)
    },
}


def rows(name: str, logits: Logits, material: Material) -> Iterator[dict[str, Any]]:
    """The yardstick on every view and part of the origins."""
    remakes = remake_rows(material.pictures, material.recipe.remakes)
    for view, found in logits.items():
        for part, values in figures(material.pictures, found, remakes).items():
            rounded = {k: round(v, 4) if isinstance(v, float) else v for k, v in values.items()}
            yield {"method": name, "seed": material.recipe.seed, "view": view, "origins": part, **rounded}


def store(name: str, logits: Logits, material: Material) -> None:
    """Write a method's rows behind those that are there."""
    found = list(rows(name, logits, material))
    fresh = not RESULTS.exists()
    with RESULTS.open("a", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, found[0], lineterminator="\n")
        if fresh:
            writer.writeheader()
        writer.writerows(found)
    print(name, found[0], flush=True)


def stored() -> set[str]:
    """The methods whose rows are there."""
    if not RESULTS.exists():
        return set()
    with RESULTS.open(encoding="utf-8", newline="") as stream:
        return {row["method"] for row in csv.DictReader(stream)}


def add_options(parser: argparse.ArgumentParser) -> None:
    """What every method needs."""
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--weights", type=Path, required=True, help="of CLIP's image tower")
    parser.add_argument("--work", type=Path, required=True, help="folder of kept features")


def views_by(recipe: TowerRecipe, pictures: Pictures, work: Path, published: Path) -> tuple[Views, Tower]:
    """All views that a recipe names of the pictures, and the tower that sees them."""
    tower = rounded_tower(published, recipe.net.depth, recipe.input.side, recipe.net.bits)
    kind = faster_type(tower, recipe.input.side)
    return compute_views(recipe, tower, pictures.pixels, pictures.fingerprint, work, kind), tower


def seen_by(recipe: TowerRecipe, pictures: Pictures, work: Path, published: Path) -> tuple[Material, Tower]:
    """The pictures as a recipe's tower sees them, in the views of this page only, and that tower."""
    head = recipe.head.model_copy(update={"reencoded": 0, "consistency": 0, "moved": 0, "hidden": 0})
    few = recipe.model_copy(update={"rungs": [view for view in MEASURED if view in RUNGS], "head": head})
    views, tower = views_by(few, pictures, work, published)
    measured = {view: views.measured[view] for view in MEASURED}
    fitted = {"clean": views.clean, "draw": views.draws[0]}
    return Material(recipe, pictures, fitted, measured, work, published), tower


def prepare(arguments: argparse.Namespace) -> tuple[Material, Tower]:
    """The pictures with their features, and the tower that gave them."""
    recipe = load_tower_recipe(RECIPE)
    assert recipe is not None, "recipes/photo.yaml is a tower's recipe"
    pictures = load_pictures(arguments.data, recipe.together, recipe.folds)
    return seen_by(recipe, pictures, arguments.work, arguments.weights)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(METHODS))
    add_options(parser)
    arguments = parser.parse_args()
    material, _ = prepare(arguments)
    for name in arguments.names:
        if name not in stored():
            store(name, METHODS[name](material), material)


if __name__ == "__main__":
    main()
