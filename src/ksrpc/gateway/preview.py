"""What a call asked for, in one short line for the audit: plain values, cut; of everything else the type and shape.

Rules: nothing with a secret's name is shown, nothing of what acts on an account, nothing of long arguments; the table
that decodes is the narrow one of requests, and it runs on the audit's own thread.

Source: docs/howto/audit.md "What is written".
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np

from ksrpc import wire
from ksrpc.errors import KsrpcError
from ksrpc.expose import Surface
from ksrpc.expose.rule import SECRET_NAME
from ksrpc.limits import AUDIT
from ksrpc.model import Rules
from ksrpc.protocol import Buffer

__all__ = ["preview"]

_CHARS: Final = 40
_ITEMS: Final = 8
_DEPTH: Final = 3
_PLAIN: Final = (type(None), bool, int, float, complex)
_MOMENTS: Final = (datetime.date, datetime.time, datetime.timedelta)
_UNSHOWN: Final = "(…)"
_surface = Surface(Rules())


def preview(path: str, whole: Buffer) -> str:
    """Show arguments as they would be typed, in at most `AUDIT.preview_chars` characters.

    Args:
        path: What was called.
        whole: The encoded arguments; empty if they were too long to be kept.

    Returns:
        One line; "(…)" where nothing of them is to be shown, or can be.
    """
    if not whole or len(whole) > AUDIT.preview_bytes or _surface.trades(path):
        return _UNSHOWN
    try:
        args, kwargs = wire.parse_arguments(bytes(whole))
    except (KsrpcError, RecursionError):
        return _UNSHOWN
    shown = [_show(value) for value in args]
    shown += [f"{name}={'<secret>' if SECRET_NAME.search(name) else _show(value)}" for name, value in kwargs.items()]
    return f"({_cut(', '.join(shown), AUDIT.preview_chars - 2)})"


def _show(value: Any, depth: int = 0) -> str:
    if type(value) is str:
        return repr(_cut(value, _CHARS))
    if type(value) in _PLAIN:
        return _cut(repr(value), _CHARS)
    if isinstance(value, _MOMENTS):
        return str(value)
    if isinstance(value, np.ndarray):
        return f"<{value.dtype} {'x'.join(map(str, value.shape))}>"
    if depth < _DEPTH and type(value) in (list, tuple, set, frozenset):
        return f"[{_join((_show(item, depth + 1) for item in value), len(value))}]"
    if depth < _DEPTH and type(value) is dict:
        return f"{{{_join(_pairs(value, depth + 1), len(value))}}}"
    return f"<{type(value).__name__}>"


def _pairs(value: dict[Any, Any], depth: int) -> Iterator[str]:
    for key, item in value.items():
        is_secret = type(key) is str and SECRET_NAME.search(key)
        yield f"{_show(key, depth)}: {'<secret>' if is_secret else _show(item, depth)}"


def _join(shown: Iterable[str], count: int) -> str:
    first = [text for text, _ in zip(shown, range(_ITEMS), strict=False)]
    more = [f"… {count - len(first)} more"] if count > len(first) else []
    return ", ".join(first + more)


def _cut(text: str, chars: int) -> str:
    return text if len(text) <= chars else f"{text[: chars - 1]}…"
