"""Gate C for one argument: what each class of parameter accepts.

A class has one function here that takes the parameter's name and the value and raises or returns. A preset gives a
parameter its class; a parameter without one is classed by its name.

Source: docs/spec/policy.md "Parameter classes".
"""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from types import NoneType
from typing import Any

from ksrpc.expose.datatype import class_module, is_data_type
from ksrpc.expose.rule import forbid
from ksrpc.expose.shape import ELEMENTS, count_elements, shape_of

__all__ = ["CLASSES", "INT_MAX", "SCALAR_CLASSES", "class_by_name", "class_check"]

#: Largest magnitude of an integer argument (C1).
INT_MAX = 2**62
_SMALL = 10_000
_RANGE = 10_000_000
_DECIMAL_DIGITS = 6_144
_AXIS = 2**31
_ITEM_BYTES = 256
_PLAIN_CHARS = 4096
_BYTES_SCANNED = 4096

_CAPABILITY = frozenset({
    "backend", "engine", "module", "lib", "library", "func", "fn", "function", "callback", "callable",
    "aggfunc", "cls", "klass", "object_hook", "object_pairs_hook", "default", "con", "conn", "connection",
    "session", "storage_options", "proxy", "proxies", "cert", "verify", "buf", "buffer", "fp", "fh", "io",
    "stream", "sink", "formatter", "converter", "converters", "parse_float", "parse_int", "parse_constant",
    "url", "uri", "host", "hostname", "addr", "address", "endpoint", "server", "loader", "importer",
    "plugin", "into",
})  # fmt: skip
_PLACE = frozenset({
    "path", "file", "filename", "fname", "filepath", "dir", "directory", "folder", "code", "expr",
    "expression", "sql", "query", "script", "command", "cmd", "dest", "destination", "target_dir",
    "cache_dir", "data_home", "root",
})  # fmt: skip
_CAPABILITY_END = re.compile(r"_(?:func|fn|callback|hook|url|uri|host|buf|buffer|engine|backend|module|class|cls)$")
_PLACE_END = re.compile(r"_(?:path|file|filename|dir|directory|sql|expr)$|^(?:file|path)")
_PLAIN = re.compile(r"(?:[^\W_]|[.,:|\-])*")
#: C3: an absolute path, a scheme, a step up, NUL, a variable.
_SUSPECT = re.compile(r"\A[/\\~]|\A[A-Za-z][A-Za-z0-9+.\-]*:[/\\]|://|(?:\A|[/\\])\.\.(?:[/\\]|\Z)|\x00|\$[A-Za-z_{(]")
_ZONE = re.compile(r"(?!dateutil)[A-Za-z][A-Za-z0-9_+\-]*(?:/[A-Za-z0-9_+\-]+){0,2}|[+\-]\d\d:?\d\d")
_DTYPE = re.compile(r"(?!.*dateutil)[A-Za-z0-9_<>=|\[\], /+\-:]{1,64}")
#: Types whose values are never large to work with while they are small to send.
_CALM = frozenset({float, bool, str, bytes, NoneType})
_NUMBERS = (int, float, complex)
#: Kinds of numpy's own scalars that are numbers.
_NUMERIC = frozenset("biufc")

Check = Callable[[str, Any], None]


def class_by_name(name: str) -> str:
    """Class a parameter by its name (C2)."""
    plain = name.lower().strip("_")
    if plain in _CAPABILITY or _CAPABILITY_END.search(plain):
        return "number"
    if plain in _PLACE or _PLACE_END.search(plain):
        return "plain"
    return "normal"


@functools.cache
def class_check(name: str) -> Check:
    """Return the function of a class, "choice:a|b" included.

    Raises:
        KeyError: If there is no such class.
    """
    kind, _, options = name.partition(":")
    if kind == "choice":
        return _choice_check(frozenset(options.split("|")))
    return CLASSES[kind]


def check_normal(name: str, value: Any) -> None:
    """Refuse texts that look like a place or a variable, at any depth, and what a caller cannot send (C1, C3)."""
    if type(value) is str and not _SUSPECT.search(value):
        return
    for item in _leaves(name, value):
        if isinstance(item, str):
            if _SUSPECT.search(item):
                raise forbid("C3", f"parameter {name!r}: a text like a path, an address or a variable")
        elif isinstance(item, (bytes, bytearray)) and _is_suspect_bytes(item):
            raise forbid("C3", f"parameter {name!r}: bytes like a path, an address or a variable")


def check_strict(name: str, value: Any) -> None:
    """Refuse every text but short plain ones; for values whose parameter is not known (C2)."""
    check_normal(name, value)
    for item in _leaves(name, value):
        if isinstance(item, str) and not _is_plain(item):
            raise forbid("C2", f"parameter {name!r}: only short plain text passes here")


def check_text(name: str, value: Any) -> None:
    """Accept any text; for parameters that are text and nothing else."""
    for _ in _leaves(name, value):
        pass


def check_plain(name: str, value: Any) -> None:
    """Accept numbers, dates and short text of letters, digits and `. , : - |`, alone or in a list (C2)."""
    check_strict(name, value)
    items = value if type(value) in (list, tuple, set) else (value,)
    for item in items:
        if not isinstance(item, str) and not _is_number(item) and type(item).__module__ != "datetime":
            raise forbid("C2", f"parameter {name!r} names a place or an expression: only short plain text passes")


def check_number(name: str, value: Any) -> None:
    """Accept None, booleans and numbers only; for parameters that name a capability (C2)."""
    if not _is_number(value):
        raise forbid("C2", f"parameter {name!r} names a capability: only None, booleans and numbers pass")
    check_text(name, value)


def check_none(name: str, value: Any) -> None:
    """Accept nothing, or False for a switch; for parameters that have no safe value."""
    if value is not None and value is not False:
        raise forbid("C2", f"parameter {name!r} cannot be set here")


def check_zone(name: str, value: Any) -> None:
    """Accept the names of time zones; other texts make some libraries open a file of that name (C2)."""
    if isinstance(value, str) and not _ZONE.fullmatch(value):
        raise forbid("C2", f"parameter {name!r} is no name of a time zone")


def check_dtype(name: str, value: Any) -> None:
    """Accept the names of types whose items are small (C2, C5)."""
    if isinstance(value, dict):
        for part in value.values():
            check_dtype(name, part)
    elif isinstance(value, (list, tuple)) or (isinstance(value, str) and not _DTYPE.fullmatch(value)):
        raise forbid("C2", f"parameter {name!r} is no name of a dtype")
    elif value is not None and item_bytes(value) > _ITEM_BYTES:
        raise forbid("C5", f"parameter {name!r}: items of more than {_ITEM_BYTES} bytes")


def item_bytes(dtype: Any) -> int:
    """Return the size of one item [bytes]; 8 where only the library itself knows the type."""
    numpy = importlib.import_module("numpy")
    try:
        return int(numpy.dtype(dtype).itemsize)
    except (TypeError, ValueError, SyntaxError):
        return 8


def check_count(name: str, value: Any) -> None:
    """Accept a number up to the bound on elements; the caller's own arrays pass (C5)."""
    check_strict(name, value)
    if value is not None and _is_number(value) and not abs(value) <= ELEMENTS:
        raise forbid("C5", f"parameter {name!r} is above {ELEMENTS}")


def check_shape(name: str, value: Any) -> None:
    """Accept shapes whose product is within the bound on elements (C5)."""
    check_strict(name, value)
    if value is not None and count_elements(value) > ELEMENTS:
        raise forbid("C5", f"parameter {name!r} asks for more than {ELEMENTS} elements")


def check_small(name: str, value: Any) -> None:
    """Accept a small number, and the caller's own lists of numbers in its place (C5)."""
    if value is not None and _is_number(value) and not abs(value) <= _SMALL:
        raise forbid("C5", f"parameter {name!r} is above {_SMALL}")
    for item in _leaves(name, value):
        if isinstance(item, (str, bytes)):
            raise forbid("C5", f"parameter {name!r} takes numbers only")


def _choice_check(options: frozenset[str]) -> Check:
    def check_choice(name: str, value: Any) -> None:
        items = value if type(value) is list else (value,)
        for item in items:
            if not _is_number(item) and not (isinstance(item, str) and item in options):
                raise forbid("C2", f"parameter {name!r} is none of {', '.join(sorted(options))}")

    return check_choice


def _is_suspect_bytes(value: bytes | bytearray) -> bool:
    """Look at bytes that are short enough for a path; what is longer than any path is not one."""
    return len(value) <= _BYTES_SCANNED and _SUSPECT.search(value.decode("latin-1")) is not None


def _is_number(value: Any) -> bool:
    if value is None or isinstance(value, _NUMBERS):
        return True
    if type(value).__module__ == "numpy":  # a datetime64 says that it has an `abs`, and has none
        return not hasattr(value, "__len__") and getattr(getattr(value, "dtype", None), "kind", "") in _NUMERIC
    return type(value).__module__ in ("decimal", "fractions") and hasattr(value, "__abs__")


def _is_plain(text: str) -> bool:
    return len(text) <= _PLAIN_CHARS and _PLAIN.fullmatch(text) is not None


def _leaves(name: str, value: Any) -> Iterator[Any]:
    """Walk a value's containers without recursion, keys included, and judge each leaf's type (C1)."""
    stack = [value]
    while stack:
        item = stack.pop()
        kind = type(item)
        if kind in (list, tuple, set, frozenset):
            if not _is_numeric(item):
                stack.extend(item)
        elif kind is dict:
            stack.extend(item)
            stack.extend(item.values())
        elif not is_data_type(kind):
            raise forbid("C1", f"parameter {name!r}: a {kind.__name__} cannot be sent")
        else:
            _check_extent(name, item, kind)
            yield item


def _check_extent(name: str, item: Any, kind: type) -> None:
    """Refuse values that are small to send and huge to work with, and arrays of objects (C1)."""
    if kind in _CALM:
        return
    if kind is int:
        is_wide = not -INT_MAX <= item <= INT_MAX
    elif kind is range:
        is_wide = abs(item.stop - item.start) // abs(item.step) > _RANGE
    elif kind is Decimal:
        is_wide = item.is_finite() and abs(item.adjusted()) > _DECIMAL_DIGITS
    elif class_module(kind).startswith(("numpy", "pandas")):
        is_wide = max(shape_of(item), default=0) > _AXIS or _holds_objects(item)
    else:
        return
    if is_wide:
        raise forbid("C1", f"parameter {name!r}: a {kind.__name__} of this extent or content cannot be sent")


def _holds_objects(item: Any) -> bool:
    dtype: Any = getattr(item, "dtype", None)
    if type(item).__module__ != "numpy" or dtype is None:
        return False
    return bool(dtype.hasobject) and dtype.kind != "T"


def _is_numeric(items: Any) -> bool:
    kinds = set(map(type, items))
    if kinds <= {float, bool}:
        return True
    return kinds == {int} and min(items) >= -INT_MAX and max(items) <= INT_MAX


#: Parameter class → its check. The order is that of docs/spec/policy.md.
CLASSES: dict[str, Check] = {
    "normal": check_normal,
    "strict": check_strict,
    "text": check_text,
    "plain": check_plain,
    "number": check_number,
    "none": check_none,
    "zone": check_zone,
    "dtype": check_dtype,
    "count": check_count,
    "shape": check_shape,
    "small": check_small,
}
#: Classes that every number of moderate size passes, so that scalar arguments need no look.
SCALAR_CLASSES = frozenset({"normal", "strict", "text", "plain", "number", "zone", "dtype", "choice"})
