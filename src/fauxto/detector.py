"""The straight way of one image: open, what the file says, what the model sees, verdict, record."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fauxto.errors import InputError
from fauxto.images import Limits, open_image, printable, read_bytes, read_stream
from fauxto.models import Bundle, BundleConfig, find_bundle, load_bundle, read_config, shipped
from fauxto.models.preprocess import normalise
from fauxto.opening import Opened, OpeningRules, cut, open_file
from fauxto.provenance import ProvenanceOptions
from fauxto.record import ErrorInfo, Evidence, ImageInfo, ModelRef, Record
from fauxto.verdict import decide

if TYPE_CHECKING:
    from fauxto.isolation import Children


@dataclass(frozen=True, eq=False)
class Prepared:
    """An image between opening and judging: its pixels are gone but for the model's small square."""

    path: str
    error: InputError | None = None
    image: ImageInfo | None = None
    notes: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    bundle: Bundle | None = None
    square: NDArray[np.uint8] | None = None
    thumbnail: NDArray[np.uint8] | None = None


class Detector:
    """Judges images: a calibrated score, what the file says of its origin, and a verdict.

    Args:
        model: `auto` takes the shipped model whose domain an image fits; a shipped model's name or a
            bundle's folder takes that one, within its domain.
        limits: of pixels and bytes, checked before decoding.
        provenance: how the readers of the file's own statements behave; offline by default.
        threads: of the model's runtime; by default the cores that this process may use.
        isolate: decode files and read what they say in a process of its own, so that a decoder that
            crashes or hangs costs one record and not this process (`fauxto.isolation`).
        thumbnail_side: longest side in pixels of a small copy that each prepared image keeps, for whoever
            shows results; None keeps none.

    Raises:
        UsageError: no such model, or a trust list that cannot be read.
        BundleError: the bundle is incomplete or corrupt.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] = "auto",
        *,
        limits: Limits = Limits(),  # noqa: B008 (frozen)
        provenance: ProvenanceOptions = ProvenanceOptions(),  # noqa: B008 (frozen)
        threads: int | None = None,
        isolate: bool = False,
        thumbnail_side: int | None = None,
    ) -> None:
        self._automatic = model == "auto"
        folders = list(shipped().values()) if self._automatic else [find_bundle(os.fspath(model))]
        self._candidates = [(folder, read_config(folder)) for folder in folders]
        self._loaded: dict[str, Bundle] = {}
        self._loading = Lock()  # several threads may prepare images at once
        self._limits, self._threads = limits, threads
        usable = [one for one in self._candidates if one[1].domain.automatic or not self._automatic]
        self._usable = [folder for folder, _ in usable]
        self._rules = OpeningRules(limits, provenance, tuple(config for _, config in usable), thumbnail_side)
        self._children: Children | None = None
        if isolate:
            from fauxto.isolation import Children

            self._children = Children(self._rules)
        if provenance.trust_list is not None:
            from fauxto.provenance.trust import trust_in_force

            # A list that cannot be read fails here, once, and not as a row of every image.
            trust_in_force(provenance)

    def scan(self, source: Any) -> Record:
        """Judge one image.

        Args:
            source: a path, the bytes of a file, a binary file object, a PIL image, or a uint8 array of
                shape (H, W, 3).

        Returns:
            The record; an unreadable input gives one with status `error`.

        Raises:
            TypeError: `source` is of another type, or an array of another dtype or shape.
        """
        return self.judge([self.prepare(source)])[0]

    def scan_many(self, sources: Iterable[Any], *, batch_size: int = 32) -> Iterator[Record]:
        """Judge images as they come, in order, `batch_size` at a time.

        Raises:
            TypeError: as `scan`, when the iteration reaches that input.
        """
        remaining = iter(sources)
        while chunk := list(islice(remaining, batch_size)):
            yield from self.judge([self.prepare(source) for source in chunk])

    def prepare(self, source: Any, name: str | None = None) -> Prepared:
        """Open one image, read what the file says, and cut the model's square out of it.

        Args:
            source: as for `scan`.
            name: what the record calls it, by default its path.
        """
        path = printable(name or _name_of(source))
        try:
            opened = self._open(source, path)
        except InputError as error:
            return Prepared(path, error=error)
        if opened.error is not None:
            return Prepared(path, error=opened.error)
        bundle = None if opened.model is None else self._bundle(opened.model)
        return Prepared(
            path, None, opened.image, opened.notes, opened.evidence, bundle, opened.square, opened.thumbnail
        )

    def judge(self, prepared: Sequence[Prepared]) -> list[Record]:
        """Run the models over a batch and give the records, in order."""
        scores: dict[int, float] = {}
        turned_away: set[int] = set()
        for bundle in {id(item.bundle): item.bundle for item in prepared if item.bundle}.values():
            rows = [index for index, item in enumerate(prepared) if item.bundle is bundle]
            squares = np.stack([prepared[index].square for index in rows])  # type: ignore[misc]
            outputs = bundle.outputs(normalise(squares, bundle.config.input))
            found = zip(rows, bundle.calibrate(outputs.logits).tolist(), strict=True)
            turned_away |= {row for row, accepted in zip(rows, outputs.accepted, strict=True) if not accepted}
            scores.update((row, score) for row, score in found if row not in turned_away)
        return [
            self._record(item, scores.get(index), turned_away=index in turned_away)
            for index, item in enumerate(prepared)
        ]

    def _open(self, source: Any, name: str) -> Opened:
        """Open a file by its bytes; of pixels alone, which say nothing of their origin, only the square."""
        if isinstance(source, (str, os.PathLike)):
            data = read_bytes(source, limits=self._limits)
        elif isinstance(source, (bytes, bytearray, memoryview)):
            data = bytes(source)
        elif hasattr(source, "read"):
            data = read_stream(source, name=name, limits=self._limits)
        else:
            return cut(open_image(source, name=name, limits=self._limits), (), self._rules)
        if self._children is not None:
            return self._children.open_file(data, name)
        return open_file(data, name, self._rules)

    def _bundle(self, index: int) -> Bundle:
        """A model of `OpeningRules.models`, loaded at its first use."""
        name = self._rules.models[index].name
        with self._loading:
            if name not in self._loaded:
                self._loaded[name] = load_bundle(self._usable[index], self._threads)
            return self._loaded[name]

    def _record(self, item: Prepared, score: float | None, *, turned_away: bool) -> Record:
        if item.error is not None:
            error = ErrorInfo(code=item.error.code, message=item.error.message)
            return Record(path=item.path, status="error", error=error, reason=item.error.message)
        bundle = item.bundle
        thresholds = None if bundle is None else bundle.thresholds
        verdict, reason = decide(
            item.evidence, score, thresholds, self._why_no_score(item, turned_away=turned_away)
        )
        if item.notes:
            reason += f" Judged was the {', '.join(item.notes)}."
        return Record(
            path=item.path,
            status="ok",
            verdict=verdict,
            score=score,
            model=None
            if bundle is None
            else ModelRef(name=bundle.config.name, version=bundle.config.version),
            reason=reason,
            evidence=item.evidence,
            image=item.image,
        )

    def _why_no_score(self, item: Prepared, *, turned_away: bool) -> str:
        """A clause for the reason of an image that has no score."""
        if item.image is None:
            return "no model judged this image"
        if turned_away and item.bundle is not None and item.bundle.config.gate is not None:
            name, gate = item.bundle.config.name, item.bundle.config.gate
            return (
                f"the image is not {gate.what}, as far as the model {name} can tell, and it judges no others"
            )
        size, domains = (
            f"{item.image.width}x{item.image.height}",
            "; ".join(map(_domain, self.configs.values())),
        )
        return f"no model here is made for an image of {size} pixels ({domains or 'none is installed'})"

    @property
    def configs(self) -> dict[str, BundleConfig]:
        """The configs of the models that may be asked, by name."""
        return {config.name: config for _, config in self._candidates}


def _domain(config: BundleConfig) -> str:
    return f"{config.name} is for sides of {config.domain.min_side} to {config.domain.max_side}"


def _name_of(source: Any) -> str:
    """What a record calls a source that the caller gave no name."""
    if isinstance(source, (str, os.PathLike)):
        return os.fsdecode(source)
    label = getattr(source, "filename", None) or getattr(source, "name", None)
    return label if isinstance(label, str) and label else f"<{type(source).__name__}>"
