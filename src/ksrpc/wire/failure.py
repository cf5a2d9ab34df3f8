"""Exceptions as data: what a library raised, told so that the caller can raise the same.

Rules: packing never fails; an argument that cannot travel is told by its text; classes are found in the table of
`errors`, never by a name off the wire; texts, notes and the chain of causes are bounded.

Source: docs/spec/wire.md "Exceptions".
"""

from __future__ import annotations

from typing import Any, Final

from ksrpc.errors import DecodeError, EncodeError, RemoteError, make_remote
from ksrpc.wire import encoder, tag
from ksrpc.wire.cover import Cover, cover_arg, cover_args, error_text, is_covered
from ksrpc.wire.decoder import Decoder
from ksrpc.wire.encoder import ATOMS, Encoder, register_base
from ksrpc.wire.message import Message, pack_buffers
from ksrpc.wire.registry import READERS, Refusal
from ksrpc.wire.table import RESULT_TABLE
from ksrpc.wire.value import parse

__all__ = ["pack_error", "parse_error"]

_TEXT_CHARS: Final = 64 << 10
_NOTES: Final = 32
_ARGS: Final = 64
_CAUSES: Final = 8
#: An argument that is larger than this is told by its text.
_ARG_BYTES: Final = 64 << 10
#: Attributes that builtin exceptions hold beside their args.
_OS_PARTS: Final = ("errno", "strerror", "filename", "filename2")
_NAMED: Final = (ImportError, NameError, AttributeError)


def pack_error(exc: BaseException, *, traceback_text: str = "", cover: Cover | None = None) -> Message:
    """Encode what a library raised. Never fails.

    Args:
        exc: The exception; only its data is read.
        traceback_text: What to show as the remote traceback; empty unless the policy shows it.
        cover: Gives a text without what must not be told; None if all may be.
    """

    def write(walker: Encoder, value: BaseException) -> Any:
        return _write(walker, value, traceback_text=_clean(traceback_text), cover=cover)

    try:
        return pack_buffers(encoder.encode(exc, root="error", table=RESULT_TABLE, writer=write))
    except Exception:  # an exception with hostile attributes; what is sure is its class
        parts = [tag.MARKS[tag.EXCEPTION], _clean(_type_name(exc)), [], "", [], None, {}, ""]
        return pack_buffers(encoder.encode(None, root="error", table=RESULT_TABLE, writer=lambda *_: parts))


def parse_error(data: bytes | bytearray | memoryview) -> RemoteError:
    """Decode what `pack_error` made.

    Returns:
        An exception to raise: of the builtin's class and RemoteError for a builtin, a RemoteError otherwise.

    Raises:
        DecodeError: Not an encoded exception.
    """
    value = parse(data, table=RESULT_TABLE)
    if not isinstance(value, RemoteError):
        raise DecodeError("not an exception")
    return value


def _write(
    encoder: Encoder, exc: BaseException, *, traceback_text: str = "", cover: Cover | None = None, depth: int = _CAUSES
) -> list[Any]:
    cause = exc.__cause__ if depth > 1 else None
    args = exc.args if cover is None else cover_args(exc, cover)
    return [
        encoder.mark(tag.EXCEPTION),
        _type_name(exc),
        [_argument(encoder, arg, cover) for arg in args[:_ARGS]],
        _error_text(exc, cover),
        [_covered(note, cover) for note in getattr(exc, "__notes__", ())[:_NOTES] if isinstance(note, str)],
        None if cause is None else _write(encoder, cause, cover=cover, depth=depth - 1),
        _attributes(encoder, exc, cover),
        traceback_text,
    ]


def _write_exception(encoder: Encoder, exc: BaseException) -> list[Any]:
    return _write(encoder, exc)


def _type_name(exc: BaseException) -> str:
    if type(exc).__name__ and isinstance(exc, RemoteError) and exc.type_name:
        return _clean(exc.type_name)
    return _clean(f"{type(exc).__module__}.{type(exc).__qualname__}")


def _clean(text: str) -> str:
    return text[:_TEXT_CHARS].encode("utf-8", "backslashreplace").decode()


def _text(value: object) -> str:
    try:
        return _clean(str(value))
    except Exception:  # a broken __str__ of the library's must not hide the error itself
        return ""


def _covered(text: str, cover: Cover | None) -> str:
    return _clean(text if cover is None else cover(text))


def _error_text(exc: BaseException, cover: Cover | None) -> str:
    if cover is None:
        return _text(exc)
    try:
        return _covered(error_text(exc), cover)
    except Exception:  # as in `_text`
        return ""


def _argument(encoder: Encoder, arg: Any, cover: Cover | None) -> Any:
    if type(arg) in ATOMS and type(arg) is not str:
        return encoder.node(arg)
    if type(arg) is str and len(arg) <= _TEXT_CHARS:
        return encoder.node(arg)
    return encoder.node(arg) if _is_fit(arg, cover) else _covered(_text(arg), cover)


def _is_fit(arg: Any, cover: Cover | None) -> bool:
    """Tell whether an argument can travel as it is: of a type that can, small, and without what must not be told."""
    try:
        pieces = [buffer.data for buffer in encoder.encode(arg, root="", table=RESULT_TABLE)]
    except EncodeError:
        return False
    return sum(map(len, pieces)) <= _ARG_BYTES and (cover is None or is_covered(b"".join(pieces), cover))


def _attributes(encoder: Encoder, exc: BaseException, cover: Cover | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if isinstance(exc, OSError):
        parts = {part: getattr(exc, part) for part in _OS_PARTS}
        found |= {part: _plain(encoder, cover_arg(value, cover) if cover else value) for part, value in parts.items()}
    if isinstance(exc, _NAMED) and type(exc.name) is str:
        found["name"] = _clean(exc.name)
    if type(exc).__module__ != "builtins":
        base = next(cls for cls in type(exc).__mro__ if cls.__module__ == "builtins")
        found["base"] = base.__name__
    return found


def _plain(encoder: Encoder, value: Any) -> Any:
    if type(value) in ATOMS or type(value) is bytes:
        try:
            return encoder.node(value if type(value) is not str else _clean(value))
        except Refusal:
            return None
    return _text(value)


def _read_exception(decoder: Decoder, *parts: Any) -> RemoteError:
    type_name, args, text, notes, cause, attributes, traceback_text = parts
    decoder.expect(type_name, str)
    decoder.expect(text, str)
    values = tuple(decoder.expect(args, list))
    known = decoder.expect(attributes, dict)
    error = make_remote(type_name, _constructor_args(values, known), text, base=str(known.get("base", "")))
    for note in decoder.expect(notes, list)[:_NOTES]:
        error.add_note(decoder.expect(note, str))
    if cause is not None:
        error.__cause__ = decoder.expect(cause, type(cause)) if isinstance(cause, RemoteError) else _no_cause()
    if isinstance(error, _NAMED) and type(known.get("name")) is str:
        error.name = known["name"]
    error.remote_traceback = decoder.expect(traceback_text, str)
    return error


def _no_cause() -> BaseException:
    raise DecodeError("a cause that is no exception")


def _constructor_args(values: tuple[Any, ...], known: dict[str, Any]) -> tuple[Any, ...]:
    """Return what an OSError wants to be made of: its args lack the file names."""
    if len(values) != 2 or known.get("filename") is None:
        return values
    if known.get("filename2") is None:
        return (*values, known["filename"])
    return (*values, known["filename"], None, known["filename2"])


register_base(BaseException, _write_exception)
READERS[tag.EXCEPTION] = _read_exception
