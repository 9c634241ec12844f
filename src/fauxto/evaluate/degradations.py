"""What happens to pictures on their way: the ladder of degradations that robustness is measured on.

Every rung is a deterministic function of the pixels alone: it never learns the class, so both classes are
treated alike. Rungs keep the image's sides, but for the crop and the two chains, which make it smaller.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

Pixels = NDArray[np.uint8]
Ladder = Literal["photo", "small"]

SMALL_SIDE = 64
"""Longest side, in pixels, of an image that gets the ladder for small ones."""


@dataclass(frozen=True)
class Rung:
    """One degradation of a ladder.

    Attributes:
        name: unique within its ladder, stable, such as `jpeg-90`.
        ladder: `small` for images with both sides up to `SMALL_SIDE`, else `photo`.
        label: for a person.
        apply: (H, W, 3) uint8 to (H', W', 3) uint8.
    """

    name: str
    ladder: Ladder
    label: str
    apply: Callable[[Pixels], Pixels]


def jpeg(pixels: Pixels, quality: int) -> Pixels:
    """Encode as JPEG at `quality` (1 to 95, libjpeg's scale, chroma 4:2:0) and decode again."""
    return _recoded(pixels, "JPEG", quality=quality, subsampling="4:2:0")


def webp(pixels: Pixels, quality: int) -> Pixels:
    """Encode as lossy WebP at `quality` (0 to 100) and decode again."""
    return _recoded(pixels, "WEBP", quality=quality)


def blur(pixels: Pixels, sigma: float) -> Pixels:
    """Blur with a sampled Gaussian of `sigma` pixels, cut off at 4 sigma, edges mirrored."""
    from scipy.ndimage import gaussian_filter

    smooth: NDArray[np.float32] = gaussian_filter(
        pixels.astype(np.float32), (sigma, sigma, 0), mode="reflect"
    )
    return np.rint(smooth).clip(0, 255).astype(np.uint8)


def noise(pixels: Pixels, sigma: float) -> Pixels:
    """Add Gaussian noise of standard deviation `sigma` (a share of the full range), rounded and clipped.

    The generator is seeded by the pixels, so an image always gets the same noise and two images never do.
    """
    rng = np.random.default_rng(zlib.crc32(np.ascontiguousarray(pixels).data))
    grain = rng.standard_normal(pixels.shape, dtype=np.float32) * np.float32(255 * sigma)
    return np.rint(pixels + grain).clip(0, 255).astype(np.uint8)


def rescale(pixels: Pixels, factor: float) -> Pixels:
    """Resize by `factor` below 1 and back to the same sides, both bicubic with antialiasing."""
    height, width = pixels.shape[:2]
    small = _resized(pixels, max(1, round(width * factor)), max(1, round(height * factor)))
    return _resized(small, width, height)


def rescale_to(pixels: Pixels, side: int) -> Pixels:
    """Resize so that the shorter side has `side` pixels, and back; an image no larger than that stays."""
    return rescale(pixels, min(1.0, side / min(pixels.shape[:2])))


def brightness(pixels: Pixels, factor: float) -> Pixels:
    """Multiply every sample by `factor` and clip."""
    return np.asarray(ImageEnhance.Brightness(Image.fromarray(pixels)).enhance(factor))


def contrast(pixels: Pixels, factor: float) -> Pixels:
    """Multiply distances from the mean luminance by `factor` and clip."""
    return np.asarray(ImageEnhance.Contrast(Image.fromarray(pixels)).enhance(factor))


def saturation(pixels: Pixels, factor: float) -> Pixels:
    """Multiply distances from each pixel's own luminance by `factor` and clip."""
    return np.asarray(ImageEnhance.Color(Image.fromarray(pixels)).enhance(factor))


def crop(pixels: Pixels, share: float) -> Pixels:
    """Keep the central `share` of each side, at native resolution."""
    height, width = pixels.shape[:2]
    new_height, new_width = max(1, round(height * share)), max(1, round(width * share))
    top, left = (height - new_height) // 2, (width - new_width) // 2
    return np.ascontiguousarray(pixels[top : top + new_height, left : left + new_width])


def chain(pixels: Pixels, longest: int, quality: int) -> Pixels:
    """Shrink (bicubic) to at most `longest` pixels a side, then JPEG: what a web site does to an upload."""
    height, width = pixels.shape[:2]
    factor = min(1.0, longest / max(height, width))
    shrunk = _resized(pixels, max(1, round(width * factor)), max(1, round(height * factor)))
    return jpeg(shrunk, quality)


def _recoded(pixels: Pixels, format_: str, **options: object) -> Pixels:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format_, **options)
    with Image.open(buffer, formats=[format_]) as picture:
        return np.asarray(picture.convert("RGB"))


def _resized(pixels: Pixels, width: int, height: int) -> Pixels:
    if (height, width) == pixels.shape[:2]:
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC))


def _photo_ladder() -> tuple[Rung, ...]:
    rungs = [
        Rung(f"jpeg-{q}", "photo", f"JPEG quality {q}", partial(jpeg, quality=q)) for q in (90, 70, 50, 30)
    ]
    rungs.append(Rung("webp-80", "photo", "WebP quality 80", partial(webp, quality=80)))
    rungs += [Rung(f"blur-{s}", "photo", f"blur, sigma {s} px", partial(blur, sigma=s)) for s in (0.5, 1, 2)]
    rungs += [
        Rung(f"resize-{f}", "photo", f"resize {f}x and back", partial(rescale, factor=f)) for f in (0.5, 0.25)
    ]
    rungs += [
        Rung(f"noise-{s}", "photo", f"noise, sigma {s}", partial(noise, sigma=s)) for s in (0.02, 0.05, 0.1)
    ]
    for function in (brightness, contrast, saturation):
        name = function.__name__
        rungs += [
            Rung(f"{name}{sign}20", "photo", f"{name} {sign}20 %", partial(function, factor=factor))
            for sign, factor in (("-", 0.8), ("+", 1.2))
        ]
    rungs.append(Rung("crop-80", "photo", "central crop, 80 % of each side", partial(crop, share=0.8)))
    rungs.append(
        Rung("web", "photo", "web: at most 768 px, JPEG 60", partial(chain, longest=768, quality=60))
    )
    rungs.append(
        Rung("hard", "photo", "hard: at most 512 px, JPEG 40", partial(chain, longest=512, quality=40))
    )
    return tuple(rungs)


def _small_ladder() -> tuple[Rung, ...]:
    qualities = (90, 75, 60, 50, 40, 25, 10)
    rungs = [Rung(f"jpeg-{q}", "small", f"JPEG quality {q}", partial(jpeg, quality=q)) for q in qualities]
    rungs += [
        Rung(f"blur-{s}", "small", f"blur, sigma {s} px", partial(blur, sigma=s)) for s in (0.3, 0.5, 1, 1.5)
    ]
    rungs += [
        Rung(f"noise-{n}", "small", f"noise, sigma {n}/255", partial(noise, sigma=n / 255))
        for n in (2, 8, 16, 32)
    ]
    rungs += [
        Rung(f"rescale-{s}", "small", f"shorter side to {s} px and back", partial(rescale_to, side=s))
        for s in (24, 16, 12)
    ]
    return tuple(rungs)


LADDERS: dict[Ladder, tuple[Rung, ...]] = {"photo": _photo_ladder(), "small": _small_ladder()}


def ladder_for(width: int, height: int) -> Ladder:
    """The ladder for an image of these sides in pixels."""
    return "small" if max(width, height) <= SMALL_SIDE else "photo"
