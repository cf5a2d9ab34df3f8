"""Take out of an exception what its texts must not tell, before it is packed.

Rules: a cover gives a text without what must stay, everything else of the exception is rebuilt around the covered
texts; what cannot be rebuilt is told by its covered text; whatever holds more than the error needs (the whole input of
a codec, the line of a file with a syntax error) is cut down to what the error's own text shows.

Source: docs/spec/wire.md "Exceptions".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from ksrpc.errors import RemoteError, make_remote

__all__ = ["Cover", "cover_arg", "cover_args", "error_text", "is_covered"]

#: Gives a text without what must not be told.
Cover: TypeAlias = Callable[[str], str]

_DEPTH = 8
_CODEC_ERRORS = (UnicodeDecodeError, UnicodeEncodeError)


def cover_args(exc: BaseException, cover: Cover) -> tuple[Any, ...]:
    """Return an exception's args without what must not be told."""
    args = exc.args
    if isinstance(exc, SyntaxError) and len(args) > 1:
        args = (args[0], (None, exc.lineno, exc.offset, None))
    elif isinstance(exc, _CODEC_ERRORS) and len(args) == 5:
        args = (args[0], _blank(args[1], exc.start, exc.end), *args[2:])
    return tuple(cover_arg(arg, cover) for arg in args)


def cover_arg(value: Any, cover: Cover, depth: int = _DEPTH) -> Any:
    """Return a value with its texts covered: text, bytes, plain containers and exceptions; all else as it is."""
    if type(value) is str:
        return cover(value)
    if type(value) is bytes:
        return _cover_bytes(value, cover)
    if depth and type(value) in (list, tuple, set, frozenset):
        return type(value)(cover_arg(item, cover, depth - 1) for item in value)
    if depth and type(value) is dict:
        return {cover_arg(key, cover, depth - 1): cover_arg(item, cover, depth - 1) for key, item in value.items()}
    if depth and isinstance(value, BaseException):
        return _cover_nested(value, cover, depth - 1)
    return value


def is_covered(data: bytes, cover: Cover) -> bool:
    """Tell whether encoded bytes hold nothing that a cover takes out, in UTF-8 or in a wider encoding."""
    text = data.decode("utf-8", "replace")
    return all(cover(seen) == seen for seen in (text, text.replace("\0", "")))


def error_text(exc: BaseException) -> str:
    """Return an exception's text; that of a syntax error without the name of the file."""
    if isinstance(exc, SyntaxError) and exc.lineno is not None:
        return f"{exc.msg} (line {exc.lineno})"
    return str(exc)


def _cover_bytes(value: bytes, cover: Cover) -> bytes:
    text = value.decode("utf-8", "surrogateescape")
    seen = cover(text)
    return value if seen == text else seen.encode("utf-8", "surrogateescape")


def _cover_nested(exc: BaseException, cover: Cover, depth: int) -> RemoteError:
    """Stand in for an exception inside another one's args."""
    cls = next(cls for cls in type(exc).__mro__ if cls.__module__ == "builtins")
    args = tuple(cover_arg(arg, cover, depth) for arg in cover_args(exc, cover))
    base = "" if cls is type(exc) else cls.__name__
    name = f"{type(exc).__module__}.{type(exc).__qualname__}"
    return make_remote(name, args, cover(error_text(exc)), base=base)


def _blank(value: Any, start: int, end: int) -> Any:
    """Keep of a codec's input only the part that the error is about."""
    filler = b"\0" if isinstance(value, bytes) else "?"
    kept = value[start:end]
    return filler * start + kept + filler * (len(value) - start - len(kept))
