"""What the person who starts the server may choose."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fauxto.models.session import Runtime
    from fauxto.serve.keys import ApiKeys

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Settings:
    """The server's limits and what it may do; the defaults suit one person's machine.

    Attributes:
        model: `auto`, a model's name, or a bundle's folder.
        runtime: what computes the models.
        trust_list: PEM file of certificates to trust as signers of Content Credentials.
        max_bytes: of one file.
        max_pixels: of one image, width times height.
        max_files: of one request.
        max_body: bytes of one request.
        max_memory: bytes of all requests that are held at one time.
        max_images: images that wait or are judged at one time; more are answered 503.
        max_images_per_client: the same for one client; more are answered 429.
        workers: images that are decoded at one time, each in a process of its own.
        decode_seconds: that decoding one image may take.
        grace: seconds that a request's head, or a body of any size, may take.
        min_rate: bytes a second that a body must reach on average once `grace` is over.
        api_keys: who may ask; None lets everybody.
        hosts: names by which the server may be addressed; None accepts every name.
        origins: other sites whose pages may call the API from a browser (CORS).
        allow_network: offer `POST /v1/scan-url`.
        url_timeout: seconds that fetching one address may take.
    """

    model: str = "auto"
    runtime: Runtime = "onnxruntime"
    trust_list: Path | None = None
    max_bytes: int = 32 * MEGABYTE
    max_pixels: int = 64_000_000
    max_files: int = 32
    max_body: int = 128 * MEGABYTE
    max_memory: int = 512 * MEGABYTE
    max_images: int = 128
    max_images_per_client: int = 64
    workers: int = 2
    decode_seconds: float = 30.0
    grace: float = 15.0
    min_rate: int = 16_000
    api_keys: ApiKeys | None = None
    hosts: tuple[str, ...] | None = None
    origins: tuple[str, ...] = ()
    allow_network: bool = False
    url_timeout: float = 15.0
