"""The public names are exactly the intended ones, and all of them are there."""

from __future__ import annotations

import fauxto

INTENDED = {
    "BundleError", "DataError", "Detector", "ErrorInfo", "Evidence", "FauxtoError", "ImageInfo", "InputError",
    "Limits", "MissingExtraError", "ModelRef", "ProvenanceOptions", "Record", "UsageError", "__version__",
}  # fmt: skip


def test_public_names() -> None:
    assert set(fauxto.__all__) == INTENDED
    for name in INTENDED:
        assert getattr(fauxto, name) is not None


def test_version_is_that_of_the_distribution() -> None:
    from importlib.metadata import version

    assert fauxto.__version__ == version("fauxto")
