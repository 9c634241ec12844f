"""Where a file's manifest store is: in the file, or at an address that the file names."""

from __future__ import annotations

from dataclasses import dataclass

from fauxto.provenance.containers import Container
from fauxto.provenance.options import ProvenanceOptions

_NS_DCTERMS = "http://purl.org/dc/terms/"


class NotCheckedError(Exception):
    """There are Content Credentials and they could not be judged.

    Attributes:
        remote: the address that they were to come from, or None.
    """

    def __init__(self, reason: str, remote: str | None = None) -> None:
        super().__init__(reason)
        self.remote = remote


@dataclass(frozen=True)
class Located:
    """A raw manifest store, and the address that it came from where it was remote."""

    store: bytes
    remote: str | None


def locate(container: Container, options: ProvenanceOptions) -> Located | None:
    """The embedded store; else the remote one, where the caller allows it to be fetched.

    Returns:
        None where the file has no Content Credentials.

    Raises:
        NotCheckedError: they are remote, and not allowed to be fetched or not to be had.
    """
    if container.c2pa is not None:
        return Located(container.c2pa, None)
    url = remote_address(container)
    if url is None:
        return None
    if not options.allow_network:
        reason = f"the manifest is remote ({url}) and was not fetched; --allow-network permits it"
        raise NotCheckedError(reason, url)
    from fauxto.provenance.fetch import FetchError, fetch

    try:
        return Located(fetch(url, options.network_timeout, options.network_limit), url)
    except FetchError as error:
        raise NotCheckedError(f"the remote manifest could not be fetched ({error})", url) from error


def remote_address(container: Container) -> str | None:
    """Where the file says that its manifest lies: `dcterms:provenance` in its XMP, or None.

    An address within the file (`self#jumbf=…`, as early writers put beside an embedded manifest) is what
    remains where the manifest was stripped: there is nothing to check, so it says nothing.
    """
    for packet in container.xmp:
        # A cheap look first; what counts is the property, as the XML parser finds it.
        if b"provenance" not in (packet.replace(b"\0", b"") if b"\0" in packet[:4] else packet):
            continue
        from fauxto.provenance.evidence import excerpt
        from fauxto.provenance.xmp import XmpError, read_packet

        try:
            values = read_packet(packet)
        except XmpError:
            continue  # the XMP reader reports it
        for one in values:
            own = (one.namespace, one.name, one.within) == (_NS_DCTERMS, "provenance", ())
            if own and "://" in one.value:
                return excerpt(one.value.strip(), 2000)
    return None
