"""The straight way of one image: open, what the file says, what the model sees, verdict, record."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePath
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fauxto.errors import InputError
from fauxto.images import Limits, open_image, printable, read_bytes, read_stream
from fauxto.models import (
    Bundle,
    BundleConfig,
    Runtime,
    check_runtime,
    find_bundle,
    load_bundle,
    read_config,
    shipped,
)
from fauxto.models.preprocess import normalise
from fauxto.models.views import Views, evidence_of, join, place
from fauxto.opening import Opened, OpeningRules, cut, open_file
from fauxto.provenance import ProvenanceOptions
from fauxto.record import ErrorInfo, Evidence, ImageInfo, ModelRef, Record
from fauxto.verdict import decide

if TYPE_CHECKING:
    from fauxto.isolation import Children


# How many squares a model takes at once: pictures may have several each.
_SQUARES = 64


@dataclass(frozen=True, eq=False)
class Prepared:
    """An image between opening and judging: its pixels are gone but for the squares that the model judges."""

    path: str
    error: InputError | None = None
    image: ImageInfo | None = None
    notes: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    bundle: Bundle | None = None
    views: Views | None = None
    thumbnail: NDArray[np.uint8] | None = None


class Detector:
    """Judges images: a calibrated score, what the file says of its origin, and a verdict.

    Args:
        model: `auto` takes the shipped model whose domain an image fits; a shipped model's name or a
            bundle's folder takes that one, within its domain.
        limits: of pixels and bytes, checked before decoding.
        provenance: how the readers of the file's own statements behave; offline by default.
        threads: of the model's runtime; by default the cores that this process may use.
        runtime: what computes the models; `openvino` (an extra) gives the same scores to within 0.001 and
            runs only the models that come with fauxto.
        isolate: decode files and read what they say in a process of its own, so that a decoder that
            crashes or hangs costs one record and not this process (`fauxto.isolation`).
        decode_seconds: that opening one file may take in such a process.
        thumbnail_side: longest side in pixels of a small copy that each prepared image keeps, for whoever
            shows results; None keeps none.

    Raises:
        UsageError: no such model, a runtime that does not run it, or a trust list that cannot be read.
        MissingExtraError: the runtime is not installed.
        BundleError: the bundle is incomplete or corrupt.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] = "auto",
        *,
        limits: Limits = Limits(),  # noqa: B008 (frozen)
        provenance: ProvenanceOptions = ProvenanceOptions(),  # noqa: B008 (frozen)
        threads: int | None = None,
        runtime: Runtime = "onnxruntime",
        isolate: bool = False,
        decode_seconds: float = 60.0,
        thumbnail_side: int | None = None,
    ) -> None:
        self._automatic = model == "auto"
        folders = list(shipped().values()) if self._automatic else [find_bundle(os.fspath(model))]
        for folder in folders:
            check_runtime(folder, runtime)
        self._candidates = [(folder, read_config(folder)) for folder in folders]
        self._loaded: dict[str, Bundle] = {}
        self._loading = Lock()  # several threads may prepare images at once
        self._limits, self._threads, self._runtime = limits, threads, runtime
        usable = [one for one in self._candidates if one[1].domain.automatic or not self._automatic]
        self._usable = [folder for folder, _ in usable]
        self._rules = OpeningRules(limits, provenance, tuple(config for _, config in usable), thumbnail_side)
        self._children: Children | None = None
        self._decode_seconds = decode_seconds
        if isolate:
            self.isolate()
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
            TypeError: as `scan`, after the records of the inputs before that one; or a single path, which
                would be taken letter by letter.
        """
        if isinstance(sources, (str, bytes, PurePath)):
            raise TypeError("scan_many takes several images, not one; give them in a list, or use scan")
        remaining = iter(sources)
        while True:
            prepared: list[Prepared] = []
            try:
                for source in islice(remaining, batch_size):
                    prepared.append(self.prepare(source))
            except TypeError:
                yield from self.judge(prepared)  # those before it
                raise
            if not prepared:
                return
            yield from self.judge(prepared)

    def prepare(self, source: Any, name: str | None = None) -> Prepared:
        """Open one image, read what the file says, and cut out of it what the model judges.

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
            path, None, opened.image, opened.notes, opened.evidence, bundle, opened.views, opened.thumbnail
        )

    def judge(self, prepared: Sequence[Prepared]) -> list[Record]:
        """Run the models over a batch and give the records, in order."""
        scores: dict[int, list[float | None]] = {index: [] for index in range(len(prepared))}
        for bundle in {id(item.bundle): item.bundle for item in prepared if item.bundle}.values():
            items = [(row, item.views) for row, item in enumerate(prepared) if item.bundle is bundle]
            views = [(row, square) for row, found in items if found for square in found.squares]
            for start in range(0, len(views), _SQUARES):
                rows, squares = zip(*views[start : start + _SQUARES], strict=True)
                for row, score in zip(rows, _scores(bundle, np.stack(squares)), strict=True):
                    scores[row].append(score)
        return [self._record(item, scores[index]) for index, item in enumerate(prepared)]

    def inspect(self, data: bytes, name: str) -> dict[str, Any]:
        """Everything that a file says about itself, as the JSON values of `provenance.inspect.Inspection`.

        Args:
            data: the whole file; any bytes.
            name: how it is called in errors.

        Raises:
            InputError: `corrupt`, where `isolate` is on and a reader crashed or hung.
        """
        if self._children is not None:
            return self._children.inspect(data, printable(name))
        from fauxto.provenance.inspect import inspect_bytes

        return inspect_bytes(data, self._rules.provenance, self._limits).to_json()

    def isolate(self) -> None:
        """Open files in processes of their own from now on, as `isolate=True` does from the start."""
        if self._children is None:
            from fauxto.isolation import Children

            self._children = Children(self._rules, seconds=self._decode_seconds)

    def close(self) -> None:
        """End the processes that `isolate` has started; idle ones end with this object, too."""
        if self._children is not None:
            self._children.close()

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
                self._loaded[name] = load_bundle(self._usable[index], self._threads, self._runtime)
            return self._loaded[name]

    def _record(self, item: Prepared, scores: Sequence[float | None]) -> Record:
        """The answer for one image, of whose squares these are the scores."""
        if item.error is not None:
            error = ErrorInfo(code=item.error.code, message=item.error.message)
            return Record(path=item.path, status="error", error=error, reason=item.error.message)
        bundle = item.bundle
        thresholds = None if bundle is None else bundle.thresholds
        decisive = join(scores)
        score = None if decisive is None else scores[decisive]
        evidence = item.evidence if item.views is None else (*item.evidence, *evidence_of(item.views, scores))
        verdict, reason = decide(evidence, score, thresholds, self._why_no_score(item))
        reason += _judged(item, decisive)
        return Record(
            path=item.path,
            status="ok",
            verdict=verdict,
            score=score,
            model=None
            if bundle is None
            else ModelRef(name=bundle.config.name, version=bundle.config.version),
            reason=reason,
            evidence=evidence,
            image=item.image,
        )

    def _why_no_score(self, item: Prepared) -> str:
        """A clause for the reason of an image that has no score."""
        if item.image is None:
            return "no model judged this image"
        if item.views is not None and item.views.why_none:
            return item.views.why_none
        if item.bundle is not None and item.bundle.config.gate is not None:
            name, gate = item.bundle.config.name, item.bundle.config.gate
            return (
                f"the image is not {gate.what}, as far as the model {name} can tell, and it judges no others"
            )
        size, domains = (
            f"{item.image.width}x{item.image.height}",
            "; ".join(map(_domain, self._asked)),
        )
        return f"no model here is made for an image of {size} pixels ({domains or 'none is installed'})"

    @property
    def _asked(self) -> list[BundleConfig]:
        """The models that would have judged an image of another size: by `auto` not those to be asked for."""
        configs = list(self.configs.values())
        return configs if len(configs) == 1 else [one for one in configs if one.domain.automatic]

    @property
    def configs(self) -> dict[str, BundleConfig]:
        """The configs of the models that may be asked, by name."""
        return {config.name: config for _, config in self._candidates}


def _scores(bundle: Bundle, squares: NDArray[np.uint8]) -> list[float | None]:
    """The calibrated score of each square (N, side, side, 3), None where the model's gate turns it away."""
    outputs = bundle.outputs(normalise(squares, bundle.config.input))
    scores = bundle.calibrate(outputs.logits).tolist()
    return [score if accepted else None for score, accepted in zip(scores, outputs.accepted, strict=True)]


def decisive_square(item: Prepared, record: Record) -> NDArray[np.uint8] | None:
    """The model's square (side, side, 3) that gave a record its score; None where it has none."""
    if item.views is None or record.score is None:
        return None
    faces = [row.data.get("decides") for row in record.evidence if row.source == "face"]
    return np.asarray(item.views.squares[faces.index(True) if True in faces else 0])


def _domain(config: BundleConfig) -> str:
    return f"{config.name} is for sides of {config.domain.sides}"


def _judged(item: Prepared, decisive: int | None) -> str:
    """What of the picture was judged, as further sentences of the reason."""
    said = ""
    if item.views is not None and item.views.faces and decisive is not None:
        faces = len(item.views.faces)
        which = (
            "Judged was the one face found" if faces == 1 else f"The highest score of {faces} faces is that"
        )
        of = "" if faces == 1 else f" of face {decisive + 1}"
        said += f" {which}{of}, {place(item.views.faces[decisive])}."
    if item.views is not None and item.views.note:
        said += f" {item.views.note}"
    if item.notes:
        said += f" Judged was the {', '.join(item.notes)}."
    return said


def _name_of(source: Any) -> str:
    """What a record calls a source that the caller gave no name."""
    if isinstance(source, (str, os.PathLike)):
        return os.fsdecode(source)
    label = getattr(source, "filename", None) or getattr(source, "name", None)
    return label if isinstance(label, str) and label else f"<{type(source).__name__}>"
