"""Resolve, check, run, encode: the four steps that every executor takes, in a process of its own or inline.

Source: docs/spec/policy.md, docs/spec/protocol.md "RAISE".
"""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from ksrpc import wire
from ksrpc.errors import EncodeError, KsrpcError
from ksrpc.expose import SOURCE_PACKAGE, ModuleSource, Resolver, Target, Veil
from ksrpc.limits import SESSION
from ksrpc.model import HandleClass, Reach, Rules
from ksrpc.protocol.fault import RAISED, pack_fault
from ksrpc.protocol.frame import Buffer, Meta
from ksrpc.worker.handle import Desk, HeldObject, RefusedStepError, Walk, cannot_hold
from ksrpc.worker.holding import Holding
from ksrpc.worker.source import Source, is_stream
from ksrpc.worker.trace import trace_text

_EMPTY = wire.Message((b"",), 0)
#: Results of these types are never looked at twice.
_PLAIN = frozenset((int, float, str, bytes, bool, list, dict, tuple, type(None)))


class Ready(NamedTuple):
    """Hold a call that passed every gate: what remains is to run it.

    Attributes:
        args: What the library is given by place.
        kwargs: What it is given by name.
        may_hold: Whether its caller may have objects kept here.
        sent: The arguments as the caller sent them.
    """

    call: int
    target: Target
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    may_hold: bool = False
    sent: tuple[tuple[Any, ...], dict[str, Any]] = ((), {})


class Outcome(NamedTuple):
    """Hold what came of a call: a value if `fault` is None, else the RAISE frame's meta and its body.

    Attributes:
        label: What stands in the RESULT frame's meta: of something that is kept here, its number and kind.
    """

    message: wire.Message
    fault: Meta | None = None
    label: Meta | None = None


#: What comes of a step that has no value.
NOTHING = Outcome(_EMPTY)


class Host:
    """Run calls on the libraries of this process.

    Attributes:
        shows_traceback: Whether callers get the traceback's text with an exception.
    """

    def __init__(
        self,
        rules: Rules,
        *,
        sources: Mapping[str, ModuleSource] | None = None,
        generation: int = 0,
        shows_traceback: bool = False,
        handles: Iterable[HandleClass] = (),
        reaches: Mapping[str, Reach] = MappingProxyType({}),
    ) -> None:
        self._resolver = Resolver(rules, sources=sources or {}, generation=generation, reaches=reaches)
        self._desk = Desk(self._resolver, handles)
        roots = [root for reach in reaches.values() for root in reach.roots]
        self._veil = Veil({name: source.path for name, source in (sources or {}).items()}, roots)
        self.holding = Holding()
        self.shows_traceback = shows_traceback

    def resolve(self, path: str) -> Target:
        """Resolve a path through gates A and B.

        Raises:
            RefusedError: A gate says no, or the module cannot be imported.
        """
        return self._resolver.resolve(path)

    def find(self, meta: Meta) -> Target:
        """Resolve what the meta of a CALL asks for: a path, a name of a kept object, or a chain.

        Raises:
            RefusedError: A gate says no, or the module cannot be imported.
            LostError: The object is not kept any more.
        """
        if len(meta) == 1 and self._desk.is_empty:
            return self._resolver.resolve(meta["path"])
        held = self.holding.get(meta["held"]) if "held" in meta else None
        if held is None and "chain" not in meta:
            return self._desk.resolve(meta["path"], may_hold="handles" in meta)
        return self._desk.find(meta, held)

    def describe(self, path: str) -> wire.Message:
        """Pack the descriptor of a path as a value (a map of its fields).

        Raises:
            RefusedError: As `resolve`.
        """
        return wire.pack(dataclasses.asdict(self._resolver.describe(path)))

    def admit(self, call: int, target: Target, arguments: Buffer | wire.Reader, *, may_hold: bool = False) -> Ready:
        """Decode the arguments and pass them through gate C.

        Raises:
            RefusedError: They are not a value, or gate C says no.
        """
        if isinstance(arguments, wire.Reader):
            args, kwargs = wire.check_arguments(arguments.value())
        else:
            args, kwargs = wire.parse_arguments(arguments, table=self.table(target))
        return Ready(call, target, *target.call_check(args, kwargs), may_hold, (args, kwargs))

    def table(self, target: Target) -> wire.Table:
        """Say which types a request for this target may hold."""
        return wire.REQUEST_ANY_TABLE if target.arguments == "any" else wire.REQUEST_TABLE

    def run(self, ready: Ready) -> Outcome:
        """Call the library on this thread; whatever it raises becomes an outcome."""
        try:
            value = _invoke(ready)
            if inspect.iscoroutine(value):
                value = asyncio.run(value)
            elif type(value) is Walk:
                value = value.run()
        except BaseException as exc:  # also SystemExit: a library must not end the worker in passing
            return self.raised(exc, ready)
        return self.answer(value, ready)

    async def run_async(self, ready: Ready) -> Outcome:
        """Call the library on this loop; cancellation goes through."""
        try:
            value = _invoke(ready)
            if inspect.isawaitable(value):
                value = await value
            elif type(value) is Walk:
                value = await value.arun()
        except asyncio.CancelledError:
            raise
        except BaseException as exc:
            return self.raised(exc, ready)
        return self.answer(value, ready)

    def answer(self, value: object, ready: Ready) -> Outcome:
        """Pack a result; an iterator stays here, to be read item by item, and so does an object of a listed class."""
        if type(value) in _PLAIN:
            return self.encode(value)
        try:
            if is_stream(value):
                number = self.holding.keep(Source(value, self, ready))
                return Outcome(_EMPTY, label={"held": number, "kind": "stream"})
            listed = self._desk.book.find(value)
            if listed is not None:
                return self._keep(value, listed.path, ready)
        except KsrpcError as exc:
            return refused(exc, maybe_ran=True)
        return self.encode(value)

    def _keep(self, value: object, path: str, ready: Ready) -> Outcome:
        if not ready.may_hold:
            raise EncodeError(f"result: a {path} is kept here, and {cannot_hold()}")
        message = self._desk.pack(value)
        number = self.holding.keep(HeldObject(value))
        return Outcome(message, label={"held": number, "kind": "handle", "class": path})

    def encode(self, value: object) -> Outcome:
        """Pack a result; not one that holds a secret of this module."""
        if self._veil.finds(value):
            return refused(EncodeError("result: it holds a secret of the server"), maybe_ran=True)
        try:
            return Outcome(wire.pack(value))
        except EncodeError as exc:
            return refused(exc, maybe_ran=True)
        except Exception as exc:
            return refused(EncodeError(f"result: {type(exc).__name__} while encoding it"), maybe_ran=True)

    def raised(self, exc: BaseException, ready: Ready) -> Outcome:
        """Pack what the library raised, without what its texts tell of this machine unless the caller owns it."""
        if type(exc) is RefusedStepError:
            if not exc.maybe_ran:
                return refused(exc.error)
            exc = exc.error  # an error of ours says that nothing has run: as the library's it says that something has
        is_own = ready.target.is_waived
        cover = None if is_own else self._veil.over(exc, (*ready.sent[0], *ready.sent[1].values()))
        text = trace_text(exc, cover) if self.shows_traceback else ""
        message = wire.pack_error(exc, traceback_text=text, cover=cover)
        if message.nbytes > SESSION.inline_bytes:
            message = wire.pack_error(_shortened(exc), cover=cover)
        cls = type(exc)
        fault = {"code": RAISED, "type": f"{cls.__module__}.{cls.__qualname__}"[:200], "maybe_ran": True}
        return Outcome(message, fault)


def refused(error: KsrpcError | BaseException, *, maybe_ran: bool | None = None) -> Outcome:
    """Pack an error of ksrpc's own; what is not one becomes "internal"."""
    fault = pack_fault(error)
    if maybe_ran is not None:
        fault["maybe_ran"] = maybe_ran
    return Outcome(_EMPTY, fault)


def _invoke(ready: Ready) -> Any:
    target = ready.target
    if target.kind == "module" and not ready.args and not ready.kwargs:
        return target.object.__name__.removeprefix(f"{SOURCE_PACKAGE}.")
    if not callable(target.object) and not ready.args and not ready.kwargs:
        return target.object
    return target.object(*ready.args, **ready.kwargs)


def _shortened(exc: BaseException) -> Exception:
    """Stand in for an exception whose args are too large for a RAISE frame, keeping its builtin class."""
    text = wire.error_text(exc)[:2000] + " … (cut)"
    for cls in type(exc).__mro__:
        if cls.__module__ == "builtins" and issubclass(cls, Exception):
            try:
                return cls(text)
            except TypeError:
                continue
    return RuntimeError(text)
