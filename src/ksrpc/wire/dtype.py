"""Data types of numpy as text; no text off the wire reaches `np.dtype` unless it matches the pattern.

Rules: a simple type is its `dtype.str`; long doubles carry the width of their mantissa, for they differ between
machines; a structure is a map; a part of fixed shape is `[type, [sizes]]`. Nothing ever holds objects.

Source: docs/spec/wire.md "Data types".
"""

from __future__ import annotations

import re
from typing import Any, Final

import numpy as np

from ksrpc.errors import DecodeError, TooLargeError
from ksrpc.limits import WireLimits
from ksrpc.wire.registry import Refusal

__all__ = ["describe_dtype", "resolve_dtype", "zero_padding"]

_TEXT: Final = re.compile(
    r"\|b1|\|[iu]1|[<>][iu][248]|[<>]f[248]|[<>]c(?:8|16)|\|[SV][0-9]{1,9}|[<>]U[0-9]{1,9}"
    r"|[<>][mM]8(?:\[[0-9]{0,9}(?:Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\])?"
)
_FIELDS: Final = ("names", "formats", "offsets", "titles", "itemsize", "align")
_NESTED: Final = 16
_CACHED: Final = 512

#: Text of this machine's long doubles, and the bytes of each that mean something.
_LONG: Final = {
    f"{np.dtype(kind).str}:ld{np.finfo(np.longdouble).nmant}": np.dtype(kind)
    for kind in ("longdouble", "clongdouble")
    if np.dtype(kind).itemsize not in (8, 16 if kind == "clongdouble" else 8)
}
_LONG_TEXTS: Final = {dtype: text for text, dtype in _LONG.items()}
_LONG_BYTES: Final = np.dtype(np.longdouble).itemsize
_LONG_USED: Final = 10 if np.finfo(np.longdouble).nmant == 63 else _LONG_BYTES

_known: Final[dict[str, np.dtype[Any]]] = {}


def describe_dtype(dtype: np.dtype[Any]) -> Any:
    """Return what stands for a data type in the head.

    Raises:
        Refusal: The type holds objects, or is none that numpy itself defines.
    """
    if dtype.names is not None:
        return _describe_structure(dtype)
    if dtype.subdtype is not None:
        return [describe_dtype(dtype.subdtype[0]), list(dtype.subdtype[1])]
    text = _LONG_TEXTS.get(dtype) or dtype.str
    if text not in _LONG and (not _TEXT.fullmatch(text) or dtype.hasobject or dtype.type is np.record):
        raise Refusal(f"the data type {dtype} cannot travel")
    return text


def resolve_dtype(node: Any, limits: WireLimits, *, depth: int = 0) -> np.dtype[Any]:
    """Return the data type that a part of the head stands for.

    Raises:
        DecodeError: It stands for none, or one that this machine does not have.
        TooLargeError: An item, or the number of fields, is over the limit.
    """
    if type(node) is str:
        return _known.get(node) or _resolve_text(node, limits)
    if depth > _NESTED:
        raise DecodeError("a data type that is nested too deep")
    if type(node) is dict:
        return _checked(_resolve_structure(node, limits, depth), limits)
    if type(node) is not list or len(node) != 2 or type(node[1]) is not list:
        raise DecodeError("a data type that cannot be")
    return _checked(np.dtype((_bounded(node, limits, depth), _sizes(node[1], limits))), limits)


def zero_padding(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Copy an array whose items have bytes that mean nothing, so that no foreign memory leaves with them.

    Returns:
        The array itself if there are none.
    """
    dtype = array.dtype
    if dtype.names is not None:
        clean = np.zeros(array.shape, dtype)
        for name in dtype.names:
            clean[name] = zero_padding(array[name])
        return clean
    if dtype in _LONG_TEXTS and _LONG_USED < _LONG_BYTES:
        clean = np.array(array, order="C", copy=True)
        clean.reshape(-1).view(np.uint8).reshape(-1, _LONG_BYTES)[:, _LONG_USED:] = 0
        return clean
    return array


def _describe_structure(dtype: np.dtype[Any]) -> dict[str, Any]:
    fields = [dtype.fields[name] for name in dtype.names or ()] if dtype.fields else []
    if dtype.hasobject or dtype.type is np.record:
        raise Refusal(f"the data type {dtype} cannot travel")
    return {
        "names": list(dtype.names or ()),
        "formats": [describe_dtype(field[0]) for field in fields],
        "offsets": [field[1] for field in fields],
        "titles": [field[2] if len(field) > 2 else None for field in fields],
        "itemsize": dtype.itemsize,
        "align": dtype.isalignedstruct,
    }


def _resolve_text(text: str, limits: WireLimits) -> np.dtype[Any]:
    dtype = _LONG.get(text)
    if dtype is None:
        if not _TEXT.fullmatch(text):
            raise DecodeError("a data type that cannot be, or that this machine does not have")
        dtype = _checked(np.dtype(text), limits)
    if len(_known) < _CACHED:
        _known[text] = dtype
    return dtype


def _resolve_structure(node: dict[str, Any], limits: WireLimits, depth: int) -> np.dtype[Any]:
    if tuple(node) != _FIELDS or any(type(node[part]) is not list for part in _FIELDS[:4]):
        raise DecodeError("a structure that cannot be")
    if len(node["names"]) > limits.struct_fields:
        raise TooLargeError(f"a structure of more than {limits.struct_fields} fields")
    texts = [*node["names"], *(title for title in node["titles"] if title is not None)]
    sizes = [*node["offsets"], node["itemsize"]]
    if not {str}.issuperset(map(type, texts)) or not {int}.issuperset(map(type, sizes)):
        raise DecodeError("a structure that cannot be")
    if min(sizes) < 0 or max(sizes) >= limits.item_bytes or type(node["align"]) is not bool:
        raise DecodeError("a structure that cannot be")
    formats = [resolve_dtype(part, limits, depth=depth + 1) for part in node["formats"]]
    parts: Any = {**node, "formats": formats}
    align = parts.pop("align") and bool(formats)
    if set(node["titles"]) <= {None}:
        del parts["titles"]
    made: np.dtype[Any] = np.dtype(parts, align=align)
    return made


def _bounded(node: list[Any], limits: WireLimits, depth: int) -> np.dtype[Any]:
    base = resolve_dtype(node[0], limits, depth=depth + 1)
    total = max(base.itemsize, 1)
    for size in node[1]:
        total *= size if type(size) is int else limits.item_bytes
    if total >= limits.item_bytes:
        raise TooLargeError(f"items of {total} bytes")
    return base


def _sizes(node: list[Any], limits: WireLimits) -> tuple[int, ...]:
    if len(node) > limits.ndim or not all(type(size) is int and size >= 0 for size in node):
        raise DecodeError("a data type that cannot be")
    return tuple(node)


def _checked(dtype: np.dtype[Any], limits: WireLimits) -> np.dtype[Any]:
    if dtype.hasobject:
        raise DecodeError("a data type that holds objects")
    if dtype.itemsize >= limits.item_bytes:
        raise TooLargeError(f"items of {dtype.itemsize} bytes")
    return dtype
