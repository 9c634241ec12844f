"""A time-stamp authority (RFC 3161) on the loopback interface, for signing only."""

from __future__ import annotations

import datetime as dt
import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from signed_files import Authority

_SEQUENCE, _SET, _OCTETS, _INTEGER, _OID, _TIME = 0x30, 0x31, 0x04, 0x02, 0x06, 0x18


def _der(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    if len(body) < 128:
        return bytes([tag, len(body)]) + body
    size = (len(body).bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + len(body).to_bytes(size, "big") + body


def _oid(dotted: str) -> bytes:
    first, second, *rest = map(int, dotted.split("."))
    body = bytes([40 * first + second])
    for number in rest:
        groups = [number & 127]
        while number := number >> 7:
            groups.append(number & 127 | 128)
        body += bytes(reversed(groups))
    return _der(_OID, body)


def _elements(body: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Tag, content and whole of the DER elements in a row."""
    position = 0
    while position < len(body):
        length, start = body[position + 1], position + 2
        if length & 0x80:
            size = length & 0x7F
            length, start = int.from_bytes(body[start : start + size], "big"), start + size
        yield body[position], body[start : start + length], body[position : start + length]
        position = start + length


_SHA256 = _der(_SEQUENCE, _oid("2.16.840.1.101.3.4.2.1"))
_ECDSA = _der(_SEQUENCE, _oid("1.2.840.10045.4.3.2"))
_TST_INFO = _oid("1.2.840.113549.1.9.16.1.4")


def answer(request: bytes, authority: Authority) -> bytes:
    """A time-stamp response, granted, for this moment."""
    ((_, body, _),) = _elements(request)
    fields = list(_elements(body))
    imprint = next(whole for tag, _, whole in fields if tag == _SEQUENCE)
    nonce = b"".join(whole for tag, _, whole in fields[1:] if tag == _INTEGER)
    now = dt.datetime.now(dt.timezone.utc).strftime("%Y%m%d%H%M%SZ").encode()
    version_1 = _der(_INTEGER, b"\x01")
    stamp = _der(
        _SEQUENCE, version_1, _oid("1.2.3.4.1"), imprint, _der(_INTEGER, b"\x05"), _der(_TIME, now), nonce
    )
    certificate = authority.certificate.public_bytes(Encoding.DER)
    attributes = sorted(
        (
            _attribute("1.2.840.113549.1.9.3", _TST_INFO),
            _attribute("1.2.840.113549.1.9.4", _der(_OCTETS, hashlib.sha256(stamp).digest())),
            _attribute(
                "1.2.840.113549.1.9.16.2.47",
                _der(
                    _SEQUENCE,
                    _der(_SEQUENCE, _der(_SEQUENCE, _der(_OCTETS, hashlib.sha256(certificate).digest()))),
                ),
            ),
        )
    )
    signature = authority.key.sign(_der(_SET, *attributes), ec.ECDSA(hashes.SHA256()))
    issuer = authority.certificate.issuer.public_bytes()
    serial = authority.certificate.serial_number
    number = _der(_INTEGER, serial.to_bytes(serial.bit_length() // 8 + 1, "big"))
    signer = _der(
        _SEQUENCE,
        version_1,
        _der(_SEQUENCE, issuer, number),
        _SHA256,
        _der(0xA0, *attributes),
        _ECDSA,
        _der(_OCTETS, signature),
    )
    chain = certificate + b"".join(one.public_bytes(Encoding.DER) for one in authority.above)
    signed = _der(
        _SEQUENCE,
        _der(_INTEGER, b"\x03"),
        _der(_SET, _SHA256),
        _der(_SEQUENCE, _TST_INFO, _der(0xA0, _der(_OCTETS, stamp))),
        _der(0xA0, chain),
        _der(_SET, signer),
    )
    content = _der(_SEQUENCE, _oid("1.2.840.113549.1.7.2"), _der(0xA0, signed))
    return _der(_SEQUENCE, _der(_SEQUENCE, _der(_INTEGER, b"\x00")), content)


def _attribute(oid: str, value: bytes) -> bytes:
    return _der(_SEQUENCE, _oid(oid), _der(_SET, value))


@contextmanager
def serving(authority: Authority) -> Iterator[str]:
    """The address of an authority that answers for as long as the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = self.rfile.read(int(self.headers["Content-Length"]))
            reply = answer(request, authority)
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *args: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
