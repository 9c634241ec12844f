"""One file's metadata as the readers ask for it: each family parsed once, when first needed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from fauxto.provenance.containers import Container
from fauxto.provenance.iim import read_data_sets
from fauxto.provenance.tiff import Tiff, parse_tiff

if TYPE_CHECKING:
    from fauxto.provenance.xmp import XmpProperty

_IMAGE_DESCRIPTION, _USER_COMMENT = 0x010E, 0x9286
_MAX_COMMENT = 8 << 20

# Names that some reader looks for. A packet without them needs no XML parser, which is what keeps an
# ordinary photograph cheap; whether they stand where they count is decided after parsing.
_XMP_NAMES = re.compile(
    rb"DigitalSourceType|AISystem|AIPrompt|DigImageGUID|tc260|reve\.com|Google AI|UserComment"
    rb"|<!DOCTYPE|<!ENTITY"
)


@dataclass(frozen=True)
class Metadata:
    """What one container carries, parsed on demand.

    Attributes:
        container: the parts that `containers.parse` found.
    """

    container: Container

    @cached_property
    def tiff(self) -> Tiff | None:
        """The EXIF block's directories; None where there is none or it is malformed."""
        return None if self.container.exif is None else parse_tiff(self.container.exif)

    def exif_text(self, number: int) -> str:
        """An EXIF tag as text without padding; empty where it is absent."""
        return "" if self.tiff is None else self.tiff.text(number)

    @cached_property
    def description(self) -> str:
        """EXIF ImageDescription."""
        return self.exif_text(_IMAGE_DESCRIPTION)

    @cached_property
    def user_comment(self) -> str:
        """EXIF UserComment, decoded by its character code."""
        tag = None if self.tiff is None else self.tiff.find(_USER_COMMENT)
        if self.tiff is None or tag is None:
            return ""
        return _decode_comment(self.tiff.raw(tag, _MAX_COMMENT), self.tiff.order)

    @cached_property
    def _xmp(self) -> tuple[tuple[XmpProperty, ...], tuple[str, ...]]:
        if not self.container.xmp:
            return (), ()
        # Here, as most files hold no packet and need no parser of XML.
        from fauxto.provenance.xmp import MAX_PACKET, XmpError, read_packet

        values: list[XmpProperty] = []
        problems: list[str] = []
        for packet in self.container.xmp:
            if len(packet) <= MAX_PACKET and not (_XMP_NAMES.search(packet) or b"\0" in packet[:200]):
                continue
            try:
                values.extend(read_packet(packet))
            except XmpError as error:
                problems.append(str(error))
        return tuple(values), tuple(problems)

    @property
    def xmp(self) -> tuple[XmpProperty, ...]:
        """The values of every XMP packet that names something a reader looks for."""
        return self._xmp[0]

    @property
    def xmp_problems(self) -> tuple[str, ...]:
        """Why packets could not be read, one sentence each."""
        return self._xmp[1]

    def xmp_values(self, namespace: str, name: str) -> list[str]:
        """Values of a property of the image itself (not of an ingredient or another part)."""
        return [p.value for p in self.xmp if p.name == name and p.namespace == namespace and not p.within]

    @cached_property
    def iim(self) -> list[tuple[tuple[int, int], str]]:
        """IPTC-IIM data sets."""
        return [] if self.container.iptc_iim is None else read_data_sets(self.container.iptc_iim)

    def png_text(self, keyword: str) -> str | None:
        """The first PNG text with this keyword."""
        return next((text.text for text in self.container.png_text if text.keyword == keyword), None)


def _decode_comment(raw: bytes, order: str) -> str:
    """EXIF UserComment: eight bytes of character code, then the text."""
    code, body = raw[:8], raw[8:]
    if code == b"UNICODE\0":
        return _decode_utf16(body, order).strip("\0 ")
    if code not in (b"ASCII\0\0\0", b"\0" * 8, b"JIS\0\0\0\0\0"):
        body = raw  # a writer that left the code out
    encoding = "iso2022_jp" if code == b"JIS\0\0\0\0\0" else "utf-8"
    return body.decode(encoding, "replace").strip("\0 ")


def _decode_utf16(body: bytes, order: str) -> str:
    """UTF-16 whose byte order writers disagree about: EXIF says the block's, many write big endian."""
    if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return body.decode("utf-16", "replace")
    sample = body[:200]
    high, low = sample[::2].count(0), sample[1::2].count(0)
    if high == low:
        return body.decode("utf-16-le" if order == "<" else "utf-16-be", "replace")
    return body.decode("utf-16-be" if high > low else "utf-16-le", "replace")
