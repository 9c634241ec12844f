"""Rows of evidence from an examined store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fauxto.provenance.c2pa.library import Findings, is_tampering
from fauxto.provenance.c2pa.lineage import Lineage, Node, is_stronger
from fauxto.provenance.c2pa.rubric import Signal, declares_synthid, signals
from fauxto.provenance.c2pa.store import Store
from fauxto.provenance.evidence import excerpt
from fauxto.provenance.signers import Signer
from fauxto.record import Claim, Evidence, Strength

_SHORT = 200  # characters of a name that a row keeps
_MANY = 50  # actions, codes and the like that a row keeps

_SAYS: dict[Claim, str] = {
    "ai": "say that a generative model made the picture",
    "ai-edited": "say that a generative model made or changed part of the picture",
    "camera": "say that a camera took the picture",
    "other": "say nothing of a generative model or a camera",
}


def _printable(text: str, limit: int) -> str:
    """Text from the file as part of a sentence: one line, no control or direction characters."""
    line = " ".join(excerpt(text, 4 * limit).split())
    return excerpt("".join(one if one.isprintable() else "�" for one in line), limit)


def not_checked(reason: str, remote: str | None) -> Evidence:
    """The row for Content Credentials that are there and could not be judged."""
    return Evidence(
        source="c2pa",
        claim="not-checked",
        strength="weak",
        detail=f"Content Credentials were not checked: {_printable(reason, 400)}",
        data={"state": "not-checked", "remote": remote},
    )


def tampered_codes(store: Store, findings: Findings) -> list[str]:
    """Why the active manifest does not hold; empty where it does.

    Raises:
        JumbfError: the active manifest is malformed.
    """
    codes = [one.code for one in findings.statuses if one.kind == "failure" and is_tampering(one.code)]
    if findings.active != store.active:
        codes.append("claim.missing")
    if not findings.signature_validated:
        codes.append("claimSignature.missing")
    if not findings.bound:
        codes.append("claim.hardBindings.missing")
    if store.manifest(store.active).faults():
        codes.append("assertion.hashedURI.mismatch")
    return list(dict.fromkeys(codes))


def tampered(codes: Sequence[str], findings: Findings, remote: str | None) -> Evidence:
    """The row for Content Credentials that were made for other bytes than these."""
    return Evidence(
        source="c2pa",
        claim="other",
        strength="weak",
        detail=f"Content Credentials do not match the file any more ({codes[0]})",
        data={"state": "tampered", "remote": remote, "validation": _validation(findings)},
    )


def rows(lineage: Lineage, findings: Findings, remote: str | None) -> list[Evidence]:
    """The rows for an intact active manifest."""
    found = list(signals(lineage.nodes))
    chosen = _chosen(found)
    altered = [one for one in lineage.breaks if one.since]
    if not any(claim in ("ai", "ai-edited") for claim, _ in chosen) and altered:
        return [_altered_ancestor(lineage, findings, remote)]
    if not chosen:
        active = lineage.active
        return [_row("other", "weak", active, lineage, (), findings, remote)]
    return [
        _row(claim, _strength(claim, best.node), best.node, lineage, found, findings, remote)
        for claim, best in chosen
    ]


def _strength(claim: Claim, node: Node) -> Strength:
    """A camera's claim counts behind known signers only; the others by the weakest signer."""
    if claim == "camera" and node.worth != "strong":
        return "weak"
    return node.worth


def _chosen(found: Sequence[Signal]) -> list[tuple[Claim, Signal]]:
    """What to report: the best-vouched signal of each kind that adds something.

    A change by AI adds nothing to a picture that AI made, unless it is better vouched for. A capture
    counts where nothing speaks of AI, or only what a public sample certificate signed.
    """
    best: dict[str, Signal] = {}
    for one in found:
        if one.origin not in best or is_stronger(one.node.worth, best[one.origin].node.worth):
            best[one.origin] = one
    chosen: list[tuple[Claim, Signal]] = []
    made, changed = best.get("ai"), best.get("ai-edited")
    if made is not None:
        chosen.append(("ai", made))
    if changed is not None and (made is None or is_stronger(changed.node.worth, made.node.worth)):
        chosen.append(("ai-edited", changed))
    if "camera" in best and all(one.node.worth == "weak" for _, one in chosen):
        chosen.append(("camera", best["camera"]))
    return chosen


def _altered_ancestor(lineage: Lineage, findings: Findings, remote: str | None) -> Evidence:
    first = next(one for one in lineage.breaks if one.since)
    reason = _printable(first.reason, _SHORT)
    return Evidence(
        source="c2pa",
        claim="other",
        strength="weak",
        detail=f"A manifest inside the Content Credentials does not match any more: {reason}",
        data={
            "state": "tampered",
            "remote": remote,
            "active_signer": _signer(lineage.active),
            "broken_ingredients": _breaks(lineage),
            "validation": _validation(findings),
        },
    )


def _row(
    claim: Claim,
    strength: Strength,
    node: Node,
    lineage: Lineage,
    found: Sequence[Signal],
    findings: Findings,
    remote: str | None,
) -> Evidence:
    """One row; `node` is the manifest that the claim stands in."""
    same = [one.action for one in found if one.node is node]
    every = [action for one in lineage.nodes for action in one.manifest.actions]
    synthid = declares_synthid(lineage.nodes)
    agents = [one.agent for one in (*same, *node.manifest.actions) if one.agent]
    return Evidence(
        source="c2pa",
        claim=claim,
        strength=strength,
        detail=_detail(claim, node, lineage, agents, synthid),
        data={
            "state": node.state,
            "signer": _signer(node),
            "active_signer": _signer(lineage.active),
            "claim_generator": excerpt(node.manifest.generator, _SHORT),
            "software_agents": _unique(agents),
            "digital_source_types": _unique([one.source_type for one in every if one.source_type]),
            "actions": [excerpt(one.name, _SHORT) for one in every[:_MANY]],
            "found_in": _place(node),
            "depth": node.depth,
            "manifest": excerpt(node.manifest.label, _SHORT),
            "synthid_declared": synthid,
            "remote": remote,
            "broken_ingredients": _breaks(lineage),
            "validation": _validation(findings),
        },
    )


def _unique(values: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(excerpt(one, _SHORT) for one in values))[:_MANY]


def _place(node: Node) -> str:
    if node.component:
        return "component"
    return "active" if node.depth == 0 else "parent"


def _signer(node: Node) -> dict[str, Any]:
    signer = node.signer
    row = signer.known_by
    return {
        "state": node.state,
        "organisation": excerpt(signer.organisation, _SHORT),
        "common_name": excerpt(signer.common_name, _SHORT),
        "issuer": excerpt(signer.issuer, _SHORT),
        "sample": signer.standing == "sample",
        "known_by": None if row is None else {"certificate": row.certificate, "sha256": row.sha256},
        "problem": excerpt(signer.problem, _SHORT),
    }


def _breaks(lineage: Lineage) -> list[str]:
    return [excerpt(f"{one.label}: {one.reason}", 2 * _SHORT) for one in lineage.breaks[:_MANY]]


def _validation(findings: Findings) -> dict[str, list[str]]:
    """The library's codes; those about ingredients apart."""
    groups: dict[str, list[str]] = {"success": [], "informational": [], "failure": [], "ingredients": []}
    for one in findings.statuses:
        groups[one.kind].append(one.code)
    groups["ingredients"] = [one.code for one in findings.deltas if one.kind == "failure"]
    return {name: list(dict.fromkeys(codes))[:_MANY] for name, codes in groups.items()}


# The sentence


def _who(signer: Signer, state: str) -> str:
    name = _printable(signer.organisation or signer.common_name, 80)
    if signer.standing == "sample":
        return "with the public test certificate"
    if state == "unknown-signer":
        return f"by an unknown signer that calls itself “{name}”" if name else "by an unknown signer"
    return f"by {name or 'a known signer'}"


def _detail(claim: Claim, node: Node, lineage: Lineage, agents: Sequence[str], synthid: bool) -> str:
    """One sentence: who says what, with which program, and what that is worth."""
    where = {
        "active": "",
        "parent": " in a parent’s manifest",
        "component": " in a placed component’s manifest",
    }
    text = f"Content Credentials{where[_place(node)]} signed {_who(node.signer, node.state)} {_SAYS[claim]}"
    program = agents[0] if agents else node.manifest.generator
    if program and claim != "other":
        text += f" ({_printable(program, 80)})"
    if node.depth and node.worth != "strong" and node.state != "unknown-signer":
        text += f", but they reach this file only through a manifest signed {_weak_link(lineage)}"
    if synthid:
        text += "; they declare a SynthID watermark, which only Google’s own checkers can read"
    return text


def _weak_link(lineage: Lineage) -> str:
    """The signer nearest to the picture that nobody vouches for."""
    weak = next((one for one in lineage.nodes if one.worth != "strong"), lineage.active)
    return _who(weak.signer, weak.state)
