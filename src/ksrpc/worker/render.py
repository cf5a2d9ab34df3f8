"""Make views of encoded values, in a worker of its own: decoding runs a data library's code, the gateway does not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from ksrpc import wire
from ksrpc.errors import NotAcceptableError
from ksrpc.wire import view
from ksrpc.wire.block import is_framed, is_large
from ksrpc.wire.item import split_records

__all__ = ["render", "render_items"]


def render(
    pieces: Sequence[bytes], media_type: str, options: dict[str, str]
) -> tuple[str, str, bytes] | Iterator[tuple[str, str] | bytes]:
    """Decode a value and render it as `media_type`; `*/*` is CSV for a table and JSON for all else.

    Returns:
        The media type, the name of the value's class, and the view; no media type and the reason if the value has no
        such view. Of a large value a stream: media type and name together, then the view piece by piece.
    """
    return _render(wire.parse(pieces[0] if len(pieces) == 1 else b"".join(pieces)), media_type, options)


def render_items(
    pieces: Sequence[bytes], media_type: str, options: dict[str, str]
) -> tuple[str, str, bytes] | Iterator[tuple[str, str] | bytes]:
    """Do what `render` does for the records of a stream, which are shown as a list."""
    value = [wire.parse(record.body) for record in split_records(pieces)]
    return _render(value, "application/json" if media_type == "*/*" else media_type, options)


def _render(
    value: object, media_type: str, options: dict[str, str]
) -> tuple[str, str, bytes] | Iterator[tuple[str, str] | bytes]:
    name = type(value).__name__
    if media_type == "*/*":
        media_type = "text/csv" if is_framed(value) else "application/json"
    try:
        pieces = view.iter_view(value, media_type=media_type, options=options)
        if not is_large(value):
            return media_type, name, b"".join(pieces)
        first = next(pieces, b"")  # what is wrong with the value at once is an answer, not a stream that breaks
    except NotAcceptableError as exc:
        return "", name, str(exc).encode()
    return _stream((media_type, name), chain((first,), pieces))


def _stream(head: tuple[str, str], pieces: Iterator[bytes]) -> Iterator[tuple[str, str] | bytes]:
    yield head
    yield from pieces
