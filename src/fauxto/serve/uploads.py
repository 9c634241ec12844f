"""Request bodies into memory: never onto a disk, within limits, and no slower than a client must be."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from fauxto.serve.metrics import Metrics
from fauxto.serve.problems import Problem, busy
from fauxto.serve.settings import Settings

_MAX_NAME = 255


@dataclass(frozen=True)
class Upload:
    """One file as it came, or was fetched."""

    name: str
    data: bytes


class Memory:
    """Bytes of request bodies that are held at one time; a body that does not fit is refused."""

    def __init__(self, limit: int, metrics: Metrics) -> None:
        self._limit, self._held, self._metrics = limit, 0, metrics

    def take(self, count: int) -> None:
        """Count `count` more bytes.

        Raises:
            Problem: 503, all memory for uploads is taken.
        """
        if self._held + count > self._limit:
            raise busy("the memory for uploads is full")
        self._held += count
        self._metrics.memory.set(self._held)

    def give_back(self, count: int) -> None:
        """Count `count` bytes less."""
        self._held -= count
        self._metrics.memory.set(self._held)


class _InMemoryParser(MultiPartParser):
    """Starlette's parser, which otherwise writes a file of more than a megabyte to the disk.

    It also leaves out the last file of a body that ends within it, and says nothing.
    """

    spool_max_size = sys.maxsize
    ended = False

    def on_end(self) -> None:
        """The last boundary is here."""
        self.ended = True


class Body:
    """The body of one request while it arrives, of at most `limit` bytes."""

    def __init__(self, request: Request, settings: Settings, memory: Memory, limit: int) -> None:
        self._request, self._settings, self._memory, self._limit = request, settings, memory, limit
        self.received = 0

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body's bytes as they come.

        Raises:
            Problem: 413 too large, 408 too slow, 503 no memory left.
        """
        self._check_declared()
        loop = asyncio.get_running_loop()
        begun = loop.time()
        stream = self._request.stream()
        while True:
            # Whoever keeps up the least rate is never cut off, whoever stalls is, however many bytes came.
            due = begun + self._settings.grace + self.received / self._settings.min_rate
            try:
                chunk = await asyncio.wait_for(anext(stream), max(0.0, due - loop.time()))
            except StopAsyncIteration:
                return
            except asyncio.TimeoutError:
                raise self._too_slow() from None
            except ClientDisconnect:  # nobody is left to answer, and it is no fault of ours
                raise Problem(400, "bad-request", "the request ends within its body; send it again") from None
            self._check_size(self.received + len(chunk))
            self._memory.take(len(chunk))
            self.received += len(chunk)
            yield chunk

    def _check_declared(self) -> None:
        declared = self._request.headers.get("content-length", "")
        if declared.isdecimal():
            self._check_size(int(declared))

    def _check_size(self, count: int) -> None:
        if count > self._limit:
            detail = f"the request is over the limit of {self._limit / 1e6:.4g} MB; send less at a time"
            raise Problem(413, "too-large", detail)

    def _too_slow(self) -> Problem:
        rate = self._settings.min_rate / 1000
        detail = f"the request's body came too slowly (less than {rate:.3g} kB a second); send it again"
        return Problem(408, "timeout", detail, {"Connection": "close"})


class Uploads:
    """Receives request bodies."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings, self._memory = settings, Memory(settings.max_memory, metrics)

    @asynccontextmanager
    async def body(self, request: Request, limit: int) -> AsyncIterator[Body]:
        """The body of a request, at most `limit` bytes; they count as held until the block ends."""
        body = Body(request, self._settings, self._memory, limit)
        try:
            yield body
        finally:
            self._memory.give_back(body.received)

    @asynccontextmanager
    async def hold(self, count: int) -> AsyncIterator[None]:
        """Count bytes that came another way than in a body."""
        self._memory.take(count)
        try:
            yield
        finally:
            self._memory.give_back(count)

    async def json(self, request: Request, limit: int) -> bytes:
        """The body of a request that sends JSON, not parsed yet.

        Raises:
            Problem: 400, 408, 413, 415 or 503.
        """
        if _media_type(request) != "application/json":
            raise Problem(415, "wrong-content-type", "send the body as application/json")
        async with self.body(request, limit) as body:
            return b"".join([chunk async for chunk in body.chunks()])

    @asynccontextmanager
    async def form(self, request: Request, *, max_fields: int = 16) -> AsyncIterator[FormData]:
        """The multipart form of a request; what it holds is gone when the block ends.

        Raises:
            Problem: 400, 408, 413, 415 or 503.
        """
        if _media_type(request) != "multipart/form-data":
            detail = "send multipart/form-data, with the images in the field 'files'"
            raise Problem(415, "wrong-content-type", detail)
        async with self.body(request, self._settings.max_body) as body:
            parser = _InMemoryParser(
                request.headers,
                body.chunks(),
                max_files=self._settings.max_files,
                max_fields=max_fields,
                max_part_size=4_000_000,
            )
            try:
                form = await parser.parse()
            except MultiPartException as error:
                raise self._malformed(error) from error
            try:
                if not parser.ended:
                    raise Problem(400, "bad-request", "the multipart body ends too early; send it again")
                yield form
            finally:
                await form.close()

    def _malformed(self, error: MultiPartException) -> Problem:
        if error.message.startswith("Too many files"):
            detail = f"more than {self._settings.max_files} files in one request; send them in several"
            return Problem(413, "too-many-files", detail)
        return Problem(400, "bad-request", f"the multipart body is malformed ({error.message.rstrip('.')})")


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def files_of(form: FormData, field: str = "files") -> Sequence[Upload]:
    """The files in a field of a form.

    Raises:
        Problem: 400, there is none.
    """
    # A browser sends an empty part without a name where nothing was chosen.
    parts = [
        part for part in form.getlist(field) if isinstance(part, UploadFile) and (part.filename or part.size)
    ]
    if not parts:
        raise Problem(400, "no-files", f"no file in the field '{field}'; choose at least one image")
    return [Upload((part.filename or "unnamed")[:_MAX_NAME], await part.read()) for part in parts]
