"""Make views of encoded values, in a worker of its own: decoding runs a data library's code, the gateway does not."""

import sys

from ksrpc import wire
from ksrpc.errors import NotAcceptableError
from ksrpc.wire import view
from ksrpc.wire.item import split_records

__all__ = ["render", "render_items"]


def render(data: bytes, media_type: str, options: dict[str, str]) -> tuple[str, str, bytes]:
    """Decode a value and render it as `media_type`; `*/*` is CSV for a table and JSON for all else.

    Returns:
        The media type, the name of the value's class, and the view; no media type and the reason if the value has no
        such view.
    """
    return _render(wire.parse(data), media_type, options)


def render_items(data: bytes, media_type: str, options: dict[str, str]) -> tuple[str, str, bytes]:
    """Do what `render` does for the records of a stream, which are shown as a list."""
    value = [wire.parse(record.body) for record in split_records((data,))]
    return _render(value, "application/json" if media_type == "*/*" else media_type, options)


def _render(value: object, media_type: str, options: dict[str, str]) -> tuple[str, str, bytes]:
    name = type(value).__name__
    if media_type == "*/*":
        media_type = "text/csv" if _is_table(value) else "application/json"
    try:
        return media_type, name, view.render(value, media_type=media_type, options=options)
    except NotAcceptableError as exc:
        return "", name, str(exc).encode()


def _is_table(value: object) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.DataFrame | pandas.Series)
