"""From photographs to pairs of files: same crop, same encoding, one side through an autoencoder."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePath

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from fauxto.data.align.autoencoders import SMALL, Autoencoder, load_autoencoder
from fauxto.data.align.small import PATCH, save_small, train_small
from fauxto.data.classes import NOT_AI, label_of
from fauxto.data.dataset import Dataset, ImageFile, Item, origin_of
from fauxto.data.folders import list_files
from fauxto.data.loading import load
from fauxto.errors import DataError, UsageError
from fauxto.images import printable

Pixels = NDArray[np.uint8]
POOR_PSNR = 22.0
TRAINING_CROPS = 400


@dataclass(frozen=True)
class AlignSettings:
    """How pairs are made.

    Attributes:
        autoencoders: names as `load_autoencoder` takes them, or `small:UPSAMPLER`, which is trained first.
        crop: side of the squares in pixels.
        shrink: the photograph is first shrunk by a random factor between this and 1, which blurs the grid of
            its own JPEG; the same on both sides.
        noise: greatest noise on the latents, in their standard deviations; each pair draws its own from 0 on.
        passes: most passes through the autoencoder; each pair draws its own from 1 on.
        quality: least and greatest JPEG quality; each pair draws one, and its chroma subsampling.
        steps: of training a small autoencoder.
        seed: of all draws.
    """

    autoencoders: tuple[str, ...]
    crop: int = 256
    shrink: float = 0.5
    noise: float = 0.0
    passes: int = 1
    quality: tuple[int, int] = (75, 98)
    steps: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        low, high = self.quality
        if not 1 <= low <= high <= 100:
            raise UsageError(f"--quality {low} {high}: two numbers from 1 to 100, the lower one first")
        if not self.autoencoders:
            raise UsageError("name at least one --autoencoder")
        if self.crop < PATCH:
            raise UsageError(f"--crop {self.crop}: at least {PATCH} pixels")


@dataclass
class Made:
    """What came of it.

    Attributes:
        pairs: pairs by autoencoder.
        psnr: mean likeness of the two sides by autoencoder, in decibels, before they are encoded as JPEG.
        too_small: photographs whose shorter side is below the crop.
        unreadable: error by photograph.
    """

    pairs: dict[str, int] = field(default_factory=dict)
    psnr: dict[str, float] = field(default_factory=dict)
    too_small: int = 0
    unreadable: list[str] = field(default_factory=list)

    @property
    def warnings(self) -> list[str]:
        """Autoencoders whose reconstructions are so poor that they would teach blur instead of traces."""
        return [
            f"{name}: reconstructions are poor ({value:.1f} dB); a model would learn the blur, not the traces"
            for name, value in self.psnr.items()
            if value < POOR_PSNR
        ]


def find_photographs(path: Path) -> Dataset:
    """The photographs of a folder of any layout, or of labelled images; what lies in an AI class is left out.

    In a folder of folders each is a source of its own, so that a recipe can leave one out after the other.

    Raises:
        DataError: nothing there, or no photographs in it.
    """
    if path.is_dir() and (images := list_files(path).images):
        kept = [one for one in images if all(label_of(part) in (None, NOT_AI) for part in one.parts[:-1])]
        items = [
            Item(printable(str(path / one)), NOT_AI, _collection(one), None, None, ImageFile(path / one))
            for one in kept
        ]
        dataset = Dataset(items, location=printable(str(path)), on_error="skip")
    else:
        labelled = load(path, on_error="skip")
        dataset = labelled.subset(np.flatnonzero(labelled.labels == NOT_AI).tolist())
    if not dataset:
        raise DataError(f"{printable(str(path))}: no photographs in it")
    return dataset


def _collection(place: PurePath) -> str:
    """The folder that a photograph lies in below the one that was named, as its source."""
    folders = [part for part in place.parts[:-1] if label_of(part) is None]
    return printable(folders[0]) if folders else ""


def align(
    photographs: Dataset,
    output: Path,
    settings: AlignSettings,
    progress: Callable[[int], object] | None = None,
) -> Made:
    """Write pairs: `real/` and `fake/` with the same names, `pairs.csv` that joins them, and `align.json`.

    Args:
        photographs: what to reconstruct; `find_photographs` gives them.
        output: a new or empty folder.
        settings: how.
        progress: called with the number of photographs done.

    Raises:
        UsageError: the output folder holds something, or an autoencoder cannot be had.
        DataError: no photograph could be used.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UsageError(f"{printable(str(output))}: is not an empty folder; name another by --output")
    made = Made()
    autoencoders = [_ready(name, photographs, output, settings) for name in settings.autoencoders]
    for side in ("real", "fake"):
        (output / side).mkdir(parents=True, exist_ok=True)
    rows, likeness = [], {one.name: list[float]() for one in autoencoders}
    for number, (index, crop) in enumerate(_crops(photographs, settings, made)):
        rng = np.random.default_rng([settings.seed, 1, index])
        name = f"{number:06d}.jpg"
        autoencoder = autoencoders[number % len(autoencoders)]
        copy = _reconstruction(crop, autoencoder, settings, rng)
        likeness[autoencoder.name].append(_psnr(crop, copy))
        source = photographs[index].source or "photographs"
        # The same origin, so that a copy is left out together with its photograph.
        for side, pixels, named in (
            ("real", crop, source),
            ("fake", copy, f"{origin_of(source)}-{autoencoder.name}"),
        ):
            encode = np.random.default_rng([settings.seed, 2, index])  # the same draws for both sides
            (output / side / name).write_bytes(_encode(pixels, settings.quality, encode))
            rows.append((f"{side}/{name}", side, named, f"pair-{number}"))
        if progress is not None:
            progress(index + 1)
    made.unreadable = [error.message for error in photographs.unreadable.values()]
    if not rows:
        raise DataError(
            f"{photographs.location}: no photograph could be used ({made.too_small} smaller than "
            f"{settings.crop} pixels, {len(made.unreadable)} unreadable); try a smaller --crop"
        )
    made.pairs = {name: len(values) for name, values in likeness.items()}
    made.psnr = {name: float(np.mean(values)) for name, values in likeness.items() if values}
    _write_tables(output, rows, settings, made)
    return made


def _ready(name: str, photographs: Dataset, output: Path, settings: AlignSettings) -> Autoencoder:
    """Load or train one, and see whether the crop fits its stride."""
    if name.startswith(SMALL):
        upsampler = name.removeprefix(SMALL)
        crops = [crop for _, crop in _crops(photographs, settings, Made(), limit=TRAINING_CROPS)]
        if not crops:
            raise DataError(
                f"{photographs.location}: no photograph of {settings.crop} pixels or more to train {name} on"
            )
        net = train_small(upsampler, np.stack(crops), settings.steps, settings.seed)
        save_small(net, output / "autoencoders" / f"small-{upsampler}.pth")
        autoencoder = Autoencoder(f"small-{upsampler}", net.stride, net.encode, net.decode)
    else:
        autoencoder = load_autoencoder(name)
    if settings.crop % autoencoder.stride:
        raise UsageError(
            f"--crop {settings.crop}: {printable(name)} needs a multiple of {autoencoder.stride}"
        )
    return autoencoder


def _crops(
    photographs: Dataset, settings: AlignSettings, made: Made, limit: int | None = None
) -> Iterator[tuple[int, Pixels]]:
    """Position and random square of every photograph that is large enough."""
    given = 0
    for index, image in photographs.decoded():
        rng = np.random.default_rng([settings.seed, 0, index])
        crop = _crop(image.pixels, settings, rng)
        if crop is None:
            made.too_small += 1
            continue
        yield index, crop
        given += 1
        if limit is not None and given == limit:
            return


def _crop(pixels: Pixels, settings: AlignSettings, rng: np.random.Generator) -> Pixels | None:
    """A random square after a random shrinking, or None where the photograph is too small."""
    height, width = pixels.shape[:2]
    least = settings.crop / min(height, width)
    if least > 1:
        return None
    factor = rng.uniform(max(settings.shrink, least), 1)
    size = (max(settings.crop, round(width * factor)), max(settings.crop, round(height * factor)))
    if size != (width, height):
        pixels = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))
    top, left = (int(rng.integers(edge - settings.crop + 1)) for edge in pixels.shape[:2])
    return np.ascontiguousarray(pixels[top : top + settings.crop, left : left + settings.crop])


def _reconstruction(
    crop: Pixels, autoencoder: Autoencoder, settings: AlignSettings, rng: np.random.Generator
) -> Pixels:
    """The crop after the pair's own number of passes and amount of noise."""
    noise, passes = float(rng.uniform(0, settings.noise)), int(rng.integers(1, settings.passes + 1))
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    images = torch.from_numpy(crop).permute(2, 0, 1)[None].float() / 255
    copied = autoencoder.reconstruct(images, noise, passes, generator)[0].permute(1, 2, 0)
    return np.ascontiguousarray((copied * 255).round().to(torch.uint8).numpy())


def _psnr(first: Pixels, second: Pixels) -> float:
    """Peak signal-to-noise ratio in decibels, at most 100."""
    error = float(np.mean((first.astype(np.float64) - second) ** 2))
    return min(100.0, 10 * float(np.log10(255**2 / max(error, 1e-12))))


def _encode(pixels: Pixels, quality: tuple[int, int], rng: np.random.Generator) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(
        buffer,
        "JPEG",
        quality=int(rng.integers(quality[0], quality[1] + 1)),
        subsampling=int(rng.choice((0, 2))),
    )
    return buffer.getvalue()


def _write_tables(
    output: Path, rows: Sequence[tuple[str, str, str, str]], settings: AlignSettings, made: Made
) -> None:
    """`pairs.csv`, which `fauxto train` takes as DATA, and how it was made."""
    with (output / "pairs.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("path", "label", "source", "pair"))
        writer.writerows(rows)
    report = {"settings": asdict(settings), **asdict(made)}
    (output / "align.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
