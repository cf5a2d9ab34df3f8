"""Calls on objects that are kept here, and chains: several steps in one call, each judged when its turn has come.

Rules:
* A step is a full decision: its name by gates A and B on the object's class, its arguments by gate C.
* What the steps of a chain give before the last one is forgotten with the call.

Source: docs/spec/policy.md "Handles"; docs/spec/protocol.md "Handles".
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Generator, Iterable
from dataclasses import replace
from typing import Any, NamedTuple

from ksrpc import wire
from ksrpc.errors import ArgumentError, DecodeError, KsrpcError
from ksrpc.expose import Resolver, Target
from ksrpc.expose.argument import FREE
from ksrpc.expose.datatype import is_data_type
from ksrpc.expose.handle import HandleBook, check_attribute
from ksrpc.expose.parameter import check_normal
from ksrpc.expose.rule import forbid
from ksrpc.limits import CHAIN_STEPS
from ksrpc.model import HandleClass
from ksrpc.protocol import Meta

__all__ = ["ITEM", "Desk", "HeldObject", "RefusedStepError", "Walk", "cannot_hold"]

#: The step that takes an item.
ITEM = "[]"
#: What items are taken of, by package and exact type.
_INDEXED = {"builtins": ("dict", "list", "tuple"), "pandas": ("DataFrame", "Series"), "numpy": ("ndarray",)}
_DESCRIPTION_BYTES = 1 << 16


class RefusedStepError(Exception):
    """Carry an error of ksrpc's own past what the library raises."""

    def __init__(self, error: KsrpcError, *, maybe_ran: bool) -> None:
        super().__init__(str(error))
        self.error = error
        self.maybe_ran = maybe_ran


class HeldObject:
    """Keep one object for its caller."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value: Any = value

    def close(self) -> None:
        """Forget it."""
        self.value = None

    async def aclose(self) -> None:
        """Do what `close` does."""
        self.close()


class _Step(NamedTuple):
    """Be one step: a name, `.name` to read, or `[]`, and its arguments."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class Walk:
    """Take steps one after the other, blocking or on a loop.

    Args:
        steps: Yields what each step gave, takes back what that came to, returns the last.
    """

    def __init__(self, steps: Generator[Any, Any, Any]) -> None:
        self._steps = steps

    def run(self) -> Any:
        """Take them where no loop runs."""
        try:
            found = next(self._steps)
            while True:
                try:
                    settled = asyncio.run(found) if inspect.iscoroutine(found) else found
                except BaseException as exc:
                    found = self._steps.throw(exc)
                else:
                    found = self._steps.send(settled)
        except StopIteration as end:
            return end.value

    async def arun(self) -> Any:
        """Take them on the running loop."""
        try:
            found = next(self._steps)
            while True:
                try:
                    settled = await found if inspect.isawaitable(found) else found
                except BaseException as exc:
                    found = self._steps.throw(exc)
                else:
                    found = self._steps.send(settled)
        except StopIteration as end:
            return end.value


class Desk:
    """Turn calls on kept objects, and chains, into targets that run like any other.

    Args:
        resolver: Judges paths.
        classes: The listed classes.
    """

    def __init__(self, resolver: Resolver, classes: Iterable[HandleClass]) -> None:
        classes = tuple(classes)
        self._resolver = resolver
        self._descriptions: dict[type, wire.Message] = {}
        self.book = HandleBook(resolver, classes)
        self.is_empty = not classes

    def resolve(self, path: str, *, may_hold: bool) -> Target:
        """Resolve the path of a plain call.

        Raises:
            ForbiddenError: As the gates refuse, or by B3 if it makes an object that the caller may not have.
            RefusedError: As `Resolver.resolve`.
        """
        if not may_hold and self.book.lists(path):
            raise forbid("B3", f"{path} makes an object that is kept here: {cannot_hold()}")
        return self._resolver.resolve(path)

    def find(self, meta: Meta, held: HeldObject | None) -> Target:
        """Make the target of a call on a kept object, or of a chain.

        Raises:
            RefusedError: It is none, or a gate says no.
        """
        chain = meta.get("chain")
        if chain is None:
            if held is None:
                raise DecodeError("this is neither a call on a kept object nor a chain")
            member = self.book.resolve(held.value, meta["path"])
            return replace(member.target, object=self._use(held.value, meta["path"]), plan=FREE, kind="function")
        names = _check_names(chain)
        may_hold = bool(meta.get("handles"))
        if held is not None:
            member = self.book.resolve(held.value, meta["path"])
            first = replace(member.target, kind="function")
        else:
            first = self.resolve(meta["path"], may_hold=may_hold)
        chained = self._chain(first, held, (meta["path"], *names), frozenset(meta.get("open", ())))
        return replace(first, object=chained, plan=FREE, kind="function")

    def pack(self, value: object) -> wire.Message:
        """Pack the description of an object that is to be kept."""
        cls = type(value)
        message = self._descriptions.get(cls)
        if message is None:
            told = self.book.describe(value)
            message = wire.pack(told)
            if message.nbytes > _DESCRIPTION_BYTES:
                told = {**told, "doc": "", "members": {n: {"kind": m["kind"]} for n, m in told["members"].items()}}
                message = wire.pack(told)
            self._descriptions[cls] = message
        return message

    # a call on a kept object

    def _use(self, value: object, name: str) -> Callable[..., Any]:
        def use(*args: Any, **kwargs: Any) -> Walk:
            def steps() -> Generator[Any, Any, Any]:
                found = yield self._take(value, _Step(name, args, kwargs), has_run=False)
                return self._checked(value, name, found)

            return Walk(steps())

        return use

    def _take(self, value: object, step: _Step, *, has_run: bool) -> Any:
        """Judge one step on an object and take it.

        Raises:
            RefusedStepError: A gate says no.
        """
        try:
            name = step.name.removeprefix(".")
            member = self.book.resolve(value, name)
            if step.name != name and not member.is_attribute:
                raise forbid("B7", f"{member.target.path} is a method: call it")
            args = (value, *step.args) if member.takes_self else step.args
            args, kwargs = member.check(args, step.kwargs)
        except KsrpcError as exc:
            raise RefusedStepError(exc, maybe_ran=has_run) from None
        return member.target.object(*args, **kwargs)

    def _permit(self, owner: object, step: _Step, opened: frozenset[str]) -> None:
        """Let a step behind the first pass if gate A, whose answer the gateway sent along, opens it to this caller.

        Raises:
            RefusedStepError: By rule A2 or B7.
        """
        listed = self.book.find(owner)
        if listed is None:
            raise RefusedStepError(_no_object(owner), maybe_ran=True)
        name = step.name.removeprefix(".")
        if name in (*listed.methods, *listed.attributes) and f"{listed.path}.{name}" not in opened:
            raise RefusedStepError(forbid("A2", f"{listed.path}.{name} is not open to this user"), maybe_ran=True)

    def _checked(self, value: object, name: str, found: Any, *, has_run: bool = False) -> Any:
        """Let what a step on an object gave pass: of an attribute, data only."""
        member = self.book.resolve(value, name.removeprefix("."))
        if member.is_attribute:
            try:
                check_attribute(member.target.path, found)
            except KsrpcError as exc:
                raise RefusedStepError(exc, maybe_ran=has_run or member.runs_code) from None
        return found

    # chains

    def _chain(
        self, first: Target, held: HeldObject | None, names: tuple[str, ...], opened: frozenset[str]
    ) -> Callable[..., Any]:
        def chain(*args: Any, **kwargs: Any) -> Walk:
            try:
                steps = _read_steps(names, args, kwargs)
            except KsrpcError as exc:
                raise RefusedStepError(exc, maybe_ran=False) from None
            return Walk(self._walk(first, held, steps, opened))

        return chain

    def _walk(
        self, first: Target, held: HeldObject | None, steps: list[_Step], opened: frozenset[str]
    ) -> Generator[Any, Any, Any]:
        value: Any = None
        for number, step in enumerate(steps, 1):
            try:
                if number > 1 and step.name == ITEM:
                    value = _take_item(value, step, is_free=first.arguments == "any")
                    continue
                owner = value if number > 1 else held.value if held is not None else None
                if number > 1 or held is not None:
                    if number > 1:
                        self._permit(owner, step, opened)
                    value = yield self._take(owner, step, has_run=number > 1)
                    value = self._checked(owner, step.name, value, has_run=number > 1)
                else:
                    value = yield _take_first(first, step)
            except RefusedStepError as exc:
                raise RefusedStepError(_named(exc.error, number, step), maybe_ran=exc.maybe_ran) from None
            except Exception as exc:
                exc.add_note(f"in step {number} of the chain: {step.name}")
                raise
        return value


def cannot_hold() -> str:
    """Say why a caller may not have an object, and what cures it."""
    return "the caller has no right to objects (handles = true in [user.NAME]), or asks without a session of its own"


def _take_first(target: Target, step: _Step) -> Any:
    try:
        args, kwargs = target.call_check(step.args, step.kwargs)
    except KsrpcError as exc:
        raise RefusedStepError(exc, maybe_ran=False) from None
    if not callable(target.object) and not step.args and not step.kwargs:
        return target.object
    return target.object(*args, **kwargs)


def _take_item(value: Any, step: _Step, *, is_free: bool) -> Any:
    cls = type(value)
    is_indexed = is_data_type(cls) and cls.__name__ in _INDEXED.get(cls.__module__.partition(".")[0], ())
    if not is_indexed:
        raise RefusedStepError(forbid("B7", f"no item is taken of {_class_name(value)}"), maybe_ran=True)
    if len(step.args) != 1 or step.kwargs:
        raise RefusedStepError(ArgumentError("an item has one key"), maybe_ran=True)
    try:
        if not is_free:
            check_normal("key", step.args[0])
    except KsrpcError as exc:
        raise RefusedStepError(exc, maybe_ran=True) from None
    return value[step.args[0]]


def _check_names(chain: Any) -> tuple[str, ...]:
    """Return the names of the steps behind the first.

    Raises:
        DecodeError: They are none.
    """
    is_list = type(chain) is list and 0 < len(chain) < CHAIN_STEPS
    if not is_list or not all(type(name) is str and name and not name.startswith(":") for name in chain):
        raise DecodeError(f"a chain is a list of up to {CHAIN_STEPS} steps")
    return tuple(chain)


def _read_steps(names: tuple[str, ...], args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[_Step]:
    """Pair each name with its arguments.

    Raises:
        DecodeError: They are not told as a chain's are.
    """
    told = args[0] if len(args) == 1 and not kwargs else None
    if type(told) is not list or len(told) != len(names):
        raise DecodeError("a chain has one list of arguments for each step")
    return [_Step(name, *wire.check_arguments(pair)) for name, pair in zip(names, told, strict=True)]


def _no_object(value: object) -> KsrpcError:
    return forbid("B7", f"{_class_name(value)} is not listed among the classes whose methods may be called here")


def _class_name(value: object) -> str:
    return f"a value of the class {type(value).__qualname__[:80]}"


def _named(error: KsrpcError, number: int, step: _Step) -> KsrpcError:
    """Say in an error's text which step it is about."""
    text = f"step {number} ({step.name}): {error}"
    error.args = (text,)
    return error
