"""Values for those who do not read the wire format: JSON, CSV, NDJSON, text. One way, lossy, never read back.

Rules: NaN and infinities are null, Decimals are texts, times are ISO 8601, bytes are base64, tuples and sets are
lists; what looks like a number but is text ("000001") stays text.

Source: docs/spec/wire.md "Views".
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType, NoneType
from typing import Any, Final

from ksrpc.errors import DecodeError, EncodeError, NotAcceptableError, TooLargeError
from ksrpc.limits import REQUEST
from ksrpc.wire.block import cut_pieces, is_pandas_table, split_rows
from ksrpc.wire.codec import encode_plain
from ksrpc.wire.columnar import export, rows
from ksrpc.wire.columnar.rows import is_table
from ksrpc.wire.decoder import map_reader
from ksrpc.wire.simple import Options, encode_json, simplify

__all__ = ["available", "is_tabular", "iter_view", "read_json", "read_object", "read_parts", "render"]

JSON: Final = "application/json"
CSV: Final = "text/csv"
NDJSON: Final = "application/x-ndjson"
TEXT: Final = "text/plain"
ARROW: Final = "application/vnd.apache.arrow.stream"
PARQUET: Final = "application/vnd.apache.parquet"

_ORIENTS: Final = ("records", "split", "columns", "tight")
_FORM: Final = '{"args": [...], "kwargs": {...}}'
#: Source: https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
#: What a cell shows as it is, also in a spreadsheet; and what it shows if no spreadsheet is meant.
_NUMBERS: Final = {int, float, NoneType}
_READY: Final = {*_NUMBERS, str}
_NO_OPTIONS: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Rows:
    """Be a table as texts and plain values: names of the columns, and the columns."""

    names: list[str]
    columns: list[list[Any]]


def render(value: Any, *, media_type: str, options: Mapping[str, str] = _NO_OPTIONS) -> bytes:
    """Show a value as a whole; see `iter_view`.

    Raises:
        NotAcceptableError: The value has no such view, or an option is unknown; the text says what there is.
    """
    return b"".join(iter_view(value, media_type=media_type, options=options))


def iter_view(value: Any, *, media_type: str, options: Mapping[str, str] = _NO_OPTIONS) -> Iterator[bytes]:
    """Show a value in pieces of at most 1 MiB, made as they are taken; what `orient` turns round is made as a whole.

    Args:
        value: Any result.
        media_type: One of `available(value)`.
        options: `orient` (tables in JSON: "records", "split", "columns" or "tight"), `nan` ("null" or "str"), `int64`
            ("number" or "str": what integers beyond 2**53 become), `bom` ("0" or "1": CSV for spreadsheets).

    Raises:
        NotAcceptableError: The value has no such view, or an option is unknown; the text says what there is.
    """
    writer = _WRITERS.get(media_type)
    if writer is None or media_type not in available(value):
        raise NotAcceptableError(f"no {media_type} of this result; there is {', '.join(available(value))}")
    told = _options(options)
    return _guard(cut_pieces(writer(value, told)), media_type)


def _guard(pieces: Iterator[bytes], media_type: str) -> Iterator[bytes]:
    try:
        yield from pieces
    except EncodeError as error:
        raise NotAcceptableError(f"no {media_type} of this result: {error}") from error


def available(value: Any) -> tuple[str, ...]:
    """Return the media types that a value can be shown as; it may still hold a part that cannot."""
    if is_tabular(value):
        return (JSON, CSV, NDJSON, ARROW, PARQUET)
    if isinstance(value, list | tuple | set | frozenset):
        return (JSON, NDJSON)
    if isinstance(value, dict):
        return (JSON,)
    return (JSON, TEXT)


def read_json(data: bytes | bytearray | memoryview) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Read the arguments of a call from the body of a caller without this format: `{"args": [...], "kwargs": {...}}`.

    Both parts may be missing; `kwargs` may be `[]` or null (PHP, R), a scalar `args` is one argument (MATLAB).

    Raises:
        DecodeError: Anything else.
        TooLargeError: The body is over the limit.
    """
    body = bytes(data)
    if len(body) > REQUEST.head_bytes:
        raise TooLargeError(f"a JSON body of {len(body)} bytes, the limit is {REQUEST.head_bytes}")
    if not body.strip():
        return (), {}
    told = read_object(body, form=_FORM)
    if not {"args", "kwargs"}.issuperset(told):
        raise DecodeError(f"this is not JSON of the form {_FORM}")
    return read_parts(told)


def read_object(data: bytes, *, form: str) -> dict[str, Any]:
    """Read one JSON object; `form` is what it should look like, for the error.

    Raises:
        DecodeError: It is not one; a name occurs twice; NaN, a lone surrogate, or an integer over 64 bits is in it.
    """
    try:
        told = json.loads(data, object_pairs_hook=map_reader(), parse_constant=_refuse_constant)
        encode_plain(told)  # refuses lone surrogates and integers over 64 bits, as the binary form does
    except (ValueError, RecursionError, OverflowError) as error:
        raise DecodeError(f"this is not JSON of the form {form}") from error
    if type(told) is not dict:
        raise DecodeError(f"this is not JSON of the form {form}")
    return told


def read_parts(told: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Take `args` and `kwargs` out of what a caller told; see `read_json` for the forms they may have.

    Raises:
        DecodeError: They have others.
    """
    return _read_args(told.get("args")), _read_kwargs(told.get("kwargs"))


def _read_args(args: Any) -> tuple[Any, ...]:
    if args is None:
        return ()
    if type(args) is dict:
        raise DecodeError('"args" is a list; named arguments go into "kwargs"')
    return tuple(args) if type(args) is list else (args,)


def _read_kwargs(kwargs: Any) -> dict[str, Any]:
    if kwargs is None or kwargs == []:
        return {}
    if type(kwargs) is not dict:
        raise DecodeError('"kwargs" is a map of names to values')
    return kwargs


def _refuse_constant(name: str) -> Any:
    raise DecodeError(f"{name} is not JSON")


def _options(options: Mapping[str, str]) -> Options:
    allowed = {"orient": _ORIENTS, "nan": ("null", "str"), "int64": ("number", "str"), "bom": ("0", "1")}
    for name, value in options.items():
        if value not in allowed.get(name, ()):
            raise NotAcceptableError(f"no option {name}={value}: there are {allowed}")
    return Options(
        orient=options.get("orient", "records"),
        nan_text=options.get("nan") == "str",
        int64_text=options.get("int64") == "str",
        excel=options.get("bom") == "1",
    )


def is_tabular(value: Any) -> bool:
    """Tell whether a value has rows and columns, and so a view as CSV."""
    if is_pandas_table(value) or is_table(value):
        return True
    if type(value).__name__ == "ndarray":
        return value.ndim in (1, 2) and value.dtype.names is None
    return isinstance(value, list) and bool(value) and all(type(row) is dict for row in value)


def _rows(value: Any, options: Options) -> Rows:
    if is_pandas_table(value):
        from ksrpc.wire.tabular.rows import take_columns  # noqa: PLC0415  # only where pandas is already in use

        return Rows(*take_columns(value, options))
    if is_table(value):
        return Rows(*rows.take_columns(value, options))
    grid = simplify(value if value.ndim == 2 else value.reshape(-1, 1), options)
    width = value.shape[1] if value.ndim == 2 else 1
    return Rows([str(number) for number in range(width)], [[row[at] for row in grid] for at in range(width)])


def _records(table: Rows) -> Iterable[dict[str, Any]]:
    return (dict(zip(table.names, row, strict=True)) for row in zip(*table.columns, strict=True))


def _write_json(value: Any, options: Options) -> Iterator[bytes]:
    is_oriented = options.orient != "records" and (is_pandas_table(value) or is_table(value))
    if is_oriented:
        yield encode_json(_orient(value, options))
    elif isinstance(value, list) or is_tabular(value):
        yield from _join_lists(encode_json(_items(block, options)) for block in split_rows(value))
    else:
        yield encode_json(simplify(value, options))


def _orient(value: Any, options: Options) -> dict[str, Any]:
    if options.orient == "columns":
        table = _rows(value, options)
        return dict(zip(table.names, table.columns, strict=True))
    if is_table(value):
        return rows.orient(value, options)
    from ksrpc.wire.tabular.rows import split, tighten  # noqa: PLC0415  # only where pandas is already in use

    return (split if options.orient == "split" else tighten)(value, options)


def _items(block: Any, options: Options) -> list[Any]:
    if is_pandas_table(block):
        return list(_records(_rows(block, options)))
    listed: list[Any] = simplify(block, options)
    return listed


def _join_lists(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Make one list in JSON of several."""
    mark = b"["
    for part in parts:
        yield mark + part[1:-1]
        mark = b","
    yield b"]"


def _write_csv(value: Any, options: Options) -> Iterator[bytes]:
    take = _taker(value, options)
    show = _safe_cell if options.excel else _cell
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    is_first = True
    for block in split_rows(value):
        table = take(block)
        if is_first:
            writer.writerow([show(name) for name in table.names])
        writer.writerows(zip(*(_show_column(column, show) for column in table.columns), strict=True))
        yield text.getvalue().encode("utf-8-sig" if options.excel and is_first else "utf-8", "replace")
        text.seek(0)
        text.truncate()
        is_first = False


def _taker(value: Any, options: Options) -> Callable[[Any], Rows]:
    """Return what takes a block apart; all rows of a list of maps have the same columns, wherever they begin."""
    if not isinstance(value, list):
        return lambda block: _rows(block, options)
    names = list(dict.fromkeys(name for row in value for name in row))
    shown = [str(simplify(name, options)) for name in names]
    return lambda block: Rows(shown, [[simplify(row.get(name), options) for row in block] for name in names])


def _show_column(column: list[Any], show: Callable[[Any], Any]) -> list[Any]:
    kinds = set(map(type, column))
    is_ready = kinds <= _NUMBERS or (show is _cell and kinds <= _READY)
    return column if is_ready else [show(item) for item in column]


def _safe_cell(item: Any) -> Any:
    """Return a cell that no spreadsheet runs: text that would be a formula begins with an apostrophe."""
    made = _cell(item)
    return f"'{made}" if isinstance(made, str) and made.startswith(_FORMULA) else made


def _cell(item: Any) -> Any:
    if item is None or type(item) in (str, int, float):
        return item
    return encode_json(item).decode()


def _write_ndjson(value: Any, options: Options) -> Iterator[bytes]:
    for block in split_rows(value):
        yield b"".join(encode_json(item) + b"\n" for item in _items(block, options))


def _write_text(value: Any, options: Options) -> Iterator[bytes]:
    plain = simplify(value, options)
    if isinstance(plain, str):
        yield plain.encode("utf-8", "replace")
    else:
        yield b"" if plain is None else encode_json(plain)


_WRITERS: Final[Mapping[str, Callable[[Any, Options], Iterator[bytes]]]] = {
    JSON: _write_json, CSV: _write_csv, NDJSON: _write_ndjson, TEXT: _write_text, ARROW: export.write_stream,
    PARQUET: export.write_parquet,
}  # fmt: skip
