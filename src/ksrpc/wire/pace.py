"""Decide, while a message goes out, whether compressing it is worth the time.

Rules: nothing is decided before so much has gone out that no buffer on the way can hold it; a codec that costs more
time than the link saves gives way to a faster one, the last of them to none; and where the link without any proves
slower than the first codec was, that one is taken up again.

Source: docs/explanation/compression.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

__all__ = ["Pace"]

#: Sockets, and the network between them, may hold so much: who measures less measures them.
_HORIZON_BYTES: Final = 8 << 20
#: After a change of mind the next decision is based on so many times as much.
_CAUTION: Final = 4


class Pace:
    """Measure one message, sending side.

    Args:
        codecs: What may be used, best first.
        clock: Gives seconds that never go back.
        is_fixed: Compress whatever the link does.
    """

    __slots__ = ("_best_rate", "_codecs", "_horizon_bytes", "_is_settled", "_link", "_packed", "_place", "clock")

    def __init__(self, codecs: Sequence[str], clock: Callable[[], float], *, is_fixed: bool = False) -> None:
        self.clock = clock
        self._codecs = tuple(name for name in codecs if name != "none")
        self._place = 0
        self._is_settled = is_fixed
        self._horizon_bytes = _HORIZON_BYTES
        self._best_rate = 0.0  # of the first codec [bytes/s]
        self._packed = (0, 0, 0.0)
        self._link = (0, 0.0)

    @property
    def codec(self) -> str:
        """Return what to use now; "none" = send as it lies."""
        return self._codecs[self._place] if self._place < len(self._codecs) else "none"

    @property
    def is_settled(self) -> bool:
        """Tell whether nothing will change any more."""
        return self._is_settled

    def packed(self, raw: int, stored: int, seconds: float) -> None:
        """Take note of what the codec did."""
        was_raw, was_stored, was_s = self._packed
        self._packed = (was_raw + raw, was_stored + stored, was_s + seconds)

    def took(self, count: int, seconds: float) -> None:
        """Take note of how long the link took so many bytes."""
        was_bytes, was_s = self._link
        self._link = (was_bytes + count, was_s + seconds)
        if not self._is_settled:
            self._decide()

    def _begin(self) -> None:
        self._packed = (0, 0, 0.0)
        self._link = (0, 0.0)

    def _decide(self) -> None:
        sent_bytes, sent_s = self._link
        raw, stored, codec_s = self._packed
        if self.codec == "none":
            if sent_bytes >= self._horizon_bytes:
                self._look_back(sent_bytes, sent_s)
        elif stored >= self._horizon_bytes:
            if self._place == 0:
                self._best_rate = raw / max(codec_s, 1e-9)
            s_per_byte = sent_s / sent_bytes
            if codec_s + stored * s_per_byte > raw * s_per_byte:
                self._place += 1
            self._begin()

    def _look_back(self, sent_bytes: int, sent_s: float) -> None:
        """Compare the link as it is with what the first codec made."""
        if sent_bytes < self._best_rate * sent_s:
            self._place = 0
            self._horizon_bytes *= _CAUTION
            self._begin()
        else:
            self._is_settled = True
