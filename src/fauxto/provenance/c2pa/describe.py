"""A manifest store in full, for `fauxto inspect`: raw values, names and hashes, no judgement."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Any

from fauxto.provenance.c2pa.library import LibraryError, check
from fauxto.provenance.c2pa.locate import Located
from fauxto.provenance.c2pa.store import Store
from fauxto.provenance.containers import Container
from fauxto.provenance.jumbf import JumbfError
from fauxto.provenance.options import ProvenanceOptions
from fauxto.provenance.signers import KnownIssuers, known_issuers, read_signer
from fauxto.provenance.trust import trust_in_force


def described_store(
    data: bytes, container: Container, located: Located, options: ProvenanceOptions
) -> dict[str, Any]:
    """The store as JSON values, as far as it can be read; `problem` says why no further.

    Raises:
        UsageError: a trust list in force cannot be read.
    """
    trust = trust_in_force(options)
    known = KnownIssuers(known_issuers(), trust.signers)
    found: dict[str, Any] = {
        "remote": located.remote,
        "bytes": len(located.store),
        "sha256": hashlib.sha256(located.store).hexdigest(),
    }
    try:
        store = Store(located.store)
        found["active"] = store.active
        found["manifests"] = [_manifest(store, label, known) for label in store.labels]
        found["report"] = json.loads(check(data, container, store, trust).report)
    except (JumbfError, LibraryError) as error:
        found["problem"] = str(error)
    return found


def _manifest(store: Store, label: str, known: KnownIssuers) -> dict[str, Any]:
    try:
        manifest = store.manifest(label)
    except JumbfError as error:
        return {"label": label, "problem": str(error)}
    return {
        "label": label,
        "claim_generator": manifest.generator,
        "actions": [asdict(action) for action in manifest.actions],
        "ingredients": [
            {"relationship": one.relationship, "title": one.title, "manifest": one.target}
            for one in manifest.ingredients
        ],
        "broken": manifest.faults(),
        "redacts": list(manifest.redacted),
        "signer": asdict(read_signer(manifest.cose, manifest.claim, known)),
    }
