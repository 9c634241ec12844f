"""The web page: the same form with and without JavaScript, and what it hands back as files."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.datastructures import FormData
from starlette.responses import HTMLResponse, RedirectResponse, Response

import fauxto
from fauxto.detector import decisive_square
from fauxto.images import FORMAT_EXTENSIONS
from fauxto.report.pictures import Pictures, pictures_of
from fauxto.report.render import Shown, card_of, environment
from fauxto.report.writer import Report
from fauxto.scan.writers import COLUMNS, flat
from fauxto.serve.api import Services, client_of, fetched, services_of
from fauxto.serve.pool import Judged
from fauxto.serve.problems import Problem
from fauxto.serve.settings import Settings
from fauxto.serve.uploads import Upload, files_of

_HERE = Path(__file__).parent
STATIC = _HERE / "static"
_TEMPLATES = _HERE / "templates"
MAX_EXPORTED = 1000
_CARD = re.compile(r"card-[0-9a-f]{8}")


def router(settings: Settings) -> APIRouter:
    """The page's routes; none of them is part of the API's description."""
    routes = APIRouter(include_in_schema=False)
    routes.add_api_route("/", show_form, methods=["GET"])
    routes.add_api_route("/results", judge_files, methods=["POST"])
    routes.add_api_route("/results", back_to_form, methods=["GET"])
    routes.add_api_route("/export", export, methods=["POST"])
    routes.add_api_route("/docs", show_docs, methods=["GET"])
    routes.add_api_route("/favicon.ico", show_icon, methods=["GET"])
    if settings.allow_network:
        routes.add_api_route("/results-of-address", judge_address, methods=["POST"])
    return routes


def _html(template: str, status: int = 200, **values: Any) -> HTMLResponse:
    return HTMLResponse(environment(_TEMPLATES).get_template(template).render(**values), status)


def _whole_page(request: Request, status: int = 200, **values: Any) -> HTMLResponse:
    settings = services_of(request).settings
    given: dict[str, Any] = {"cards": [], "problem": None, "heatmap": False, **values}
    # By itself `auto` never takes a model that is only for whoever asks for it.
    asked = [
        c
        for c in services_of(request).pool.configs.values()
        if c.domain.automatic or settings.model != "auto"
    ]
    return _html(
        "page.html",
        status,
        version=fauxto.__version__,
        settings=settings,
        accept=",".join(sorted(FORMAT_EXTENSIONS)),
        models=asked,
        **given,
    )


async def show_form(request: Request) -> Response:
    """The empty page."""
    return _whole_page(request)


async def back_to_form() -> Response:
    """A reload of the results: they are gone, since nothing was kept."""
    return RedirectResponse("/", 303)


async def show_icon() -> Response:
    """Browsers ask for this whatever the page says."""
    return RedirectResponse("/static/icon.svg", 308)


async def show_docs(request: Request) -> Response:
    """The API's description as a page."""
    schema = request.app.openapi()
    return _html("docs.html", schema=schema, schemas=schema["components"]["schemas"], json=json)


async def judge_files(request: Request) -> Response:
    """Judge what the form sent: the whole page, or only the cards where the page's script asks."""
    services, client = services_of(request), client_of(request)
    try:
        services.pool.check_room(client)
        async with services.uploads.form(request) as form:
            uploads = await files_of(form)
            return await _results(request, services, client, uploads, Asked.by(form, "/results"))
    except Problem as problem:
        return _refusal(request, problem)


async def judge_address(request: Request) -> Response:
    """Judge the image at an address."""
    services, client = services_of(request), client_of(request)
    try:
        async with services.uploads.form(request) as form:
            asked = Asked.by(form, "/results-of-address")
        with services.pool.room(1, client):
            upload = await fetched(services, asked.url)
        async with services.uploads.hold(len(upload.data)):
            return await _results(request, services, client, [upload], asked)
    except Problem as problem:
        return _refusal(request, problem)


@dataclass(frozen=True)
class Asked:
    """What a form asks for beside the verdict.

    Attributes:
        action: where a card sends its picture once more for the heatmap, since nothing is kept here.
        url: the address to fetch the picture from; empty where it was sent.
        heatmap: draw where the score comes from, which of some models takes fifty runs.
        card: identifier of the card that the answer is to replace; empty for a new one.
    """

    action: str
    url: str
    heatmap: bool
    card: str

    @classmethod
    def by(cls, form: FormData, action: str) -> Asked:
        """Read the fields of a form."""
        card = str(form.get("card", ""))
        known = card if _CARD.fullmatch(card) else ""
        return cls(action, str(form.get("url", ""))[:2000], "heatmap" in form, known)


async def _results(
    request: Request, services: Services, client: str, uploads: Sequence[Upload], asked: Asked
) -> Response:
    with services.pool.room(len(uploads), client):
        judged = await services.pool.judge(uploads)
        drawn = [services.pool.run(_pictures, item, asked.heatmap) for item in judged]
        pictures = await asyncio.gather(*drawn)
    cards = []
    for item, images in zip(judged, pictures, strict=True):
        shown = Shown(record=item.record, pictures=images)
        card = card_of(shown, services.pool.configs, asked.card or f"card-{secrets.token_hex(4)}")
        cards.append((card, shown.model_dump_json()))
    if _is_fragment(request):
        return _html("fragment.html", cards=cards, closer=asked)
    return _whole_page(request, cards=cards, heatmap=asked.heatmap)


def _pictures(judged: Judged, heatmap: bool) -> Pictures:
    """From the small copy that the decoding process made: a stranger's file is not decoded here."""
    item = judged.prepared
    bundle, square = (item.bundle, decisive_square(item, judged.record)) if heatmap else (None, None)
    return pictures_of(item.thumbnail, bundle=bundle, square=square)


def _is_fragment(request: Request) -> bool:
    return request.headers.get("hx-request") == "true"


def _refusal(request: Request, problem: Problem) -> Response:
    """A problem as a person reads it, with the same status."""
    if _is_fragment(request):
        answer = _html("problem.html", problem.status, problem=problem)
    else:
        answer = _whole_page(request, problem.status, problem=problem)
    answer.headers.update(problem.headers)
    return answer


async def export(request: Request) -> Response:
    """The results that the page shows, handed back by it, as one file.

    The server has kept nothing; what comes is checked to be records and small pictures, and written anew.
    """
    services = services_of(request)
    try:
        async with services.uploads.form(request, max_fields=MAX_EXPORTED + 1) as form:
            shown = _handed_back(form)
            kind = form.get("format")
            return await services.pool.run(_file, shown, str(kind), services)
    except Problem as problem:
        return _refusal(request, problem)


def _handed_back(form: FormData) -> list[Shown]:
    try:
        return [Shown.model_validate_json(str(text)) for text in form.getlist("shown")]
    except ValidationError as error:
        raise Problem(
            422, "invalid-request", "what the page sent are no results; load the page anew"
        ) from error


def _file(shown: Sequence[Shown], kind: str, services: Services) -> Response:
    if kind == "html":
        report, text = Report(services.pool.configs), io.StringIO()
        for item in shown:
            report.add(item)
        report.write(text)
        return _attachment(text.getvalue(), "text/html", "html")
    if kind == "csv":
        text = io.StringIO()
        rows = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        rows.writeheader()
        rows.writerows(flat(item.record) for item in shown)
        return _attachment(text.getvalue(), "text/csv", "csv")
    if kind == "json":
        records = [item.record.model_dump(mode="json") for item in shown]
        return _attachment(json.dumps(records, indent=2) + "\n", "application/json", "json")
    raise Problem(422, "invalid-request", "the format is html, csv or json")


def _attachment(text: str, media_type: str, extension: str) -> Response:
    name = f'attachment; filename="fauxto-results.{extension}"'
    return Response(text, headers={"Content-Disposition": name}, media_type=f"{media_type}; charset=utf-8")
