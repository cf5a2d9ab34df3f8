"""The life of one call, as a list. One module a step; the order matters and is the same for every transport.

Source: docs/explanation/architecture.md "The life of one call".
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging

from ksrpc.config import Config
from ksrpc.errors import BusyError
from ksrpc.expose import Surface
from ksrpc.gateway.allow import Allowance
from ksrpc.gateway.cache import Cache
from ksrpc.gateway.call import Answer, Call
from ksrpc.gateway.describe import Registry
from ksrpc.gateway.flight import Flights
from ksrpc.gateway.identify import Doorkeeper
from ksrpc.gateway.run import Executors
from ksrpc.model import Descriptor
from ksrpc.store import TokenStore

_REFRESH_S = 1.0
_log = logging.getLogger("ksrpc")


class Gateway:
    """Take calls from the transports' shells and bring each to its answer."""

    def __init__(self, config: Config, tokens: TokenStore, *, shows_output: bool = False) -> None:
        for rules in (config.all_rules, *map(config.rules_for, config.user)):
            Surface(rules)  # a pattern that cannot be is an error now, not with the first call
        self.config = config
        self.door = Doorkeeper(config, tokens)
        self.executors = Executors(config, shows_output=shows_output)
        self.is_ready = False
        self.cache = Cache(config)
        self._flights = Flights()
        self._tokens = tokens
        self._allowance = Allowance()
        self._registry = Registry(self.executors, timeout_s=config.call.timeout_s)
        self._refreshing: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to serve; needs a running loop."""
        self.executors.start()
        self._refreshing = asyncio.get_running_loop().create_task(self._refresh())
        self.is_ready = True

    async def stop(self) -> None:
        """End all workers."""
        self.is_ready = False
        if self._refreshing is not None:
            self._refreshing.cancel()
        await self.executors.stop()
        await self.cache.close()

    async def handle(self, call: Call) -> Answer:
        """Bring one call to its answer. Step 1, identify, was taken by the transport (`door.identify`).

        Raises:
            RaisedError: The library raised.
            KsrpcError: It was refused, or lost; the class says which.
        """
        self._check_enabled()
        self._allowance.check(call.user, call.path)  # 2. allow
        call.descriptor = self._registry.recall(call) or await self._registry.describe(call)  # 3. describe
        if call.cache_expire is None:
            return await self.executors.run(call)  # 8. run
        await call.arguments.prefetch()
        key = self.cache.key_of(call, self._registry.recall_keyed(call))  # 4. key
        if key is None:
            return await self.executors.run(call)
        kept = await self.cache.read(key, call)  # 5. cache
        return kept or await self._fly(key, call)

    async def _fly(self, key: bytes, call: Call) -> Answer:
        """Ask the library, together with whoever asks the same; keep what it answers."""

        async def run() -> Answer:
            answer = await self.executors.run(shared)  # 7. reserve and govern come before it, 9. classify after it
            self.cache.keep(key, shared, answer)  # 10. store
            return dataclasses.replace(answer, labels={"cache": "stored"})

        shared = dataclasses.replace(call, deadline=asyncio.get_running_loop().time() + self.config.call.timeout_s)
        if not call.cache_get:
            return await run()
        answer, is_first = await self._flights.join(key, run, deadline=call.deadline)  # 6. flight
        return answer if is_first else dataclasses.replace(answer, labels={"cache": "joined"})

    async def describe(self, call: Call) -> Descriptor:
        """Say what a path leads to: the first three steps of a call. Names only members that the user may call."""
        self._check_enabled()
        self._allowance.check(call.user, call.path)
        descriptor = await self._registry.describe(call)
        return dataclasses.replace(descriptor, members=self._open_members(call, descriptor))

    def _open_members(self, call: Call, descriptor: Descriptor) -> tuple[str, ...]:
        return tuple(name for name in descriptor.members if self._allowance.allows(call.user, f"{call.path}.{name}"))

    def _check_enabled(self) -> None:
        if not self.config.call.enabled:
            raise BusyError("the call service of this server is off (call.enabled)")

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(_REFRESH_S)
            try:
                self._tokens.refresh()
                await self.cache.tick()
            except Exception:  # the next second is another try; revocations must go on to be seen
                _log.exception("the store could not be looked at")
