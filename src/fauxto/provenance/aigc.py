"""China's AIGC label (GB 45438-2025) and the disclosures of ByteDance's and Tencent's apps."""

from __future__ import annotations

from typing import Any

from fauxto.provenance.evidence import excerpt, find_scalars, json_object, plain
from fauxto.provenance.metadata import Metadata
from fauxto.provenance.xmp import NS_TC260
from fauxto.record import Evidence

_FIELDS = (
    "Label",
    "ContentProducer",
    "ProduceID",
    "ContentPropagator",
    "PropagateID",
    "ReservedCode1",
    "ReservedCode2",
    "ServiceProvider",
    "ServiceUser",
)
_DEGREES = {"1": "generated", "2": "possibly generated", "3": "suspected to be generated"}
_BYTEDANCE = frozenset({"aigc_type", "aigc_label_type", "product"})


def _label_row(label: dict[str, Any], place: str) -> Evidence | None:
    """A row for one label, or None where it is not one."""
    fields = {name: excerpt(label[name], 300) for name in _FIELDS if name in label}
    own = {"ServiceProvider", "ServiceUser"}
    beside = {name for name in (*_FIELDS, "Time") if label.get(name)} - own
    tencent = own <= fields.keys() and bool(beside)
    degree = fields.get("Label", "").strip()
    if not fields or (degree and degree not in _DEGREES):
        return None
    sure = degree == "1" or (tencent and not degree)
    said = _DEGREES.get(
        degree, "made or edited by an AI service" if tencent else "under its AI labelling rule"
    )
    producer = fields.get("ContentProducer") or fields.get("ServiceProvider")
    by = f", producer {excerpt(producer, 60)}" if producer else ""
    found = f"China's AIGC label in {place} says: {said}{by}"
    return plain("aigc", "ai", "moderate" if sure else "weak", found, {"place": place, **fields})


def _unwrap(value: object) -> dict[str, Any] | None:
    """The label's fields from JSON text or an object, with or without the `AIGC` around them."""
    found = json_object(value) if isinstance(value, str) else value
    if not isinstance(found, dict):
        return None
    return _unwrap(found["AIGC"]) if "AIGC" in found else found


def _xmp_label(metadata: Metadata) -> dict[str, Any] | None:
    """`TC260:AIGC` of the image itself: JSON in an element or attribute, or a structure of fields."""
    for value in metadata.xmp_values(NS_TC260, "AIGC"):
        label = _unwrap(value)
        if label is not None:
            return label
    fields = {p.name: p.value for p in metadata.xmp if p.namespace == NS_TC260 and p.within == ("AIGC",)}
    return fields or None


def _exif_label(text: str) -> dict[str, Any] | None:
    """The label in an EXIF text, inside `AIGC`."""
    found = json_object(text)
    return _unwrap(found) if found is not None and "AIGC" in found else None


def _tencent_label(text: str) -> dict[str, Any] | None:
    """The label as Tencent writes it into EXIF ImageDescription."""
    found = json_object(text)
    known = found is not None and {"ServiceProvider", "ServiceUser"} <= found.keys()
    return found if known else None


def _segment_label(metadata: Metadata) -> dict[str, Any] | None:
    """A JPEG APP segment that is nothing but `AIGC{…}`."""
    for marker, payload in metadata.container.jpeg_segments:
        if 0xE0 <= marker <= 0xEF and payload[:5] == b"AIGC{":
            return _unwrap(payload[4:].rstrip(b"\0 ").decode("utf-8", "replace"))
    return None


def _labels(metadata: Metadata) -> list[tuple[str, dict[str, Any] | None]]:
    return [
        ("XMP `TC260:AIGC`", _xmp_label(metadata)),
        ("PNG text `AIGC`", _unwrap(metadata.png_text("AIGC"))),
        ("EXIF ImageDescription", _exif_label(metadata.description) or _tencent_label(metadata.description)),
        ("EXIF UserComment", _exif_label(metadata.user_comment)),
        ("a JPEG application segment", _segment_label(metadata)),
    ]


def _bytedance_row(metadata: Metadata) -> Evidence | None:
    """ByteDance's disclosure; a product's name alone, or a 0, discloses nothing."""
    for place, text in (
        ("EXIF ImageDescription", metadata.description),
        ("EXIF UserComment", metadata.user_comment),
    ):
        values = {name: excerpt(value, 100) for name, value in find_scalars(text, _BYTEDANCE).items()}
        if values.get("aigc_type") == "1" or values.get("aigc_label_type") in ("1", "2"):
            product = f" by {excerpt(values['product'], 60)}" if "product" in values else ""
            found = f"{place} discloses AI content in an export{product} (ByteDance's `aigc` fields)"
            return plain("aigc", "ai", "moderate", found, {"place": place, **values})
    return None


def read_aigc(metadata: Metadata) -> list[Evidence]:
    """Labels by China's rule, in the places the standard and the apps use.

    Label 1 (generated) is moderate; 2 (possibly) and 3 (suspected) are somebody's guess: weak. So is
    Tencent's where nothing but its two own fields is there.
    """
    rows = [
        row
        for place, label in _labels(metadata)
        if label is not None and (row := _label_row(label, place)) is not None
    ]
    disclosure = _bytedance_row(metadata)
    return rows if disclosure is None else [*rows, disclosure]
