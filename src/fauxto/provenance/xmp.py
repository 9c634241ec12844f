"""XMP packets to properties, by an XML parser that refuses what hostile packets use.

A packet with a document type or an entity declaration is refused before anything is expanded; size,
depth and number of elements are bounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from xml.parsers import expat

MAX_PACKET = 8 << 20  # bytes; the largest honest packets carry depth maps of a few megabytes
_MAX_ELEMENTS = 50_000
_MAX_DEPTH = 64
_MAX_VALUES = 20_000

NS_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
NS_XML = "http://www.w3.org/XML/1998/namespace"
NS_IPTC_EXT = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
NS_PHOTOSHOP = "http://ns.adobe.com/photoshop/1.0/"
NS_EXIF = "http://ns.adobe.com/exif/1.0/"
NS_XMP = "http://ns.adobe.com/xap/1.0/"
NS_TC260 = "http://www.tc260.org.cn/ns/AIGC/1.0/"

_STRUCTURE = {f"{NS_RDF} {name}" for name in ("Bag", "Seq", "Alt", "li", "Description")}


class XmpError(ValueError):
    """A packet that cannot be read; the message is for a person."""


@dataclass(frozen=True)
class XmpProperty:
    """One value of one property.

    Attributes:
        namespace: the namespace's URI.
        name: the local name.
        value: the text; for `rdf:resource` its URI.
        within: names of the properties that enclose it, outermost first; empty for the image's own.
    """

    namespace: str
    name: str
    value: str
    within: tuple[str, ...] = ()


@dataclass
class _Element:
    """An open element: the name it adds to the path of properties (None for RDF's own), and its text."""

    name: str | None
    text: list[str]
    has_children: bool = False


class _Reader:
    """Expat's callbacks: keeps the path of open properties and collects values."""

    def __init__(self) -> None:
        self.values: list[XmpProperty] = []
        self.open: list[_Element] = []
        self.elements = 0
        self.rdf_depth = 0

    def _add(self, path: list[str], value: str) -> None:
        if len(self.values) >= _MAX_VALUES:
            raise XmpError("the XMP packet has too many values")
        namespace, _, name = path[-1].rpartition(" ")
        within = tuple(part.rpartition(" ")[2] for part in path[:-1])
        self.values.append(XmpProperty(namespace, name, value, within))

    def _path(self) -> list[str]:
        return [element.name for element in self.open if element.name is not None]

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.elements += 1
        if self.elements > _MAX_ELEMENTS or len(self.open) > _MAX_DEPTH:
            raise XmpError("the XMP packet has too many or too deeply nested elements")
        if tag == f"{NS_RDF} RDF":
            self.rdf_depth += 1
        if self.open:
            self.open[-1].has_children = True
        is_property = self.rdf_depth > 0 and tag not in _STRUCTURE and tag != f"{NS_RDF} RDF"
        self.open.append(_Element(tag if is_property else None, []))
        if self.rdf_depth == 0:
            return
        path = self._path()
        for name, value in attributes.items():
            namespace = name.rpartition(" ")[0]
            if name == f"{NS_RDF} resource" and path:
                self._add(path, value)
            elif namespace and namespace not in (NS_RDF, NS_XML):
                self._add([*path, name], value)

    def text(self, text: str) -> None:
        if self.open:
            self.open[-1].text.append(text)

    def end(self, tag: str) -> None:
        path = self._path()
        element = self.open.pop()
        if tag == f"{NS_RDF} RDF":
            self.rdf_depth -= 1
        value = "".join(element.text).strip()
        if value and path and not element.has_children:
            self._add(path, value)


def _refuse(*_: object) -> None:
    raise XmpError("the XMP packet declares a document type or entities, which XMP never does")


def read_packet(packet: bytes) -> list[XmpProperty]:
    """Read one XMP packet.

    Args:
        packet: the XML, in UTF-8 or UTF-16, with or without its `xpacket` wrapper.

    Returns:
        Every value in document order.

    Raises:
        XmpError: the packet is too large, not well-formed, or built to exhaust its reader.
    """
    if len(packet) > MAX_PACKET:
        size, limit = len(packet) >> 20, MAX_PACKET >> 20
        raise XmpError(f"the XMP packet has {size} MiB, above the limit of {limit} MiB")
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    # Many writers pad with NUL bytes or blanks after the end, which XML forbids.
    wide = packet[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in packet[:4]
    try:
        parser.Parse(packet if wide else packet.strip(b"\0 \t\r\n"), True)
    except expat.ExpatError as error:
        raise XmpError(f"the XMP packet is not well-formed: {error}") from None
    except (ValueError, LookupError) as error:
        if isinstance(error, XmpError):
            raise
        raise XmpError(f"the XMP packet cannot be decoded: {error}") from None
    return reader.values
