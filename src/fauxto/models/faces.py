"""Finding faces in any picture, and cropping them the way FFHQ crops.

Faces are found by the Haar cascades (Viola and Jones 2001) that the wheel of opencv-python-headless carries,
the extra `faces`. They find faces that look at the camera, upright or nearly so, and not profiles.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fauxto.models.config import FacesConfig

# From the cascade's box to FFHQ's crop. Each aligned picture of 140k Real and Fake Faces is such a crop as a
# whole, so 400 of them show the ratio: the crop's side is 1.52 times the box's (90 % in 1.38 to 1.67), its
# centre lies 0.07 box sides above the box's (0.05 to 0.10), and not to one side (within 0.03). These are the
# medians in results/face-crop.json, which benchmarks/face_crop.py writes.
CROP_TO_BOX = 1.52
CROP_RISE = 0.07

# A crop whose side is within these shares of the model's is not resized, but cut at the model's own side
# around the same centre: resizing wipes out traces that the model looks for (results/faces-in-pictures.json).
NATIVE_SHARE = (0.8, 1.25)

# A crop from a smaller face would have to be enlarged more than twice for a model of 256 px.
LEAST_BOX = 84
# In a huge picture only faces of at least this share of the longer side are looked for: time stays bounded.
LEAST_BOX_SHARE = 1 / 40
MOST_FACES = 16

# How many overlapping finds make a face. In any picture one is not enough (textures); in a picture that is an
# aligned crop by its shape the face must stand in the middle and have its size, so that one is.
_NEIGHBOURS = 5
_ALIGNED_NEIGHBOURS = 1
_ALIGNED_CASCADES = ("haarcascade_frontalface_alt2", "haarcascade_frontalface_default")
_ALIGNED_RATIO = (1.15, 2.2)
_ALIGNED_OFFSET = 0.15
_ASPECT = 1.1
_cascades = threading.local()  # a cascade keeps state while it looks, so each thread has its own


@dataclass(frozen=True)
class Box:
    """A square in a picture, in pixels from its upper left corner; it may reach beyond the edges."""

    left: int
    top: int
    side: int

    def __contains__(self, point: tuple[float, float]) -> bool:
        x, y = point
        return self.left <= x < self.left + self.side and self.top <= y < self.top + self.side

    @property
    def centre(self) -> tuple[float, float]:
        """x and y of the middle."""
        return self.left + self.side / 2, self.top + self.side / 2


def can_find_faces() -> bool:
    """Whether the extra `faces` is installed."""
    try:
        import cv2  # noqa: F401
    except ImportError:
        return False
    return True


def aligned_shape(width: int, height: int, config: FacesConfig) -> bool:
    """Whether a picture of these sides (pixels) may be an aligned crop: nearly square, of the right size."""
    shorter, longer = sorted((width, height))
    right_size = config.aligned_min_side <= shorter and longer <= config.aligned_max_side
    return right_size and longer <= _ASPECT * shorter


def is_aligned(pixels: NDArray[np.uint8]) -> bool:
    """Whether a picture (H, W, 3) shows one face in the place and size that FFHQ's crops have.

    Raises:
        ImportError: the extra `faces` is not installed.
    """
    grey, side = _grey(pixels), min(pixels.shape[:2])
    for name in _ALIGNED_CASCADES:
        for found in _look(grey, name, _ALIGNED_NEIGHBOURS, side // 4):
            x, y = found.centre
            across = abs(x - pixels.shape[1] / 2) / side
            down = abs(y - CROP_RISE * found.side - pixels.shape[0] / 2) / side
            ratio = side / found.side
            if max(across, down) <= _ALIGNED_OFFSET and _ALIGNED_RATIO[0] <= ratio <= _ALIGNED_RATIO[1]:
                return True
    return False


def find_faces(pixels: NDArray[np.uint8]) -> list[Box]:
    """The faces of a picture (H, W, 3), the largest first; those inside another face's box are dropped.

    Faces smaller than `LEAST_BOX` pixels, or than `LEAST_BOX_SHARE` of the longer side, are not looked for.

    Raises:
        ImportError: the extra `faces` is not installed.
    """
    least = max(LEAST_BOX, round(LEAST_BOX_SHARE * max(pixels.shape[:2])))
    if min(pixels.shape[:2]) < least:
        return []
    kept: list[Box] = []
    found = _look(_grey(pixels), _ALIGNED_CASCADES[0], _NEIGHBOURS, least)
    for box in sorted(found, key=lambda one: (-one.side, one.top, one.left)):
        if not any(box.centre in larger for larger in kept):
            kept.append(box)
    return kept


def crop_box(face: Box, native_side: int) -> Box:
    """Where FFHQ's crop lies around a face's box; of `native_side` pixels where that is nearly its side."""
    side = round(CROP_TO_BOX * face.side)
    if NATIVE_SHARE[0] <= side / native_side <= NATIVE_SHARE[1]:
        side = native_side
    x, y = face.centre
    return Box(round(x - side / 2), round(y - CROP_RISE * face.side - side / 2), side)


def crop(pixels: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """A square (side, side, 3) out of a picture (H, W, 3); beyond its edges it is mirrored, as in FFHQ."""
    height, width = pixels.shape[:2]
    left, top = max(0, -box.left), max(0, -box.top)
    right = max(0, box.left + box.side - width)
    bottom = max(0, box.top + box.side - height)
    inside = pixels[
        max(0, box.top) : min(height, box.top + box.side), max(0, box.left) : min(width, box.left + box.side)
    ]
    return np.pad(inside, ((top, bottom), (left, right), (0, 0)), mode="reflect")


def _grey(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    import cv2

    return np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def _look(grey: NDArray[np.uint8], name: str, neighbours: int, least: int) -> list[Box]:
    """What a cascade finds, in boxes of at least `least` pixels."""
    found = _cascade(name).detectMultiScale(
        grey, scaleFactor=1.1, minNeighbors=neighbours, minSize=(least, least)
    )
    return [Box(int(x), int(y), int(side)) for x, y, side, _ in found]


def _cascade(name: str) -> Any:
    import cv2

    if not hasattr(_cascades, name):
        path = Path(cv2.__file__).with_name("data") / f"{name}.xml"
        setattr(_cascades, name, cv2.CascadeClassifier(str(path)))
    return getattr(_cascades, name)
