"""Choose what is called next, count what comes of it, and keep what should not have come."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

from ksrpc import wire
from ksrpc.errors import EncodeError, KsrpcError
from ksrpc.expose import Resolver, load_presets
from ksrpc.model import Rules
from tests.effects.sandbox import FATES, Sandbox
from tests.effects.value import Arguments, Plan, change, make_arguments, make_plan

_KEPT = 6
_MINIMISED = 25


class Finding(NamedTuple):
    """Say what was outside the rules."""

    path: str
    event: str
    file: str


def open_functions(roots: Iterable[str] | None = None) -> dict[str, Plan]:
    """List what the presets open and can be called here: path → how."""
    presets = load_presets()
    chosen = [root for root in presets if presets[root].names and (roots is None or root in roots)]
    resolver = Resolver(Rules(allow=tuple(chosen)))
    found = {}
    for root in chosen:
        for path, entry in presets[root].names.items():
            try:
                target = resolver.resolve(path)
            except KsrpcError:
                continue  # of another version
            if target.kind not in ("module", "value"):
                found[path] = make_plan(target, entry)
    return found


class Campaign:
    """Call all functions in turn, again and again.

    Args:
        functions: Path → how it is called.
        sandbox: Where.
        seed: Of all chance.
        folder: Where inputs are kept.
    """

    def __init__(self, functions: dict[str, Plan], sandbox: Sandbox, seed: int, folder: Path) -> None:
        self.counts: Counter[str] = Counter()
        self.findings: list[Finding] = []
        self.passed: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.others: Counter[str] = Counter()
        self._functions = functions
        self._sandbox = sandbox
        self._chance = Random(seed)
        self._folder = folder
        self._good: defaultdict[str, list[Arguments]] = defaultdict(list)
        self._known: set[str] = set()
        self._slow: Counter[str] = Counter()

    async def run(self, *, until: float, calls: int = -1) -> None:
        """Call until the time [of the monotonic clock] or the number is over."""
        for path in self._turns():
            if time.monotonic() > until or self.counts["calls"] == calls:
                return
            plan = self._functions[path]
            arguments = self._choose(path, plan)
            try:
                packed = wire.pack_arguments(*arguments).join()
            except (EncodeError, TypeError):
                self.counts["cannot be sent"] += 1
                continue
            await self._call(path, arguments, packed)

    def report(self) -> str:
        """Give the figures."""
        counts, found = self.counts, self.findings
        passed = sum(self.passed.values())
        lines = [
            f"{len(self._functions)} functions, {counts['calls']} calls, {passed} passed gate C "
            f"({len(self.passed)} functions), {counts['answered']} answered ({len(self.answered)} functions)",
            ", ".join(f"{name} {count}" for name, count in sorted(counts.items())),
            f"{self._sandbox.starts} workers, outside observer: {'strace' if self._sandbox.has_strace else '/proc'}",
            f"never passed: {' '.join(sorted(self._functions.keys() - self.passed.keys())) or '-'}",
            *(f"other: {count} {text}" for text, count in self.others.most_common(20)),
            f"{len(found)} findings",
            *(f"FINDING {path}: {event} ({file})" for path, event, file in found),
        ]
        return "\n".join(lines)

    def _turns(self) -> Iterator[str]:
        while True:
            paths = sorted(self._functions)
            self._chance.shuffle(paths)
            for path in paths:
                if self._chance.random() < 1 / (1 + self._slow[path]):
                    yield path

    def _choose(self, path: str, plan: Plan) -> Arguments:
        good = self._good[path]
        if good and self._chance.random() < 0.6:
            return change(plan, self._chance.choice(good), self._chance)
        return make_arguments(plan, self._chance)

    async def _call(self, path: str, arguments: Arguments, packed: bytes) -> None:
        result = await self._sandbox.call(path, packed)
        self.counts["calls"] += 1
        self.counts[result.kind] += 1
        if result.kind not in ("refused", "other", "forbidden"):
            self.passed[path] += 1
        elif result.kind != "refused":
            self.others[f"{path} {result.text[:160]}"] += 1
            if "internal error" in result.text:
                self._keep("fault", path, packed)
        if result.kind == "answered":
            self.answered[path] += 1
            good = self._good[path]
            if len(good) < _KEPT or self._chance.random() < 0.05:
                good.append(arguments)
                del good[:-_KEPT]
        if result.kind in FATES:
            self._slow[path] += 1
            self._keep(result.kind, path, await self._minimise(path, arguments, packed, result.kind))
        for event in result.findings:
            if event not in self._known:
                self._known.add(event)
                self.findings.append(Finding(path, event, self._keep("effect", path, packed)))

    async def _minimise(self, path: str, arguments: Arguments, packed: bytes, fate: str) -> bytes:
        """Leave arguments out for as long as the same comes of it; crashes only, the others take seconds each."""
        if fate != "crash":
            return packed
        for smaller in _smaller(arguments):
            tried = wire.pack_arguments(*smaller).join()
            if (await self._sandbox.call(path, tried)).kind == fate:
                return await self._minimise(path, smaller, tried, fate)
        return packed

    def _keep(self, kind: str, path: str, packed: bytes) -> str:
        name = f"{kind}-{path}-{self.counts['calls']}"
        (self._folder / name).write_bytes(path.encode() + b"\n" + packed)
        return name


def _smaller(arguments: Arguments) -> Iterator[Arguments]:
    args, kwargs = arguments
    for name in kwargs:
        yield args, {other: value for other, value in kwargs.items() if other != name}
    if args:
        yield args[:-1], kwargs


def load(path: Path) -> tuple[str, bytes]:
    """Read an input that was kept: what is called, and its packed arguments."""
    head, _, packed = path.read_bytes().partition(b"\n")
    return head.decode(), packed
