"""Fetching one image from the public internet, and never from anywhere else (SSRF).

Every address that a name resolves to must be public, the connection goes to the very address that was
checked (a second resolution could answer differently), and each redirect is checked anew.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from time import monotonic
from urllib.parse import urljoin, urlsplit

from fauxto.images import printable
from fauxto.serve.problems import Problem

MAX_REDIRECTS = 5
PORTS = {"http": 80, "https": 443}
_CHUNK = 1 << 16
_REDIRECTS = (301, 302, 303, 307, 308)
# Networks that carry an IPv4 address inside an IPv6 one: the inner address is what is reached.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_LOCAL_NAT64 = ipaddress.ip_network("64:ff9b:1::/48")  # older Pythons take it for global

Resolver = Callable[[str, int], Sequence[str]]


class RefusedAddressError(Exception):
    """The address must not be fetched; the message is a clause for a person."""


class FetchFailedError(Exception):
    """The address gave no image; the message is a clause for a person."""


def resolve(host: str, port: int) -> list[str]:
    """Every IP address of a name.

    Raises:
        FetchFailedError: the name is unknown.
    """
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise FetchFailedError("its host name cannot be resolved") from error
    return [str(answer[4][0]) for answer in answers]


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet.

    Loopback, private, link-local (cloud metadata among them), shared, reserved, documentation and multicast
    addresses do not; nor do IPv6 addresses that stand for such an IPv4 address.
    """
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if ip.is_site_local or ip in _LOCAL_NAT64:
            return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def fetch_image(url: str, timeout: float, limit: int) -> bytes:
    """Download what a public address holds.

    Args:
        url: http or https, on the usual port, without a user name.
        timeout: seconds for all of it, redirects included.
        limit: bytes that the answer may have.

    Raises:
        Problem: 422 `address-refused` or `fetch-failed`, 413 `too-large`.
    """
    name = printable(url[:200])
    try:
        return Fetch(timeout, limit).get(url)
    except RefusedAddressError as error:
        raise Problem(422, "address-refused", f"{name}: {error}") from error
    except FetchFailedError as error:
        raise Problem(
            422, "fetch-failed", f"{name}: {error}; download the image and send the file"
        ) from error


class Fetch:
    """One download with its deadline.

    Args:
        timeout: seconds for all of it.
        limit: bytes of the answer.
        resolver: a name and a port to IP addresses.
        public: whether an IP address may be connected to.
        ports: the only port of each scheme.
    """

    def __init__(
        self,
        timeout: float,
        limit: int,
        *,
        resolver: Resolver = resolve,
        public: Callable[[str], bool] = is_public,
        ports: dict[str, int] = PORTS,
    ) -> None:
        self._limit, self._resolver, self._public, self._ports = limit, resolver, public, ports
        self._due = monotonic() + timeout

    def get(self, url: str) -> bytes:
        """The bytes at an address, after at most `MAX_REDIRECTS` redirects.

        Raises:
            RefusedAddressError: this address, or one it leads to, must not be fetched.
            FetchFailedError: no answer in time, an error, or no plain body.
            Problem: 413, larger than the limit.
        """
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._request(url)
            if isinstance(answer, bytes):
                return answer
            try:
                url = urljoin(url, answer)
            except ValueError as error:
                raise RefusedAddressError("the address that it redirects to is malformed") from error
        raise FetchFailedError(f"it redirects more than {MAX_REDIRECTS} times")

    def _request(self, url: str) -> bytes | str:
        """The body, or the address that a redirect leads to."""
        scheme, host, port, target = self._parts(url)
        address = self._checked(host, port)
        connected: list[socket.socket] = []
        # A server that sends one byte now and then would stretch every timeout of a single read.
        watch = threading.Timer(self._left(), _shut_all, (connected,))
        watch.daemon = True
        watch.start()
        try:
            connection = http.client.HTTPConnection(host, port, timeout=self._left())
            connection.sock = self._connect(scheme, host, address, port, connected)
            headers = {"Host": f"[{host}]" if ":" in host else host, "Accept": "image/*"}
            headers |= {"Accept-Encoding": "identity", "User-Agent": "fauxto"}
            connection.request("GET", target, headers=headers)
            return self._answer(connection.getresponse())
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._left()
            raise FetchFailedError(f"it cannot be fetched ({type(error).__name__})") from error
        finally:
            watch.cancel()
            for one in connected:
                one.close()

    def _parts(self, url: str) -> tuple[str, str, int, str]:
        try:
            parts = urlsplit(url)
            host, port = (parts.hostname or "").encode("idna").decode("ascii"), parts.port
        except ValueError as error:
            raise RefusedAddressError("the address is malformed") from error
        if parts.scheme not in self._ports or not host:
            raise RefusedAddressError("only http and https addresses are fetched")
        if parts.username is not None or parts.password is not None:
            raise RefusedAddressError("an address with a user name or password is not fetched")
        if port not in (None, self._ports[parts.scheme]):
            raise RefusedAddressError("only the usual ports, 80 and 443, are asked")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if not target.isascii() or not target.isprintable() or " " in target:
            raise RefusedAddressError("the address holds characters that must be percent-encoded")
        return parts.scheme, host, self._ports[parts.scheme], target

    def _checked(self, host: str, port: int) -> str:
        """An IP address of the host; all that it has must be public, or none is asked."""
        addresses = self._resolver(host, port)
        if not addresses or not all(map(self._public, addresses)):
            raise RefusedAddressError("it leads to an address that is not public")
        return addresses[0]

    def _connect(
        self, scheme: str, host: str, address: str, port: int, connected: list[socket.socket]
    ) -> socket.socket:
        plain = socket.create_connection((address, port), timeout=self._left())
        connected.append(plain)
        if scheme == "http":
            return plain
        context = ssl.create_default_context()
        secure = context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
        connected.append(secure)  # before the handshake, so that the deadline can end it, too
        secure.do_handshake()
        return secure

    def _answer(self, answer: http.client.HTTPResponse) -> bytes | str:
        location = answer.getheader("Location")
        if answer.status in _REDIRECTS and location:
            return location
        if answer.status != 200:
            raise FetchFailedError(f"its server answered {answer.status}")
        if answer.getheader("Content-Encoding", "identity").lower() != "identity":
            raise FetchFailedError("its server answered with a compressed body")
        body = bytearray()
        while chunk := answer.read(min(_CHUNK, self._limit + 1 - len(body))):
            body += chunk
            if len(body) > self._limit:
                size = f"{self._limit / 1e6:.4g} MB"
                raise Problem(413, "too-large", f"the image at this address is over the limit of {size}")
            self._left()
        self._left()
        if answer.length:
            raise FetchFailedError("its server ended the answer too early")
        return bytes(body)

    def _left(self) -> float:
        """Seconds until the deadline.

        Raises:
            FetchFailedError: it is over.
        """
        left = self._due - monotonic()
        if left <= 0:
            raise FetchFailedError("no complete answer in time")
        return left


def _shut_all(connected: Sequence[socket.socket]) -> None:
    for one in connected:
        _shut(one)


def _shut(one: socket.socket) -> None:
    """End whatever reads from a socket."""
    try:
        one.shutdown(socket.SHUT_RDWR)
    except OSError:
        one.close()
