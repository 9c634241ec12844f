"""Which formats this installation decodes."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version


@dataclass(frozen=True)
class FormatSupport:
    """One format and what decodes it here.

    Attributes:
        name: as in `DecodedImage.format`.
        extensions: that folder scans pick up, lower-case with dot.
        decoder: library and version, or None where this installation has no decoder.
    """

    name: str
    extensions: tuple[str, ...]
    decoder: str | None


_EXTENSIONS: dict[str, tuple[str, ...]] = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png", ".apng"),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp", ".dib"),
    "AVIF": (".avif", ".avifs"),
    "HEIF": (".heic", ".heif", ".hif", ".heics", ".heifs"),
}

FORMAT_EXTENSIONS: frozenset[str] = frozenset(end for ends in _EXTENSIONS.values() for end in ends)


def formats() -> tuple[FormatSupport, ...]:
    """Every format that fauxto knows how to decode, and what decodes it in this installation."""
    return tuple(FormatSupport(name, ends, _decoder(name)) for name, ends in _EXTENSIONS.items())


def _decoder(name: str) -> str | None:
    if name == "HEIF":
        return _installed("pi-heif") if _imports("pi_heif") else None
    from PIL import features

    feature = {"JPEG": "jpg", "PNG": "zlib", "WEBP": "webp", "AVIF": "avif"}.get(name)
    if feature is not None and not features.check(feature):
        return None
    return _installed("Pillow")


def _imports(module: str) -> bool:
    """Whether a module not only is installed but works: its shared libraries may be missing."""
    try:
        import_module(module)
    except ImportError:
        return False
    return True


def _installed(distribution: str) -> str | None:
    try:
        return f"{distribution} {version(distribution)}"
    except PackageNotFoundError:
        return None
