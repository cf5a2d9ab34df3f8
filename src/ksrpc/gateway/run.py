"""Step 8: run the call where its module's rule says: in a process of the module's pool, or inline."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path

from ksrpc import wire
from ksrpc.config import Config
from ksrpc.errors import DeadlineError, NotAcceptableError, RefusedError
from ksrpc.expose import ModuleSource
from ksrpc.gateway.call import Answer, Arguments, Call, View
from ksrpc.gateway.pool import Pool
from ksrpc.limits import REQUEST
from ksrpc.model import Rules, User
from ksrpc.protocol import Buffer, Meta
from ksrpc.protocol.fault import parse_fault
from ksrpc.transport.link import RaisedError
from ksrpc.worker.host import Host, Outcome

_WATCH_S = 0.25
_RENDER = "ksrpc_render"


class Executors:
    """Own the pools, one for each root module, and the inline host."""

    def __init__(self, config: Config, *, shows_output: bool = False) -> None:
        self._config = config
        self._shows_output = shows_output
        self._pools: dict[tuple[str, bool], Pool] = {}
        self._inline: Host | None = None
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to watch deadlines and memory."""
        self._watching = asyncio.get_running_loop().create_task(self._watch())

    async def stop(self) -> None:
        """End all processes."""
        if self._watching is not None:
            self._watching.cancel()
        for pool in self._pools.values():
            await pool.close()

    @property
    def pids(self) -> list[int]:
        """Return the process ids of all workers."""
        return [pid for pool in self._pools.values() for pid in pool.pids]

    async def describe(self, call: Call) -> bytes:
        """Ask the executor of the call's module for the packed descriptor."""
        root = call.path.partition(".")[0]
        if self._is_inline(root):
            return self._host().describe(call.path).join()
        return await self._pool(root, is_unsafe=call.user.rules.is_unsafe(root)).describe(call)

    def run(self, call: Call) -> Awaitable[Answer]:
        """Run a call; await what comes back.

        Raises:
            RaisedError: The library raised.
            KsrpcError: It was refused, or lost.
        """
        root = call.path.partition(".")[0]
        if self._is_inline(root):
            return self._run_inline(call)
        return self._run_pooled(self._pool(root, is_unsafe=call.user.rules.is_unsafe(root)), call)

    async def _run_pooled(self, pool: Pool, call: Call) -> Answer:
        pieces = await pool.run(call)
        return Answer(pieces, sum(map(len, pieces)))

    async def render(self, answer: Answer, media_type: str, options: dict[str, str], deadline: float) -> View:
        """Turn an encoded value into a view, in a worker: the gateway never decodes what a library answered.

        Raises:
            NotAcceptableError: The value has no such view.
        """
        packed = wire.pack_arguments((answer.join(), media_type, options), {})
        user = User("", Rules())
        call = Call(user, f"{_RENDER}.render", Arguments(packed.join()), deadline)
        pieces = await self._pool(_RENDER, is_unsafe=False).run(call)
        view = View(*wire.parse(b"".join(pieces)))
        if not view.media_type:
            error = NotAcceptableError(view.body.decode())
            error.maybe_ran = True  # the call did run; what failed is the view of its result
            raise error
        return view

    def _is_inline(self, root: str) -> bool:
        section = self._config.module.get(root)
        return section is not None and section.executor == "inline"

    def _host(self) -> Host:
        if self._inline is None:
            roots = [name for name in self._config.module if self._is_inline(name)]
            self._inline = Host(
                _narrow(self._config.all_rules, roots),
                sources={name: self._source(name) for name in roots if self._config.module[name].path},
                shows_traceback=self._config.call.traceback,
            )
        return self._inline

    async def _run_inline(self, call: Call) -> Answer:
        host = self._host()
        target = host.resolve(call.path)
        arguments = call.arguments
        ready = host.admit(0, target, arguments.whole if arguments.rest is None else await _gather(arguments))
        if not target.is_async:
            return _answer(host.run(ready))
        try:
            async with asyncio.timeout_at(call.deadline):
                outcome = await host.run_async(ready)
        except TimeoutError:
            raise DeadlineError("the call took longer than its time and was cancelled") from None
        return _answer(outcome)

    def _source(self, root: str) -> ModuleSource:
        section = self._config.module[root]
        return ModuleSource(section.path or Path(), arguments=section.arguments)

    def _pool(self, root: str, *, is_unsafe: bool) -> Pool:
        """Return the pool of a module; whoever may call it without gates has processes of their own."""
        pool = self._pools.get((root, is_unsafe))
        if pool is None:
            pool = self._pools[root, is_unsafe] = self._make_pool(root, is_unsafe=is_unsafe)
        return pool

    def _make_pool(self, root: str, *, is_unsafe: bool) -> Pool:
        calls, section = self._config.call, self._config.module.get(root)
        processes = (section and section.processes) or calls.processes
        memory_mb = (section and section.memory_mb) or calls.memory_mb
        return Pool(
            self._boot(root, is_unsafe=is_unsafe),
            processes=processes,
            queue=calls.queue,
            memory_bytes=memory_mb << 20,
            shows_output=self._shows_output,
        )

    def _boot(self, root: str, *, is_unsafe: bool) -> Meta:
        if root == _RENDER:
            path = Path(__file__).parents[1] / "worker" / "render.py"
            sources = {_RENDER: {"path": str(path), "arguments": "any"}}
            return {"rules": {"allow": [_RENDER]}, "sources": sources}
        rules = _narrow(self._config.all_rules, [root])
        section = self._config.module.get(root)
        named = {root: {"path": str(section.path), "arguments": section.arguments}} if section and section.path else {}
        return {
            "rules": {
                "allow": list(rules.allow),
                "block": list(rules.block),
                "unsafe": [root] if is_unsafe else [],
                "services": list(rules.services),
            },
            "sources": named,
            "traceback": self._config.call.traceback,
        }

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_WATCH_S)
            for pool in list(self._pools.values()):
                pool.watch(loop.time())


def _narrow(rules: Rules, roots: list[str]) -> Rules:
    """Keep of the rules what concerns these roots, and no waiver of the gates: a worker can resolve nothing else."""

    def keep(patterns: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(p for p in patterns if p.partition(".")[0] in roots)

    allow = tuple(roots) if "*" in rules.allow else keep(rules.allow)
    return Rules(allow, keep(rules.block), services=keep(rules.services))


async def _gather(arguments: Arguments) -> Buffer:
    if arguments.rest is None:
        return arguments.whole
    whole = bytearray(arguments.whole)
    async for piece in arguments.rest:
        whole += piece
        if len(whole) > min(arguments.max_bytes, REQUEST.message_bytes):
            raise RefusedError("the arguments are too large")
    return whole


def _answer(outcome: Outcome) -> Answer:
    if outcome.fault is None:
        return Answer(tuple(outcome.message.segments), outcome.message.nbytes)
    if outcome.fault.get("code") == "raised":
        raise RaisedError(outcome.fault, outcome.message.join())
    raise parse_fault(outcome.fault)
