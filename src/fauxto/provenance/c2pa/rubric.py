"""What intact manifests say of a picture's origin.

After the local-signals rubric of the C2PA conformance programme (August 2026), over the active manifest
and its ancestors. *Inception* is how a picture came to be; any other action is a change, perceptible
unless it is one of the mechanical ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from fauxto.provenance.c2pa.lineage import Node
from fauxto.provenance.c2pa.store import Action

Origin = Literal["ai", "ai-edited", "camera"]

INCEPTIONS = frozenset({"c2pa.created", "c2pa.opened"})
MECHANICAL = frozenset(
    {
        "c2pa.converted",
        "c2pa.published",
        "c2pa.repackaged",
        "c2pa.transcoded",
        "c2pa.resized.proportional",
        "c2pa.enhanced",
        "c2pa.edited.metadata",
        "c2pa.watermarked",
        "c2pa.watermarked.bound",
        "c2pa.watermarked.unbound",
        "c2pa.redacted",
    }
)
GENERATED = frozenset({"trainedAlgorithmicMedia"})
PARTLY_GENERATED = frozenset(
    {
        "compositeWithTrainedAlgorithmicMedia",
        "compositedWithTrainedAlgorithmicMedia",  # misspelt, as some products write it
        "compositeSynthetic",
        "trainedAlgorithmicData",
    }
)
CAPTURED = frozenset({"digitalCapture", "computationalCapture"})


@dataclass(frozen=True)
class Signal:
    """One thing that one action in one manifest says."""

    origin: Origin
    node: Node
    action: Action


def signals(nodes: Iterable[Node]) -> Iterator[Signal]:
    """Everything that the manifests say of the picture's origin, nearest manifest first."""
    for node in nodes:
        for action in node.manifest.actions:
            origin = _origin(action, node.component)
            if origin is not None:
                yield Signal(origin, node, action)


def _origin(action: Action, component: bool) -> Origin | None:
    """What an action says; what was only placed can make a picture partly generated, no more."""
    generated = action.source_type in GENERATED
    if not action.name:
        return None
    if action.name in INCEPTIONS:
        if generated:
            return "ai-edited" if component else "ai"
        if action.source_type in PARTLY_GENERATED:
            return "ai-edited"
        return "camera" if action.source_type in CAPTURED and not component else None
    if action.name in MECHANICAL:
        return None
    return "ai-edited" if generated or action.source_type in PARTLY_GENERATED else None


def declares_synthid(nodes: Iterable[Node]) -> bool:
    """Whether an action says that Google's SynthID watermark was put in; it cannot be read offline."""
    said = (action.description.lower() for node in nodes for action in node.manifest.actions)
    return any("applied imperceptible synthid watermark" in description for description in said)
