"""The small pictures of a result, as data addresses, so that a page or a report needs no other file."""

from __future__ import annotations

import base64
import io
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from fauxto.heatmap import contributions, overlay
from fauxto.models import Bundle

ICON_SIDE = 64
_SQUARE_SIDE = 256  # of `overlay`, so that the two lie over each other
_SMALL = 96  # below this a picture is shown with its own pixels, enlarged

# Nothing but an image can be in here, whoever made the text.
DataUri = Annotated[str, Field(pattern=r"^(data:image/(png|jpeg);base64,[A-Za-z0-9+/]+={0,2})?$")]


class Pictures(BaseModel):
    """Data addresses of PNG or JPEG pictures; empty where there is none.

    Attributes:
        icon: for a row of a table, 64 pixels at most.
        picture: for the card.
        square: what the model looked at.
        heatmap: `square` with the parts coloured that speak for and against AI.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    icon: DataUri = ""
    picture: DataUri = ""
    square: DataUri = ""
    heatmap: DataUri = ""


def pictures_of(
    pixels: NDArray[np.uint8] | None,
    *,
    bundle: Bundle | None = None,
    square: NDArray[np.uint8] | None = None,
    side: int = 320,
) -> Pictures:
    """Make the pictures of one result.

    Args:
        pixels: the image, (H, W, 3) RGB uint8, or None where it could not be read.
        bundle: the model; with `square` it gives the heatmap, which may take some fifty runs of the model.
        square: the model's input, (side, side, 3) uint8.
        side: longest side of the card's picture in pixels.
    """
    icon = picture = ""
    if pixels is not None:
        image = Image.fromarray(pixels)
        icon, picture = _data_uri(_at_most(image, ICON_SIDE)), _data_uri(_at_most(image, side))
    if bundle is None or square is None:
        return Pictures(icon=icon, picture=picture)
    seen = Image.fromarray(square)
    if max(seen.size) < _SQUARE_SIDE:
        seen = seen.resize((_SQUARE_SIDE, _SQUARE_SIDE), Image.Resampling.NEAREST)
    heatmap = overlay(square, contributions(bundle, square))
    return Pictures(icon=icon, picture=picture, square=_data_uri(seen), heatmap=_data_uri(heatmap))


def _at_most(image: Image.Image, side: int) -> Image.Image:
    small = image.copy()
    # Reducing by whole numbers to twice the size first is much faster, and looks the same.
    small.thumbnail((side, side), Image.Resampling.BICUBIC, reducing_gap=2.0)
    return small


def _data_uri(image: Image.Image) -> str:
    """PNG for tiny pictures, whose pixels count, JPEG for the others."""
    buffer = io.BytesIO()
    if max(image.size) <= _SMALL:
        image.save(buffer, "PNG", optimize=True)
        kind = "png"
    else:
        image.save(buffer, "JPEG", quality=82)
        kind = "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
