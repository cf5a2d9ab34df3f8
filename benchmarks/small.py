"""Time the smallest call, beside the peers, and awaited beside blocking."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.measure import Case, Group
from benchmarks.peer import POW
from benchmarks.stage import TRANSPORTS, Stage, check_value

EXECUTORS = ("inline", "process")
_TARGETS = {("WebSocket", "inline"): 0.65, ("WebSocket", "process"): 1.0}
_AWAITED_TARGET = 1.3
_CALLS = 200


def small_group(stage: Stage, *, peers_only: bool = False) -> Group:
    """Compare blocking calls with those of the peers, rpyc first."""
    cases, absent = stage.peer_cases("pow", *POW)
    for executor in () if peers_only else EXECUTORS:
        for transport in TRANSPORTS:
            call = _pow(stage, transport, executor)
            cases.append(Case(f"ksrpc {transport}, {executor}", call, _TARGETS.get((transport, executor))))
    return Group("Small call: math.pow(2, 3)", cases, _CALLS, check_value(8.0), absent)


def awaited_group(stage: Stage) -> Group:
    """Compare each awaited call with the blocking one of the same transport and executor."""
    cases = []
    for executor in EXECUTORS:
        for transport in TRANSPORTS:
            name = f"ksrpc {transport}, {executor}"
            call, acall = _pow(stage, transport, executor), _pow(stage, transport, executor, awaited=True)
            cases.append(Case(name, call, beside=name))
            cases.append(Case(f"{name}, awaited", acall, _AWAITED_TARGET, name, stage.loop))
    return Group("Small call, awaited beside blocking", cases, _CALLS, check_value(8.0))


def groups(stage: Stage) -> Iterator[Group]:
    """Give both."""
    yield small_group(stage)
    yield awaited_group(stage)


def _pow(stage: Stage, transport: str, executor: str, *, awaited: bool = False) -> Callable[[], Any]:
    math = stage.module("math", stage.connect(transport, executor), awaited=awaited)
    return lambda: math.pow(2.0, 3.0)
