"""`fauxto serve`: the web page and the REST API."""

from __future__ import annotations

import contextlib
import errno
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fauxto.cli import Runtime

if TYPE_CHECKING:
    from fauxto.serve.settings import Settings

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_SHUTDOWN_SECONDS = 30


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = 8765,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    model: Annotated[str, typer.Option(help="auto, a model's name, or a bundle's folder.")] = "auto",
    runtime: Annotated[
        Runtime, typer.Option(help="What computes the models; openvino is an extra, for fauxto's own models.")
    ] = Runtime.onnxruntime,
    api_key_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Let in only the keys whose hashes are in this file.")
    ] = None,
    new_api_key: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Print a new key, and its line for the file of keys; serve nothing."
        ),
    ] = None,
    no_auth: Annotated[
        bool, typer.Option("--no-auth", help="Listen beyond this machine without keys: anybody may ask.")
    ] = False,
    allow_network: Annotated[
        bool, typer.Option("--allow-network", help="Offer to fetch images from public http(s) addresses.")
    ] = False,
    allow_origin: Annotated[
        list[str] | None, typer.Option(metavar="ORIGIN", help="A site whose pages may call the API (CORS).")
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Another name of this server, as behind a proxy on this machine."),
    ] = None,
    trust_list: Annotated[
        Path | None,
        typer.Option(metavar="PEM", help="Certificates to trust as signers of Content Credentials."),
    ] = None,
    max_bytes: Annotated[int, typer.Option(min=1, help="Refuse larger files.")] = 32_000_000,
    max_pixels: Annotated[
        int, typer.Option(min=1, help="Refuse larger images, before decoding.")
    ] = 64_000_000,
    max_files: Annotated[
        int | None,
        typer.Option(min=1, help="Files in one request; by default 32, or what one client may have waiting."),
    ] = None,
    max_images: Annotated[
        int,
        typer.Option(
            min=1,
            help="Images that may wait or be judged at one time; more get 503. One client may have half of "
            "them; more get 429.",
        ),
    ] = 128,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Images decoded at one time; by default the cores, at most 4.")
    ] = None,
) -> None:
    """Serve a web page and a REST API (its description is at /docs) until Ctrl+C.

    Uploads stay in memory and are gone with the answer. Beyond this machine it asks for API keys.
    """
    if new_api_key is not None:
        _print_new_key(new_api_key)
        return
    from fauxto.errors import MissingExtraError, UsageError

    try:
        import fastapi  # noqa: F401
        import prometheus_client  # noqa: F401
        import python_multipart  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("fauxto serve", "serve") from error
    local = host in _LOOPBACK
    if not local and api_key_file is None and not no_auth:
        raise UsageError(
            f"--host {host} lets others in: give --api-key-file FILE (a line comes from --new-api-key NAME), "
            "or say --no-auth"
        )
    from fauxto.models.threads import usable_cores
    from fauxto.serve.keys import ApiKeys
    from fauxto.serve.settings import MEGABYTE, Settings

    max_each = max(1, max_images // 2)
    if max_files is not None and max_files > max_each:
        # Such a request could never be let in.
        raise UsageError(
            f"--max-files {max_files} is more than one client may have waiting ({max_each}, half of "
            f"--max-images {max_images}); give --max-images {2 * max_files}, or fewer files"
        )
    keys = None if api_key_file is None else ApiKeys.read(api_key_file)
    max_body = max(Settings.max_body, max_bytes + MEGABYTE)
    settings = Settings(
        model=model,
        runtime=runtime.value,
        trust_list=trust_list,
        max_bytes=max_bytes,
        max_pixels=max_pixels,
        max_files=max_files or min(Settings.max_files, max_each),
        max_body=max_body,
        max_memory=max(Settings.max_memory, 2 * max_body),
        max_images=max_images,
        max_images_per_client=max_each,
        workers=workers or min(4, usable_cores()),
        api_keys=keys,
        # With keys, or where the person says that anybody may ask, a foreign name gains nothing.
        hosts=(*_LOOPBACK, *(allow_host or ())) if local and keys is None else None,
        origins=tuple(allow_origin or ()),
        allow_network=allow_network,
    )
    _listen(settings, host, port, open_page=open_page)


def _print_new_key(name: str) -> None:
    from fauxto.serve.keys import new_key

    key, line = new_key(name)
    print(f"fauxto: the key, shown only now: {key}", file=sys.stderr)
    print(line)


def _listen(settings: Settings, host: str, port: int, *, open_page: bool) -> None:
    """Serve until a signal; what was accepted before it is finished."""
    import socket

    import uvicorn

    from fauxto.errors import UsageError
    from fauxto.serve.app import create_app
    from fauxto.serve.protocol import PatientProtocol

    # force: some library may have set up the root logger for its own messages.
    logging.basicConfig(format="%(asctime)s %(message)s", stream=sys.stderr, level=logging.WARNING)
    logging.getLogger("fauxto.serve").setLevel(logging.INFO)
    app = create_app(settings)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(2048)  # before the browser is opened: it then waits instead of failing
    except OSError as error:
        other = "--port" if error.errno in (errno.EADDRINUSE, errno.EACCES) else "--host"
        raise UsageError(
            f"cannot listen on {host} port {port} ({error.strerror}); choose another {other}"
        ) from error
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{listening.getsockname()[1]}/"
    config = uvicorn.Config(
        app,
        http=PatientProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )
    print(f"fauxto: serving on {url} (Ctrl+C stops)", file=sys.stderr, flush=True)
    if open_page:
        import webbrowser

        webbrowser.open(url)
    with contextlib.suppress(KeyboardInterrupt):  # raised again by uvicorn after it has finished
        uvicorn.Server(config).run(sockets=[listening])
