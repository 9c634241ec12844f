"""Where a detector comes from: the Hugging Face hub, a folder in its layout, or an ONNX file."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from fauxto.errors import MissingExtraError, UsageError
from fauxto.images import printable

# What is fetched: descriptions and weights that are data. Pickles can run code, so they are not.
PATTERNS = (
    "config.json",
    "preprocessor_config.json",
    "*.safetensors",
    "model.safetensors.index.json",
    "model.onnx",
    "onnx/model.onnx",
    "onnx/preprocessor_config.json",
    "README.md",
    "LICENSE*",
    "LICENCE*",
)
MAX_BYTES = 8_000_000_000
_REPOSITORY = re.compile(r"hf:(?P<name>[\w.-]+/[\w.-]+?)(@(?P<revision>[\w./-]+))?")


@dataclass(frozen=True)
class Source:
    """A detector on this machine.

    Attributes:
        path: a folder in the Hugging Face layout, or an ONNX file.
        name: what errors and the card call it, with the revision where it came from the hub.
        short: its last part, from which the bundle gets its name.
    """

    path: Path
    name: str
    short: str


@contextmanager
def opened(source: str) -> Iterator[Source]:
    """Make a source available; what was fetched is gone afterwards.

    Raises:
        UsageError: there is no such source, or it cannot be fetched.
        MissingExtraError: fetching needs the extra `import`.
    """
    if source.startswith("hf:"):
        found = _REPOSITORY.fullmatch(source)
        if found is None:
            raise UsageError(
                f"{printable(source)}: is not of the form hf:OWNER/NAME or hf:OWNER/NAME@REVISION"
            )
        with tempfile.TemporaryDirectory(prefix="fauxto-import-") as folder:
            path = _fetched(found["name"], found["revision"], Path(folder))
            yield Source(path, f"hf:{found['name']}@{path.name}", found["name"].split("/")[1])
        return
    path = Path(source)
    if not path.exists():
        raise UsageError(
            f"{printable(source)}: no such folder or ONNX file; a repository is written hf:OWNER/NAME"
        )
    yield Source(path, printable(path.name), path.stem if path.is_file() else path.name)


def _fetched(repository: str, revision: str | None, folder: Path) -> Path:
    """The repository's data; the folder is named by the commit.

    The files themselves, not links into a cache: links in a stranger's folder are refused.
    """
    try:
        from huggingface_hub import HfApi, snapshot_download
    except ImportError:
        raise MissingExtraError("importing from the Hugging Face hub", "import") from None
    try:
        info = HfApi().model_info(repository, revision=revision, files_metadata=True)
        _check_listing(repository, {one.rfilename: one.size or 0 for one in info.siblings or ()})
        path = folder / str(info.sha)
        snapshot_download(repository, revision=info.sha, local_dir=path, allow_patterns=list(PATTERNS))
    except UsageError:
        raise
    except Exception as error:  # its errors come from several libraries and share no base
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UsageError(
            f"hf:{repository}: cannot be fetched ({printable(reason)[:200]}); check name, revision and "
            "network, or copy the repository here and import the folder"
        ) from error
    return path


def _check_listing(repository: str, sizes: dict[str, int]) -> None:
    """Refuse names that lead elsewhere, and more bytes than an image classifier has, before fetching any."""
    wanted = {name: size for name, size in sizes.items() if any(fnmatch(name, one) for one in PATTERNS)}
    outside = [name for name in wanted if name.startswith("/") or ".." in name.split("/")]
    if outside:
        raise UsageError(f"hf:{repository}: {printable(outside[0])} leads out of its folder; do not use it")
    if sum(wanted.values()) > MAX_BYTES:
        raise UsageError(
            f"hf:{repository}: its {sum(wanted.values()) / 1e9:.1f} GB are over the limit of "
            f"{MAX_BYTES / 1e9:.0f} GB; export the model to ONNX and import that file"
        )
