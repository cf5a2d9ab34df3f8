"""Which Arrow types travel. The only place that knows the names of types and of their extensions.

Rules: the types that Arrow itself defines, whatever they are nested in, to a bounded depth; of extension types those
whose own code reads nothing but JSON; a time zone is a name or an offset, for whoever uses it may open a file of that
name. The names of extensions are looked at before pyarrow would call their code.

Source: docs/spec/wire.md "Arrow".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import pyarrow as pa

from ksrpc.errors import DecodeError

__all__ = ["EXTENSIONS", "check_extensions", "complaint", "is_free"]

#: Extension types that are known here: those that Arrow lists itself, and two of pandas.
EXTENSIONS: Final = frozenset({
    "arrow.bool8", "arrow.fixed_shape_tensor", "arrow.json", "arrow.opaque", "arrow.uuid",
    "arrow.variable_shape_tensor", "pandas.interval", "pandas.period",
})  # fmt: skip

_NAMES: Final = (
    "NA BOOL UINT8 INT8 UINT16 INT16 UINT32 INT32 UINT64 INT64 HALF_FLOAT FLOAT DOUBLE",
    "STRING BINARY FIXED_SIZE_BINARY LARGE_STRING LARGE_BINARY STRING_VIEW BINARY_VIEW",
    "DATE32 DATE64 TIMESTAMP TIME32 TIME64 DURATION INTERVAL_MONTH_DAY_NANO",
    "DECIMAL32 DECIMAL64 DECIMAL128 DECIMAL256",
    "LIST STRUCT SPARSE_UNION DENSE_UNION DICTIONARY MAP FIXED_SIZE_LIST LARGE_LIST RUN_END_ENCODED LIST_VIEW",
    "LARGE_LIST_VIEW",
)
_TYPES: Final = frozenset(
    getattr(pa.lib, f"Type_{name}") for line in _NAMES for name in line.split() if hasattr(pa.lib, f"Type_{name}")
)
_NULL: Final = pa.lib.Type_NA
_REPEATED: Final = pa.lib.Type_RUN_END_ENCODED
_DEPTH: Final = 64
_ZONE: Final = re.compile(r"[A-Za-z0-9_+-]{1,40}(/[A-Za-z0-9_+-]{1,40}){0,3}|[+-][0-9]{2}:[0-9]{2}")

_KEY: Final = b"ARROW:extension:name"
#: As long as the key, so that nothing moves.
_PLAIN_KEY: Final = b"ksrpc:extension:name"


def check_extensions(message: memoryview) -> None:
    """Look for extension types in the message that is a schema, without their code being called.

    Raises:
        DecodeError: There is one that is not known here.
    """
    data = bytes(message)
    if _KEY not in data:
        return
    plain = pa.ipc.read_schema(pa.py_buffer(data.replace(_KEY, _PLAIN_KEY)))
    names = {name for name in _extension_names(plain) if name not in EXTENSIONS}
    if names:
        raise DecodeError(f"an Arrow extension type that is not known here: {min(names)[:80]}")


def _extension_names(schema: pa.Schema) -> Iterator[str]:
    for field in schema:
        yield from _names_within(field)


def _names_within(field: pa.Field) -> Iterator[str]:
    told = (field.metadata or {}).get(_PLAIN_KEY)
    if told is not None:
        yield told.decode("utf-8", "replace")
    for inner in _inner(field.type):
        yield from _names_within(inner)


def complaint(schema: pa.Schema) -> str:
    """Say what is wrong with the types of a schema; "" if nothing is."""
    return next((text for field in schema if (text := _judge_field(field, 0))), "")


def _judge_field(field: pa.Field, depth: int) -> str:
    try:
        str(field.name)
    except UnicodeDecodeError:  # pyarrow looks at a name only when it is asked for it
        return "an Arrow field whose name is no text"
    return _judge(field.type, depth)


def _judge(kind: pa.DataType, depth: int) -> str:
    if depth > _DEPTH:
        return "an Arrow type that is nested too deep"
    if isinstance(kind, pa.BaseExtensionType):
        if kind.extension_name not in EXTENSIONS:
            return f"an Arrow extension type that is not known here: {kind.extension_name[:80]}"
        return _judge(kind.storage_type, depth + 1)
    if kind.id not in _TYPES:
        return f"an Arrow type that is not known here: {str(kind)[:80]}"
    if kind.id == pa.lib.Type_TIMESTAMP and kind.tz is not None and not _ZONE.fullmatch(kind.tz):
        return "an Arrow time zone that cannot be"
    return next((text for field in _inner(kind) if (text := _judge_field(field, depth + 1))), "")


def is_free(kind: pa.DataType) -> bool:
    """Tell whether an array of this type may have items that cost no bytes, itself or within."""
    if isinstance(kind, pa.BaseExtensionType):
        return is_free(kind.storage_type)
    if kind.id in (_NULL, _REPEATED) or getattr(kind, "list_size", 1) == 0 or _has_no_bytes(kind):
        return True
    return any(is_free(field.type) for field in _inner(kind))


def _has_no_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return bool(kind.num_fields == 0)
    return bool(pa.types.is_fixed_size_binary(kind) and kind.byte_width == 0)


def _inner(kind: pa.DataType) -> Iterator[pa.Field]:
    if isinstance(kind, pa.BaseExtensionType):
        yield from _inner(kind.storage_type)
    elif pa.types.is_dictionary(kind):
        yield pa.field("", kind.value_type)
    elif pa.types.is_run_end_encoded(kind):
        yield pa.field("", kind.run_end_type)
        yield pa.field("", kind.value_type)
    else:
        yield from (kind.field(number) for number in range(kind.num_fields))
