"""One bounded download over HTTP or HTTPS: the only place in fauxto's provenance that opens a socket.

It runs only where the user has allowed it: `--allow-network` for a remote manifest, `fauxto trust update`
for the trust lists.
"""

from __future__ import annotations

import threading
from urllib.parse import urlsplit

_CHUNK = 1 << 16


class FetchError(Exception):
    """A download that failed; the message is a clause for a person."""


def fetch(url: str, timeout: float, limit: int) -> bytes:
    """Download what an address holds.

    Args:
        url: an http or https address; redirections may lead to such addresses only.
        timeout: seconds for the whole download. A server that sends a byte now and then cannot stretch
            it: the work is left behind in a thread that ends with its socket.
        limit: bytes that the answer may have.

    Raises:
        FetchError: another scheme, no answer in time, an error status or too large an answer.
    """
    _require_http(url)
    result: list[bytes | Exception] = []
    worker = threading.Thread(target=_download_into, args=(result, url, timeout, limit), daemon=True)
    worker.start()
    worker.join(timeout)
    if not result:
        raise FetchError(f"no complete answer within {timeout:g} seconds")
    if isinstance(result[0], Exception):
        raise FetchError(str(result[0])) from result[0]
    return result[0]


def _require_http(url: str) -> None:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise FetchError(f"the address is malformed ({error})") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise FetchError(f"only http and https addresses are fetched, not {parts.scheme or 'this one'!r}")


def _download_into(result: list[bytes | Exception], url: str, timeout: float, limit: int) -> None:
    try:
        result.append(_download(url, timeout, limit))
    except Exception as error:  # the caller, in another thread, must learn of every failure
        result.append(error)


def _download(url: str, timeout: float, limit: int) -> bytes:
    from urllib import request
    from urllib.error import URLError

    class HttpOnly(request.HTTPRedirectHandler):
        def redirect_request(self, *args: object) -> request.Request | None:
            _require_http(str(args[-1]))
            return super().redirect_request(*args)  # type: ignore[arg-type]

    # Built by hand: urllib's own opener also reads file, ftp and data addresses.
    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler(),
        request.HTTPHandler(),
        request.HTTPSHandler(),
        HttpOnly(),
        request.HTTPDefaultErrorHandler(),
        request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    try:
        with opener.open(request.Request(url, headers={"User-Agent": "fauxto"}), timeout=timeout) as answer:
            body: bytes = answer.read(limit + 1)
    except URLError as error:
        raise FetchError(str(getattr(error, "reason", error))) from error
    if len(body) > limit:
        raise FetchError(f"the answer is larger than {limit} bytes")
    return body
