"""The state machine of one call, as a table: the code looks transitions up here, the spec prints it.

The same table serves both sides: what the caller sends the callee receives. A transition that is not in the
table is a protocol fault of whoever sent the frame.

Source: docs/spec/protocol.md "Call states".
"""

from __future__ import annotations

from enum import StrEnum

from ksrpc.errors import ProtocolError
from ksrpc.protocol.frame import FrameType as T


class State(StrEnum):
    """Name the states of one call."""

    IDLE = "idle"  # no frame yet
    SENDING = "sending"  # arguments are on their way
    SENT = "sent"  # arguments are complete; waiting to begin
    RUNNING = "running"  # the library has been called
    ANSWERING = "answering"  # the value is on its way back
    DONE = "done"


#: state → frame type → (state after a frame without FIN, state after one with FIN); None = not legal.
TRANSITIONS: dict[State, dict[T, tuple[State | None, State | None]]] = {
    State.IDLE: {
        T.CALL: (State.SENDING, State.SENT),
        T.DESCRIBE: (None, State.SENT),
    },
    State.SENDING: {
        T.BODY: (State.SENDING, State.SENT),
        T.CANCEL: (State.SENDING, None),
        T.CREDIT: (State.SENDING, None),
        T.QUEUED: (State.SENDING, None),
        T.RAISE: (None, State.DONE),
    },
    State.SENT: {
        T.CANCEL: (State.SENT, None),
        T.CREDIT: (State.SENT, None),
        T.QUEUED: (State.SENT, None),
        T.STARTED: (State.RUNNING, None),
        T.HANDOVER: (State.ANSWERING, None),
        T.RESULT: (State.ANSWERING, State.DONE),
        T.RAISE: (None, State.DONE),
    },
    State.RUNNING: {
        T.CANCEL: (State.RUNNING, None),
        T.CREDIT: (State.RUNNING, None),
        T.PROGRESS: (State.RUNNING, None),
        T.HANDOVER: (State.ANSWERING, None),
        T.RESULT: (State.ANSWERING, State.DONE),
        T.RAISE: (None, State.DONE),
    },
    State.ANSWERING: {
        T.CANCEL: (State.ANSWERING, None),
        T.CREDIT: (State.ANSWERING, None),
        T.PROGRESS: (State.ANSWERING, None),
        T.RESULT: (State.ANSWERING, State.DONE),
        T.RAISE: (None, State.DONE),
    },
    State.DONE: {},
}

#: The same, keyed by what stands in the header: (state, type, FIN bit) → state.
NEXT: dict[tuple[State, int, int], State] = {
    (state, int(kind), fin): target
    for state, row in TRANSITIONS.items()
    for kind, targets in row.items()
    for fin, target in enumerate(targets)
    if target is not None
}


def advance(state: State, kind: int, fin: int) -> State:
    """Look the next state up.

    Raises:
        ProtocolError: The table has no such transition; the text names it.
    """
    target = NEXT.get((state, kind, fin))
    if target is None:
        raise ProtocolError(f"{T(kind).name}{'+FIN' if fin else ''} is not legal for a call that is {state.value}")
    return target


def describe_table() -> str:
    """Render the table as Markdown, as it stands in the spec."""
    rows = ["| state | frame | next | next with FIN |", "|---|---|---|---|"]
    for state, row in TRANSITIONS.items():
        for kind, targets in row.items():
            cells = [target.value if target else "—" for target in targets]
            rows.append(f"| {state.value} | {kind.name} | {cells[0]} | {cells[1]} |")
    return "\n".join(rows)
