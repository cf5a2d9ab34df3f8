"""Step 3: what does the path lead to? Asked of a worker once, which resolves it through gates A and B.

Source: docs/spec/policy.md "Gate B".
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

from ksrpc import wire
from ksrpc.errors import DeadlineError, DecodeError
from ksrpc.gateway.call import Arguments, Call
from ksrpc.gateway.run import Executors
from ksrpc.limits import MEMO_ENTRIES
from ksrpc.model import Descriptor, Parameter, User

#: Path, and whether its root is without gates for the caller: that is another decision.
_Key: TypeAlias = tuple[str, bool]


class Registry:
    """Remember the descriptors that workers gave. Refusals are not kept; callers who ask at the same time share one.

    Args:
        former: The one of the configuration before; what workers said that are used further is still true.
    """

    def __init__(self, executors: Executors, *, timeout_s: float, former: Registry | None = None) -> None:
        self._executors = executors
        self._timeout_s = timeout_s
        self._known: dict[_Key, Descriptor] = {}
        self._keyed: dict[_Key, Descriptor] = {}
        self._asking: dict[_Key, asyncio.Task[Descriptor]] = {}
        for key, descriptor in former._known.items() if former is not None else ():
            if executors.has((key[0].partition(".")[0], key[1])):
                self._known[key] = descriptor
                self._keyed[key] = former._keyed[key]  # type: ignore[union-attr]

    def recall(self, call: Call) -> Descriptor | None:
        """Return the descriptor of the call's path if it is known."""
        return self._known.get((call.path, call.user.rules.is_unsafe(call.path)))

    async def describe(self, call: Call) -> Descriptor:
        """Return the descriptor of the call's path, fit to be shown: without what defaults are in canonical form.

        Raises:
            RefusedError: A gate says no, or the module cannot be imported on the worker.
            DeadlineError: The worker did not answer within the call's time; nothing has run.
        """
        key = (call.path, call.user.rules.is_unsafe(call.path))
        descriptor = self._known.get(key)
        if descriptor is not None:
            return descriptor
        task = self._asking.get(key)
        if task is None:
            task = self._asking[key] = asyncio.get_running_loop().create_task(self._ask(call.user, key))
            task.add_done_callback(partial(self._on_done, key))
        try:
            async with asyncio.timeout_at(call.deadline):
                return await asyncio.shield(task)
        except TimeoutError:
            raise DeadlineError("the call's time was over before it could begin", maybe_ran=False) from None

    def recall_keyed(self, call: Call) -> Descriptor | None:
        """Return the descriptor with the defaults in canonical form, for the call's key; it must not be shown."""
        return self._keyed.get((call.path, call.user.rules.is_unsafe(call.path)))

    async def _ask(self, user: User, key: _Key) -> Descriptor:
        path = key[0]
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        descriptor = parse_descriptor(await self._executors.describe(Call(user, path, Arguments(), deadline)))
        if descriptor.path != path:
            raise DecodeError("the worker described another path than it was asked for")
        if len(self._known) >= MEMO_ENTRIES:
            oldest = next(iter(self._known))
            del self._known[oldest], self._keyed[oldest]
        self._keyed[key] = descriptor
        self._known[key] = shown = _hide_defaults(descriptor)
        return shown

    def _on_done(self, key: _Key, task: asyncio.Task[Descriptor]) -> None:
        del self._asking[key]
        if not task.cancelled():
            task.exception()  # whoever asked has it, or is gone


def _hide_defaults(descriptor: Descriptor) -> Descriptor:
    if descriptor.signature is None:
        return descriptor
    return replace(descriptor, signature=tuple(replace(entry, default_key=b"") for entry in descriptor.signature))


def parse_descriptor(data: bytes) -> Descriptor:
    """Parse a packed descriptor.

    Raises:
        DecodeError: It is not one.
    """
    fields: Any = wire.parse(data)
    try:
        signature = fields["signature"]
        if signature is not None:
            signature = tuple(Parameter(**entry) for entry in signature)
            if not {bytes}.issuperset(type(entry.default_key) for entry in signature):
                raise DecodeError("this is not a descriptor")
        return Descriptor(**{**fields, "signature": signature, "members": tuple(fields["members"])})
    except (TypeError, KeyError) as exc:
        raise DecodeError("this is not a descriptor") from exc
