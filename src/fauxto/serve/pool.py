"""Judging off the event loop: bounded work, and images that wait together are judged together."""

from __future__ import annotations

import asyncio
import io
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from fauxto.detector import Detector, Prepared
from fauxto.images import Limits
from fauxto.models import BundleConfig, find_bundle, read_config, shipped
from fauxto.provenance import ProvenanceOptions
from fauxto.record import Record
from fauxto.serve.metrics import Metrics
from fauxto.serve.problems import RETRY_AFTER, Problem, busy
from fauxto.serve.settings import Settings
from fauxto.serve.uploads import Upload

BATCH_SIZE = 32
_PICTURE_SIDE = 320  # of the picture on a card of the page
_LOG = logging.getLogger("fauxto.serve")
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Judged:
    """One image's record, and what a picture of it can still be made from."""

    record: Record
    prepared: Prepared


class Pool:
    """One detector for all requests.

    Images are decoded in `settings.workers` processes of their own, so that a decoder which crashes or hangs
    costs one image and not the server, and judged in a thread, which takes whatever has come to wait, up to
    `BATCH_SIZE`. How many images may be inside is bounded, in all and for each client.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings, self._metrics = settings, metrics
        # The file's own statements are read offline, also where the server may fetch images: the address
        # of a remote manifest stands in the file, which a stranger has sent.
        provenance = ProvenanceOptions(allow_network=False, trust_list=settings.trust_list)
        limits = Limits(max_pixels=settings.max_pixels, max_bytes=settings.max_bytes)
        self._detector = Detector(
            settings.model,
            limits=limits,
            provenance=provenance,
            runtime=settings.runtime,
            isolate=True,
            thumbnail_side=_PICTURE_SIDE,
            decode_seconds=settings.decode_seconds,
        )
        folders = shipped().values() if settings.model == "auto" else [find_bundle(settings.model)]
        self.configs: dict[str, BundleConfig] = {c.name: c for c in map(read_config, folders)}
        self.ready = False
        self._clients: Counter[str] = Counter()
        self._inside = 0
        self._queue: asyncio.Queue[tuple[Prepared, asyncio.Future[Record]]] = asyncio.Queue()
        self._workers = ThreadPoolExecutor(settings.workers, "fauxto-prepare")
        self._judge = ThreadPoolExecutor(1, "fauxto-judge")
        self._batches: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Load the models and begin to judge."""
        await self.run(self._load)
        # Nor the start of the decoding processes: each worker gets its own now.
        image = _any_image()
        await asyncio.gather(
            *(self.run(self._detector.prepare, image) for _ in range(self._settings.workers))
        )
        self._batches = asyncio.create_task(self._judge_batches())
        self.ready = True

    async def stop(self) -> None:
        """Stop when nothing is left to do; the server has finished its requests by then."""
        self.ready = False
        if self._batches is not None:
            self._batches.cancel()
        self._workers.shutdown()
        self._judge.shutdown()
        self._detector.close()

    def _load(self) -> None:
        # The detector loads a model at its first use: that should not be the first visitor's wait.
        for config in self.configs.values():
            side = config.domain.min_side
            self._detector.scan(np.zeros((side, side, 3), dtype=np.uint8))

    async def run(self, work: Callable[..., T], *arguments: object) -> T:
        """Do one piece of work in a thread of the pool."""
        return await asyncio.get_running_loop().run_in_executor(self._workers, work, *arguments)

    async def inspect(self, upload: Upload) -> dict[str, Any]:
        """What a file says of itself. The caller has made `room` for it.

        Raises:
            InputError: `corrupt`, where a reader crashed or hung.
        """
        return await self.run(self._detector.inspect, upload.data, upload.name)

    def check_room(self, client: str) -> None:
        """Refuse before a body is read what would be refused after it.

        Raises:
            Problem: as `room`.
        """
        with self.room(1, client):
            pass

    @contextmanager
    def room(self, count: int, client: str) -> Iterator[None]:
        """Room for `count` images of a client, kept until the block ends.

        Raises:
            Problem: 429, this client has too many inside; 503, there are too many in all.
        """
        if self._inside + count > self._settings.max_images:
            raise busy("all places for images are taken")
        if self._clients[client] + count > self._settings.max_images_per_client:
            limit = self._settings.max_images_per_client
            detail = f"you have too many images waiting (the limit is {limit}); wait for some answers first"
            raise Problem(429, "too-many-requests", detail, {"Retry-After": str(RETRY_AFTER)})
        self._move(count, client)
        try:
            yield
        finally:
            self._move(-count, client)

    def _move(self, count: int, client: str) -> None:
        self._inside += count
        self._clients[client] += count
        if not self._clients[client]:
            del self._clients[client]
        self._metrics.waiting.set(self._inside)

    async def judge(self, uploads: Sequence[Upload]) -> list[Judged]:
        """Judge images, in order. The caller has made `room` for them."""
        return await asyncio.gather(*map(self._judge_one, uploads))

    async def _judge_one(self, upload: Upload) -> Judged:
        begun = perf_counter()
        prepared = await self.run(self._detector.prepare, upload.data, upload.name)
        judged: asyncio.Future[Record] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait((prepared, judged))
        record = await judged
        outcome = record.verdict or (record.error.code if record.error else "error")
        self._metrics.images.labels(outcome).inc()
        sha256 = record.image.sha256 if record.image else "-"
        _LOG.info("%s %d bytes %s %.3f s", sha256, len(upload.data), outcome, perf_counter() - begun)
        return Judged(record, prepared)

    async def _judge_batches(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            batch = [await self._queue.get()]
            while len(batch) < BATCH_SIZE and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            self._metrics.batch.observe(len(batch))
            outcomes = await loop.run_in_executor(self._judge, self._outcomes, [item for item, _ in batch])
            for (_, judged), outcome in zip(batch, outcomes, strict=True):
                if judged.cancelled():
                    continue
                if isinstance(outcome, Record):
                    judged.set_result(outcome)
                else:
                    judged.set_exception(outcome)

    def _outcomes(self, batch: Sequence[Prepared]) -> list[Record | Exception]:
        """A record for each image; where the batch fails, each alone, so that one cannot fail the others."""
        try:
            return list(self._detector.judge(batch))
        except Exception as error:
            if len(batch) == 1:
                return [error]
            return [self._outcomes([item])[0] for item in batch]


def _any_image() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (32, 32)).save(buffer, "PNG")
    return buffer.getvalue()
