"""Steps that are written down here and taken on the server in one go: `ksrpc.collect(ksrpc.lazy(module).f(1).g())`.

Source: docs/reference/client.md "Chains".
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from ksrpc.client.handle import RemoteHandle, acall, adopt
from ksrpc.client.pending import PendingCall
from ksrpc.client.proxy import RemotePath
from ksrpc.connections.base import Connection, Options
from ksrpc.errors import ArgumentError
from ksrpc.limits import CHAIN_STEPS

__all__ = ["LazyExpression", "collect", "lazy"]

_ITEM = "[]"


class _Step(NamedTuple):
    """Be one step: a name to call, `.name` to read, or an item; not called until it is known which."""

    name: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = MappingProxyType({})
    is_called: bool = False


class LazyExpression:
    """Write down names, calls and items; nothing is sent before `ksrpc.collect`. Immutable: build on it twice."""

    __slots__ = ("_connection", "_options", "_steps")

    _connection: Connection
    _options: Options
    _steps: tuple[_Step, ...]

    def __init__(self, connection: Connection, options: Options, steps: tuple[_Step, ...]) -> None:
        put = object.__setattr__
        put(self, "_connection", connection)
        put(self, "_options", options)
        put(self, "_steps", steps)

    def __getattr__(self, name: str) -> LazyExpression:
        if name.startswith("_"):
            raise AttributeError(f"{name!r}: names that begin with an underscore are not remote")
        last = self._steps[-1]
        is_path = not last.name.startswith("@") or "." not in last.name
        if len(self._steps) == 1 and not last.is_called and is_path:  # still on the way to a function
            return self._with(self._steps[:-1], _Step(f"{last.name}.{name}"))
        return self._with(self._steps, _Step(f".{name}"))

    def __call__(self, *args: Any, **kwargs: Any) -> LazyExpression:
        last = self._steps[-1]
        if last.is_called:
            raise TypeError("what a call gives cannot be called; call one of its methods")
        if any(isinstance(value, LazyExpression) for value in (*args, *kwargs.values())):
            raise TypeError("an expression cannot be an argument: collect it first")
        return self._with(self._steps[:-1], _Step(last.name.removeprefix("."), args, kwargs, is_called=True))

    def __getitem__(self, key: Any) -> LazyExpression:
        return self._with(self._steps, _Step(_ITEM, (key,), is_called=True))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name!r} cannot be set on an expression")

    def __iter__(self) -> Any:
        raise TypeError("an expression holds no values; ksrpc.collect(…) fetches them")

    def __bool__(self) -> bool:
        raise TypeError("an expression has no value; ksrpc.collect(…) fetches it")

    def __await__(self) -> Any:
        raise TypeError("an expression is not awaited: await ksrpc.collect(…)")

    def __repr__(self) -> str:
        return f"<lazy {_show(self._steps)} at {self._connection.url}>"

    def _with(self, steps: tuple[_Step, ...], step: _Step) -> LazyExpression:
        if len(steps) >= CHAIN_STEPS:
            raise ArgumentError(f"a chain has at most {CHAIN_STEPS} steps")
        return LazyExpression(self._connection, self._options, (*steps, step))


def lazy(remote: RemotePath | RemoteHandle) -> LazyExpression:
    """Begin an expression at a remote module, function or object; `ksrpc.collect` takes its steps in one round trip.

    Raises:
        TypeError: It is none of these.
    """
    if isinstance(remote, RemotePath):
        return LazyExpression(remote._connection, remote._options, (_Step(remote._path),))
    if isinstance(remote, RemoteHandle):
        return LazyExpression(remote._connection, remote._options, (_Step(f"@{remote._held.id}"),))
    raise TypeError(f"lazy() takes a remote module, function or object, not {type(remote).__name__}")


def collect(expression: LazyExpression) -> Any:
    """Take the steps of an expression on the server and return the last one's value.

    Each step passes the same gates as a call of its own. What the steps before the last one gave stays on the server,
    and is dropped there. Where the calls of what it began with are awaited, this gives something to await.

    Raises:
        TypeError: It is no expression, or has no step yet.
        KsrpcError: As for a call; the text names the step.
    """
    if not isinstance(expression, LazyExpression):
        raise TypeError(f"collect() takes an expression that began with ksrpc.lazy(…), not {type(expression).__name__}")
    steps = expression._steps
    if steps[0].name.startswith("@") and "." not in steps[0].name:
        raise TypeError("this expression has no step yet: call a method of the object, or read an attribute")
    path, args, kwargs = _pack(steps)
    connection, options = expression._connection, expression._options
    if options.async_local:
        return PendingCall(acall(connection, path, args, kwargs, options), _show(steps))
    return adopt(connection.call(path, args, kwargs, options), connection, options)


def _pack(steps: tuple[_Step, ...]) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    """Return path and arguments of the call that carries the steps; one step alone is a plain call."""
    if len(steps) == 1:
        return steps[0].name, steps[0].args, dict(steps[0].kwargs)
    path = "@" + "!".join(step.name for step in steps)
    return path, ([[list(step.args), dict(step.kwargs)] for step in steps],), {}


def _show(steps: tuple[_Step, ...]) -> str:
    text = ""
    for step in steps:
        shown = [*map(_short, step.args), *(f"{name}={_short(value)}" for name, value in step.kwargs.items())]
        if step.name == _ITEM:
            text += f"[{', '.join(shown)}]"
        else:
            joined = step.name if not text else f".{step.name.removeprefix('.')}"
            text += f"{joined}({', '.join(shown)})" if step.is_called else joined
    return text


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
