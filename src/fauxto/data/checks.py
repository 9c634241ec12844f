"""What is in a data set, and what would spoil a detector trained or measured on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fauxto.data.classes import SPLITS, class_name
from fauxto.data.dataset import Dataset, content_fingerprint
from fauxto.data.duplicates import SIDE, exact_groups, grey_thumbnail, perceptual_groups
from fauxto.data.jpeg import JpegEncoding, read_encoding
from fauxto.data.shortcut import WARNING_LEVEL, ShortcutReport, require_classifier, shortcut_test
from fauxto.errors import DataError, InputError
from fauxto.images import decode

_MOST_COMMON = 5
_EXAMPLES = 5


@dataclass(frozen=True)
class Count:
    """How many images share a class, a declared split ('' for none) and a source ('' for unknown)."""

    label: str
    split: str
    source: str
    images: int


@dataclass(frozen=True)
class ClassSummary:
    """What the files of one class look like from outside.

    Attributes:
        label: `ai` or `not-ai`.
        images: how many could be read.
        width: minimum, median, maximum in pixels.
        height: the same.
        file_size: the same in bytes.
        common_sizes: most frequent `WIDTHxHEIGHT` to count.
        formats: format to count.
        jpeg_qualities: estimated quality to count, most frequent first.
        foreign_tables: JPEG files whose table is not one of the IJG's, so their quality is only near.
        subsampling: chroma subsampling of the JPEG files to count.
    """

    label: str
    images: int
    width: tuple[int, int, int]
    height: tuple[int, int, int]
    file_size: tuple[int, int, int]
    common_sizes: dict[str, int]
    formats: dict[str, int]
    jpeg_qualities: dict[str, int]
    foreign_tables: int
    subsampling: dict[str, int]


@dataclass(frozen=True)
class DuplicateReport:
    """Images that are the same, as groups of two or more.

    Attributes:
        groups: how many groups.
        images: how many images lie in them.
        within_splits: groups inside one split (or in data without splits).
        across_splits: groups with images in several splits.
        across_classes: groups with images of both classes, unless the data join them all as one `pair`.
        examples: names of the images of a few groups, those across classes and splits first.
    """

    groups: int
    images: int
    within_splits: int
    across_splits: int
    across_classes: int
    examples: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Unreadable:
    """An image that could not be read, with the stable error code."""

    name: str
    code: str
    message: str


@dataclass(frozen=True)
class CheckReport:
    """All that `fauxto data check` says.

    Attributes:
        location: the path that was checked.
        fingerprint: SHA-256 over content hashes and labels, see `fauxto.data.fingerprint`.
        images: how many images could be read.
        counts: by class, split and source.
        classes: what the files look like, by class.
        exact_duplicates: the same bytes.
        perceptual_duplicates: different bytes, the same picture.
        unreadable: images that could not be read.
        ignored: suffix to number of files that are no images.
        shortcut: the shortcut test, or None with fewer than ten images of a class.
        warnings: one sentence for each thing to repair before training or measuring.
    """

    location: str
    fingerprint: str
    images: int
    counts: tuple[Count, ...]
    classes: tuple[ClassSummary, ...]
    exact_duplicates: DuplicateReport
    perceptual_duplicates: DuplicateReport
    unreadable: tuple[Unreadable, ...]
    ignored: dict[str, int]
    shortcut: ShortcutReport | None
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Seen:
    """One image as the pass over the data saw it; its thumbnail lies in an array of its own."""

    row: int
    content: str
    width: int
    height: int
    file_size: int
    format: str
    jpeg: JpegEncoding | None


def check(dataset: Dataset, *, progress: Callable[[int], object] | None = None) -> CheckReport:
    """Read every image once and report what is there; unreadable images are listed, whatever `on_error` says.

    Args:
        dataset: the images.
        progress: called after each image with the number done.

    Raises:
        DataError: not one image could be read.
        MissingExtraError: scikit-learn is not installed.
    """
    require_classifier()
    seen, thumbnails, unreadable = _look(dataset, progress)
    if not seen:
        raise DataError(f"{dataset.location}: none of its {len(dataset)} images can be read")
    readable = dataset.subset(one.row for one in seen)
    hashes = [one.content for one in seen]
    exact = _report_duplicates(readable, exact_groups(hashes))
    perceptual = _report_duplicates(readable, _perceptual(hashes, thumbnails))
    shortcut = shortcut_test(_features(seen), readable.labels, hashes)
    return CheckReport(
        location=dataset.location,
        fingerprint=content_fingerprint(hashes, readable.labels),
        images=len(seen),
        counts=_counts(readable),
        classes=tuple(
            _summary(label, seen, readable.labels) for label in sorted(set(readable.labels.tolist()))
        ),
        exact_duplicates=exact,
        perceptual_duplicates=perceptual,
        unreadable=unreadable,
        ignored=dataset.ignored,
        shortcut=shortcut,
        warnings=_warnings(readable, exact, perceptual, unreadable, shortcut),
    )


def _look(
    dataset: Dataset, progress: Callable[[int], object] | None
) -> tuple[list[_Seen], NDArray[np.uint8], tuple[Unreadable, ...]]:
    seen: list[_Seen] = []
    unreadable: list[Unreadable] = []
    thumbnails = np.empty((len(dataset), SIDE, SIDE), np.uint8)
    for row, item in enumerate(dataset.items):
        try:
            data = item.read()
            image = decode(data, name=item.name)
        except InputError as error:
            unreadable.append(Unreadable(item.name, error.code, error.message))
        else:
            thumbnails[len(seen)] = grey_thumbnail(image.pixels)
            encoding = read_encoding(data)
            size = (image.width, image.height, len(data))
            seen.append(_Seen(row, image.sha256, *size, image.format, encoding))
        if progress:
            progress(row + 1)
    return seen, thumbnails[: len(seen)], tuple(unreadable)


def _features(seen: Sequence[_Seen]) -> NDArray[np.float64]:
    formats = sorted({one.format for one in seen})
    rows = [
        (
            one.file_size,
            one.width,
            one.height,
            one.jpeg.quality if one.jpeg else np.nan,
            formats.index(one.format),
        )
        for one in seen
    ]
    return np.array(rows, np.float64)


def _counts(dataset: Dataset) -> tuple[Count, ...]:
    order = {None: -1} | {split: place for place, split in enumerate(SPLITS)}
    rows = Counter((order[item.split], item.label, item.source, item.split or "") for item in dataset.items)
    return tuple(
        Count(class_name(label), split, source, images)
        for (_, label, source, split), images in sorted(rows.items())
    )


def _summary(label: int, seen: Sequence[_Seen], labels: NDArray[np.int8]) -> ClassSummary:
    members = [one for one, its in zip(seen, labels, strict=True) if its == label]
    encodings = [one.jpeg for one in members if one.jpeg]
    return ClassSummary(
        label=class_name(label),
        images=len(members),
        width=_spread([one.width for one in members]),
        height=_spread([one.height for one in members]),
        file_size=_spread([one.file_size for one in members]),
        common_sizes=_frequent([f"{one.width}x{one.height}" for one in members], _MOST_COMMON),
        formats=_frequent([one.format for one in members]),
        jpeg_qualities=_frequent([str(encoding.quality) for encoding in encodings]),
        foreign_tables=sum(not encoding.exact for encoding in encodings),
        subsampling=_frequent([encoding.subsampling for encoding in encodings]),
    )


def _spread(values: Sequence[int]) -> tuple[int, int, int]:
    return min(values), int(np.median(values)), max(values)


def _frequent(values: Sequence[str], limit: int | None = None) -> dict[str, int]:
    # Sorted first, so that equal counts come in an order that does not depend on the data's.
    return dict(Counter(sorted(values)).most_common(limit))


def _perceptual(hashes: Sequence[str], thumbnails: NDArray[np.uint8]) -> list[list[int]]:
    """Group pictures that look the same; of byte-identical images only one takes part."""
    first = {content: row for row, content in reversed(list(enumerate(hashes)))}
    rows = sorted(first.values())
    return [[rows[place] for place in group] for group in perceptual_groups(thumbnails[rows])]


def _report_duplicates(dataset: Dataset, groups: list[list[int]]) -> DuplicateReport:
    def spans(group: list[int]) -> tuple[bool, bool]:
        members = [dataset.items[row] for row in group]
        pairs = {one.pair for one in members}
        a_known_remake = len(pairs) == 1 and None not in pairs
        both_classes = len({one.label for one in members}) > 1
        return both_classes and not a_known_remake, len({one.split for one in members}) > 1

    across = [spans(group) for group in groups]
    worst = sorted(range(len(groups)), key=lambda place: across[place], reverse=True)[:_EXAMPLES]
    across_splits = sum(splits for _, splits in across)
    return DuplicateReport(
        groups=len(groups),
        images=sum(map(len, groups)),
        within_splits=len(groups) - across_splits,
        across_splits=across_splits,
        across_classes=sum(classes for classes, _ in across),
        examples=tuple(tuple(dataset.items[row].name for row in groups[place]) for place in worst),
    )


def _warnings(
    dataset: Dataset,
    exact: DuplicateReport,
    perceptual: DuplicateReport,
    unreadable: Sequence[Unreadable],
    shortcut: ShortcutReport | None,
) -> tuple[str, ...]:
    warnings: list[str] = []
    if unreadable:
        warnings.append(f"{_counted(len(unreadable), 'image')} cannot be read: repair or remove them.")
    if len(set(dataset.labels.tolist())) < 2:
        warnings.append("Only one class is here: nothing can be trained or measured on it alone.")
    for kind, report in (("Exact", exact), ("Perceptual", perceptual)):
        if report.across_splits:
            warnings.append(
                f"{kind} duplicates lie in several splits ({_counted(report.across_splits, 'group')}): "
                "figures on the test split count what training has seen."
            )
        if report.across_classes:
            warnings.append(
                f"{kind} duplicates lie in both classes ({_counted(report.across_classes, 'group')}): "
                "wrong labels, or a photograph and its remake, which a column 'pair' should join."
            )
    if shortcut and shortcut.shortcut:
        warnings.append(shortcut_warning(shortcut))
    return tuple(warnings)


def shortcut_warning(shortcut: ShortcutReport) -> str:
    """Say in two sentences what a shortcut is worth and what to do about it."""
    best = max(shortcut.alone, key=lambda name: shortcut.alone[name])
    found = (
        "Shortcut: file size, dimensions, JPEG quality and format alone tell the class with AUROC "
        f"{shortcut.auroc:.2f} (above {WARNING_LEVEL}); the {best} alone gives {shortcut.alone[best]:.2f}."
    )
    if shortcut.low <= 0.5:
        return f"{found} With {shortcut.images} images that may be chance: check more of them."
    if shortcut.without_file_size <= WARNING_LEVEL:
        return f"{found} All else is alike: one class holds more metadata, or pictures with more detail."
    return f"{found} A detector may learn that: give both classes the same format, size and re-encoding."


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
