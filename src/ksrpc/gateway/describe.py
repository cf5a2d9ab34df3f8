"""Step 3: what does the path lead to? Asked of a worker once, which resolves it through gates A and B.

Source: docs/spec/policy.md "Gate B".
"""

from __future__ import annotations

from typing import Any

from ksrpc import wire
from ksrpc.errors import DecodeError
from ksrpc.gateway.call import Call
from ksrpc.gateway.run import Executors
from ksrpc.limits import MEMO_ENTRIES
from ksrpc.model import Descriptor, Parameter


class Registry:
    """Remember the descriptors that workers gave. Refusals are not kept."""

    def __init__(self, executors: Executors) -> None:
        self._executors = executors
        self._known: dict[str, Descriptor] = {}

    async def describe(self, call: Call) -> Descriptor:
        """Return the descriptor of the call's path.

        Raises:
            RefusedError: A gate says no, or the module cannot be imported on the worker.
        """
        descriptor = self._known.get(call.path)
        if descriptor is None:
            descriptor = parse_descriptor(await self._executors.describe(call))
            if descriptor.path != call.path:
                raise DecodeError("the worker described another path than it was asked for")
            if len(self._known) >= MEMO_ENTRIES:
                del self._known[next(iter(self._known))]
            self._known[call.path] = descriptor
        return descriptor


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
        return Descriptor(**{**fields, "signature": signature, "members": tuple(fields["members"])})
    except (TypeError, KeyError) as exc:
        raise DecodeError("this is not a descriptor") from exc
