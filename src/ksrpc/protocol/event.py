"""What a session tells its shell: one class for each thing that can happen."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from ksrpc.protocol.frame import Buffer, Meta


class Greeted(NamedTuple):
    """The peer's HELLO or WELCOME is in; the session is open."""

    meta: Meta


class Called(NamedTuple):
    """A call came in; its arguments are complete if `fin`, else BODY follows."""

    call: int
    meta: Meta
    flags: int
    body: Buffer
    fin: bool


class Described(NamedTuple):
    """The peer asks what stands at a path."""

    call: int
    meta: Meta


class BodyCame(NamedTuple):
    """More argument bytes of a call. Report them with `consume` once they are taken away."""

    call: int
    body: Buffer
    fin: bool


class StatusCame(NamedTuple):
    """QUEUED, STARTED or PROGRESS of a call."""

    call: int
    type: int
    meta: Meta


class ResultCame(NamedTuple):
    """Bytes of a call's value. `meta` stands on the first piece. Report with `consume` if `credited`."""

    call: int
    meta: Meta
    body: Buffer
    fin: bool
    credited: bool


class RaiseCame(NamedTuple):
    """The call ended without a value."""

    call: int
    meta: Meta
    body: Buffer


class CancelCame(NamedTuple):
    """The caller gave up; the call still has to be ended with an answer."""

    call: int
    meta: Meta


class HandoverCame(NamedTuple):
    """The callee wants a descriptor for a value of this size."""

    call: int
    size: int


class GoAwayCame(NamedTuple):
    """The peer finishes what runs and takes nothing new."""

    meta: Meta


Event: TypeAlias = (
    Greeted
    | Called
    | Described
    | BodyCame
    | StatusCame
    | ResultCame
    | RaiseCame
    | CancelCame
    | HandoverCame
    | GoAwayCame
)
