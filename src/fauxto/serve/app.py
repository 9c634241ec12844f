"""The application: services, routes and the gate around them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

import fauxto
from fauxto.report import ASSETS
from fauxto.serve import page
from fauxto.serve.api import ScanAddress, Services, api, scan_url
from fauxto.serve.gate import Gate
from fauxto.serve.metrics import Metrics
from fauxto.serve.pool import Pool
from fauxto.serve.problems import ProblemDetails, install
from fauxto.serve.settings import Settings
from fauxto.serve.uploads import Uploads

_ABOUT = """Tells whether images were made by a generative model: what speaks for it, how strongly, and when
nobody can tell. Errors are problem details (RFC 9457) with the stable codes of the library. Uploads are held
in memory and gone with the answer."""


def create_app(settings: Settings = Settings()) -> FastAPI:  # noqa: B008 (frozen)
    """The server as an ASGI application.

    Args:
        settings: limits and permissions.

    Raises:
        UsageError: no such model, or a trust list that cannot be read.
        BundleError: a model is incomplete or corrupt.
    """
    metrics = Metrics()
    services = Services(settings, metrics, Pool(settings, metrics), Uploads(settings, metrics))

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await services.pool.start()
        yield
        await services.pool.stop()

    app = FastAPI(
        title="fauxto",
        version=fauxto.__version__,
        description=_ABOUT,
        docs_url=None,  # the framework's page loads its scripts from another host
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.services = services
    install(app)
    app.include_router(api)
    if settings.allow_network:
        app.include_router(scan_url)
    app.include_router(page.router(settings))
    app.mount("/static", StaticFiles(directory=page.STATIC))
    app.mount("/assets", StaticFiles(directory=ASSETS))
    app.add_middleware(Gate, settings=settings, metrics=metrics)
    _describe(app, settings)
    return app


def _describe(app: FastAPI, settings: Settings) -> None:
    """Complete the OpenAPI description by what the routes cannot say of themselves."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = plain()
            parts = schema.setdefault("components", {})
            schemas = parts.setdefault("schemas", {})
            schemas["ProblemDetails"] = ProblemDetails.model_json_schema()
            if settings.allow_network:
                schemas["ScanAddress"] = ScanAddress.model_json_schema()
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            body = schema["paths"]["/v1/scan"]["post"]["requestBody"]["content"]["multipart/form-data"]
            body["schema"]["properties"]["files"]["maxItems"] = settings.max_files
            if settings.api_keys is not None:
                parts["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
                schema["security"] = [{"key": []}]
                for path in ("/health/live", "/health/ready"):
                    schema["paths"][path]["get"]["security"] = []
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
