"""Recipes of a tower's head: which blocks are read, which views are drawn, how the bundle decides."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from fauxto.models.config import InputConfig
from fauxto.train.recipe import BundleSection, InputSection, Section, Share, checked, read_yaml
from fauxto.train.tower.clip import BLOCKS
from fauxto.train.tower.views import RUNGS


class TowerSection(Section):
    """CLIP ViT-B/16's image tower, cut after the last of `blocks`, whose class tokens the head reads.

    With `patch_means` it reads the means of their patches too. The bundle holds the matrices in `bits` each:
    8 loses nothing of the published int8 weights, 4 halves the file.
    """

    architecture: Literal["clip"]
    blocks: tuple[int, ...] = (6, 7, 8)
    patch_means: bool = False
    bits: Literal[4, 8] = 8

    @model_validator(mode="after")
    def _in_order(self) -> TowerSection:
        if not self.blocks or list(self.blocks) != sorted(set(self.blocks)):
            raise ValueError("blocks must be named once each, in ascending order")
        if self.blocks[0] < 1 or self.blocks[-1] > BLOCKS:
            raise ValueError(f"blocks are numbered from 1 to {BLOCKS}")
        return self

    @property
    def mark(self) -> str:
        """What tells cached features of this section from those of another."""
        means = "-means" if self.patch_means else ""
        return f"{'-'.join(map(str, self.blocks))}{means}-{self.bits}bit"

    @property
    def depth(self) -> int:
        """Blocks that the bundle holds."""
        return self.blocks[-1]


class HeadSection(Section):
    """The head: a line through the features and, where `hidden` says so, a small net beside it.

    Both see of every picture the clean view, `reencoded` ones that are encoded anew, `moved` ones that are
    mirrored squares from anywhere along the longer side, `draws` that are degraded and cut, and `loose` ones,
    in which an aligned face is cropped as loosely as faces are found. `consistency` is the penalty on the
    squared change of the logit between the clean view and one that was encoded anew. The line sees the clean
    view `clean` times, has the penalty `l2`, and if `centred` learns from how the classes differ within an
    origin, and not from how origins differ. The net has `hidden` units, 0 for none, and the clean view in
    half of every step.
    """

    clean: int = Field(default=1, ge=1)
    reencoded: int = Field(default=0, ge=0)
    moved: int = Field(default=0, ge=0)
    draws: int = Field(default=3, ge=0)
    loose: int = Field(default=0, ge=0)
    l2: float = Field(default=0.1, gt=0)
    centred: bool = False
    consistency: float = Field(default=0, ge=0)
    hidden: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _comparable(self) -> HeadSection:
        if self.consistency and not self.reencoded:
            raise ValueError("consistency compares with views that are encoded anew: set reencoded as well")
        if self.hidden and not (self.reencoded or self.moved or self.draws or self.loose):
            raise ValueError(
                "hidden units learn from two views at once: set reencoded, moved, draws or loose"
            )
        return self


class GateSection(Section):
    """The head that turns away what is no photograph, at most `max_turned_away` of the photographs.

    That holds in every view that is measured, degraded ones among them.
    """

    l2: float = Field(default=0.01, gt=0)
    max_turned_away: Share = 0.03


class TowerRecipe(Section):
    """One run, complete.

    Scores are measured on what the head never saw: on origins left out one by one, by the small net a tenth
    at a time, or on one of `folds` parts by content hash where the pictures name no origins. `together` names
    origins that share pictures and are left out together; `remakes` those in which a generator re-rendered
    the photographs themselves. `rungs` names degradations that are measured too. In each of the `promised`
    views the `ai` threshold keeps false alarms at or below `bundle.max_fpr`, and for every source and every
    data set of at least `group_size` photographs below `max_group_fpr`.
    """

    seed: int = 0
    net: TowerSection
    input: InputSection
    head: HeadSection = HeadSection()
    rungs: tuple[str, ...] = ("web", "hard")
    gate: GateSection | None = None
    folds: int | None = Field(default=None, ge=2)
    together: tuple[tuple[str, ...], ...] = ()
    remakes: tuple[str, ...] = ()
    promised: tuple[Literal["clean", "reencoded", "loose", "draws"], ...] = ("clean", "loose")
    max_group_fpr: Share = 0.03
    group_size: int = Field(default=100, ge=1)
    bundle: BundleSection

    @model_validator(mode="after")
    def _for_a_tower(self) -> TowerRecipe:
        unknown = set(self.rungs) - set(RUNGS)
        if unknown:
            raise ValueError(f"rungs: no such degradation: {', '.join(sorted(unknown))}")
        if not self.input.resize:
            raise ValueError("input.resize: a tower looks at whole pictures, so it must be true")
        bundle = self.bundle
        if bundle.flip_average or bundle.mean_with_start or bundle.calibration == "none":
            raise ValueError(
                "bundle: flip_average, mean_with_start and calibration are not for a tower; leave them out"
            )
        return self

    def input_config(self) -> InputConfig:
        """The bundle's input."""
        return InputConfig(
            side=self.input.side,
            interpolation=self.input.interpolation,
            mean=self.input.mean,
            std=self.input.std,
        )


def load_tower_recipe(path: Path) -> TowerRecipe | None:
    """A recipe whose net is a tower, or None where it is another net's.

    Raises:
        UsageError: the file is missing, no YAML, or a value is not allowed; names the field.
    """
    value: Any = read_yaml(path)
    net = value.get("net") if isinstance(value, dict) else None
    if not isinstance(net, dict) or net.get("architecture") != "clip":
        return None
    return checked(path, value, TowerRecipe)
