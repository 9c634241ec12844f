"""uvicorn's HTTP/1.1 with the limits that it does not have: of time for heads and answers, of connections."""

from __future__ import annotations

import asyncio
import json

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from fauxto.serve.problems import MEDIA_TYPE, Problem, busy
from fauxto.serve.settings import Settings


class PatientProtocol(H11Protocol):
    """Closes a connection on which no request is under way and none begins in time, or no answer is taken.

    The time runs while a connection is idle, sends its head byte by byte, or sends the rest of a body whose
    answer has gone out already. Bodies of requests under way have their own limit (`uploads.Body`).

    Attributes:
        seconds: that a head may take; in as many, an answer that waits must shrink by `min_rate` a second.
        min_rate: bytes a second.
        most: connections that may be open; beyond, an idle one is closed, or else the new one refused.
    """

    seconds = 20.0
    min_rate = Settings.min_rate
    most = 800  # below the 1024 descriptors that a process usually may have
    _deadline: asyncio.TimerHandle | None = None
    _drained: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin with the deadline running."""
        super().connection_made(transport)
        self._deadline = self.loop.call_later(self.seconds, self._close_if_idle)
        if len(self.connections) > self.most and not self._close_an_idle_one():
            self._refuse(busy("too many connections are open"))

    def on_response_complete(self) -> None:
        """Let the time run anew for the next request."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(self.seconds, self._close_if_idle)
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the time."""
        for timer in (self._deadline, self._drained):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client takes its answer more slowly than it comes: watch that it takes it at all."""
        super().pause_writing()
        self._watch_drain()

    def resume_writing(self) -> None:
        """It has taken it."""
        if self._drained is not None:
            self._drained.cancel()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP as every other error, unless an answer has gone out already."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._refuse(Problem(400, "bad-request", f"{msg.rstrip('.')}; send HTTP/1.1"))
        else:
            self.transport.close()

    @property
    def _idle(self) -> bool:
        return (self.cycle is None or self.cycle.response_complete) and not self.transport.is_closing()

    def _close_if_idle(self) -> None:
        if self._idle:
            self.transport.close()

    def _close_an_idle_one(self) -> bool:
        for other in self.connections:
            if other is not self and isinstance(other, PatientProtocol) and other._idle:
                other.transport.close()
                return True
        return False

    def _watch_drain(self) -> None:
        waiting = self.transport.get_write_buffer_size()
        self._drained = self.loop.call_later(self.seconds, self._abort_if_stalled, waiting)

    def _abort_if_stalled(self, before: int) -> None:
        if before - self.transport.get_write_buffer_size() < self.min_rate * self.seconds:
            self.transport.abort()  # closing would wait until the client has taken the rest
        else:
            self._watch_drain()

    def _refuse(self, problem: Problem) -> None:
        """Answer without the application, and close."""
        body = json.dumps(problem.body()).encode()
        headers = {
            "Content-Type": MEDIA_TYPE,
            "Content-Length": str(len(body)),
            "Connection": "close",
            "X-Content-Type-Options": "nosniff",
            **problem.headers,
        }
        lines = [f"HTTP/1.1 {problem.status} {problem.title}", *(f"{k}: {v}" for k, v in headers.items())]
        self.transport.write("\r\n".join([*lines, "", ""]).encode() + body)
        self.transport.close()
