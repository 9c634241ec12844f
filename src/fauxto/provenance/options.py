"""What a caller may choose about reading provenance."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ProvenanceOptions:
    """How the readers behave; the defaults never touch the network.

    Attributes:
        allow_network: fetch a C2PA manifest that the file only points to. The address stands in the
            file, so whoever made the file learns who reads it; nothing else ever goes out.
        trust_list: a PEM file of certificates to trust as C2PA signers, beside the official list where
            the user has fetched it.
        network_timeout: seconds that fetching one remote manifest may take as a whole.
        network_limit: bytes that a remote manifest may have.
    """

    allow_network: bool = False
    trust_list: Path | None = None
    network_timeout: float = 10.0
    network_limit: int = 16 << 20
