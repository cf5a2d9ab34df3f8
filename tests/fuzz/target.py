"""What is fuzzed: one function for each place at which bytes come in. A broken promise is an exception.

Rules: the first byte of an input names its target; targets are append-only, for the corpus holds their numbers. Bytes
that decode are encoded again and must decode to the same; bytes that do not are refused by one of the errors that the
specification names. Time and memory are bounded by who runs the target.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ksrpc.errors import DecodeError, EncodeError, KsrpcError, ProtocolError, TooLargeError
from ksrpc.limits import SESSION
from ksrpc.protocol import Callee, Caller, Framer, FrameType, pack_head, parse_frame
from ksrpc.protocol.session import Session
from ksrpc.wire import REQUEST_ANY_TABLE, REQUEST_TABLE, RESULT_TABLE, Reader, Table, pack, parse, parse_error, view
from ksrpc.wire.assembly import Assembly
from ksrpc.wire.canonical import encode_form, read_arguments
from ksrpc.wire.item import RecordKind, RecordReader, parse_end
from ksrpc.wire.message import CHUNK
from ksrpc.wire.table import RESULT_TABLE as RESULTS
from ksrpc.wire.tally import count_rows
from ksrpc.wire.value import parse_arguments
from tests.fuzz.container import declared_bytes

__all__ = ["MESSAGES", "TARGETS", "BrokenPromiseError", "run"]

#: Messages that say they are larger are refused by these targets: the memory of the fuzzer itself is bounded.
_DECLARED_BYTES = 64 << 20
_REFUSALS = (DecodeError, TooLargeError)
_SMALL = replace(
    SESSION, frame_bytes=600, slice_bytes=500, inline_bytes=300, window_bytes=700, window_max_bytes=2000, calls=50,
    connection_window_bytes=3000, small_answer_bytes=100,
)  # fmt: skip


class BrokenPromiseError(Exception):
    """Say what a decoder did that it must not do."""


def run(data: bytes) -> None:
    """Give one input to the target that its first byte names."""
    if not data:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        TARGETS[data[0] % len(TARGETS)](data[1:])


def _outcome(read: Callable[[], Any]) -> tuple[Any, str]:
    """Return a value and "", or None and what refused it. Every other exception goes on."""
    try:
        return read(), ""
    except _REFUSALS as error:
        if "not enough memory" in str(error):
            raise BrokenPromiseError("memory was asked for that no bound allows") from error
        return None, type(error).__name__


def _feed(data: bytes, table: Table, piece_bytes: int) -> Any:
    reader = Reader(table)
    for at in range(0, len(data), piece_bytes):
        reader.feed(data[at : at + piece_bytes])
    return reader.value()


def _check_twice(value: Any) -> None:
    """Encode what was decoded; it must come back as what gives the same bytes again."""
    try:
        first = pack(value).join()
    except EncodeError as error:
        if "nested" in str(error) or "deep" in str(error):
            return  # a sender stops at fewer levels than a receiver takes
        raise
    again = parse(first)
    second = pack(again).join()
    if _is_same(first, second):
        return
    # Some values may be told in two ways; then the second way stays.
    if sorted(repr(value)) != sorted(repr(again)) or not _is_same(second, pack(parse(second)).join()):
        raise BrokenPromiseError(f"{value!r} comes back as {again!r}")


def _is_same(left: bytes, right: bytes) -> bool:
    """Compare encodings; sets have an order of their own each time."""
    return left == right or sorted(left) == sorted(right)


def _is_abort(data: bytes) -> bool:
    return b"\xa4code" in data and b"\xa4text" in data


def _read_message(data: bytes, table: Table) -> None:
    if declared_bytes(data) > _DECLARED_BYTES:
        return
    try:
        value, refused = _outcome(lambda: parse(data, table=table))
        fed = _outcome(lambda: _feed(data, table, 1 + len(data) // 3))
    except KsrpcError:
        if not _is_abort(data):
            raise
        return
    if bool(fed[1]) != bool(refused):
        raise BrokenPromiseError(f"whole: {refused or 'a value'}; in pieces: {fed[1] or 'a value'}")
    if not refused:
        _check_twice(value)


def _read_result(data: bytes) -> None:
    _read_message(data, RESULT_TABLE)
    if declared_bytes(data) <= _DECLARED_BYTES and count_rows([data]) < 0:
        raise BrokenPromiseError("a negative number of rows")


def _read_request(data: bytes) -> None:
    if declared_bytes(data) > _DECLARED_BYTES:
        return
    for table in (REQUEST_TABLE, REQUEST_ANY_TABLE):
        try:
            told, refused = _outcome(lambda table=table: parse_arguments(data, table=table))  # type: ignore[misc]
        except KsrpcError:
            if not _is_abort(data):
                raise
            continue
        if not refused:
            _check_twice([*told])


def _read_key(data: bytes) -> None:
    if declared_bytes(data) > _DECLARED_BYTES:
        return
    try:
        forms, _ = _outcome(lambda: read_arguments(data))
    except KsrpcError:
        if not _is_abort(data):
            raise
        return
    if forms is not None:
        for form in (*forms[0], *forms[1].values()):
            encode_form(form)


def _read_records(data: bytes) -> None:
    whole, refused = _outcome(lambda: _split(data, len(data) or 1))
    pieces, again = _outcome(lambda: _split(data, 7))
    if (whole, refused) != (pieces, again):
        raise BrokenPromiseError("records depend on how the stream was cut")
    for kind, body in whole or ():
        if declared_bytes(body) <= _DECLARED_BYTES:
            _outcome(lambda body=body, kind=kind: (parse_end if kind == RecordKind.RAISE else parse)(body))  # type: ignore[misc]


def _split(data: bytes, piece_bytes: int) -> list[Any]:
    reader, found = RecordReader(max_bytes=1 << 16), []
    for at in range(0, len(data), piece_bytes):
        reader.feed(data[at : at + piece_bytes])
        found += reader.split()
    return found


def _open_session(kind: type[Session]) -> Session:
    session = kind(now=0.0, limits=_SMALL)
    if isinstance(session, Caller):
        session.receive(pack_head(FrameType.WELCOME, meta={"versions": [1]}), 0.0)
        for size in (4, 410):
            session.call({"path": "demo.f"}, [bytes(size)])
        session.describe("demo")
    else:
        session.receive(pack_head(FrameType.HELLO, meta={"versions": [1]}), 0.0)
    return session


def _read_frames(kind: type[Session], data: bytes) -> None:
    session, framer = _open_session(kind), Framer(_SMALL)
    frames = []
    try:
        for at in range(0, len(data), 11):
            frames += list(framer.feed(data[at : at + 11]))
    except ProtocolError:
        pass
    for frame in frames:
        try:
            session.receive(frame, 0.0)
        except ProtocolError:
            return
        while (sent := session.pull()) is not None:
            parse_frame(sent[0] + bytes(sent[1]))
        if len(session.tracks) > _SMALL.calls:
            raise BrokenPromiseError("more calls than a session may have")


def _read_json(data: bytes) -> None:
    told, refused = _outcome(lambda: view.read_json(data))
    if not refused:
        _check_twice([*told])


def _read_chunk(data: bytes) -> None:
    """Read one chunk: its header, then what it stores."""
    if len(data) <= CHUNK.size:
        return
    raw = int.from_bytes(data[4:8], "little")
    if raw > _DECLARED_BYTES:
        return
    assembly = Assembly(RESULTS.limits)

    def put() -> int:
        assembly.lay((raw or 1).to_bytes(8, "little"))
        chunk = assembly.begin(data[: CHUNK.size])
        if len(data) - CHUNK.size < chunk.stored:
            raise DecodeError("cut off, which who reads a chunk finds out before")
        assembly.put(chunk, memoryview(data)[CHUNK.size : CHUNK.size + chunk.stored])
        return len(assembly.buffers[0])

    try:
        size, refused = _outcome(put)
    except KsrpcError:
        if not _is_abort(data):
            raise
        return
    if not refused and size != raw:
        raise BrokenPromiseError(f"a chunk of {raw} bytes became {size}")


def _read_error(data: bytes) -> None:
    if declared_bytes(data) <= _DECLARED_BYTES:
        try:
            _outcome(lambda: parse_error(data))
        except KsrpcError:
            if not _is_abort(data):
                raise


#: By number. Append-only.
TARGETS: list[Callable[[bytes], None]] = [
    _read_result,
    _read_request,
    _read_key,
    _read_records,
    lambda data: _read_frames(Callee, data),
    lambda data: _read_frames(Caller, data),
    _read_json,
    _read_chunk,
    _read_error,
]
#: The targets whose inputs are messages.
MESSAGES = frozenset({0, 1, 2, 8})
