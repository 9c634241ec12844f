"""What a scan into a folder will do, fixed when it begins: options, the list of inputs, its partitions.

The list is on disk, not in memory, so that a resumed scan does exactly what the first one would have done,
whatever has come to or gone from the folders since.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from fauxto import __version__
from fauxto.errors import InputError, UsageError
from fauxto.images import Limits
from fauxto.models.session import Runtime
from fauxto.provenance import ProvenanceOptions
from fauxto.scan.found import Found, is_remote

PartFormat = Literal["jsonl", "parquet"]


@dataclass(frozen=True)
class Options:
    """Everything beside the images that the records of a scan depend on; it stays the same when resumed.

    `model` is as the user named it and `models` what that is here and now, each with the hash of its config
    (which holds that of its weights); `working_folder` is empty where no path depends on it.
    """

    arguments: tuple[str, ...]
    working_folder: str
    format: PartFormat
    part_size: int
    model: str
    models: tuple[str, ...]
    max_pixels: int
    max_bytes: int
    allow_network: bool
    trust_list: str | None
    trust: tuple[str, ...]
    runtime: Runtime = "onnxruntime"
    fauxto: str = __version__

    @property
    def limits(self) -> Limits:
        """Of pixels and bytes."""
        return Limits(max_pixels=self.max_pixels, max_bytes=self.max_bytes)

    @property
    def provenance(self) -> ProvenanceOptions:
        """Network and trust list."""
        path = None if self.trust_list is None else Path(self.trust_list)
        return ProvenanceOptions(allow_network=self.allow_network, trust_list=path)


def options_of(
    arguments: Iterable[str],
    *,
    model: str,
    format: PartFormat,
    part_size: int,
    limits: Limits,
    provenance: ProvenanceOptions,
    runtime: Runtime = "onnxruntime",
) -> Options:
    """The options of a scan as they are on this machine.

    Raises:
        UsageError: no such model, a runtime that does not run it, or a trust list that cannot be read.
        MissingExtraError: the runtime is not installed.
        BundleError: a bundle is incomplete or corrupt.
    """
    paths = tuple(arguments)
    relative = any(not is_remote(path) and not os.path.isabs(path) for path in paths)  # noqa: PTH117
    return Options(
        arguments=paths,
        working_folder=str(Path.cwd()) if relative else "",
        format=format,
        part_size=part_size,
        model=str(Path(model).resolve()) if Path(model).is_dir() else model,
        models=_models(model, runtime),
        max_pixels=limits.max_pixels,
        max_bytes=limits.max_bytes,
        allow_network=provenance.allow_network,
        trust_list=None if provenance.trust_list is None else str(provenance.trust_list.resolve()),
        trust=_trust(provenance),
        runtime=runtime,
    )


def _models(model: str, runtime: Runtime) -> tuple[str, ...]:
    from fauxto.models import check_runtime, find_bundle, read_config, shipped

    folders = list(shipped().values()) if model == "auto" else [find_bundle(model)]
    for folder in folders:
        check_runtime(folder, runtime)
    return tuple(
        f"{config.name} {config.version} {_digest((folder / 'config.json').read_bytes())}"
        for folder in folders
        for config in [read_config(folder)]
    )


def _trust(provenance: ProvenanceOptions) -> tuple[str, ...]:
    from fauxto.provenance.trust import trust_in_force

    return tuple(f"{each.kind} {each.sha256}" for each in trust_in_force(provenance).lists)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class Partition:
    """The unit of work: up to `part_size` images in a row, or one archive or table."""

    index: int
    inputs: tuple[Found, ...]


@dataclass(frozen=True)
class Plan:
    """The plan of a scan, as it lies in its folder.

    Attributes:
        options: those that it began with.
        inputs: the file with the list of inputs, gzip-compressed JSON lines.
        digest: SHA-256 of the uncompressed list.
        images: their number, or None where archives or tables hold an unknown one.
        skipped: counts of what listing passed over.
    """

    options: Options
    inputs: Path
    digest: str
    images: int | None
    skipped: dict[str, int]

    def partitions(self) -> Iterator[Partition]:
        """The partitions in order, read as they are asked for.

        Raises:
            UsageError: the list cannot be read, or is not the one that the scan began with.
        """
        index, run = 0, list[Found]()
        for found in self._found():
            if found.kind != "image":
                if run:
                    yield Partition(index, tuple(run))
                    index, run = index + 1, []
                yield Partition(index, (found,))
                index += 1
            else:
                run.append(found)
                if len(run) == self.options.part_size:
                    yield Partition(index, tuple(run))
                    index, run = index + 1, []
        if run:
            yield Partition(index, tuple(run))

    def check(self) -> None:
        """Read the list once through.

        Raises:
            UsageError: it cannot be read, or is not the one that the scan began with.
        """
        digest = hashlib.sha256()
        try:
            with gzip.open(self.inputs, "rb") as lines:
                while block := lines.read(1 << 20):
                    digest.update(block)
        except (OSError, EOFError) as error:
            raise UsageError(f"{self.inputs}: the list of inputs cannot be read ({error})") from error
        if digest.hexdigest() != self.digest:
            raise UsageError(f"{self.inputs}: not the list of before; scan into another folder")

    def _found(self) -> Iterator[Found]:
        with gzip.open(self.inputs, "rt", encoding="ascii") as lines:
            for line in lines:
                yield _from_json(json.loads(line))


def write_list(found: Iterable[Found], path: Path) -> tuple[str, int | None]:
    """Write the list of inputs.

    Returns:
        The SHA-256 of the uncompressed list, and the number of images where it is known.
    """
    digest, images, known = hashlib.sha256(), 0, True
    with path.open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=3, mtime=0) as file:
        for each in found:
            line = json.dumps(_to_json(each), separators=(",", ":")).encode("ascii") + b"\n"
            digest.update(line)
            file.write(line)
            images += 1
            known = known and (each.kind == "image" or each.error is not None)
    with path.open("rb") as written:
        os.fsync(written.fileno())
    return digest.hexdigest(), images if known else None


def _to_json(found: Found) -> dict[str, Any]:
    """Without what is not set: most lines are a path."""
    line: dict[str, Any] = {"path": found.path}
    if found.kind != "image":
        line |= {"kind": found.kind, "stamp": found.stamp}
    if found.error is not None:
        line["error"] = [found.error.code, found.error.message]
    return line


def _from_json(line: dict[str, Any]) -> Found:
    error = line.pop("error", None)
    return Found(**line, error=None if error is None else InputError(*error))


def to_state(plan: Plan) -> dict[str, Any]:
    """The plan as JSON values, for the state file."""
    return {
        "format": 1,
        "options": asdict(plan.options),
        "inputs": {"sha256": plan.digest, "images": plan.images, "skipped": plan.skipped},
    }


def from_state(state: Any, inputs: Path) -> Plan:
    """The plan of a state file.

    Raises:
        ValueError: it is none.
    """
    try:
        if state["format"] != 1:
            raise ValueError("written by another version of fauxto")
        options: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in state["options"].items()
        }
        listed = state["inputs"]
        return Plan(Options(**options), inputs, listed["sha256"], listed["images"], listed["skipped"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a scan's state ({error})") from error


def check_same(begun: Options, now: Options, folder: Path) -> None:
    """Refuse to go on with other options than a scan began with.

    Raises:
        UsageError: they differ; names the first that does.
    """
    before, after = asdict(begun), asdict(now)
    for name in before:
        if before[name] != after[name]:
            raise UsageError(
                f"{folder}: its scan began with {_NAMES.get(name, name)} {_shown(before[name])}, "
                f"not {_shown(after[name])}; resume with the same, or scan into another folder"
            )


_NAMES = {
    "arguments": "the paths",
    "working_folder": "relative paths in the folder",
    "format": "--format",
    "part_size": "--part-size",
    "model": "--model",
    "models": "the models",
    "max_pixels": "--max-pixels",
    "max_bytes": "--max-bytes",
    "allow_network": "--allow-network",
    "trust_list": "--trust-list",
    "trust": "the trust lists",
    "runtime": "--runtime",
    "fauxto": "fauxto",
}


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, tuple) else str(value)
