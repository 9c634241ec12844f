"""From the active manifest to the parents and components that it builds on, as far as all is intact.

**What a signature on an ancestor is worth.** The hash over the picture stands in the active manifest;
an ancestor's manifest is tied to it only by a hash over the *manifest*, and its own picture is not here
to compare. So anybody can take a picture of their own, sign it with a key of their own, and name as its
parent a manifest that a known maker once signed for something else: every hash holds. A claim is
therefore worth no more than the weakest signer between the active manifest and the one it stands in. Where
all of them are known, each vouches that it opened what the manifest below it describes: products that
sign for known makers check the parent's picture when they open it, and write down what did not match.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from fauxto.provenance.c2pa.library import Findings, Status, is_tampering
from fauxto.provenance.c2pa.store import Ingredient, Manifest, Store, manifest_label
from fauxto.provenance.jumbf import JumbfError
from fauxto.provenance.signers import KnownIssuers, Signer, read_signer
from fauxto.record import Strength

State = Literal["trusted", "known-signer", "unknown-signer"]

_ORDER: tuple[Strength, ...] = ("weak", "moderate", "strong")
# The signer's certificate itself is no good, whoever issued it.
_DISOWNED = ("signingCredential.invalid", "signingCredential.ocsp.revoked")


@dataclass(frozen=True)
class Node:
    """One manifest on the way.

    Attributes:
        manifest: what it says.
        signer: who signed it.
        state: what the signer is worth by name.
        worth: what the weakest signer between it and the picture is worth.
        depth: 0 for the active manifest.
        component: whether the way to it leads through something that was only placed.
    """

    manifest: Manifest
    signer: Signer
    state: State
    worth: Strength
    depth: int
    component: bool


@dataclass(frozen=True)
class Break:
    """An ingredient whose manifest cannot be relied on.

    Attributes:
        label: the manifest's label.
        reason: why, a clause for a person.
        since: whether that came about after it was taken in, so that the file was altered.
    """

    label: str
    reason: str
    since: bool


@dataclass(frozen=True)
class Lineage:
    """The active manifest first, then its ancestors and components, nearest first."""

    nodes: tuple[Node, ...]
    breaks: tuple[Break, ...]

    @property
    def active(self) -> Node:
        """The active manifest."""
        return self.nodes[0]


def weakest(first: Strength, second: Strength) -> Strength:
    """The weaker of two strengths."""
    return min(first, second, key=_ORDER.index)


def is_stronger(first: Strength, second: Strength) -> bool:
    """Whether the first strength is above the second."""
    return _ORDER.index(first) > _ORDER.index(second)


def follow(store: Store, findings: Findings, known: KnownIssuers) -> Lineage:
    """Walk from the active manifest along `parentOf` and `componentOf`.

    Args:
        store: the manifests.
        findings: what the library found; the active manifest must be intact.
        known: the issuers to accept.

    Raises:
        JumbfError: the active manifest is malformed.
    """
    active = store.manifest(store.active)
    first = _node(active, read_signer(active.cose, active.claim, known), findings, None, False)
    nodes, breaks = [first], []
    seen = {(store.active, False)}
    queue = deque([first])
    while queue:
        node = queue.popleft()
        for ingredient in node.manifest.ingredients:
            component = node.component or ingredient.relationship == "componentOf"
            step = (ingredient.target or "", component)
            if ingredient.relationship not in ("parentOf", "componentOf") or not step[0] or step in seen:
                continue
            seen.add(step)
            below = _open(store, ingredient, step[0], findings, known, _redacted(nodes))
            if isinstance(below, Break):
                breaks.append(below)
                continue
            manifest, signer = below
            nodes.append(_node(manifest, signer, findings, node, component))
            queue.append(nodes[-1])
    return Lineage(tuple(nodes), tuple(breaks))


def _redacted(nodes: list[Node]) -> set[tuple[str | None, str]]:
    """Manifest and assertion, by their labels, that intact manifests say were redacted."""
    urls = [url for node in nodes for url in node.manifest.redacted]
    return {(manifest_label(url), url.rpartition("/")[2]) for url in urls}


def _open(
    store: Store,
    ingredient: Ingredient,
    label: str,
    findings: Findings,
    known: KnownIssuers,
    redacted: Collection[tuple[str | None, str]],
) -> tuple[Manifest, Signer] | Break:
    """The ingredient's manifest and signer, where everything about it holds."""
    if label not in store:
        return Break(label, "its manifest is not in the file", since=False)
    recorded = [
        code
        for code, url in ingredient.recorded
        if is_tampering(code) and manifest_label(url) in (None, label)
    ]
    if recorded:
        return Break(label, f"it was broken already when it was taken in ({recorded[0]})", since=False)
    try:
        manifest = store.manifest(label)
    except JumbfError as error:
        return Break(label, str(error), since=True)
    signer = read_signer(manifest.cose, manifest.claim, known)
    found = [one.code for one in _failures_about(label, findings.deltas) if is_tampering(one.code)]
    if not store.links_match(ingredient):
        found.append("ingredient.manifest.mismatch")
    found += manifest.faults(redacted)[:1]
    if found:
        return Break(label, f"it was altered ({', '.join(dict.fromkeys(found))})", since=True)
    if not signer.signed:  # an algorithm that is not read here; a wrong signature the library reports
        return Break(label, f"its signature could not be verified ({signer.problem})", since=False)
    return manifest, _unless_disowned(signer, [code for code, _ in ingredient.recorded])


def _failures_about(label: str, statuses: tuple[Status, ...]) -> list[Status]:
    return [one for one in statuses if one.kind == "failure" and manifest_label(one.url) == label]


def _unless_disowned(signer: Signer, codes: list[str]) -> Signer:
    """The signer, or an unknown one where its certificate was revoked or is not meant for signing."""
    bad = [code for code in codes if code in _DISOWNED]
    if not bad or signer.standing == "sample":
        return signer
    return Signer(
        signed=signer.signed,
        organisation=signer.organisation,
        common_name=signer.common_name,
        issuer=signer.issuer,
        chain=signer.chain,
        problem=f"its certificate is no good ({bad[0]})",
    )


def _node(
    manifest: Manifest, signer: Signer, findings: Findings, parent: Node | None, component: bool
) -> Node:
    statuses = findings.statuses if parent is None else findings.deltas
    about = [one for one in statuses if manifest_label(one.url) == manifest.label]
    signer = _unless_disowned(signer, [one.code for one in about if one.kind == "failure"])
    # The library (c2pa-python 0.38) trusts signers on a list for time stamps too, so its word is not enough.
    trusted = signer.listed and any(
        one.code == "signingCredential.trusted" for one in about if one.kind == "success"
    )
    state: State = "known-signer" if signer.standing == "known" else "unknown-signer"
    own: Strength = "strong" if signer.standing == "known" else "moderate"
    if signer.standing == "sample":  # its key is public, whatever a list says
        own = "weak"
    elif trusted:
        state, own = "trusted", "strong"
    return Node(
        manifest=manifest,
        signer=signer,
        state=state,
        worth=own if parent is None else weakest(own, parent.worth),
        depth=0 if parent is None else parent.depth + 1,
        component=component,
    )
