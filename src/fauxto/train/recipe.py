"""Recipes: one YAML file says everything about a training run, and is checked before data is touched."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fauxto.errors import UsageError

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NetSection(_Section):
    """The architecture: `trace` is fauxto's own residual net (see `fauxto.train.nets.TraceNet`)."""

    architecture: Literal["trace"] = "trace"
    widths: tuple[int, ...] = (96, 192)
    blocks: tuple[int, ...] = (2, 2)
    unshuffle: bool = True
    dropout: Share = 0.0


class InputSection(_Section):
    """What the net reads: a square of `side` pixels, normalised as (x / 255 - mean) / std."""

    side: int = Field(ge=8, le=1024)
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.25, 0.25, 0.25)


class SplitSection(_Section):
    """Shares of the data; the content hash of each image decides its side, so duplicates stay together."""

    validation: Share = 0.05
    seed: int = 0


class AugmentSection(_Section):
    """Label-preserving changes, drawn anew for every image and epoch; each value is a probability."""

    horizontal_flip: Share = 0.5
    vertical_flip: Share = 0.0
    degrade: Share = 0.0
    cutmix: Share = 0.0


class NegativesSection(_Section):
    """Pictures that the model must not accuse: photographs shrunk to thumbnails, and drawn graphics.

    `share` of every batch is taken from them, labelled 0. `graphics` of that share are drawn
    (icons, charts, plain fills), the rest are photographs given with `--negatives`.
    """

    share: Share = 0.0
    graphics: Share = 0.3
    min_side: int = 24
    max_side: int = 64


class OptimizerSection(_Section):
    """`muon` orthogonalises the updates of convolutions and leaves all else to AdamW."""

    name: Literal["adamw", "sgd", "muon"] = "adamw"
    rate: float = Field(gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    warmup: Share = 0.1
    batch_size: int = Field(ge=2)
    label_smoothing: Share = 0.0


class StopSection(_Section):
    """When to stop: after `epochs`, or after `patience` epochs without a better validation loss."""

    epochs: int = Field(ge=1)
    patience: int | None = Field(default=None, ge=1)


class DomainSection(_Section):
    """What the bundle will be for: least and greatest side in pixels, and the content in words."""

    min_side: int = Field(ge=1)
    max_side: int = Field(ge=1)
    content: str
    automatic: bool = True


class BundleSection(_Section):
    """How the finished net becomes a bundle: thresholds, views, and what its card says."""

    name: str
    version: str
    max_fpr: Share = 0.01
    max_miss: Share = 0.01
    flip_average: bool = False
    domain: DomainSection
    limits: tuple[str, ...] = ()
    licence: str = "Apache-2.0"


class Recipe(_Section):
    """One training run, complete."""

    seed: int = 0
    precision: Literal["auto", "float32", "bf16", "fp16"] = "auto"
    net: NetSection = NetSection()
    input: InputSection
    split: SplitSection = SplitSection()
    augment: AugmentSection = AugmentSection()
    negatives: NegativesSection = NegativesSection()
    optimizer: OptimizerSection
    stop: StopSection
    bundle: BundleSection


def load_recipe(path: Path) -> Recipe:
    """Read and check a recipe.

    Raises:
        UsageError: the file is missing, no YAML, or a value is not allowed; names the field.
    """
    try:
        return Recipe.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(f"{path}: cannot read the recipe ({error.strerror})") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: not valid YAML: {error}") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise UsageError(f"{path}: {faults}") from error
