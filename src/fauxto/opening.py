"""From a file's bytes to what is left of it before a model runs: facts, evidence, and small squares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fauxto.errors import InputError
from fauxto.images import DecodedImage, Limits, decode
from fauxto.models import BundleConfig
from fauxto.models.preprocess import shrunk
from fauxto.models.views import Views, look
from fauxto.provenance import ProvenanceOptions, read_evidence
from fauxto.record import Evidence, ImageInfo


@dataclass(frozen=True)
class OpeningRules:
    """How files are opened.

    Attributes:
        limits: of pixels and bytes.
        provenance: how the readers of the file's own statements behave.
        models: the configs of the models that may be used, the first that fits is taken.
        thumbnail_side: longest side in pixels of a small copy to keep; None keeps none.
    """

    limits: Limits
    provenance: ProvenanceOptions
    models: tuple[BundleConfig, ...]
    thumbnail_side: int | None = None

    def model_for(self, width: int, height: int) -> int | None:
        """The index of the model whose domain these sides (pixels) fit."""
        fitting = (i for i, config in enumerate(self.models) if config.domain.fits(width, height))
        return next(fitting, None)


@dataclass(frozen=True, eq=False)
class Opened:
    """One opened image; its pixels are gone but for the squares that the model judges."""

    error: InputError | None = None
    image: ImageInfo | None = None
    notes: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    model: int | None = None
    views: Views | None = None
    thumbnail: NDArray[np.uint8] | None = None


def open_file(data: bytes, name: str, rules: OpeningRules) -> Opened:
    """Decode a file, read what it says of itself, and cut the model's squares out of it.

    Args:
        data: the whole file.
        name: how it is called in errors.
        rules: limits, and the models to cut for.
    """
    try:
        image = decode(data, name=name, limits=rules.limits)
    except InputError as error:
        return Opened(error=error)
    return cut(image, read_evidence(data, pixels=image.pixels, options=rules.provenance), rules)


def cut(image: DecodedImage, evidence: Sequence[Evidence], rules: OpeningRules) -> Opened:
    """What is left of a decoded image."""
    info = ImageInfo(width=image.width, height=image.height, format=image.format, sha256=image.sha256)
    model = rules.model_for(image.width, image.height)
    views = None if model is None else look(image.pixels, rules.models[model])
    thumbnail = None if rules.thumbnail_side is None else shrunk(image.pixels, rules.thumbnail_side)
    return Opened(None, info, image.notes, tuple(evidence), model, views, thumbnail)
