"""Recipes: one YAML file says everything about a training run, and is checked before data is touched."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, model_validator

from fauxto.errors import UsageError
from fauxto.models.config import check_sides

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Checked = TypeVar("Checked", bound=BaseModel)


class Section(BaseModel):
    """A part of a recipe: unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TraceSection(Section):
    """fauxto's own residual net, see `fauxto.train.nets.TraceNet`."""

    architecture: Literal["trace"] = "trace"
    widths: tuple[int, ...] = (96, 192)
    blocks: tuple[int, ...] = (2, 2)
    unshuffle: bool = True
    dropout: Share = 0.0


class DenseSection(Section):
    """One layer of a head: units, activation, then batch normalisation, then dropout."""

    units: int = Field(ge=1)
    activation: Literal["relu", "gelu", "silu", "tanh"] = "relu"
    batch_norm: bool = False
    dropout: Share = 0.0


class BackboneSection(Section):
    """A timm net without its classifier, under a head of its own.

    `backbone` is timm's name, best with the tag of its weights (`resnet50.tv_in1k`). `pretrained` takes
    timm's weights, `weights` those of a file (relative to the recipe). A `frozen` backbone is not trained.
    `pooling` is `flatten` (all of the last map), `average` (global average pooling) or `own` (what timm gives
    this backbone, such as a class token). `head` lists dense layers; none is a linear classifier. `output`
    is one sigmoid unit, or two classes under a softmax whose logit is the difference of the two.

    With `blocks` a vision transformer is read after these blocks, numbered from 1, in place of `pooling`, and
    cut behind the last of them; `low_rank` then tunes them by matrices of this rank, with all else frozen.
    `released` is when the backbone was published (YYYY-MM): the card then says which generators are newer.
    """

    architecture: Literal["timm"] = "timm"
    backbone: str = Field(min_length=1)
    pretrained: bool = True
    weights: Path | None = None
    frozen: bool = False
    pooling: Literal["flatten", "average", "own"] = "own"
    blocks: tuple[Annotated[int, Field(ge=1)], ...] = ()
    low_rank: int = Field(default=0, ge=0)
    head: tuple[DenseSection, ...] = ()
    output: Literal["sigmoid", "softmax"] = "sigmoid"
    released: str | None = Field(default=None, pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$")

    @model_validator(mode="after")
    def _consistent(self) -> BackboneSection:
        if list(self.blocks) != sorted(set(self.blocks)):
            raise ValueError("blocks must be named once each, in ascending order")
        if self.blocks and self.pooling != "own":
            raise ValueError("blocks are read in their own way; leave pooling out")
        if self.low_rank and not self.blocks:
            raise ValueError("low_rank tunes the blocks that are read; name them by blocks")
        if self.low_rank and self.frozen:
            raise ValueError("a frozen backbone is not tuned; leave out frozen, or set low_rank: 0")
        return self


def _architecture(net: Any) -> Any:
    """The tag of a net section: a backbone is named where there is one; `trace` is the default."""
    if isinstance(net, dict):
        return net.get("architecture", "timm" if "backbone" in net else "trace")
    return getattr(net, "architecture", None)


NetSection = Annotated[
    Annotated[TraceSection, Tag("trace")] | Annotated[BackboneSection, Tag("timm")],
    Discriminator(
        _architecture,
        custom_error_type="architecture",
        custom_error_message="the architecture is trace, or timm with a backbone",
    ),
]


class InputSection(Section):
    """What the net reads: a square of `side` pixels, normalised as (x / 255 - mean) / std.

    With `resize` images of other sizes are cut to their centre square and resized; without it they are an
    error, because resizing changes the traces that a detector looks for.
    """

    side: int = Field(ge=8, le=1024)
    resize: bool = False
    interpolation: Literal["bilinear", "bicubic", "box", "lanczos"] = "bicubic"
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.25, 0.25, 0.25)


class SplitSection(Section):
    """How the images are divided; content hashes decide, so duplicates stay together.

    `declared` says which splits of the data themselves stand: `all`; `test`, where validation is taken from
    the training images even if the data declare one; or `none`, where everything is put together and
    divided. `validation` and `test` are shares of what is divided. `test: declared` takes the data's own test
    split, at most `test_images` of it. A test part is measured once, at the end.
    """

    declared: Literal["all", "test", "none"] = "all"
    validation: Share = 0.05
    test: Share | Literal["declared"] = 0.0
    test_images: int | None = Field(default=None, ge=2)
    seed: int = 0

    @model_validator(mode="after")
    def _possible(self) -> SplitSection:
        if self.test == "declared" and self.declared == "none":
            raise ValueError("test: declared needs declared: all or test")
        if self.validation + self.held_out >= 1:
            raise ValueError("nothing is left to train on: validation and test add up to 1 or more")
        return self

    @property
    def held_out(self) -> float:
        """The share of what is divided that is held out for the test."""
        return 0.0 if self.test == "declared" else self.test


class AugmentSection(Section):
    """Label-preserving changes, drawn anew for every image and epoch; each value is a probability."""

    horizontal_flip: Share = 0.5
    vertical_flip: Share = 0.0
    degrade: Share = 0.0
    cutmix: Share = 0.0


class NegativesSection(Section):
    """Pictures that the model must not accuse: photographs shrunk to thumbnails, and drawn graphics.

    `share` of every batch is taken from them, labelled 0. `graphics` of that share are drawn
    (icons, charts, plain fills), the rest are photographs given with `--negatives`.
    """

    share: Share = 0.0
    graphics: Share = 0.3
    min_side: int = Field(default=24, ge=1)
    max_side: int = Field(default=64, ge=1)

    @model_validator(mode="after")
    def _possible(self) -> NegativesSection:
        check_sides(self.min_side, self.max_side)
        return self


class OptimizerSection(Section):
    """`muon` orthogonalises the updates of convolutions and leaves all else to AdamW; only for `trace`.

    The learning rate rises over the share `warmup` of all steps and then falls to zero (`trapezoid`), or
    stays (`constant`).
    """

    name: Literal["adam", "adamw", "sgd", "muon"] = "adamw"
    schedule: Literal["trapezoid", "constant"] = "trapezoid"
    rate: float = Field(gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    warmup: Share = 0.1
    batch_size: int = Field(ge=2)
    label_smoothing: Share = 0.0


class StopSection(Section):
    """When to stop: after `epochs`, or after `patience` epochs without a better validation loss."""

    epochs: int = Field(ge=1)
    patience: int | None = Field(default=None, ge=1)


class DomainSection(Section):
    """What the bundle will be for: least and greatest side in pixels, and the content in words."""

    min_side: int = Field(ge=1)
    max_side: int = Field(ge=1)
    content: str
    automatic: bool = True

    @model_validator(mode="after")
    def _possible(self) -> DomainSection:
        check_sides(self.min_side, self.max_side)
        return self


class BundleSection(Section):
    """How the finished net becomes a bundle: calibration, thresholds, views, and what its card says.

    `calibration: none` leaves the net's own probability as it is, as published systems do; the verdict's
    thresholds are chosen on validation all the same. With `mean_with_start` the bundle's output is the mean
    of the logits of the trained net and of the one that `--weights` gave, as in a snapshot ensemble (Huang et
    al. 2017, arXiv:1704.00109). With `faces` the model judges the faces found in a
    picture, and its domain is that of the whole picture.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,63}$")
    version: str = Field(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")
    calibration: Literal["platt", "none"] = "platt"
    max_fpr: Share = 0.01
    max_miss: Share = 0.01
    flip_average: bool = False
    mean_with_start: bool = False
    faces: bool = False
    domain: DomainSection
    limits: tuple[str, ...] = ()
    licence: str = "Apache-2.0"


class Recipe(Section):
    """One training run, complete. `subset` learns from so many images only, of each class its share."""

    seed: int = 0
    precision: Literal["auto", "float32", "bf16", "fp16"] = "auto"
    subset: int | None = Field(default=None, ge=2)
    net: NetSection = TraceSection()
    input: InputSection
    split: SplitSection = SplitSection()
    augment: AugmentSection = AugmentSection()
    negatives: NegativesSection = NegativesSection()
    optimizer: OptimizerSection
    stop: StopSection
    bundle: BundleSection

    @model_validator(mode="after")
    def _fitting(self) -> Recipe:
        if self.optimizer.name == "muon" and self.net.architecture != "trace":
            raise ValueError("optimizer.name: muon is for the trace net; take adamw")
        return self

    def limited(self, images: int) -> Recipe:
        """The same run on at most `images` images, and at most as many of a declared test split."""
        split = self.split
        if split.test == "declared":
            least = min(images, split.test_images or images)
            split = split.model_copy(update={"test_images": least})
        return self.model_copy(update={"subset": min(images, self.subset or images), "split": split})

    def without_pretrained(self) -> Recipe:
        """The same run from random weights.

        Raises:
            UsageError: the net has no pretrained weights to leave out.
        """
        if not isinstance(self.net, BackboneSection):
            raise UsageError("--no-pretrained: this recipe's net is trained from random weights anyway")
        net = self.net.model_copy(update={"pretrained": False, "weights": None})
        return self.model_copy(update={"net": net})


def read_yaml(path: Path) -> Any:
    """What a recipe's file says, not checked yet.

    Raises:
        UsageError: the file is missing or no YAML.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot read the recipe ({error.strerror})") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: not valid YAML: {error}") from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{path}: not a YAML text file") from error


def checked(path: Path, value: Any, kind: type[Checked]) -> Checked:
    """A recipe of a kind.

    Raises:
        UsageError: a value is not allowed; names the field.
    """
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise UsageError(f"{path}: {faults}") from error


def load_recipe(path: Path) -> Recipe:
    """Read and check a recipe; a path in it is relative to it.

    Raises:
        UsageError: the file is missing, no YAML, or a value is not allowed; names the field.
    """
    recipe = checked(path, read_yaml(path), Recipe)
    net = recipe.net
    if isinstance(net, BackboneSection) and net.weights is not None:
        net = net.model_copy(update={"weights": path.parent / net.weights})
        recipe = recipe.model_copy(update={"net": net})
    return recipe
