"""Calls that are not about a path alone: on kept objects, chains of steps, letting objects go.

Rules:
* Whoever uses an object still needs the right to its class and, by gate A, to the name; both are asked at each call.
* Nothing of this is cached or shared. The rows of an answer count as those of any other.

Source: docs/spec/protocol.md "Handles".
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeAlias

from ksrpc import wire
from ksrpc.config import Config
from ksrpc.errors import BusyError, DecodeError, EncodeError, NotFoundError
from ksrpc.gateway.call import Answer, Call
from ksrpc.gateway.handle import GONE, RELEASE, Handles, Home, parse_handle
from ksrpc.gateway.state import State
from ksrpc.limits import CHAIN_STEPS
from ksrpc.protocol import Meta

__all__ = ["HOLDS", "Objects"]

#: What the worker is told where the caller may have objects kept.
HOLDS: Meta = {"handles": True}
_CHAIN_MARK = "!"
_STEP = re.compile(r"\.?[^\W\d_][\w]{0,79}|\[\]")
_NOTHING = wire.pack(None).join()
#: Runs a call at its user's expense.
Charge: TypeAlias = Callable[[Call, Callable[[Call], Awaitable[Answer]]], Awaitable[Answer]]


class Objects:
    """Know the kept objects and serve the calls on them.

    Args:
        config: Says how many and for how long.
        charge: Runs a call at its user's expense.
    """

    def __init__(self, config: Config, charge: Charge) -> None:
        self._charge = charge
        self.handles = Handles(per_user=config.call.handles, idle_s=config.call.handle_idle_s)

    def adjust(self, config: Config) -> None:
        """Follow the configuration; what is kept stays."""
        self.handles.adjust(per_user=config.call.handles, idle_s=config.call.handle_idle_s)

    async def handle(self, state: State, call: Call) -> Answer:
        """Bring such a call to its answer; its user was let in.

        Raises:
            NotFoundError: The object is not there for this caller; always the same text.
            KsrpcError: As for any other call.
        """
        call.cache_expire = None
        if call.path == RELEASE:
            await self._release(call)
            return Answer((_NOTHING,), len(_NOTHING))
        if _CHAIN_MARK in call.path:
            return await self._chain(state, call)
        return await self._use(state, call, *parse_handle(call.path))

    def permit(self, call: Call) -> None:
        """Let the worker keep what a call gives; see to it beforehand that there is room for what it certainly gives.

        Raises:
            BusyError: The user has too many objects, or all together have.
        """
        if call.path in call.user.rules.handles:
            self.handles.check_room(call.user.name)
        call.extra = HOLDS

    def enter(self, state: State, call: Call, answer: Answer, home: Home) -> Answer:
        """Enter the object that an answer tells of among the kept ones, and give its handle.

        Raises:
            EncodeError: The caller has no right to objects of its class, or too many are kept.
        """
        pin = answer.pin
        if pin is None:
            return answer
        if pin.class_path not in call.user.rules.handles or not state.allowance.allows(call.user, pin.class_path):
            pin.close()
            raise _late(f"result: a {pin.class_path} is kept on the server; its class is not open to this user")
        try:
            name = self.handles.keep(call, pin, home)
        except BusyError as exc:  # too late to say that: the call has run
            raise _late(f"result: {exc}") from None
        return dataclasses.replace(answer, labels={"kind": "handle", "handle": name}, pin=None)

    async def _use(self, state: State, call: Call, handle_id: str, name: str, chain: Iterable[str] = ()) -> Answer:
        handle = self.handles.find(call, handle_id)
        class_path = handle.pin.class_path
        if class_path not in call.user.rules.handles:
            raise NotFoundError(GONE)
        path = class_path if name.startswith(":") else f"{class_path}.{name}"
        state.allowance.check_member(call.user, path)
        call.path, call.extra = path, HOLDS
        if chain:
            call.extra = {**HOLDS, "chain": list(chain), "open": _open_steps(state, call, path, chain)}
            call.also = _charged(state.config, path, chain)
        answer = await self._charge(call, lambda charged: handle.run(charged, name))
        return self.enter(state, call, answer, handle.home)

    async def _chain(self, state: State, call: Call) -> Answer:
        """Let a worker take several steps.

        Raises:
            DecodeError: It is no chain.
        """
        first, *names = call.path[1:].split(_CHAIN_MARK)
        if len(names) >= CHAIN_STEPS or not all(map(_STEP.fullmatch, names)):
            raise DecodeError(f"a chain has up to {CHAIN_STEPS} steps, each a public name")
        if first.startswith("@"):
            return await self._use(state, call, *parse_handle(first), chain=names)
        call.path = first
        state.allowance.check(call.user, first)
        call.descriptor = state.registry.recall(call) or await state.registry.describe(call)
        if call.user.rules.handles and call.session:
            call.extra = HOLDS
        call.extra = {**(call.extra or {}), "chain": names, "open": _open_steps(state, call, first, names)}
        call.also = _charged(state.config, first, names)
        return self.enter(state, call, await self._charge(call, state.executors.run), state)

    async def _release(self, call: Call) -> None:
        """Let go of the objects that the arguments name, of all of the session if they name none.

        Raises:
            DecodeError: They name no objects.
        """
        await call.arguments.prefetch()
        args, kwargs = wire.parse_arguments(call.arguments.whole)
        names: Any = args[0] if len(args) == 1 and not kwargs else None
        if type(names) is not list or not {str}.issuperset(map(type, names)):
            raise DecodeError("what is let go is one list of handles")
        if names:
            self.handles.release(call, names)
        else:
            self.handles.end_session(call)


def _late(text: str) -> EncodeError:
    error = EncodeError(text)
    error.maybe_ran = True
    return error


def _open_steps(state: State, call: Call, path: str, names: Iterable[str]) -> list[str]:
    """Name the methods and attributes of kept objects that steps of this chain may be for this user, by gate A."""
    asked = {name.removeprefix(".") for name in names}
    rights = call.user.rules.handles
    return [
        f"{one.path}.{name}"
        for one in state.config.handle_classes(path.partition(".")[0])
        if one.path in rights and state.allowance.allows(call.user, one.path)
        for name in asked.intersection((*one.methods, *one.attributes))
        if state.allowance.allows_member(call.user, f"{one.path}.{name}")
    ]


def _charged(config: Config, path: str, names: Iterable[str]) -> tuple[str, ...]:
    """Name the methods that the last step of a chain may be: whose it is, only the worker knows."""
    *_, last = names
    listed = config.handle_classes(path.partition(".")[0])
    name = last.removeprefix(".")
    return tuple(f"{one.path}.{name}" for one in listed if name in one.methods or name in one.attributes)
