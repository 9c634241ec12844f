"""The REST API: /v1, health and metrics."""

from __future__ import annotations

import asyncio
import base64
import io
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import JSONResponse, Response

from fauxto.detector import decisive_square
from fauxto.errors import InputError
from fauxto.heatmap import contributions, overlay
from fauxto.images import printable
from fauxto.models import BundleConfig
from fauxto.record import ErrorInfo, Record
from fauxto.serve.fetching import fetch_image
from fauxto.serve.metrics import Metrics
from fauxto.serve.pool import Judged, Pool
from fauxto.serve.problems import Problem, busy, invalid, of_input, responses
from fauxto.serve.settings import Settings
from fauxto.serve.uploads import Upload, Uploads, files_of

MAX_HEATMAPS = 8  # images of one request: each costs as much as some fifty judgements
MAX_ADDRESS_BYTES = (
    32_000  # of a request with an address: 2000 characters, each escaped as JSON's longest, fit
)


@dataclass(frozen=True)
class Services:
    """What the routes work with; one for each application, at `app.state.services`."""

    settings: Settings
    metrics: Metrics
    pool: Pool
    uploads: Uploads


class ScanResults(BaseModel):
    """One record a file, in the order of the files."""

    results: list[Record]
    heatmaps: list[str | None] | None = Field(
        default=None, description="Base64 of a PNG a file, null without a score; only with heatmap=true."
    )


class ScanAddress(BaseModel):
    """The body of `/v1/scan-url`."""

    model_config = ConfigDict(extra="forbid")
    url: str = Field(
        min_length=1,
        max_length=2000,
        description="An http or https address of an image.",
        json_schema_extra={"pattern": "^https?://"},  # anything else is told why as `address-refused`
    )

    @classmethod
    def of_body(cls, data: bytes) -> ScanAddress:
        """The address that a body states.

        Raises:
            Problem: 422, it is no JSON or not of this form.
        """
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            fault = error.errors()[0]
            raise invalid(("body", *fault["loc"]), fault["msg"]) from error


class Models(BaseModel):
    """The models that this server judges with."""

    models: list[BundleConfig]


class Inspected(BaseModel):
    """Everything that one file says about itself, raw values included."""

    model_config = ConfigDict(extra="allow")
    path: str
    container: str
    size: int
    sha256: str


class Health(BaseModel):
    """The state of the process."""

    status: Literal["ok"]


def services_of(request: Request) -> Services:
    """The services of the application that a request came to."""
    services: Services = request.app.state.services
    return services


def client_of(request: Request) -> str:
    """Whose places are counted: the owner of the API key, else the address."""
    return str(request.scope["fauxto.client"])


def _multipart(field: str, schema: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI description of a multipart body with one field."""
    body = {"type": "object", "required": [field], "properties": {field: schema}}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": body}}}}


_FILE = {"type": "string", "contentMediaType": "application/octet-stream", "format": "binary"}
_FILES = _multipart("files", {"type": "array", "items": _FILE, "minItems": 1, "description": "Image files."})
_ONE_FILE = _multipart("files", {**_FILE, "description": "One image file."})
_ADDRESS = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ScanAddress"}}},
    }
}
_COMMON = (400, 401, 403, 408, 413, 415, 422, 429, 500, 503)

api = APIRouter()
scan_url = APIRouter()


def heatmap_png(judged: Judged) -> bytes | None:
    """Where the score comes from, as a PNG; None without a score."""
    item, square = judged.prepared, decisive_square(judged.prepared, judged.record)
    if item.bundle is None or square is None:
        return None
    buffer = io.BytesIO()
    overlay(square, contributions(item.bundle, square)).save(buffer, "PNG")
    return buffer.getvalue()


@api.post(
    "/v1/scan",
    openapi_extra=_FILES,
    responses=responses(*_COMMON),
    response_model=ScanResults,
    summary="Judge images",
)
async def scan(
    request: Request,
    heatmap: Annotated[
        bool, Query(description="Also draw where in the picture the score comes from.")
    ] = False,
) -> Response:
    """Judge one image or several.

    An unreadable file among several is an error record; where the only file is unreadable, the answer is the
    matching problem with the same code.
    """
    services, client = services_of(request), client_of(request)
    services.pool.check_room(client)
    async with services.uploads.form(request) as form:
        uploads = await files_of(form)
        return await _scan(services, client, uploads, heatmap)


async def _scan(services: Services, client: str, uploads: Any, heatmap: bool) -> Response:
    if heatmap and len(uploads) > MAX_HEATMAPS:
        raise Problem(413, "too-many-files", f"heatmaps are drawn for at most {MAX_HEATMAPS} files a request")
    with services.pool.room(len(uploads), client):
        judged = await services.pool.judge(uploads)
        if len(judged) == 1 and judged[0].record.error is not None:
            raise of_input(judged[0].record.error)
        content: dict[str, Any] = {"results": [item.record.model_dump(mode="json") for item in judged]}
        if heatmap:
            drawn = await asyncio.gather(*(services.pool.run(heatmap_png, item) for item in judged))
            content["heatmaps"] = [png and base64.b64encode(png).decode("ascii") for png in drawn]
    return JSONResponse(content)


@scan_url.post(
    "/v1/scan-url",
    openapi_extra=_ADDRESS,
    responses=responses(*_COMMON),
    response_model=ScanResults,
    summary="Fetch an image and judge it",
)
async def scan_address(
    request: Request,
    heatmap: Annotated[
        bool, Query(description="Also draw where in the picture the score comes from.")
    ] = False,
) -> Response:
    """Judge the image at an address; only where the server was started with --allow-network.

    Nothing but http and https on their usual ports is fetched, and only from public addresses.
    """
    services, client = services_of(request), client_of(request)
    services.pool.check_room(client)
    # Read here and not by the framework, which would take a body of any size for as long as it likes to come.
    address = ScanAddress.of_body(await services.uploads.json(request, MAX_ADDRESS_BYTES))
    with services.pool.room(1, client):
        upload = await fetched(services, address.url)
    async with services.uploads.hold(len(upload.data)):
        return await _scan(services, client, [upload], heatmap)


async def fetched(services: Services, url: str) -> Upload:
    """The image at an address, within the limits of an upload.

    Raises:
        Problem: 422, the address is refused or gives no image; 413 too large.
    """
    settings = services.settings
    return Upload(url, await asyncio.to_thread(fetch_image, url, settings.url_timeout, settings.max_bytes))


@api.post(
    "/v1/inspect",
    openapi_extra=_ONE_FILE,
    responses=responses(*_COMMON),
    response_model=Inspected,
    summary="Everything that one file says about itself",
)
async def inspect(request: Request) -> Response:
    """Container, EXIF, XMP, PNG texts, IPTC, Content Credentials, watermark bits, and the evidence."""
    services, client = services_of(request), client_of(request)
    services.pool.check_room(client)
    async with services.uploads.form(request) as form:
        uploads = await files_of(form)
        if len(uploads) > 1:
            raise Problem(413, "too-many-files", "one file a request; send the others in their own")
        with services.pool.room(1, client):
            return JSONResponse(await _inspect(services, uploads[0]))


async def _inspect(services: Services, upload: Upload) -> dict[str, Any]:
    settings = services.settings
    name = printable(upload.name)
    if len(upload.data) > settings.max_bytes:
        detail = f"{name}: over the limit of {settings.max_bytes / 1e6:.4g} MB; send a smaller copy"
        raise Problem(413, "too-large", detail)
    try:
        found = await services.pool.inspect(upload)
    except InputError as error:
        raise of_input(ErrorInfo(code=error.code, message=error.message)) from error
    if found["container"] == "unknown":
        code = InputError("not-an-image" if upload.data else "empty", "").code
        why = "not an image that fauxto knows; send an image file" if upload.data else "it has no bytes"
        raise of_input(ErrorInfo(code=code, message=f"{name}: {why}"))
    return {"path": name, **found}


@api.get("/v1/models", responses=responses(401), summary="The models, their domains, thresholds and limits")
async def models(request: Request) -> Models:
    """What this server judges with, and what each model cannot judge."""
    return Models(models=list(services_of(request).pool.configs.values()))


@api.get("/health/live", summary="Whether the process answers")
async def live() -> Health:
    """Always ok: where it is not, there is no answer."""
    return Health(status="ok")


@api.get("/health/ready", responses=responses(503), summary="Whether the models are loaded")
async def ready(request: Request) -> Health:
    """Ok once images can be judged."""
    if not services_of(request).pool.ready:
        raise busy("the models are not loaded")
    return Health(status="ok")


@api.get(
    "/metrics",
    summary="Counters for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **responses(401)},
)
async def metrics(request: Request) -> Response:
    """Counts and times; nothing about the content of an image."""
    text = services_of(request).metrics.text()
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")
