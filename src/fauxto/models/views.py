"""The seam between a picture and a model: the squares to judge, and one score from theirs.

`look` cuts out of a picture what the bundle's config asks for; the model scores all squares of a batch of
pictures at once; `join` says which of a picture's scores stands for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fauxto.models.config import BundleConfig
from fauxto.models.faces import (
    MOST_FACES,
    Box,
    aligned_shape,
    can_find_faces,
    crop,
    crop_box,
    find_faces,
    is_aligned,
)
from fauxto.models.preprocess import fit
from fauxto.record import Evidence

_INSTALL = "pip install 'fauxto[faces]'"


@dataclass(frozen=True, eq=False)
class Views:
    """What of a picture a model judges.

    Attributes:
        squares: shape (K, side, side, 3) uint8; K may be 0.
        faces: the face's box for each square, where the model judges faces found in the picture; else empty.
        why_none: a clause for the reason, where K is 0.
        note: a sentence that belongs into the reason otherwise; may be empty.
    """

    squares: NDArray[np.uint8]
    faces: tuple[Box, ...] = ()
    why_none: str = ""
    note: str = ""


def look(pixels: NDArray[np.uint8], config: BundleConfig) -> Views:
    """The squares of a picture (H, W, 3) uint8 RGB that a model judges."""
    if config.faces is None:
        return Views(fit(pixels, config.input)[None])
    height, width = pixels.shape[:2]
    whole = Views(fit(pixels, config.input)[None])
    aligned = aligned_shape(width, height, config.faces)
    if not can_find_faces():
        if aligned:
            note = (
                "The picture was taken for a face crop as a whole, by its shape; whether it shows a face was "
                f"not checked, which needs {_INSTALL}."
            )
            return Views(whole.squares, note=note)
        sides = f"{config.faces.aligned_min_side} to {config.faces.aligned_max_side}"
        return _none(
            config,
            f"the model {config.name} judges faces, and without an optional dependency only aligned, square "
            f"face crops of {sides} pixels; to find the faces of other pictures: {_INSTALL}",
        )
    if aligned and is_aligned(pixels):
        return whole
    return _found(pixels, config)


def _found(pixels: NDArray[np.uint8], config: BundleConfig) -> Views:
    faces = find_faces(pixels)
    if not faces:
        return _none(
            config,
            "no face was found in this picture that is large enough and looks at the camera, and the model "
            f"{config.name} judges nothing else",
        )
    note = ""
    if len(faces) > MOST_FACES:
        note = f"Only the {MOST_FACES} largest of {len(faces)} faces were judged."
        faces = faces[:MOST_FACES]
    squares = [fit(crop(pixels, crop_box(face, config.input.side)), config.input) for face in faces]
    return Views(np.stack(squares), tuple(faces), note=note)


def _none(config: BundleConfig, why: str) -> Views:
    return Views(np.empty((0, config.input.side, config.input.side, 3), np.uint8), why_none=why)


def join(scores: Sequence[float | None]) -> int | None:
    """Which square's score stands for the picture: the highest; None where no square has one."""
    scored = [(score, -index) for index, score in enumerate(scores) if score is not None]
    return -max(scored)[1] if scored else None


def evidence_of(views: Views, scores: Sequence[float | None]) -> tuple[Evidence, ...]:
    """A row for each face that was found: its box, its score, and whether it decides.

    They are weak: what a face says is in the score already.
    """
    if not views.faces:
        return ()
    decides = join(scores)
    rows = []
    for index, (face, score) in enumerate(zip(views.faces, scores, strict=True)):
        said = "no score" if score is None else f"score {score:.2f}"
        detail = f"Face {index + 1} of {len(scores)}, {place(face)}: {said}"
        data = {
            "box": {"left": face.left, "top": face.top, "width": face.side, "height": face.side},
            "score": score,
            "decides": index == decides,
        }
        rows.append(Evidence(source="face", claim="other", strength="weak", detail=detail, data=data))
    return tuple(rows)


def place(face: Box) -> str:
    """Where a face is, for a person."""
    return f"{face.side}x{face.side} pixels at {face.left} from the left and {face.top} from the top"
