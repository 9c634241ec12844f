"""Errors as problem details (RFC 9457), with the codes of the library."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from fauxto.errors import InputCode
from fauxto.images import printable
from fauxto.record import ErrorInfo

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER = 1  # seconds: the queue drains within that time

# What an unreadable image means to a client that sent nothing else.
STATUS_OF_INPUT: dict[InputCode, int] = {
    "not-found": 422,
    "unreadable": 422,
    "empty": 422,
    "not-an-image": 415,
    "unsupported": 415,
    "truncated": 422,
    "corrupt": 422,
    "too-large": 413,
}


class ProblemDetails(BaseModel):
    """The body of every error."""

    type: str = Field(description="A URN that names the kind of problem.")
    title: str = Field(description="The status in words.")
    status: int
    detail: str = Field(description="What is wrong and what to do, for a person.")
    code: str = Field(
        description="Stable and machine-readable, the same as in records and on the command line."
    )


class Problem(Exception):
    """An answer that is an error.

    Attributes:
        status: HTTP status.
        code: stable code.
        detail: one sentence for a person: what is wrong, and what to do.
        headers: of the answer.
    """

    def __init__(self, status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.headers = headers or {}

    @property
    def title(self) -> str:
        """The status in words."""
        return HTTPStatus(self.status).phrase

    def body(self) -> dict[str, Any]:
        """The fields of `ProblemDetails`."""
        return ProblemDetails(
            type=f"urn:fauxto:problem:{self.code}",
            title=self.title,
            status=self.status,
            detail=self.detail,
            code=self.code,
        ).model_dump()

    def response(self) -> Response:
        """The answer to send."""
        return JSONResponse(self.body(), self.status, self.headers, MEDIA_TYPE)


def of_input(error: ErrorInfo) -> Problem:
    """The problem that stands for an image which could not be read."""
    statuses: dict[str, int] = dict(STATUS_OF_INPUT.items())
    return Problem(statuses.get(error.code, 422), error.code, error.message)


def busy(detail: str) -> Problem:
    """503: the server is at its limit, and the same request may succeed a little later."""
    return Problem(503, "busy", f"{detail}; try again in a moment", {"Retry-After": str(RETRY_AFTER)})


def invalid(place: Iterable[object], what: str) -> Problem:
    """422: a part of the request, found by the names in `place`, is not what the description says."""
    return Problem(422, "invalid-request", f"{'.'.join(map(str, place))}: {what}; see /docs")


def install(app: FastAPI) -> None:
    """Let the framework's own errors read like every other."""

    @app.exception_handler(Problem)
    async def problem(_request: Request, error: Problem) -> Response:
        return error.response()

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        where = f"{request.method} {printable(request.url.path)[:200]}"
        details = {
            404: ("not-found", f"{where}: there is nothing here; /docs lists what there is"),
            405: ("method-not-allowed", f"{where}: this address does not take that method; see /docs"),
        }
        code, detail = details.get(error.status_code, ("bad-request", str(error.detail)))
        return Problem(error.status_code, code, detail, dict(error.headers or {})).response()

    @app.exception_handler(RequestValidationError)
    async def validation(_request: Request, error: RequestValidationError) -> Response:
        fault = error.errors()[0]
        return invalid(fault["loc"], fault["msg"]).response()


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI description of these errors."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}}
    described: dict[int | str, dict[str, Any]] = {}
    for status in statuses:
        described[status] = {"description": HTTPStatus(status).phrase, "content": content}
        if status in (429, 503):
            described[status]["headers"] = {
                "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}
            }
    return described
