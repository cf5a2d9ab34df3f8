"""uvicorn's WebSocket protocol with one habit changed: it stops reading only when messages pile up.

As it stands it stops and starts reading at every message, two calls into the loop and one into the system for each.
"""

from __future__ import annotations

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

#: Messages that may wait for the application before the socket is left alone.
_WAITING = 4


class SteadyProtocol(WebSocketsSansIOProtocol):
    """Read on while the application keeps up."""

    def send_receive_event_to_app(self) -> None:
        """Hand a message over; stop reading if the application is behind. It goes on when all were taken."""
        was_paused, self.read_paused = self.read_paused, True  # the parent leaves a paused socket alone
        super().send_receive_event_to_app()
        self.read_paused = was_paused
        if not was_paused and self.queue.qsize() >= _WAITING:
            self.read_paused = True
            self.transport.pause_reading()
