"""Choose the representation of an answer from Accept, or from the original's `fmt`.

Source: docs/reference/http.md "Representations".
"""

from __future__ import annotations

from ksrpc import wire
from ksrpc.errors import NotAcceptableError

#: "any" lets the render step decide: a table becomes CSV, all else JSON.
ANY = "*/*"
ARROW, PARQUET = "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"
OFFERED = (wire.MEDIA_TYPE, "application/json", "text/csv", "application/x-ndjson", "text/plain", ARROW, PARQUET)
#: gzip and pickle protocols 2 to 5: what versions below 1 sent. Recognised to be refused, never read.
PICKLE_STARTS = (b"\x1f\x8b", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
OLD_CLIENT = "this server needs ksrpc >= 1: `pip install -U ksrpc` on the client; pickles are never read"
_FORMATS = {"json": "application/json", "csv": "text/csv"}
_ALL_FORMATS = {**_FORMATS, "ndjson": "application/x-ndjson", "arrow": ARROW, "parquet": PARQUET, "text": "text/plain"}


def choose_media_type(accept: str, fmt: str | None = None) -> str:
    """Return one of OFFERED, or ANY.

    Raises:
        NotAcceptableError: None of what the client accepts is offered; the text lists what is.
    """
    if fmt is not None:
        if fmt not in _FORMATS:
            raise NotAcceptableError(f"fmt is one of {', '.join(_FORMATS)}")
        return _FORMATS[fmt]
    wanted = sorted(_parse(accept), key=lambda item: -item[1])
    for name, quality in wanted:
        if quality <= 0:
            continue
        if name in OFFERED:
            return name
        if name in (ANY, ""):
            return ANY
        if name in ("application/*", "text/*"):
            return next(offer for offer in OFFERED[1:] if offer.startswith(name[:-1]))
    raise NotAcceptableError(f"not to be had as {accept[:200]}; there is {', '.join(OFFERED)}")


def choose_format(name: str) -> str:
    """Return the one of OFFERED that `_format` names in a query.

    Raises:
        NotAcceptableError: It names none; the text lists the names.
    """
    if name not in _ALL_FORMATS:
        raise NotAcceptableError(f"_format is one of {', '.join(_ALL_FORMATS)}")
    return _ALL_FORMATS[name]


def _parse(accept: str) -> list[tuple[str, float]]:
    items = []
    for part in accept.split(",")[:50]:
        name, *parameters = (piece.strip() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            key, _, text = parameter.partition("=")
            if key.strip() == "q":
                try:
                    quality = float(text)
                except ValueError:
                    quality = 0.0
        items.append((name.lower(), quality))
    return items
