"""Real modules, functions and classes in front of what a server describes.

A module is filled name by name as names are asked for (PEP 562): a function is a function, data is its value, a class
makes what the server answers. Only names and texts come from the server; what runs is here.

Source: docs/reference/client.md "ksrpc.install"; https://peps.python.org/pep-0562/; THREATS H34.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, NoReturn

from ksrpc.client import discovery
from ksrpc.client.description import Description, check_name
from ksrpc.client.handle import RemoteHandle
from ksrpc.client.proxy import RemotePath
from ksrpc.connections.base import Connection, Options
from ksrpc.errors import ForbiddenError, KsrpcError, NotFoundError

__all__ = ["Origin", "RemoteType", "fill_module", "origin_of"]

_FILLED = "__ksrpc_origin__"
#: What makes a module work, and is nothing to look at.
_HIDDEN = frozenset({_FILLED, "__getattr__", "__dir__"})


@dataclass(frozen=True, slots=True)
class Origin:
    """Say where modules come from, and how their functions are called."""

    connection: Connection
    options: Options

    def name(self, path: str, *, is_awaited: bool = False) -> RemotePath:
        """Name something there."""
        options = replace(self.options, async_local=True) if is_awaited else self.options
        return RemotePath(self.connection, path, options)


class _Contents:
    """Make what is below a path, each name once."""

    def __init__(self, path: str, origin: Origin) -> None:
        self.path = path
        self.made: dict[str, Any] = {}
        self._origin = origin
        self._learned: dict[str, Description] = {}

    def find(self, name: str) -> Any:
        """Return what stands under a name.

        Raises:
            AttributeError: There is nothing for this caller.
            KsrpcError: The server could not be asked, or reading the value failed.
        """
        if not check_name(name):
            raise AttributeError(f"{self.path!r} has no attribute {name!r}", name=name)
        if name not in self.made:
            # two threads may both make it; all see the same one
            self.made.setdefault(name, _make(self._describe(name), self._origin))
        return self.made[name]

    def learn(self) -> None:
        """Ask for everything that is here at once; if that fails, names are asked for one by one."""
        with contextlib.suppress(KsrpcError):
            self._learned = discovery.learn(self._origin.connection, self.path)

    def _describe(self, name: str) -> Description:
        known = self._learned.get(name)
        if known is not None:
            return known
        try:
            return discovery.fetch(self._origin.connection, f"{self.path}.{name}")
        except (NotFoundError, ForbiddenError) as exc:
            raise AttributeError(f"{self.path!r} has no attribute {name!r}: {exc}", name=name) from None


def fill_module(module: ModuleType, origin: Origin) -> None:
    """Put into a module what the server says of it; again, if it was filled before.

    Raises:
        NotFoundError: There is no module of this name for this caller.
        KsrpcError: As the connection or the server has it.
    """
    path = module.__name__
    names = vars(module)
    if _FILLED in names:  # importlib.reload
        discovery.forget(origin.connection, path)
    found = discovery.fetch(origin.connection, path)
    if found.kind != "module":
        raise NotFoundError(f"{path} is a {found.kind} and no module; import it from {path.rpartition('.')[0]!r}")
    for name in [name for name in names if check_name(name) and not isinstance(names[name], ModuleType)]:
        del names[name]
    contents = _Contents(path, origin)

    def find(name: str) -> Any:
        if name == "__all__":  # asked for by `from … import *`, and by those who are about to show everything
            contents.learn()
            return names.setdefault("__all__", list(found.members))
        return names.setdefault(name, contents.find(name))

    names.pop("__all__", None)
    names.update(
        {_FILLED: origin, "__doc__": found.doc or None, "__getattr__": find},
        __dir__=lambda: sorted({*names, "__all__", *found.members} - _HIDDEN),
    )
    if found.version:
        names["__version__"] = found.version


def origin_of(module: object) -> Origin | None:
    """Return where a module comes from; None for one that is not from a server."""
    return vars(module).get(_FILLED) if isinstance(module, ModuleType) else None


class RemoteType(type):
    """Be the class of a class that lives on the server: calling it gives what the server answers."""

    _remote: RemotePath
    _below: _Contents

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return cls._remote(*args, **kwargs)

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"{cls.__name__!r} has no attribute {name!r}", name=name)
        return cls._below.find(name)

    def __dir__(cls) -> list[str]:
        found = discovery.look_up(cls._remote._connection, cls._below.path)
        return sorted({*type.__dir__(cls), *(found.members if found is not None else ())})

    def __instancecheck__(cls, value: object) -> bool:
        """Tell whether a value, or an object that is kept on the server, is of this class there."""
        if isinstance(value, RemoteHandle):
            return value._class == cls._below.path
        return any(f"{base.__module__}.{base.__qualname__}" == cls._below.path for base in type(value).__mro__)

    def __repr__(cls) -> str:
        return f"<remote class {cls._below.path}>"


def _make(found: Description, origin: Origin) -> Any:
    if found.kind == "module":
        return importlib.import_module(found.path)
    if found.kind == "value":
        return origin.connection.call(found.path, (), {}, replace(origin.options, async_local=False))
    return _make_class(found, origin) if found.kind == "class" else _make_function(found, origin)


def _make_class(found: Description, origin: Origin) -> RemoteType:
    def refuse(_cls: type, **_: object) -> NoReturn:
        raise TypeError(f"{found.path} lives on the server: nothing can be derived from it here")

    names: dict[str, Any] = {
        "__module__": found.path.rpartition(".")[0],
        "__doc__": found.doc or None,
        "__init_subclass__": refuse,
        "_remote": origin.name(found.path),
        "_below": _Contents(found.path, origin),
    }
    if found.signature is not None:
        names["__signature__"] = found.signature
    return RemoteType(found.name, (), names)


def _make_function(found: Description, origin: Origin) -> Any:
    if found.kind == "async_generator":
        made = _make_async_generator(origin.name(found.path, is_awaited=True))
    elif found.kind == "coroutine" or origin.options.async_local:
        made = _make_coroutine(origin.name(found.path, is_awaited=True))
    else:
        made = _make_plain(origin.name(found.path))
    return _dress(made, found)


def _make_plain(remote: RemotePath) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        return remote(*args, **kwargs)

    return call


def _make_coroutine(remote: RemotePath) -> Any:
    async def call(*args: Any, **kwargs: Any) -> Any:
        return await remote(*args, **kwargs)

    return call


def _make_async_generator(remote: RemotePath) -> Callable[..., AsyncIterator[Any]]:
    async def call(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        async with await remote(*args, **kwargs) as items:
            async for item in items:
                yield item

    return call


def _dress(function: Any, found: Description) -> Any:
    """Give a function the looks of the one on the server; its source is not to be found here."""
    parent, _, name = found.path.rpartition(".")
    place = f"<{parent} on the server>"
    function.__code__ = function.__code__.replace(co_filename=place, co_name=name, co_qualname=name)
    function.__name__ = function.__qualname__ = name
    function.__module__ = parent
    function.__doc__ = found.doc or None
    function.__annotations__ = {}
    if found.signature is not None:
        function.__signature__ = found.signature
    return function
