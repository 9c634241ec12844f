"""Published sets of AI-generated images, streamed from the Hugging Face hub: a balanced part of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from fauxto.data.classes import AI, NOT_AI, label_of
from fauxto.errors import DataError, MissingExtraError, UsageError
from fauxto.images import printable

Row = Mapping[str, Any]
_BUFFER = 500  # rows that are shuffled at a time; each holds a whole image
_CHUNK = 64
_ANSWER_SECONDS = 10
_CLASS = {NOT_AI: "real", AI: "fake"}


@dataclass(frozen=True)
class Streamed:
    """One image as it was found: encoded bytes, label (AI-generated = 1) and source."""

    encoded: bytes
    label: int
    source: str


@dataclass(frozen=True)
class Published:
    """Where a set lies and how its rows read.

    Attributes:
        repository: on the hub.
        revision: that was looked at, or None for the newest.
        split: that is streamed.
        image: column of the encoded image.
        read: a row's label and source.
        licence: as its card states it.
    """

    repository: str
    revision: str | None
    split: str
    image: str
    read: Callable[[Row], tuple[int, str]]
    licence: str


def _genimage(row: Row) -> tuple[int, str]:
    """GenImage: `<generator>/train/ai/...` or `.../nature/...`; the photographs are ImageNet's."""
    parts = PurePosixPath(str(row["image_path"]).lower()).parts
    if "nature" in parts:
        return NOT_AI, "imagenet"
    at = parts.index("ai")
    above = [part for part in parts[:at] if part not in ("train", "val", "/")]
    return AI, above[0] if above else "genimage"


def _community_forensics(row: Row) -> tuple[int, str]:
    """Community Forensics: 0 real, 1 fake; thousands of generators by name."""
    label = AI if int(row["label"]) == 1 else NOT_AI
    return label, str((row["model_name"] if label == AI else row.get("real_source")) or "")


def _openfake(row: Row) -> tuple[int, str]:
    """OpenFake: real or fake, and the generator."""
    label = label_of(str(row["label"]))
    if label is None:
        raise ValueError(row["label"])
    return label, str(row["model"] or "") if label == AI else "laion"


PUBLISHED = {
    "genimage": Published("nebula/GenImage-arrow", None, "train", "image", _genimage, "CC BY-NC-SA 4.0"),
    "community-forensics": Published(
        "OwensLab/CommunityForensics-Small",
        "6c539a534c07917307c381f5af4053c6091b5278",
        "train",
        "image_data",
        _community_forensics,
        "CC BY-NC-SA 4.0, and the generators' own licences",
    ),
    "openfake": Published(
        "ComplexDataLab/OpenFake",
        "20c41bcdf9dbee0620aaee7060e57cb088b8865b",
        "train",
        "image",
        _openfake,
        "CC BY-SA 4.0, parts of it non-commercial",
    ),
}


def stream(
    name: str, images: int, output: Path, *, seed: int = 0, progress: Callable[[int], object] | None = None
) -> Counter[str]:
    """Fetch so many images of a published set, half of them AI-generated, into a parquet file.

    Rows are shuffled by shards and in a buffer of some hundreds, so they are no uniform draw of the set.

    Args:
        name: a key of `PUBLISHED`.
        images: how many in all.
        output: parquet file in the Hugging Face image layout, which `load` reads; must not exist.
        seed: of the shuffling.
        progress: called with the number of images fetched.

    Returns:
        How many came of each class, `real` and `fake`.

    Raises:
        UsageError: an unknown name, or the file is there already.
        MissingExtraError: the datasets library is not installed.
        DataError: no network, or the set's layout has changed.
    """
    if name not in PUBLISHED:
        raise UsageError(f"no published set '{printable(name)}'; choose one of {', '.join(PUBLISHED)}")
    if output.exists():
        raise UsageError(f"{printable(str(output))}: exists; name another file by --output")
    published = PUBLISHED[name]
    found: Counter[str] = Counter()
    partial = output.with_name(f".{output.name}.part")
    try:
        with _writer(partial) as write:
            for one in _balanced(_rows(name, published, seed), images):
                write(one)
                found[_CLASS[one.label]] += 1
                if progress is not None:
                    progress(found.total())
        if len(found) < 2:
            raise DataError(f"{name}: gave images of one class only; its layout may have changed")
        partial.replace(output)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"{name}: cannot be fetched or stored ({printable(reason)}); run it again") from error
    finally:
        partial.unlink(missing_ok=True)
    return found


def _balanced(rows: Iterator[Streamed], images: int) -> Iterator[Streamed]:
    """Half of each class, as they come."""
    wanted = {NOT_AI: images // 2, AI: images - images // 2}
    for one in rows:
        if wanted[one.label] > 0:
            wanted[one.label] -= 1
            yield one
        if not any(wanted.values()):
            return


def _rows(name: str, published: Published, seed: int) -> Iterator[Streamed]:
    try:
        import datasets
    except ImportError:
        raise MissingExtraError("streaming a published set", "train") from None
    if not Path(published.repository).is_dir():
        _require_network(name, published)
    try:
        rows = datasets.load_dataset(
            published.repository, split=published.split, revision=published.revision, streaming=True
        )
        features = rows.features or {}
        if isinstance(features.get(published.image), datasets.Image):
            rows = rows.cast_column(published.image, datasets.Image(decode=False))  # bytes as they were found
        for row in rows.shuffle(seed=seed, buffer_size=_BUFFER):
            yield _read(name, published, row)
    except (DataError, OSError):
        raise
    except Exception as error:  # of datasets, of the hub and of its HTTP library
        reason = printable(str(error).strip().split("\n")[0])
        raise DataError(
            f"{name}: {published.repository} cannot be streamed ({reason}); accept its terms on the hub and "
            "run `hf auth login` where it asks for that, or download it and give its folder to fauxto"
        ) from error


def _read(name: str, published: Published, row: Row) -> Streamed:
    try:
        value = row[published.image]
        encoded = value["bytes"] if isinstance(value, Mapping) else value
        label, source = published.read(row)
        if not isinstance(encoded, bytes):
            raise TypeError(published.image)
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(
            f"{name}: a row of {published.repository} does not read as expected ({printable(repr(error))}); "
            "its layout has changed, look for a newer fauxto"
        ) from error
    return Streamed(encoded, label, source)


def _require_network(name: str, published: Published) -> None:
    """Find out in seconds whether the hub answers: its client tries for a long time."""
    import requests
    from huggingface_hub import constants

    try:
        requests.head(constants.ENDPOINT, timeout=_ANSWER_SECONDS, allow_redirects=False)
    except requests.exceptions.RequestException as error:
        raise DataError(
            f"{name}: {constants.ENDPOINT} cannot be reached; check the network and HTTPS_PROXY, or fetch "
            f"{published.repository} on another machine and give its folder to fauxto"
        ) from error


@contextmanager
def _writer(path: Path) -> Iterator[Callable[[Streamed], None]]:
    """A function that stores an image; they are written in chunks, so that memory stays small."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtraError("writing parquet", "parquet") from None
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    schema = pa.schema([("image", image), ("label", pa.string()), ("source", pa.string())])
    waiting: list[dict[str, Any]] = []
    with pq.ParquetWriter(path, schema) as writer:

        def flush() -> None:
            writer.write_table(pa.Table.from_pylist(waiting, schema))
            waiting.clear()

        def put(one: Streamed) -> None:
            content = {"bytes": one.encoded, "path": None}
            waiting.append({"image": content, "label": _CLASS[one.label], "source": printable(one.source)})
            if len(waiting) == _CHUNK:
                flush()

        yield put
        flush()
