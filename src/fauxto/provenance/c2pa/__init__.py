"""Content Credentials: what a C2PA manifest in the file says, and who vouches for it.

The way is straight: locate the store, let the C2PA library check it against the file, read the manifests
that its hashes and signatures prove, establish each signer, follow the parents, and classify. Integrity
and signer are read apart: a file is `tampered` or it is not, whoever signed it and whenever the
certificate expired.
"""

from __future__ import annotations

from typing import Any

from fauxto.provenance.c2pa.locate import Located, NotCheckedError, locate
from fauxto.provenance.containers import Container
from fauxto.provenance.options import ProvenanceOptions
from fauxto.record import Evidence

__all__ = ["describe_c2pa", "read_c2pa"]

_DEFAULTS = ProvenanceOptions()


def read_c2pa(data: bytes, container: Container, options: ProvenanceOptions = _DEFAULTS) -> list[Evidence]:
    """Read the Content Credentials of one file.

    Args:
        data: the whole file.
        container: its structure, from `containers.parse`.
        options: how to read.

    Returns:
        No row where the file has none. Else one row, seldom two: `data["state"]` is `trusted`,
        `known-signer`, `unknown-signer`, `tampered` or `not-checked`. An AI claim is `strong` behind
        known signers, `moderate` behind an unknown one, `weak` behind the public test certificates; a
        camera's is `strong` or `weak`. Nothing in the file makes this raise.

    Raises:
        UsageError: a trust list in force cannot be read.
    """
    try:
        located = locate(container, options)
        # Where there is nothing to read, nothing more is imported: this is most files.
        return [] if located is None else _judge(data, container, located, options)
    except NotCheckedError as error:
        from fauxto.provenance.c2pa.rows import not_checked

        return [not_checked(str(error), error.remote)]


def _judge(data: bytes, container: Container, located: Located, options: ProvenanceOptions) -> list[Evidence]:
    """The rows for a store.

    Raises:
        NotCheckedError: the store is malformed, or the library gave up.
    """
    from fauxto.provenance.c2pa.library import LibraryError, check, is_beyond
    from fauxto.provenance.c2pa.lineage import follow
    from fauxto.provenance.c2pa.rows import rows, tampered, tampered_codes
    from fauxto.provenance.c2pa.store import Store
    from fauxto.provenance.jumbf import JumbfError
    from fauxto.provenance.signers import KnownIssuers, known_issuers
    from fauxto.provenance.trust import trust_in_force

    trust = trust_in_force(options)
    try:
        # Our own bounded reader goes first: what it refuses never reaches the native library.
        store = Store(located.store)
        findings = check(data, container, store, trust)
        codes = tampered_codes(store, findings)
        if any(map(is_beyond, codes)):
            raise LibraryError(f"the C2PA library could not judge them: {', '.join(codes)}")
        if codes:
            return [tampered(codes, findings, located.remote)]
        lineage = follow(store, findings, KnownIssuers(known_issuers(), trust.signers))
        return rows(lineage, findings, located.remote)
    except (JumbfError, LibraryError) as error:
        raise NotCheckedError(str(error), located.remote) from error


def describe_c2pa(
    data: bytes, container: Container, options: ProvenanceOptions = _DEFAULTS
) -> dict[str, Any]:
    """Everything found, for a person who inspects one file.

    Args:
        data: the whole file.
        container: its structure, from `containers.parse`.
        options: how to read.

    Returns:
        JSON values: `evidence` (the rows of `read_c2pa`), and where there is a store `remote`, `bytes`,
        `sha256`, `active`, `manifests` (claims, actions, ingredients and certificate chains, read from
        the signed bytes) and `report` (the C2PA library's own). Where a part cannot be read, `problem`
        says why.

    Raises:
        UsageError: a trust list in force cannot be read.
    """
    from fauxto.provenance.c2pa.describe import described_store
    from fauxto.provenance.c2pa.rows import not_checked

    try:
        located = locate(container, options)
    except NotCheckedError as error:
        return {"evidence": [not_checked(str(error), error.remote).model_dump()], "problem": str(error)}
    if located is None:
        return {"evidence": []}
    try:
        evidence = _judge(data, container, located, options)
    except NotCheckedError as error:
        evidence = [not_checked(str(error), error.remote)]
    found = described_store(data, container, located, options)
    return {"evidence": [row.model_dump() for row in evidence], **found}
