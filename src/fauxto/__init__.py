"""fauxto: was this image made by a generative model, and how strongly does what speak for it?"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fauxto.detector import Detector
    from fauxto.errors import (
        BundleError,
        DataError,
        FauxtoError,
        InputError,
        MissingExtraError,
        UsageError,
    )
    from fauxto.images import Limits
    from fauxto.provenance import ProvenanceOptions
    from fauxto.record import ErrorInfo, Evidence, ImageInfo, ModelRef, Record

__version__ = "0.1.0"

# onnxruntime reports its use to its makers, with a number for this user that it keeps at home. It looks here
# when it is first imported, so this has to come before anything of ours. Who wants that can set it to 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_HOMES = {
    "Detector": "fauxto.detector",
    "Limits": "fauxto.images",
    "ProvenanceOptions": "fauxto.provenance",
    **dict.fromkeys(
        ("BundleError", "DataError", "FauxtoError", "InputError", "MissingExtraError", "UsageError"),
        "fauxto.errors",
    ),
    **dict.fromkeys(("ErrorInfo", "Evidence", "ImageInfo", "ModelRef", "Record"), "fauxto.record"),
}

__all__ = [
    "BundleError",
    "DataError",
    "Detector",
    "ErrorInfo",
    "Evidence",
    "FauxtoError",
    "ImageInfo",
    "InputError",
    "Limits",
    "MissingExtraError",
    "ModelRef",
    "ProvenanceOptions",
    "Record",
    "UsageError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `fauxto --help` need not wait for onnxruntime."""
    if name not in _HOMES:
        raise AttributeError(f"module 'fauxto' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
