"""What every request passes first and every answer last: who may ask, headers, counting, no traceback."""

from __future__ import annotations

import logging
import traceback
from time import perf_counter
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fauxto.serve.keys import presented
from fauxto.serve.metrics import Metrics
from fauxto.serve.problems import Problem
from fauxto.serve.settings import Settings

_LOG = logging.getLogger("fauxto.serve")
_OPEN = ("/health/live", "/health/ready")  # these need no key: whoever starts the server has to ask them

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Gate:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self._app, self._settings, self._metrics = app, settings, metrics
        # Names have no case, and browsers write origins in small letters whatever the person here typed.
        self._hosts = None if settings.hosts is None else frozenset(map(str.lower, settings.hosts))
        self._origins = frozenset(map(str.lower, settings.origins))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = perf_counter(), 0
        headers = Headers(scope=scope)

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._complete(MutableHeaders(scope=message), scope, headers)
            await send(message)

        try:
            self._check(scope, headers)
            app = (
                _preflight_answer if _is_preflight(scope, headers) and self._is_friend(headers) else self._app
            )
            await app(scope, receive, send_with_headers)
        except Exception as error:
            problem = error if isinstance(error, Problem) else _unexpected(error)
            if not status:
                await problem.response()(scope, receive, send_with_headers)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.requests.labels(route, status or "none").inc()
            self._metrics.seconds.labels(route).observe(perf_counter() - begun)

    def _check(self, scope: Scope, headers: Headers) -> None:
        """Refuse what comes by a foreign name, from a foreign page, or without a key.

        Raises:
            Problem: 400, 401 or 403.
        """
        if self._hosts is not None and _host_name(headers.get("host", "")) not in self._hosts:
            # A page elsewhere whose name was made to point here (DNS rebinding).
            detail = "this server is not called that; use its own address, or start it with --allow-host NAME"
            raise Problem(400, "unknown-host", detail)
        foreign = headers.get("sec-fetch-site") == "cross-site"
        if foreign and scope["method"] not in ("GET", "HEAD", "OPTIONS") and not self._is_friend(headers):
            detail = "another site's page may not call this server; start it with --allow-origin ORIGIN"
            raise Problem(403, "cross-origin", detail)
        scope["fauxto.client"] = (scope.get("client") or ("local",))[0]
        keys = self._settings.api_keys
        if keys is None or scope["path"] in _OPEN or _is_preflight(scope, headers):
            return
        owner = keys.owner(presented(headers.get("authorization", "")))
        if owner is None:
            detail = "send an API key: 'Authorization: Bearer KEY', or as the password where a browser asks"
            challenge = 'Bearer realm="fauxto", Basic realm="fauxto", charset="UTF-8"'
            raise Problem(401, "unauthorised", detail, {"WWW-Authenticate": challenge})
        scope["fauxto.client"] = f"key {owner}"

    def _is_friend(self, headers: Headers) -> bool:
        return headers.get("origin", "").lower() in self._origins

    def _complete(self, answer: MutableHeaders, scope: Scope, headers: Headers) -> None:
        """Add what every answer carries."""
        for name, value in SECURITY_HEADERS.items():
            answer.setdefault(name, value)
        if not scope["path"].startswith(("/static/", "/assets/")):
            answer.setdefault("Cache-Control", "no-store")
        if self._settings.origins:
            answer.add_vary_header("Origin")
            if self._is_friend(headers):
                answer["Access-Control-Allow-Origin"] = headers["origin"]
                answer["Access-Control-Expose-Headers"] = "Retry-After"
            else:
                answer["Cross-Origin-Resource-Policy"] = "same-origin"
        else:
            answer["Cross-Origin-Resource-Policy"] = "same-origin"


def _host_name(host: str) -> str:
    """The name in a Host header, without the port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_preflight(scope: Scope, headers: Headers) -> bool:
    return scope["method"] == "OPTIONS" and "access-control-request-method" in headers


_preflight_answer = Response(
    status_code=204,
    headers={
        "Access-Control-Allow-Methods": "GET, POST",
        "Access-Control-Allow-Headers": "Authorization, Content-Type",
        "Access-Control-Max-Age": "600",
    },
)


def _unexpected(error: Exception) -> Problem:
    """A fault of ours: the log gets where it happened, but not the message, which may quote a file."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    _LOG.error("unexpected %s\n%s", type(error).__name__, frames)
    detail = f"fauxto failed on this request ({type(error).__name__}); the server's log says where"
    return Problem(500, "internal", detail)
