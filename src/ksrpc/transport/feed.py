"""The items of one call at the client: what came, what is still owed to the peer's credit, and how it ended.

Source: docs/spec/protocol.md "Streams".
"""

from __future__ import annotations

from typing import Any

from ksrpc import wire
from ksrpc.errors import DecodeError, KsrpcError, LostError, TooLargeError
from ksrpc.protocol import Buffer
from ksrpc.protocol.fault import RAISED, parse_fault
from ksrpc.transport.problem import lost_answer, throw
from ksrpc.wire.item import Record, RecordKind, RecordReader, parse_end


class Feed:
    """Take bytes of records in, give values out.

    Attributes:
        is_ended: Whether nothing more will come.
        came: How many items came.
        owed_bytes: What came and was not taken.
    """

    def __init__(self) -> None:
        self.is_ended = False
        self.came = 0
        self._reader = RecordReader()
        self._bodies: list[bytes] = []
        self.owed_bytes = 0
        self._error: BaseException | None = None

    @property
    def has_news(self) -> bool:
        """Tell whether `take` has something to say."""
        return bool(self._bodies) or self.is_ended

    def put(self, data: Buffer) -> int:
        """Take bytes; return how many of them nobody has to take before more may come: those of an item in parts.

        Raises:
            LostError: They are no records.
        """
        self.owed_bytes += len(data)
        try:
            self._reader.feed(data)
            for record in self._reader.split():
                self._on_record(record)
        except (DecodeError, TooLargeError) as exc:
            raise lost_answer(exc) from exc
        return 0 if self._bodies else self._pay()

    def end(self, error: BaseException | None = None) -> None:
        """Take note of the end: complete, or by an error."""
        if self.is_ended:
            return
        if error is None and self._reader.is_partial:
            error = LostError("the stream ended inside an item")
        self._error, self.is_ended = error, True

    def take(self) -> tuple[list[bytes], int]:
        """Return the items that are there, still encoded, and how many bytes are taken by that; none: it is over.

        Raises:
            BaseException: What ended the stream, once; after that it is over.
        """
        if self._bodies:
            bodies, self._bodies = self._bodies, []
            return bodies, self._pay()
        if self._error is not None:
            throw(self._take_error())
        return [], 0

    def _take_error(self) -> BaseException:
        error, self._error = self._error, None
        return error or LostError("the stream has ended")

    def _on_record(self, record: Record) -> None:
        if record.kind == RecordKind.ITEM:
            self._bodies.append(record.body)
            self.came += 1
        elif record.kind == RecordKind.END:
            self.end()
        else:
            meta, body = parse_end(record.body)
            self.end(raised(meta, body))

    def _pay(self) -> int:
        paid, self.owed_bytes = self.owed_bytes, 0
        return paid


def raised(meta: dict[str, Any], body: Buffer) -> BaseException:
    """Return the error of a RAISE: the library's own, or one of ksrpc's."""
    if meta.get("code") != RAISED:
        return parse_fault(meta)
    try:
        return wire.parse_error(bytes(body))
    except (DecodeError, TooLargeError) as exc:
        return lost_answer(exc)


def parse_item(body: bytes) -> Any:
    """Decode an item.

    Raises:
        LostError: It cannot be read.
    """
    try:
        return wire.parse(body)
    except KsrpcError as exc:
        raise lost_answer(exc) from exc
