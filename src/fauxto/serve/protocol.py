"""uvicorn's HTTP/1.1 with a deadline for a request's head, which uvicorn itself does not have."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol


class PatientProtocol(H11Protocol):
    """Closes a connection on which no request is under way and none begins in time.

    The time runs while a connection is idle, sends its head byte by byte, or sends the rest of a body whose
    answer has gone out already. Bodies of requests under way have their own limit (`uploads.Body`).
    """

    seconds = 20.0
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin with the deadline running."""
        super().connection_made(transport)
        self._deadline = self.loop.call_later(self.seconds, self._close_if_idle)

    def on_response_complete(self) -> None:
        """Let the time run anew for the next request."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(self.seconds, self._close_if_idle)
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the time."""
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def _close_if_idle(self) -> None:
        if (self.cycle is None or self.cycle.response_complete) and not self.transport.is_closing():
            self.transport.close()
