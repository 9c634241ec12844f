"""What bytes are, told from their first few: a format we decode, another one, or no image at all."""

from __future__ import annotations

from typing import Literal

from fauxto.images.refusal import RefusedError

Format = Literal["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "HEIF"]

_AS_PICTURE = "convert it to PNG or JPEG"
_AS_FRAME = "export the frame in question as PNG or JPEG"
_AS_EXPORT = "export it as PNG or JPEG from the program that made it"
_AS_PAGE = "export the page in question as PNG or JPEG"

_PREFIXES: tuple[tuple[bytes, Format], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
)

_BITMAP_HEADERS = frozenset({12, 16, 40, 52, 56, 64, 108, 124})
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_OTHER_HEIF_BRANDS = {
    b"vvic": "a VVC picture in a HEIF container",
    b"evbi": "an EVC picture in a HEIF container",
    b"j2ki": "a JPEG 2000 picture in a HEIF container",
    b"jpeg": "a JPEG picture in a HEIF container",
    b"jpgs": "a JPEG picture in a HEIF container",
}

# Formats that a person may well call an image, and what to do with each. Not decoded: they are rare
# among what is asked about, and every decoder more is one more that hostile bytes can reach.
_UNSUPPORTED: tuple[tuple[bytes, str, str], ...] = (
    (b"%PDF-", "a PDF document", _AS_PAGE),
    (b"8BPS", "a Photoshop document", _AS_EXPORT),
    (b"gimp xcf", "a GIMP document", _AS_EXPORT),
    (b"\xff\x0a", "a JPEG XL image", _AS_PICTURE),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL image", _AS_PICTURE),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 image", _AS_PICTURE),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 image", _AS_PICTURE),
    (b"%!PS", "a PostScript document", _AS_PAGE),
    (b"\xc5\xd0\xd3\xc6", "a PostScript document", _AS_PAGE),
    (b"AT&TFORM", "a DjVu document", _AS_PAGE),
    (b"\0\0\x01\0", "a Windows icon", _AS_PICTURE),
    (b"\0\0\x02\0", "a Windows cursor", _AS_PICTURE),
    (b"icns", "a macOS icon", _AS_PICTURE),
    (b"DDS ", "a DirectDraw texture", _AS_PICTURE),
    (b"qoif", "a QOI image", _AS_PICTURE),
    (b"v/1\x01", "an OpenEXR image", _AS_PICTURE),
    (b"#?RADIANCE", "a Radiance HDR image", _AS_PICTURE),
    (b"\xd7\xcd\xc6\x9a", "a Windows metafile", _AS_PICTURE),
    (b"\x8aMNG\r\n\x1a\n", "an MNG animation", _AS_FRAME),
    (b"SIMPLE  =", "a FITS image", _AS_PICTURE),
    (b"II\xbc\x01", "a JPEG XR image", _AS_PICTURE),
    (b"FUJIFILMCCD-RAW", "a camera raw file", _AS_EXPORT),
    (b"IIU\0", "a camera raw file", _AS_EXPORT),
    (b"IIRO", "a camera raw file", _AS_EXPORT),
    (b"IIRS", "a camera raw file", _AS_EXPORT),
    (b"\x1aE\xdf\xa3", "a Matroska or WebM video", _AS_FRAME),
    (b"FLV\x01", "a Flash video", _AS_FRAME),
    (b"\0\0\x01\xba", "an MPEG video", _AS_FRAME),
    (b"\0\0\x01\xb3", "an MPEG video", _AS_FRAME),
    *(
        (b"P%d" % n + end, "a Netpbm image", _AS_PICTURE)
        for n in range(1, 8)
        for end in (b"\n", b" ", b"\r\n")
    ),
)

_OTHER_FILES: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "a Git LFS pointer; fetch the image itself with `git lfs pull`"),
    (b"PK\x03\x04", "a ZIP archive or an office document; extract the image from it"),
    (b"\x1f\x8b", "gzip-compressed data; decompress the file first"),
    (b"7z\xbc\xaf'\x1c", "a 7-Zip archive; extract the image from it"),
    (b"Rar!", "a RAR archive; extract the image from it"),
    (b"\x93NUMPY", "a NumPy array; load it and pass the array"),
    (b"PAR1", "a Parquet table; `fauxto evaluate` and `fauxto train` read those"),
    (b"\x7fELF", "a program; name an image"),
    (b"MZ", "a program; name an image"),
    (b"SQLite format 3", "a database; name an image"),
    (b"OggS", "an audio or video file; name an image"),
    (b"ID3", "an audio file; name an image"),
)


def sniff(data: bytes) -> Format:
    """The format of `data`, told by its contents, never by the file's name.

    Raises:
        RefusedError: `unsupported` naming what it is and what to convert it to; `not-an-image` saying what
            the bytes look like instead.
    """
    for prefix, name in _PREFIXES:
        if data.startswith(prefix) and (name != "BMP" or _is_bitmap(data)):
            return name
    if len(data) < 12 and _begins_like_an_image(data):
        raise RefusedError("truncated", "the file ends within its first few bytes; copy or download it again")
    if data[:4] == b"RIFF":
        return _riff(data)
    if data[4:8] == b"ftyp":
        return _base_media(data)
    for prefix, what, remedy in _UNSUPPORTED:
        if data.startswith(prefix):
            raise RefusedError("unsupported", f"it is {what}, which fauxto does not decode; {remedy}")
    raise RefusedError("not-an-image", _what_else(data))


def _is_bitmap(data: bytes) -> bool:
    """Two letters also begin words: the size of the header that follows must be one that exists."""
    return len(data) < 18 or int.from_bytes(data[14:18], "little") in _BITMAP_HEADERS


def _begins_like_an_image(data: bytes) -> bool:
    """Whether these two to eleven bytes begin a file of a format that we decode."""
    box = data[:3] == b"\0\0\0" and b"ftyp".startswith(data[4:8]) and len(data) > 3
    return box or (
        len(data) > 1 and any(magic.startswith(data[:4]) for magic, _ in (*_PREFIXES, (b"RIFF", "")))
    )


def _riff(data: bytes) -> Format:
    match data[8:12]:
        case b"WEBP":
            return "WEBP"
        case b"AVI ":
            raise RefusedError("unsupported", f"it is an AVI video; {_AS_FRAME}")
        case b"WAVE":
            raise RefusedError("not-an-image", "it is an audio file; name an image")
    raise RefusedError(
        "not-an-image", "it is no image that fauxto knows; check that it is the file you meant"
    )


def _base_media(data: bytes) -> Format:
    """Tell the pictures from the videos in an ISO base media file by the brands it declares."""
    size = int.from_bytes(data[:4], "big")
    if size > len(data):
        raise RefusedError("truncated", "the file ends within its first box; copy or download it again")
    end = min(size, 4096)
    brands = {data[8:12], *(data[at : at + 4] for at in range(16, end - 3, 4))}
    if brands & _AVIF_BRANDS:
        return "AVIF"
    if brands & _HEIC_BRANDS:
        return "HEIF"
    for brand, what in _OTHER_HEIF_BRANDS.items():
        if brand in brands:
            raise RefusedError("unsupported", f"it is {what}, which fauxto does not decode; {_AS_PICTURE}")
    if data[8:12] in (b"mif1", b"msf1", b"mif2"):
        return "HEIF"
    if data[8:12] == b"crx ":
        raise RefusedError("unsupported", f"it is a camera raw file; {_AS_EXPORT}")
    raise RefusedError("unsupported", f"it is a video (MP4 or QuickTime); {_AS_FRAME}")


def _what_else(data: bytes) -> str:
    for prefix, what in _OTHER_FILES:
        if data.startswith(prefix):
            return f"it is not an image but {what}"
    if not data[:4096].strip(b"\0"):
        return "it begins with nothing but zero bytes, as failed downloads do; copy or download it again"
    text = _text(data[:512])
    if text is None:
        return "it is no image that fauxto knows; check that it is the file you meant"
    start = text.lstrip("\ufeff \t\r\n").lower()
    if "<svg" in start:
        raise RefusedError(
            "unsupported", f"it is an SVG drawing, which fauxto does not decode; {_AS_PICTURE}"
        )
    if start.startswith(("<!doctype html", "<html", "<head", "<body")):
        return "it is not an image but a web page; download the image itself"
    if start.startswith("<"):
        return "it is not an image but XML; check that it is the file you meant"
    if start.startswith(("{", "[")):
        return "it is not an image but JSON, perhaps a server's error; download the image itself"
    return "it is not an image but plain text; check that it is the file you meant"


def _text(start: bytes) -> str | None:
    """The beginning as text, or None where it is binary."""
    encoding = "utf-16" if start[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    # Up to three bytes of a character may be cut off at the end of the excerpt.
    text = start.decode(encoding, errors="ignore")
    lost = len(start) - len(text.encode(encoding))
    unprintable = sum(not (c.isprintable() or c in "\t\r\n\f\ufeff") for c in text)
    return text if text and lost <= 3 and unprintable == 0 else None
