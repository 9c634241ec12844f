"""Where a detector comes from: the Hugging Face hub, a folder in its layout, or an ONNX file."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
    """A snapshot of the repository; its folder is named by the commit."""
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise MissingExtraError("importing from the Hugging Face hub", "import") from None
    try:
        return Path(
            snapshot_download(repository, revision=revision, cache_dir=folder, allow_patterns=list(PATTERNS))
        )
    except Exception as error:  # its errors come from several libraries and share no base
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UsageError(
            f"hf:{repository}: cannot be fetched ({printable(reason)[:200]}); check name, revision and "
            "network, or copy the repository here and import the folder"
        ) from error
