"""The manifests of a C2PA store as typed values: exactly what their signers signed.

Everything here is read from the same bytes that the signature goes over: the claim, and the assertions
whose hashes the claim states and which were compared (C2PA specification 2.2, sections 8, 11 and 15). So
no second reader's view of the file stands between a claim and the key that vouches for it. Manifests are
read one by one when asked for: a broken ancestor does not hide a sound descendant.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fauxto.provenance.jumbf import Box, JumbfError, decode_cbor, parse_superbox

MAX_MANIFESTS = 256

_STORE = "c2pa"
_MANIFEST_TYPES = (b"c2ma", b"c2um")  # a manifest, and one that only updates its parent's
_COMPRESSED = b"c2cm"
_UUID_TAIL = bytes.fromhex("00110010800000aa00389b71")
_ACTIONS = ("c2pa.actions", "c2pa.actions.v2")
_INGREDIENTS = ("c2pa.ingredient", "c2pa.ingredient.v2", "c2pa.ingredient.v3")
_MANIFEST_IN_URL = re.compile(r"^(?:self#jumbf=)?/c2pa/([^/]+)")


@dataclass(frozen=True)
class Action:
    """One step that the signer says was taken.

    Attributes:
        name: such as `c2pa.created`.
        source_type: the last part of its digital source type (`trainedAlgorithmicMedia`), or empty.
        agent: the software named for it, or empty.
        description: free text, or empty.
    """

    name: str
    source_type: str = ""
    agent: str = ""
    description: str = ""


@dataclass(frozen=True)
class HashedLink:
    """A box's address, and the hash that it must have."""

    url: str
    algorithm: str
    digest: bytes

    def matches(self, box: Box) -> bool:
        """Whether the box has that hash; C2PA hashes everything after the superbox's header."""
        if self.algorithm not in ("sha256", "sha384", "sha512"):
            return False
        return hashlib.new(self.algorithm, box.payload).digest() == self.digest


@dataclass(frozen=True)
class Ingredient:
    """Something that went into a picture.

    Attributes:
        relationship: `parentOf`, `componentOf` or `inputTo`.
        title: its name, for people.
        manifest: the link to its manifest in the store, or None where it had none.
        signature: the link to that manifest's signature, which holds where parts of the manifest were
            redacted since; or None.
        recorded: validation codes that the signer saw, with the address each is about.
    """

    relationship: str
    title: str = ""
    manifest: HashedLink | None = None
    signature: HashedLink | None = None
    recorded: tuple[tuple[str, str], ...] = ()

    @property
    def target(self) -> str | None:
        """The label of its manifest, or None."""
        return None if self.manifest is None else manifest_label(self.manifest.url)


@dataclass(frozen=True)
class Manifest:
    """One manifest.

    Attributes:
        label: its name in the store.
        claim: the claim's bytes, which the signature goes over.
        cose: the signature's bytes.
        generator: the software that made the claim, as it calls itself.
        actions: all actions, in order.
        ingredients: all ingredients.
        broken: what does not match the claim, for a person; empty where all does.
        missing: labels of assertions that the claim states and the store lacks. A manifest above may have
            redacted them; where none did, it is broken.
        redacted: addresses of the assertions in manifests below that the claim says were redacted.
    """

    label: str
    claim: bytes
    cose: bytes
    generator: str
    actions: tuple[Action, ...]
    ingredients: tuple[Ingredient, ...]
    broken: tuple[str, ...]
    missing: tuple[str, ...]
    redacted: tuple[str, ...]

    def faults(self, redacted: Collection[tuple[str | None, str]] = ()) -> list[str]:
        """What is wrong with it, for a person.

        Args:
            redacted: manifest and assertion by their labels, as the manifests above say.
        """
        gone = [label for label in self.missing if (self.label, label) not in redacted]
        return [*self.broken, *(f"assertion {label} is missing" for label in gone)]


def manifest_label(url: str) -> str | None:
    """The manifest that a JUMBF address names, or None where the address is relative."""
    found = _MANIFEST_IN_URL.match(url)
    return found.group(1) if found else None


class Store:
    """A manifest store; manifests are read when first asked for.

    Attributes:
        raw: the store's bytes.
        active: the label of the active manifest, the last one.
        labels: the labels of all manifests, in order.
    """

    def __init__(self, raw: bytes) -> None:
        """Read the boxes of a store.

        Raises:
            JumbfError: the bytes are no sound manifest store within the limits.
        """
        self.raw = raw
        root = parse_superbox(raw)
        if root.label != _STORE:
            raise JumbfError("the JUMBF box is not a C2PA manifest store")
        if any(child.uuid == _COMPRESSED + _UUID_TAIL for child in root.children):
            raise JumbfError("a manifest is compressed, which fauxto does not read")
        types = [kind + _UUID_TAIL for kind in _MANIFEST_TYPES]
        boxes = [child for child in root.children if child.uuid in types]
        if not 0 < len(boxes) <= MAX_MANIFESTS:
            raise JumbfError(f"the store holds {len(boxes)} manifests")
        self._boxes = {box.label: box for box in boxes}
        if len(self._boxes) != len(boxes):
            raise JumbfError("two manifests have the same label")
        self._read: dict[str, Manifest] = {}
        self.active = boxes[-1].label
        self.labels = tuple(self._boxes)
        if self._is_circular():
            raise JumbfError("ingredients lead back to themselves")

    def __contains__(self, label: str) -> bool:
        return label in self._boxes

    def manifest(self, label: str) -> Manifest:
        """The manifest of that label.

        Raises:
            KeyError: there is none.
            JumbfError: it is malformed.
        """
        if label not in self._read:
            self._read[label] = _read_manifest(self._boxes[label])
        return self._read[label]

    def links_match(self, ingredient: Ingredient) -> bool:
        """Whether the manifest in the store is the one that the ingredient's hashes are about."""
        box = self._boxes.get(ingredient.target or "")
        if box is None or ingredient.manifest is None:
            return False
        if ingredient.manifest.matches(box):
            return True
        signature = [child for child in box.children if child.label == "c2pa.signature"]
        return ingredient.signature is not None and any(map(ingredient.signature.matches, signature))

    def _is_circular(self) -> bool:
        """Whether ingredients lead back to where they came from.

        No honest store does: a link holds the hash of what it points to, which must exist before it.
        """
        done: set[str] = set()
        for start in self.labels:
            way = {start: iter(self._targets(start))}
            while way:
                label, targets = next(reversed(way.items()))
                target = next(targets, None)
                if target is None:
                    done.add(label)
                    del way[label]
                elif target in way:
                    return True
                elif target not in done:
                    way[target] = iter(self._targets(target))
        return False

    def _targets(self, label: str) -> list[str]:
        """The manifests in the store that a manifest's ingredients name; none where it is malformed."""
        try:
            ingredients = self.manifest(label).ingredients
        except JumbfError:
            return []
        return [one.target for one in ingredients if one.target is not None and one.target in self]


# Reading one manifest


def _child(box: Box, *labels: str) -> Box:
    found = [child for child in box.children if child.label in labels]
    if len(found) != 1:
        raise JumbfError(f"manifest {box.label!r} holds {len(found)} boxes {labels[0]!r}, not one")
    return found[0]


def _map(data: bytes) -> dict[Any, Any]:
    value = decode_cbor(data)
    if not isinstance(value, dict):
        raise JumbfError("a claim or assertion is not a map")
    return value


def _read_manifest(box: Box) -> Manifest:
    claim = _child(box, "c2pa.claim", "c2pa.claim.v2").content(b"cbor")
    fields = _map(claim)
    broken: list[str] = []
    missing: list[str] = []
    actions: list[Action] = []
    ingredients: list[Ingredient] = []
    for name, content in _assertions(box, fields, broken, missing):
        if name in _ACTIONS:
            actions.extend(_actions(content))
        else:
            ingredients.append(_ingredient(content, str(fields.get("alg", "sha256"))))
    return Manifest(
        label=box.label,
        claim=claim,
        cose=_child(box, "c2pa.signature").content(b"cbor"),
        generator=_generator(fields),
        actions=tuple(actions),
        ingredients=tuple(ingredients),
        broken=tuple(broken),
        missing=tuple(missing),
        redacted=tuple(filter(None, map(_text, _list(fields.get("redacted_assertions"))))),
    )


def _assertions(
    box: Box, claim: Mapping[Any, Any], broken: list[str], missing: list[str]
) -> Iterator[tuple[str, dict[Any, Any]]]:
    """Name and content of the actions and ingredients that the claim states, their hashes compared."""
    store = [child for child in box.children if child.label == "c2pa.assertions"]
    boxes = [child for one in store for child in one.children]
    for key in ("assertions", "created_assertions", "gathered_assertions"):
        for entry in _list(claim.get(key)):
            link = _link(entry, str(claim.get("alg", "sha256")))
            if link is None:
                broken.append("an assertion is stated without address or hash")
                continue
            label = link.url.rpartition("/")[2]
            name = label.partition("__")[0]
            if name not in (*_ACTIONS, *_INGREDIENTS):
                continue
            found = [child for child in boxes if child.label == label]
            outside = manifest_label(link.url) not in (None, box.label)
            if not found and not outside and name not in _ACTIONS:  # actions must not be redacted
                missing.append(label)
                continue
            if outside or len(found) != 1 or not link.matches(found[0]):
                broken.append(f"assertion {label} is missing or does not have the stated hash")
                continue
            yield name, _map(found[0].content(b"cbor"))


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _link(entry: object, default: str) -> HashedLink | None:
    """A hashed URI; `default` is the claim's algorithm."""
    if not isinstance(entry, dict) or not isinstance(entry.get("hash"), bytes):
        return None
    return HashedLink(_text(entry.get("url")), _text(entry.get("alg")) or default, entry["hash"])


def _name_and_version(value: object) -> str:
    """A program as text: `claim_generator_info` and newer software agents are maps, older ones text."""
    if isinstance(value, dict):
        parts = (_text(value.get("name")), _text(value.get("version")))
        return " ".join(part for part in parts if part)
    return _text(value)


def _generator(claim: Mapping[Any, Any]) -> str:
    info = claim.get("claim_generator_info")
    first = next(iter(_list(info)), None) if isinstance(info, list) else info
    return _name_and_version(first) or _text(claim.get("claim_generator"))


def _source_type(action: Mapping[Any, Any]) -> str:
    """The bare term; Adobe once wrote it among the parameters, under a name of its own."""
    parameters = action.get("parameters")
    places = (action, parameters if isinstance(parameters, dict) else {})
    for place in places:
        for key in ("digitalSourceType", "com.adobe.digitalSourceType"):
            if found := _text(place.get(key)):
                return found.rstrip("/").rpartition("/")[2]
    return ""


def _actions(content: Mapping[Any, Any]) -> Iterator[Action]:
    """The actions of one assertion; what an action leaves out, its template may say."""
    agents = _list(content.get("softwareAgents"))
    templates = [one for one in _list(content.get("templates")) if isinstance(one, dict)]
    for raw in _list(content.get("actions")):
        if not isinstance(raw, dict):
            continue
        name = _text(raw.get("action"))
        same = [one for one in templates if one.get("action") in (name, "*")]
        sources = [raw, *sorted(same, key=lambda one: one.get("action") == "*")]
        yield Action(
            name=name,
            source_type=next(filter(None, map(_source_type, sources)), ""),
            agent=next(filter(None, (_agent(one, agents) for one in sources)), ""),
            description=next(filter(None, (_text(one.get("description")) for one in sources)), ""),
        )


def _agent(action: Mapping[Any, Any], agents: list[Any]) -> str:
    index = action.get("softwareAgentIndex")
    if isinstance(index, int) and 0 <= index < len(agents):
        return _name_and_version(agents[index])
    return _name_and_version(action.get("softwareAgent"))


def _ingredient(content: Mapping[Any, Any], default: str) -> Ingredient:
    """One ingredient: versions 1 and 2 call the link `c2pa_manifest`, version 3 `activeManifest`."""
    return Ingredient(
        relationship=_text(content.get("relationship")),
        title=_text(content.get("dc:title")),
        manifest=_link(content.get("activeManifest") or content.get("c2pa_manifest"), default),
        signature=_link(content.get("claimSignature"), default),
        recorded=tuple(_recorded(content)),
    )


def _recorded(content: Mapping[Any, Any]) -> Iterator[tuple[str, str]]:
    """Validation codes that the signer wrote down when it took the ingredient in."""
    results = content.get("validationResults")
    results = results if isinstance(results, dict) else {}
    lists = [content.get("validationStatus")]
    groups = [results.get("activeManifest")]
    groups += [
        one.get("validationDeltas") for one in _list(results.get("ingredientDeltas")) if isinstance(one, dict)
    ]
    lists += [group.get("failure") for group in groups if isinstance(group, dict)]
    for statuses in lists:
        for status in _list(statuses):
            if isinstance(status, dict):
                yield _text(status.get("code")), _text(status.get("url"))
