"""Generators' own metadata: each program's mark, in the places that program writes it and only there."""

from __future__ import annotations

from itertools import chain

from fauxto.provenance.evidence import excerpt, plain
from fauxto.provenance.generators.credits import credit_findings
from fauxto.provenance.generators.exif_tags import exif_findings
from fauxto.provenance.generators.novelai import read_novelai
from fauxto.provenance.generators.png_text import png_findings
from fauxto.provenance.generators.settings import Finding
from fauxto.provenance.metadata import Metadata
from fauxto.provenance.raster import Raster
from fauxto.provenance.samsung import read_samsung
from fauxto.record import Evidence

_STRENGTH = {"moderate": 1, "weak": 0}


def _rank(finding: Finding) -> tuple[int, bool]:
    return _STRENGTH.get(finding.strength, 0), finding.claim == "ai"


def _settle(found: list[tuple[str, Finding, str]]) -> list[tuple[str, Finding, str]]:
    """What decides for ComfyUI: the graph that ran (`prompt`) rather than the one on the screen."""
    ran = [place for place, f, _ in found if f.product == "ComfyUI" and place.endswith(("`prompt`", "Model"))]
    if not ran:
        return found
    return [row for row in found if row[1].product != "ComfyUI" or row[0] in ran]


def _row(product: str, found: list[tuple[str, Finding, str]]) -> Evidence:
    """One row for a product, by its strongest mark; all places are named in `data`."""
    place, finding, value = max(found, key=lambda item: _rank(item[1]))
    data = {"product": product, "places": [p for p, _, _ in found], "value": excerpt(value)}
    return plain("generator", finding.claim, finding.strength, f"{place} holds {finding.what}", data)


def read_generators(raster: Raster) -> list[Evidence]:
    """What generators and AI editors wrote about themselves, one row a product."""
    metadata: Metadata = raster.metadata
    found = list(chain(png_findings(metadata), exif_findings(metadata), credit_findings(metadata)))
    by_product: dict[str, list[tuple[str, Finding, str]]] = {}
    for item in _settle(found):
        by_product.setdefault(item[1].product, []).append(item)
    rows = [_row(product, items) for product, items in by_product.items()]
    return [*rows, *read_novelai(raster), *read_samsung(raster.data, raster.container)]
