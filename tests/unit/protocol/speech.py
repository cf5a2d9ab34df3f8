"""A session's other side, spoken by hand: frames in, frames out, as numbers and bytes."""

from __future__ import annotations

from dataclasses import replace

from ksrpc.limits import SESSION
from ksrpc.protocol import FIN, Callee, Caller, Frame, FrameType, Meta, pack_head, parse_frame
from ksrpc.protocol.event import Event
from ksrpc.protocol.session import Session

#: Windows so small that a test runs into them with a few bytes.
SMALL = replace(
    SESSION,
    frame_bytes=80,
    slice_bytes=64,
    inline_bytes=32,
    window_bytes=100,
    window_max_bytes=400,
    connection_window_bytes=1000,
    small_answer_bytes=16,
    calls=4,
)


def frame(
    kind: int, call: int = 0, body: bytes = b"", *, meta: Meta | None = None, flags: int = 0, offset: int = 0
) -> bytes:
    """Pack one whole frame as the other side would."""
    return pack_head(kind, call, meta, flags=flags, offset=offset) + body


def opened_caller(*, now: float = 0.0, small: bool = False) -> Caller:
    """Make a caller whose greeting is over."""
    caller = Caller(now=now, limits=SMALL if small else SESSION)
    caller.greet({})
    caller.receive(frame(FrameType.WELCOME, meta={"versions": [1]}), now)
    drain(caller)
    return caller


def opened_callee(*, now: float = 0.0, small: bool = False) -> Callee:
    """Make a callee whose greeting is over."""
    callee = Callee(now=now, limits=SMALL if small else SESSION)
    callee.receive(frame(FrameType.HELLO, meta={"versions": [1]}), now)
    callee.welcome({})
    drain(callee)
    return callee


def drain(session: Session) -> list[Frame]:
    """Take all that the session sends now."""
    frames = []
    while (pair := session.pull()) is not None:
        frames.append(parse_frame(b"".join(pair)))
    return frames


def types(frames: list[Frame]) -> list[FrameType]:
    """Name the frames."""
    return [FrameType(sent.type) for sent in frames]


def tell(
    session: Session, kind: int, call: int = 0, body: bytes = b"", *, fin: bool = False, offset: int = 0
) -> Event | None:
    """Give the session one frame without meta."""
    return session.receive(frame(kind, call, body, flags=FIN if fin else 0, offset=offset), 0.0)


def open_call(callee: Callee, call: int = 1, body: bytes = b"", *, fin: bool = True) -> Event | None:
    """Give the callee a CALL of "demo.f"."""
    data = frame(FrameType.CALL, call, body, meta={"path": "demo.f"}, flags=FIN if fin else 0)
    return callee.receive(data, 0.0)
