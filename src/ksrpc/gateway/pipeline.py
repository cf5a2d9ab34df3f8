"""The life of one call, as a list. One module a step; the order matters and is the same for every transport.

Source: docs/explanation/architecture.md "The life of one call".
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from functools import partial

from ksrpc.config import Config
from ksrpc.errors import BusyError, EncodeError, KsrpcError, QuotaError
from ksrpc.gateway.audit import Audit
from ksrpc.gateway.cache import Cache
from ksrpc.gateway.call import Answer, Arguments, Call, View
from ksrpc.gateway.flight import Flights
from ksrpc.gateway.handle import MARK
from ksrpc.gateway.identify import Doorkeeper
from ksrpc.gateway.object import Objects
from ksrpc.gateway.quota import Quota
from ksrpc.gateway.repeat import Repeats
from ksrpc.gateway.state import State
from ksrpc.model import Descriptor, User
from ksrpc.store import TokenStore

_REFRESH_S = 1.0
_WATCH_S = 0.25
_log = logging.getLogger("ksrpc")


class Gateway:
    """Take calls from the transports' shells and bring each to its answer.

    Attributes:
        fault: Why the newest configuration is not in force; empty if it is.
        streams_open: How many streams may have further items.
    """

    def __init__(self, config: Config, tokens: TokenStore, *, shows_output: bool = False) -> None:
        self._tokens = tokens
        self._shows_output = shows_output
        self._state = State(config, tokens, shows_output=shows_output)
        self._former: list[State] = []
        self._flights = Flights()
        self._working: list[asyncio.Task[None]] = []
        self.audit = Audit(config)
        self._state.door.refused = self.audit.refuse_visitor
        self.cache = Cache(config)
        self.quota = Quota(config)
        self.objects = Objects(config, self.quota.charge)
        self.repeats = Repeats(self.handle, self.admit)
        self.is_ready = False
        self.fault = ""
        self.streams_open = 0

    @property
    def calls_open(self) -> int:
        """Return how many calls are under way; a stream is one to its end."""
        return sum(state.calls for state in (self._state, *self._former)) - len(self.objects.handles)

    @property
    def worker_count(self) -> int:
        """Return how many worker processes there are."""
        return len({pid for state in (self._state, *self._former) for pid in state.executors.pids})

    @property
    def config(self) -> Config:
        """Return the configuration in force."""
        return self._state.config

    @property
    def door(self) -> Doorkeeper:
        """Return who decides who comes in."""
        return self._state.door

    def start(self) -> None:
        """Begin to serve; needs a running loop."""
        loop = asyncio.get_running_loop()
        self.audit.follow_tokens(self._tokens.records())
        self._working = [loop.create_task(self._refresh()), loop.create_task(self._watch())]
        self.is_ready = True

    async def stop(self) -> None:
        """End all workers."""
        self.is_ready = False
        for task in self._working:
            task.cancel()
        for state in (self._state, *self._former):
            await state.executors.stop()
        await self.cache.close()
        self.quota.close()
        self.audit.close()

    def reload(self, config: Config) -> None:
        """Put another configuration in force, whole or not at all: calls under way keep the one they began with.

        Raises:
            ConfigError: It cannot be; the one before stays in force.
        """
        state = State(config, self._tokens, shows_output=self._shows_output, former=self._state)
        self.audit.adjust(config)
        self.cache.adjust(config)
        self.quota.adjust(config)
        self.objects.adjust(config)
        self._former.append(self._state)
        self._state = state

    async def handle(self, call: Call) -> Answer:
        """Bring one call to its answer. Step 1, identify, was taken by the transport (`door.identify`).

        Raises:
            RaisedError: The library raised.
            KsrpcError: It was refused, or lost; the class says which.
        """
        state = self._state
        state.calls += 1
        try:
            if call.path[:1] == MARK:
                self._let_in(state, call)
                self.audit.decide(call)
                answer = await self.objects.handle(state, call)
            else:
                answer = await self._handle(state, call)
            if answer.pin is not None:
                answer = self.objects.enter(state, call, answer, state)
            if answer.flow is not None:
                state.calls += 1
                self.streams_open += 1
                answer.flow.watch(close=partial(self._leave, state, call, answer))
            else:
                self.audit.settle(call, answer)
            return answer
        except BaseException as exc:
            self.audit.fail(call, exc)
            raise
        finally:
            state.calls -= 1

    def _leave(self, state: State, call: Call, answer: Answer) -> None:
        """Count a call out whose items came one by one."""
        state.calls -= 1
        self.streams_open -= 1
        self.audit.settle(call, answer)

    async def _handle(self, state: State, call: Call) -> Answer:
        self._admit(state, call)
        self.audit.decide(call)
        call.descriptor = state.registry.recall(call) or await state.registry.describe(call)  # 3. describe
        if call.user.rules.handles and call.session:
            self.objects.permit(call)
        if call.cache_expire is None:
            return await self.quota.charge(call, state.executors.run)  # 7. reserve, 8. run
        await call.arguments.prefetch()
        label = state.executors.edition(call.path)
        key = self.cache.key_of(call, state.registry.recall_keyed(call), label=label)  # 4. key
        if key is None:
            return await self.quota.charge(call, state.executors.run)
        kept = await self.cache.read(key, call)  # 5. cache
        return kept or await self._fly(state, key, call)

    def release(self, user: User, session: str, handles: list[str]) -> None:
        """Let go of objects that are kept for a user's session; nothing is said of others."""
        self.objects.handles.release(Call(user, "", Arguments(), 0.0, session=session), handles)

    def end_session(self, session: str) -> None:
        """Let go of all objects that are kept for a session which has ended."""
        self.objects.handles.forget_session(session)

    def glance(self, call: Call) -> Answer | None:
        """Take the first steps of a call and return its kept answer, if nothing has to be waited for until then.

        Raises:
            RefusedError: As `handle`; what is not raised here is left to it.
        """
        if call.cache_expire is None or call.arguments.rest is not None or call.path[:1] == MARK:
            return None
        state = self._state
        try:
            self._admit(state, call)
        except KsrpcError as exc:
            self.audit.refuse(call, exc)
            raise
        call.descriptor = state.registry.recall(call)
        key = self.cache.key_of(call, state.registry.recall_keyed(call), label=state.executors.edition(call.path))
        answer = None if key is None else self.cache.glance(key, call)
        if answer is not None:
            self.audit.decide(call)
            self.audit.settle(call, answer)
        return answer

    async def _fly(self, state: State, key: bytes, call: Call) -> Answer:
        """Ask the library, together with whoever asks the same; keep what it answers."""

        is_mine = False

        async def run() -> Answer:
            nonlocal is_mine
            is_mine = True
            state.calls += 1  # it may outlive who asked first
            try:
                answer = await self.quota.charge(shared, state.executors.run)  # to govern is before, to classify after
            finally:
                state.calls -= 1
            if answer.flow is not None or answer.pin is not None:  # what is there once is not kept
                return answer
            self.cache.keep(key, shared, answer)  # 10. store
            return dataclasses.replace(answer, labels={"cache": "stored"})

        shared = dataclasses.replace(call, deadline=asyncio.get_running_loop().time() + state.config.call.timeout_s)
        if not call.cache_get:
            return await run()
        while True:
            try:
                answer, is_first = await self._flights.join(key, run, deadline=call.deadline)  # 6. flight
                if not answer.claim():
                    return await self.quota.charge(call, state.executors.run)
                if answer.flow is not None or answer.pin is not None:
                    return answer
                return answer if is_first else dataclasses.replace(answer, labels={"cache": "joined"})
            except (QuotaError, EncodeError):
                if is_mine:  # what another may not is no reason: whoever waited starts a flight of their own
                    raise

    async def describe(self, call: Call) -> Descriptor:
        """Say what a path leads to: the first three steps of a call. Names only members that the user may call."""
        state = self._state
        state.calls += 1
        try:
            self._admit(state, call)
            descriptor = await state.registry.describe(call)
        finally:
            state.calls -= 1
        return dataclasses.replace(descriptor, members=_open_members(state, call, descriptor))

    async def render(self, answer: Answer, media_type: str, options: dict[str, str], deadline: float) -> View:
        """Turn an answer into a view for those who do not read the wire format.

        Raises:
            NotAcceptableError: The value has no such view.
        """
        state = self._state
        state.calls += 1
        try:
            return await state.executors.render(answer, media_type, options, deadline)
        finally:
            state.calls -= 1

    def admit(self, call: Call) -> None:
        """See whether a call may be made at all; running it looks at that itself.

        Raises:
            RefusedError: It may not.
        """
        (self._let_in if call.path[:1] == MARK else self._admit)(self._state, call)

    def _admit(self, state: State, call: Call) -> None:
        self._let_in(state, call)
        state.allowance.check(call.user, call.path)  # 2. allow

    def _let_in(self, state: State, call: Call) -> None:
        if not state.config.call.enabled:
            raise BusyError("the call service of this server is off (call.enabled)")
        call.user = state.door.renew(call.user)

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(_REFRESH_S)
            try:
                self._tokens.refresh()
                self.audit.follow_tokens(self._tokens.records())
                self.objects.handles.tick(self._state.door.still_valid)
                await self.cache.tick()
                await self.quota.tick()
                await self._retire()
            except Exception:  # the next second is another try; revocations must go on to be seen
                _log.exception("the store could not be looked at")

    async def _retire(self) -> None:
        """Let go of former states whose calls have their answers, and of processes that no state uses any more."""
        over = [state for state in self._former if not state.calls]
        if not over:
            return
        self._former = [state for state in self._former if state.calls]
        used = {pool for state in (self._state, *self._former) for pool in state.executors.pools}
        for pool in {pool for state in over for pool in state.executors.pools} - used:
            await pool.close()

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_WATCH_S)
            for state in (self._state, *self._former):
                state.executors.watch(loop.time())


def _open_members(state: State, call: Call, descriptor: Descriptor) -> tuple[str, ...]:
    allows = state.allowance.allows
    return tuple(name for name in descriptor.members if allows(call.user, f"{call.path}.{name}"))
