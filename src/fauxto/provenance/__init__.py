"""What a file says about its own origin: `read_evidence` runs every reader over its bytes.

One reader a family, each in its own module. Nothing here goes to the network unless the options say so,
no bytes make it raise, and a signal that could not be read is a `not-checked` row, never an absent one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fauxto.errors import UsageError
from fauxto.provenance.c2pa import read_c2pa
from fauxto.provenance.containers import Container, parse
from fauxto.provenance.evidence import excerpt, not_checked
from fauxto.provenance.metadata import Metadata
from fauxto.provenance.options import ProvenanceOptions
from fauxto.provenance.raster import MAX_PIXELS, Raster
from fauxto.provenance.watermark import read_watermark
from fauxto.record import Evidence, Source

__all__ = ["ProvenanceOptions", "read_evidence"]

_DEFAULTS = ProvenanceOptions()


@dataclass(frozen=True)
class OpenFile:
    """One file as the readers see it."""

    data: bytes
    raster: Raster
    options: ProvenanceOptions

    @property
    def metadata(self) -> Metadata:
        """The file's metadata, parsed on demand."""
        return self.raster.metadata

    @property
    def container(self) -> Container:
        """The file's container."""
        return self.raster.container


# What most files have no use for is imported by the first that has: together these readers are a fiftieth
# of the time of a short scan.


def _iptc(file: OpenFile) -> list[Evidence]:
    from fauxto.provenance.iptc import read_iptc

    return read_iptc(file.metadata)


def _generators(file: OpenFile) -> list[Evidence]:
    from fauxto.provenance.generators import read_generators

    return read_generators(file.raster)


def _aigc(file: OpenFile) -> list[Evidence]:
    from fauxto.provenance.aigc import read_aigc

    return read_aigc(file.metadata)


def _stealth(file: OpenFile) -> list[Evidence]:
    if file.container.kind not in ("png", "webp"):
        return []
    from fauxto.provenance.stealth import read_stealth

    return read_stealth(file.raster)


def _camera(file: OpenFile) -> list[Evidence]:
    from fauxto.provenance.camera import read_camera

    return read_camera(file.metadata)


def _unread_metadata(file: OpenFile) -> list[Evidence]:
    """Metadata that the container holds and that could not be read."""
    problems = list(file.container.problems)
    tiff = file.metadata.tiff
    if file.container.exif is not None and tiff is None:
        problems.append("the EXIF block is malformed")
    elif tiff is not None and not tiff.image and not tiff.exif:
        problems.extend(tiff.problems)
    if not problems:
        return []
    kept = [excerpt(problem, 200) for problem in problems[:10]]
    return [
        not_checked("generator", f"Part of the file's metadata was not read: {kept[0]}", {"problems": kept})
    ]


def _synthid(rows: list[Evidence]) -> list[Evidence]:
    """A row for the SynthID watermark where Content Credentials say that one was applied."""
    if not any(row.data.get("synthid_declared") for row in rows):
        return []
    reason = "The file declares a SynthID watermark, which only its makers' checkers (Google's, say) can read"
    return [not_checked("watermark", reason, {"mark": "SynthID"})]


_READERS: tuple[tuple[Source, Callable[[OpenFile], list[Evidence]]], ...] = (
    ("c2pa", lambda file: read_c2pa(file.data, file.container, file.options)),
    ("iptc", _iptc),
    ("generator", _generators),
    ("aigc", _aigc),
    ("stealth", _stealth),
    ("watermark", lambda file: read_watermark(file.raster)),
    ("camera", _camera),
    ("generator", _unread_metadata),
)
_WITHOUT_WORDS: tuple[Source, ...] = ("c2pa", "stealth", "watermark")
"""Families that may find something where no program wrote a word."""


def read_evidence(
    data: bytes,
    *,
    pixels: NDArray[np.uint8] | None = None,
    options: ProvenanceOptions = _DEFAULTS,
    max_pixels: int = MAX_PIXELS,
) -> list[Evidence]:
    """Read everything that a file says about its own origin.

    Args:
        data: the whole file.
        pixels: (H, W, 3) RGB as `fauxto.images` decodes it, orientation applied and alpha over white;
            saves a second decoding where they are the pixels that the file stores.
        options: whether the network may be used, and the trust list.
        max_pixels: of a picture that is decoded here; what needs those of a larger one is *not checked*.

    Returns:
        Rows in the order of the readers; empty where the file says nothing. No bytes make it raise: a
        reader that fails becomes a `not-checked` row with the reason.

    Raises:
        UsageError: the options name a trust list that cannot be read.
    """
    raster = Raster(data, Metadata(parse(data)), pixels, max_pixels)
    file = OpenFile(data, raster, options)
    rows: list[Evidence] = []
    words = file.container.holds_words
    for source, reader in _READERS:
        if not words and source not in _WITHOUT_WORDS:
            continue
        try:
            rows.extend(reader(file))
        except UsageError:
            raise
        except Exception as error:  # one family's failure must not hide the others
            reason = f"The {source} reader failed on this file ({type(error).__name__}: {error})"
            row = not_checked(source, reason, {"state": "not-checked"} if source == "c2pa" else None)
            rows.append(row)
    return rows + _synthid(rows)
