"""A request whose connection broke is sent once more, by its name: the server runs it once and no more.

Source: docs/reference/http.md "Once and no more"; draft-ietf-httpapi-idempotency-key-header.
"""

from __future__ import annotations

import itertools
import random
import secrets
import time
from types import TracebackType
from typing import Self

from ksrpc.errors import AddressError, AuthError, ConnectError, DeadlineError, LostError

_PAUSE_S = 0.1
#: These are said before the server looks whether it knows the request.
_EARLY = (AuthError, AddressError)


class Names:
    """Give each request a name that nobody else gives."""

    def __init__(self) -> None:
        self._prefix = secrets.token_hex(8)
        self._numbers = itertools.count(1)

    def next(self) -> str:
        """Return the value of the next Idempotency-Key."""
        return f'"{self._prefix}-{next(self._numbers):x}"'


class Retry:
    """Send a request once more; enter it around the second attempt, whose failure then tells of both.

    Args:
        first: What the first attempt ended with.
        began: When it began (monotonic).
        timeout_s: The time of the call.

    Attributes:
        pause_s: To be waited before, at random: a gateway that comes back is not to be asked by all at once.

    Raises:
        LostError: There is no time for it: the first error.
    """

    def __init__(self, first: LostError, began: float, timeout_s: float | None) -> None:
        self._first = first
        self._began = began
        self._until = None if timeout_s is None else began + timeout_s
        self.pause_s = random.uniform(0, _PAUSE_S)
        if isinstance(first, DeadlineError) or (self._until is not None and time.monotonic() + _PAUSE_S >= self._until):
            raise first

    @property
    def left_s(self) -> float | None:
        """Return the time that is left for the answer."""
        return None if self._until is None else max(0.001, self._until - time.monotonic())

    def connect_s(self, connect_s: float | None) -> float | None:
        """Return the time for connecting."""
        left_s = self.left_s
        return connect_s if left_s is None else left_s if connect_s is None else min(connect_s, left_s)

    @property
    def age_s(self) -> float:
        """Return how long ago the first attempt began, at the most."""
        return time.monotonic() - self._began

    def check(self, error: BaseException | None) -> None:
        """Look at an error that the server answered with.

        Raises:
            LostError: It says nothing of the first attempt, which may have run.
        """
        if self._first.maybe_ran and isinstance(error, _EARLY):
            raise LostError(f"{self._first}; the second attempt was refused: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, cls: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        if isinstance(exc, ConnectError):
            raise self._first from exc
        if isinstance(exc, LostError) and self._first.maybe_ran and not exc.maybe_ran:
            text = str(exc)
            raise (DeadlineError(text) if isinstance(exc, DeadlineError) else LostError(text)) from exc
