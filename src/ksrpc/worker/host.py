"""Resolve, check, run, encode: the four steps that every executor takes, in a process of its own or inline.

Source: docs/spec/policy.md, docs/spec/protocol.md "RAISE".
"""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any, NamedTuple

from ksrpc import wire
from ksrpc.errors import EncodeError, KsrpcError
from ksrpc.expose import SOURCE_PACKAGE, ModuleSource, Resolver, Target, Veil
from ksrpc.limits import SESSION
from ksrpc.model import Rules
from ksrpc.protocol.fault import RAISED, pack_fault
from ksrpc.protocol.frame import Buffer, Meta
from ksrpc.worker.trace import trace_text

_NOTHING = wire.Message((b"",), 0)


class Ready(NamedTuple):
    """Hold a call that passed every gate: what remains is to run it."""

    call: int
    target: Target
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class Outcome(NamedTuple):
    """Hold what came of a call: a value if `fault` is None, else the RAISE frame's meta and its body."""

    message: wire.Message
    fault: Meta | None = None


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
    ) -> None:
        self._resolver = Resolver(rules, sources=sources or {}, generation=generation)
        self._veil = Veil({name: source.path for name, source in (sources or {}).items()})
        self.shows_traceback = shows_traceback

    def resolve(self, path: str) -> Target:
        """Resolve a path through gates A and B.

        Raises:
            RefusedError: A gate says no, or the module cannot be imported.
        """
        return self._resolver.resolve(path)

    def describe(self, path: str) -> wire.Message:
        """Pack the descriptor of a path as a value (a map of its fields).

        Raises:
            RefusedError: As `resolve`.
        """
        return wire.pack(dataclasses.asdict(self._resolver.describe(path)))

    def admit(self, call: int, target: Target, arguments: Buffer | wire.Reader) -> Ready:
        """Decode the arguments and pass them through gate C.

        Raises:
            RefusedError: They are not a value, or gate C says no.
        """
        if isinstance(arguments, wire.Reader):
            args, kwargs = wire.check_arguments(arguments.value())
        else:
            args, kwargs = wire.parse_arguments(arguments, table=self.table(target))
        target.call_check(args, kwargs)
        return Ready(call, target, args, kwargs)

    def table(self, target: Target) -> wire.Table:
        """Say which types a request for this target may hold."""
        return wire.REQUEST_ANY_TABLE if target.arguments == "any" else wire.REQUEST_TABLE

    def run(self, ready: Ready) -> Outcome:
        """Call the library on this thread; whatever it raises becomes an outcome."""
        try:
            value = _invoke(ready)
            if inspect.iscoroutine(value):
                value = asyncio.run(value)
        except BaseException as exc:  # also SystemExit: a library must not end the worker in passing
            return self.raised(exc, ready)
        return self.encode(value)

    async def run_async(self, ready: Ready) -> Outcome:
        """Call the library on this loop; cancellation goes through."""
        try:
            value = _invoke(ready)
            if inspect.isawaitable(value):
                value = await value
        except asyncio.CancelledError:
            raise
        except BaseException as exc:
            return self.raised(exc, ready)
        return self.encode(value)

    def encode(self, value: object) -> Outcome:
        """Pack a result."""
        try:
            return Outcome(wire.pack(value))
        except EncodeError as exc:
            return refused(exc, maybe_ran=True)
        except Exception as exc:
            return refused(EncodeError(f"result: {type(exc).__name__} while encoding it"), maybe_ran=True)

    def raised(self, exc: BaseException, ready: Ready) -> Outcome:
        """Pack what the library raised, without what its texts tell of this machine unless the caller owns it."""
        is_own = ready.target.is_waived
        cover = None if is_own else self._veil.over(exc, (*ready.args, *ready.kwargs.values()))
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
    return Outcome(_NOTHING, fault)


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
