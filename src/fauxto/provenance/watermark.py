"""The open invisible watermark of Stable Diffusion 1, 2, XL and FLUX's reference code.

The decoder of the method `dwtDct`, from its description: blocks of 4 x 4 of the one-level Haar LL band
of U; in each the largest coefficient but the first votes for one bit of the payload, in order.
A sign of AI only where it is found: decoding recovers some 79 % of the bits of a marked picture on
average, so a miss says nothing. The mark is open, and anybody can plant it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fauxto.provenance.evidence import not_checked, plain
from fauxto.provenance.raster import Pixels, Raster, RasterError
from fauxto.record import Evidence

LEAST_PIXELS = 256 * 256
MAX_PIXELS = 4 << 20  # generators mark pictures of at most a few megapixels; more rows only cost time
_STEP = 36  # the encoder's quantisation step
_U_OF_RGB = (np.array([-0.299, -0.587, 0.886]) * 0.492).astype(np.float32)
_STRIP = 64  # rows that are summed up at once and stay in the cache
_LUMA_SUM_AT_90 = 780  # sum of libjpeg's luminance table at quality 90 is 738; 85 gives 1107
_BASE_LUMA_SUM = 3688


@dataclass(frozen=True)
class Mark:
    """A known payload.

    Attributes:
        name: who writes it.
        bits: the payload, most significant bit first.
        sure: agreeing bits from which it is evidence; at most as likely by chance as 44 of 48 (8e-10).
        hint: agreeing bits from which it is shown as weak; at most as likely as 40 of 48 (2e-6).
    """

    name: str
    bits: str
    sure: int
    hint: int


def _ascii_bits(text: str) -> str:
    return "".join(f"{byte:08b}" for byte in text.encode("ascii"))


MARKS = (
    Mark("Stable Diffusion XL", "101100111110110010010000011110111011000110011110", 44, 40),
    Mark("FLUX", "001010101111111010000111100111001111010100101110", 44, 40),
    Mark("Stable Diffusion 1", _ascii_bits("StableDiffusionV1"), 103, 96),
    Mark("Stable Diffusion 2", _ascii_bits("SDV2"), 32, 29),
)


def _low_band(rgb: Pixels) -> NDArray[np.float32]:
    """Twice the Haar LL band of U, (H/2, W/2).

    U is linear in the colours, so 2 x 2 pixels are added up first and converted once. The encoder rounds U
    to 8 bits before; that moves a sum by less than 2, of steps of 72.
    """
    low = np.empty((rgb.shape[0] // 2, rgb.shape[1] // 2), np.float32)
    for top in range(0, rgb.shape[0], _STRIP):
        low[top // 2 : (top + _STRIP) // 2] = _low_band_of_strip(rgb[top : top + _STRIP])
    return low


def _low_band_of_strip(rgb: Pixels) -> NDArray[np.float32]:
    """`_low_band` of a few rows."""
    rows = rgb[0::2].astype(np.uint16) + rgb[1::2]
    pairs = rows.reshape(rows.shape[0], -1, 6)  # two neighbours' R, G, B, R, G, B
    low = np.full(pairs.shape[:2], 4 * 128, np.float32)
    for channel, weight in enumerate(_U_OF_RGB):
        low += weight * (pairs[:, :, channel] + pairs[:, :, channel + 3])
    return low


def _largest_of_four(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The largest of every four neighbours down a column, (H, W) to (H/4, W)."""
    largest: NDArray[np.float32] = np.maximum(
        np.maximum(values[0::4], values[1::4]), np.maximum(values[2::4], values[3::4])
    )
    return largest


def block_votes(rgb: Pixels) -> NDArray[np.bool_]:
    """One vote for each block of 8 x 8 pixels, in the order in which the payload repeats.

    Args:
        rgb: (H, W, 3) uint8 with H * W at least `LEAST_PIXELS`.

    Returns:
        (blocks,) bool, row by row.
    """
    height, width = (side // 8 * 8 for side in rgb.shape[:2])
    low = _low_band(rgb[:height, :width])
    # U is never negative, so neither are the coefficients: the largest magnitude is the largest value.
    low[::4, ::4] = -1  # each block's first coefficient takes no part
    largest = _largest_of_four(_largest_of_four(low).T).T
    votes: NDArray[np.bool_] = largest.ravel() % (2 * _STEP) > _STEP
    return votes


def decode_bits(votes: NDArray[np.bool_], length: int) -> str:
    """The payload of `length` bits that the votes add up to, majority by bit."""
    index = np.arange(votes.size) % length
    ones = np.bincount(index, weights=votes, minlength=length)
    counts = np.bincount(index, minlength=length)
    # as the reference decoder rounds: an average of more than 127/255 is a one
    return "".join("1" if bit else "0" for bit in ones * 255 > 127 * np.maximum(counts, 1))


def agreement(votes: NDArray[np.bool_], mark: Mark) -> int:
    """How many of the mark's bits the votes give."""
    decoded = decode_bits(votes, len(mark.bits))
    return sum(a == b for a, b in zip(decoded, mark.bits, strict=True))


def jpeg_keeps_mark(segments: tuple[tuple[int, bytes], ...]) -> bool:
    """Whether a JPEG's luminance table is that of quality 90 or above; below, the mark is gone."""
    for marker, payload in segments:
        if marker != 0xDB:
            continue
        position = 0
        while position < len(payload):
            wide, table = payload[position] >> 4, payload[position] & 15
            size = 128 if wide else 64
            values = payload[position + 1 : position + 1 + size]
            if table == 0 and len(values) == size:
                total = sum(values[0::2]) * 256 + sum(values[1::2]) if wide else sum(values)
                return total <= _LUMA_SUM_AT_90
            position += 1 + size
    return False


def applies_to(raster: Raster) -> bool:
    """Whether the mark could have survived in this kind of file."""
    container = raster.container
    if container.kind == "jpeg":
        return jpeg_keeps_mark(container.jpeg_segments)
    return container.kind in ("png", "tiff", "bmp") or (container.kind == "webp" and container.lossless)


def top_part(rgb: Pixels) -> Pixels:
    """The picture down to `MAX_PIXELS`: whole rows from the top, which keep the payload's order."""
    rows: int = MAX_PIXELS // rgb.shape[1] // 8 * 8
    return rgb[:rows] if rgb.shape[0] > rows else rgb


def read_watermark(raster: Raster) -> list[Evidence]:
    """Known payloads in the picture: a moderate row from `Mark.sure` agreeing bits, weak from `hint`."""
    if not applies_to(raster):
        return []
    if raster.pixels is not None and raster.pixels.shape[0] * raster.pixels.shape[1] < LEAST_PIXELS:
        return []
    try:
        rgb = raster.rgb
    except RasterError as error:
        return [not_checked("watermark", f"The open watermark was not looked for: {error}")]
    rgb = top_part(rgb)
    if rgb.shape[0] * rgb.shape[1] < LEAST_PIXELS:
        return []
    votes = block_votes(rgb)
    rows: list[Evidence] = []
    for mark in MARKS:
        matched = agreement(votes, mark)
        if matched < mark.hint:
            continue
        found = f"The open watermark of {mark.name} is there with {matched} of {len(mark.bits)} bits"
        data = {"mark": mark.name, "matched": matched, "length": len(mark.bits), "bits_expected": mark.bits}
        data["bits"] = decode_bits(votes, len(mark.bits))
        rows.append(plain("watermark", "ai", "moderate" if matched >= mark.sure else "weak", found, data))
    return rows
