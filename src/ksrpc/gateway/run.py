"""Step 8: run the call where its module's rule says: in a process of the module's pool, or inline."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable
from pathlib import Path
from typing import TypeAlias

from ksrpc.config import Config
from ksrpc.errors import DeadlineError, RefusedError
from ksrpc.expose import ModuleSource, edition_of
from ksrpc.gateway.call import Answer, Arguments, Call, View
from ksrpc.gateway.flow import Flow
from ksrpc.gateway.inline import InlineSteps, fault_of
from ksrpc.gateway.place import plan_place, plan_reach, read_secrets
from ksrpc.gateway.pool import Pool
from ksrpc.gateway.viewing import RENDER, show
from ksrpc.limits import REQUEST
from ksrpc.model import HandleClass, Reach, Rules
from ksrpc.protocol import Buffer, Meta
from ksrpc.worker.host import Host, Outcome
from ksrpc.worker.place import Plan

#: A root, and whether its processes are without gates.
_Place: TypeAlias = tuple[str, bool]


class Executors:
    """Own the pools, one for each root module, and the inline host.

    Args:
        former: Those of the configuration before; pools of which nothing changes are shared with them.
    """

    def __init__(self, config: Config, *, shows_output: bool = False, former: Executors | None = None) -> None:
        self._config = config
        self._shows_output = shows_output
        self._editions = {name: edition_of(entry.path) for name, entry in config.module.items() if entry.path}
        self._labels = {name: self._label(name) for name in config.module}
        self._inline: Host | None = None
        self._pools: dict[_Place, Pool] = {}
        self._plans: dict[_Place, Meta] = {}
        for place, plan in former._plans.items() if former is not None else ():
            if not self._is_inline(place[0]) and plan == self._plan(*place):
                self._plans[place] = plan
                self._pools[place] = former._pools[place]  # type: ignore[union-attr]

    async def stop(self) -> None:
        """End all processes."""
        for pool in self._pools.values():
            await pool.close()

    def watch(self, now: float) -> None:
        """End what is over its time or its memory; called a few times a second."""
        for pool in list(self._pools.values()):
            pool.watch(now)

    @property
    def pools(self) -> set[Pool]:
        """Return the pools there are."""
        return set(self._pools.values())

    def has(self, place: _Place) -> bool:
        """Tell whether there are processes for a root, with or without gates."""
        return place in self._pools

    def edition(self, path: str) -> str:
        """Name the state of the administrator's file behind a path, and of what arguments may name there.

        What another one answered is not what this does.
        """
        return self._labels.get(path.partition(".")[0], "")

    def _label(self, root: str) -> str:
        edition = self._editions.get(root, "")
        if not self._config.module[root].parameters:
            return edition
        reach = repr(plan_reach(self._config, root)).encode()
        return f"{edition}-{hashlib.sha256(reach).hexdigest()[:16]}"

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
        return self._pool(root, is_unsafe=call.user.rules.is_unsafe(root)).run(call)

    async def render(self, answer: Answer, media_type: str, options: dict[str, str], deadline: float) -> View:
        """Turn an encoded value into a view, in a worker: the gateway never decodes what a library answered.

        Raises:
            NotAcceptableError: The value has no such view.
        """
        run = self._pool(RENDER, is_unsafe=False).run
        return await show(answer, media_type, options, deadline=deadline, run=run)

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
                reaches={root: plan_reach(self._config, root) for root in roots},
            )
        return self._inline

    async def _run_inline(self, call: Call) -> Answer:
        host = self._host()
        target = host.resolve(call.path)
        arguments = call.arguments
        ready = host.admit(0, target, arguments.whole if arguments.rest is None else await _gather(arguments))
        if not target.is_async:
            return self._answer(host.run(ready), call)
        try:
            async with asyncio.timeout_at(call.deadline):
                outcome = await host.run_async(ready)
        except TimeoutError:
            raise DeadlineError("the call took longer than its time and was cancelled") from None
        return self._answer(outcome, call)

    def _answer(self, outcome: Outcome, call: Call) -> Answer:
        if outcome.fault is not None:
            raise fault_of(outcome)
        if outcome.label is None:
            return Answer(tuple(outcome.message.segments), outcome.message.nbytes)
        span_s = call.deadline - asyncio.get_running_loop().time()
        steps = InlineSteps(self._host(), outcome.label["held"], span_s)
        return Answer((), 0, flow=Flow(steps.pull, steps.drop))

    def _source(self, root: str) -> ModuleSource:
        section = self._config.module[root]
        return ModuleSource(section.path or Path(), section.arguments, self._editions.get(root, ""))

    def _pool(self, root: str, *, is_unsafe: bool) -> Pool:
        """Return the pool of a module; whoever may call it without gates has processes of their own."""
        place = (root, is_unsafe)
        pool = self._pools.get(place)
        if pool is None:
            plan = self._plans[place] = self._plan(*place)
            pool = self._pools[place] = Pool(**plan, shows_output=self._shows_output)
        return pool

    def _plan(self, root: str, is_unsafe: bool) -> Meta:
        """Say what a pool is made of."""
        calls, section = self._config.call, self._config.module.get(root)
        memory_mb = (section and section.memory_mb) or calls.memory_mb
        return {
            "boot": {**self._boot(root, is_unsafe=is_unsafe), "place": self._place(root, is_unsafe=is_unsafe)},
            "processes": (section and section.processes) or calls.processes,
            "queue": calls.queue,
            "memory_bytes": memory_mb << 20,
        }

    def _place(self, root: str, *, is_unsafe: bool) -> Plan:
        return Plan("strict") if root == RENDER else plan_place(self._config, root, is_unsafe=is_unsafe)

    def _boot(self, root: str, *, is_unsafe: bool) -> Meta:
        if root == RENDER:
            path = Path(__file__).parents[1] / "worker" / "render.py"
            sources = {RENDER: {"path": str(path), "arguments": "any"}}
            return {"rules": {"allow": [RENDER]}, "sources": sources}
        rules = _narrow(self._config.all_rules, [root])
        section = self._config.module.get(root)
        named = {root: self._told_source(root)} if section and section.path else {}
        return {
            "rules": {
                "allow": list(rules.allow),
                "block": list(rules.block),
                "unsafe": [root] if is_unsafe else [],
                "services": list(rules.services),
                "handles": list(rules.handles),
                "trade": list(rules.trade),
            },
            "handles": {listed.path: _told_class(listed) for listed in self._config.handle_classes(root)},
            "reaches": {root: _told_reach(plan_reach(self._config, root))},
            "secrets": read_secrets(section.secrets) if section else {},
            "sources": named,
            "traceback": self._config.call.traceback,
        }

    def _told_source(self, root: str) -> Meta:
        source = self._source(root)
        return {"path": str(source.path), "arguments": source.arguments, "edition": source.edition}


def _narrow(rules: Rules, roots: list[str]) -> Rules:
    """Keep of the rules what concerns these roots, and no waiver of the gates: a worker can resolve nothing else."""

    def keep(patterns: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(p for p in patterns if p.partition(".")[0] in roots)

    allow = tuple(roots) if "*" in rules.allow else keep(rules.allow)
    return Rules(
        allow, keep(rules.block), services=keep(rules.services), handles=keep(rules.handles), trade=rules.trade
    )


def _told_class(listed: HandleClass) -> Meta:
    return {"methods": list(listed.methods), "attributes": list(listed.attributes), "context": listed.context}


def _told_reach(reach: Reach) -> Meta:
    return {
        "roots": list(reach.roots),
        "closed": list(reach.closed),
        "hosts": list(reach.hosts),
        "classes": dict(reach.classes),
    }


async def _gather(arguments: Arguments) -> Buffer:
    if arguments.rest is None:
        return arguments.whole
    whole = bytearray(arguments.whole)
    async for piece in arguments.rest:
        whole += piece
        if len(whole) > min(arguments.max_bytes, REQUEST.message_bytes):
            raise RefusedError("the arguments are too large")
    return whole
