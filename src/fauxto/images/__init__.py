"""Bytes to pixels: what is read, what is refused before decoding, and what the models get to see.

The way of one file: `read` (a path or stream to bytes), `sniff` (which format), `completeness` and
`tiff` (are all bytes there), `decoding` (one function a format), `pixels` (any mode to upright 8-bit RGB).
"""

from fauxto.images.decoding import DecodedImage, decode, open_image
from fauxto.images.formats import FORMAT_EXTENSIONS, FormatSupport, formats
from fauxto.images.read import Limits, read_bytes, read_stream
from fauxto.images.refusal import printable

__all__ = [
    "FORMAT_EXTENSIONS",
    "DecodedImage",
    "FormatSupport",
    "Limits",
    "decode",
    "formats",
    "open_image",
    "printable",
    "read_bytes",
    "read_stream",
]
