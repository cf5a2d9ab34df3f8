"""The items of a stream that comes as the body of one HTTP answer: blocking.

Source: docs/reference/http.md "Streams".
"""

from __future__ import annotations

import http.client
import os
from collections.abc import Callable

from ksrpc.errors import DeadlineError, LostError
from ksrpc.transport.feed import Feed
from ksrpc.transport.items import Inlet
from ksrpc.transport.watch import Trail

_READ_BYTES = 1 << 16


class BodyItems(Inlet):
    """Read a body record by record; the connection is its own until then.

    Args:
        response: The answer, its head read.
        release: Told at the end whether the connection can be used again.
        trail: What shows it; ends with it.
    """

    def __init__(self, response: http.client.HTTPResponse, release: Callable[[bool], None], trail: Trail) -> None:
        self._response = response
        self._release = release
        self._feed = Feed()
        self._trail = trail
        trail.stream(self._feed)
        self._pid = os.getpid()

    def next_bodies(self) -> list[bytes]:
        """Read until items are there.

        Raises:
            LostError: The connection broke.
            DeadlineError: No item came within the call's time.
        """
        if self._pid != os.getpid():
            raise LostError("this stream belongs to the process before the fork")
        if not self._feed.has_news:
            self._wait()
        bodies, _ = self._feed.take()
        if not bodies:
            self._end()
        return bodies

    def close(self) -> None:
        """Hang up: there the call ends by it."""
        self._trail.close()
        self._response.close()
        self._release(False)

    def _wait(self) -> None:
        self._trail.wait(on=True)
        try:
            while not self._feed.has_news:
                self._read()
        finally:
            self._trail.wait(on=False)

    def _read(self) -> None:
        try:
            data = self._response.read1(_READ_BYTES)
        except TimeoutError as exc:
            raise DeadlineError("no item within the call's time") from exc
        except (OSError, http.client.HTTPException) as exc:
            raise LostError(f"the connection broke within the stream: {exc}") from exc
        if data:
            self._feed.put(data)
        else:
            self._feed.end(LostError("the server broke the stream off"))

    def _end(self) -> None:
        """Read past the end of the body, so that the connection can take another call."""
        try:
            is_clean = not self._response.read1(1) and self._response.isclosed()
        except (OSError, http.client.HTTPException):
            is_clean = False
        self._trail.close()
        keep = is_clean and not self._response.will_close
        self._response.close()
        self._release(keep)
