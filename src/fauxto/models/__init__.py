"""Model bundles: the ones in this package, and any folder of the same layout."""

from __future__ import annotations

from pathlib import Path

from fauxto.errors import UsageError
from fauxto.models.bundle import Bundle, check_runtime, load_bundle, read_config
from fauxto.models.config import BundleConfig
from fauxto.models.session import Runtime

__all__ = [
    "Bundle",
    "BundleConfig",
    "Runtime",
    "check_runtime",
    "find_bundle",
    "load_bundle",
    "read_config",
    "shipped",
]

_HERE = Path(__file__).parent


def shipped() -> dict[str, Path]:
    """Names and folders of the bundles in this package, in alphabetical order."""
    return {folder.name: folder for folder in sorted(_HERE.iterdir()) if (folder / "config.json").is_file()}


def find_bundle(name: str) -> Path:
    """The folder of a shipped model by name, or of a bundle by path.

    Raises:
        UsageError: neither; lists the names there are.
    """
    names = shipped()
    if name in names:
        return names[name]
    if Path(name).is_dir():
        return Path(name)
    raise UsageError(
        f"no model and no bundle folder is called {name!r}; shipped: {', '.join(names) or 'none'}"
    )
