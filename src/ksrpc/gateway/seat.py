"""Count the WebSockets of each user, so that one cannot take all that the server can hold.

Source: docs/reference/websocket.md "Refusals"; docs/spec/policy.md "Identity".
"""

from __future__ import annotations

from collections import Counter

from ksrpc.errors import BusyError


class Seats:
    """Know how many WebSockets each user has open."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()

    def take(self, user: str, limit: int) -> None:
        """Count one in.

        Raises:
            BusyError: The user has as many as allowed.
        """
        if self._taken[user] >= limit:
            raise BusyError(f"you have {limit} WebSockets open already (access.connections): close some")
        self._taken[user] += 1

    def leave(self, user: str) -> None:
        """Count one out; who has none left is forgotten."""
        self._taken[user] -= 1
        if self._taken[user] <= 0:
            del self._taken[user]

    def __len__(self) -> int:
        return len(self._taken)
