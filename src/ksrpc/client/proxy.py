"""A remote module as an object: attributes are names, calls are calls.

Source: docs/reference/client.md.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn, Self

from ksrpc.client import discovery
from ksrpc.client.completion import trust_in_ipython
from ksrpc.client.description import Docstring, Signature
from ksrpc.client.handle import acall, adopt
from ksrpc.client.pending import PendingCall
from ksrpc.client.progress import follow
from ksrpc.connections.base import Connection, Options
from ksrpc.errors import ConfigError
from ksrpc.transport.held import Held

if TYPE_CHECKING:
    import inspect

_OPTIONS = ("async_local", "async_remote", "cache_get", "cache_expire")


_SPOKEN = {
    "value": "Call it without arguments to read its value.",
    "module": "The module says nothing of itself.",
}


def _tell_signature(path: RemotePath) -> inspect.Signature | None:
    found = discovery.look_up(path._connection, path._path)
    return None if found is None else found.signature


def _tell(path: RemotePath) -> str:
    found = discovery.look_up(path._connection, path._path)
    if found is None:
        return f"{path._path} at {path._connection.url}: {discovery.explain(path._connection, path._path)}"
    return found.doc or _SPOKEN.get(found.kind, "It has no documentation on the server.")


class RemotePath:
    """Name something on the server. Immutable: keep it, share it between threads, call it again.

    Reading an attribute does no I/O and gives the path below. Calling it calls the function there; without arguments
    a variable gives its value and a module its name. `dir`, `help` and `inspect.signature` ask the server.
    """

    __slots__ = ("_connection", "_options", "_path")
    __doc__ = Docstring(__doc__, _tell)
    __signature__ = Signature(_tell_signature)

    _connection: Connection
    _options: Options
    _path: str

    def __init__(self, connection: Connection, path: str, options: Options) -> None:
        _set_connection(self, connection)
        _set_path(self, path)
        _set_options(self, options)

    def __getattr__(self, name: str) -> RemotePath:
        if name == "getdoc" and _is_inspected():
            raise AttributeError(name)
        return _child(self, name)

    def __getitem__(self, name: str) -> RemotePath:
        """Reach a name that is taken here: `client["cache_get"]`."""
        if not isinstance(name, str):
            raise TypeError(f"a remote name is a str, not {type(name).__name__}")
        return _child(self, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._options.async_local:
            return PendingCall(acall(self._connection, self._path, args, kwargs, self._options), self._path)
        value = self._connection.call(self._path, args, kwargs, self._options)
        return value if type(value) is not Held else adopt(value, self._connection, self._options)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name!r} cannot be set on the remote {self._path!r}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{name!r} cannot be deleted on the remote {self._path!r}")

    def __iter__(self) -> Any:
        raise TypeError(f"the remote {self._path!r} is a name, not a sequence; call it first")

    def __bool__(self) -> bool:
        return True

    @property
    def __name__(self) -> str:
        """Return the last part of the path."""
        return self._path.rpartition(".")[2]

    def __dir__(self) -> list[str]:
        """List what the server lets this caller reach below, and what is here; without a gateway only that."""
        found = discovery.look_up(self._connection, self._path)
        local = {name for name in object.__dir__(self) if not name.startswith("_") or name.endswith("__")}
        return sorted(local.union(found.members if found is not None else ()))

    def __copy__(self) -> Self:
        copied = object.__new__(type(self))
        RemotePath.__init__(copied, self._connection, self._path, self._options)
        return copied

    def __deepcopy__(self, memo: object) -> Self:
        return self.__copy__()

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"the remote {self._path!r} cannot be stored: it belongs to its connection")

    def __repr__(self) -> str:
        found = discovery.recall(self._connection, self._path)
        return f"<remote {self._path if found is None else found.head} at {self._connection.url}>"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """Show signature and documentation as the answer of a cell."""
        found = discovery.look_up(self._connection, self._path)
        if found is None:
            return {"text/plain": repr(self)}
        return {"text/plain": f"{self!r}\n{found.summary}".rstrip(), "text/html": found.to_html()}


#: The slots' own setters: the way past `__setattr__`, and a fast one.
_set_connection = RemotePath.__dict__["_connection"].__set__
_set_path = RemotePath.__dict__["_path"].__set__
_set_options = RemotePath.__dict__["_options"].__set__


class RpcClient(RemotePath):
    """Stand for a module on the server; used as the module would be.

    Args:
        module: Dotted name of the module.
        connection: How to get there.
        async_local: True = a call gives something to await; False = it waits for its answer.
        async_remote: False = run calls on the worker's main thread, one at a time, for libraries that insist on it.

    `cache_get`, `cache_expire`, `async_local` and `async_remote` can be set on this object; what is reached through it
    keeps the values of the moment it was reached.
    """

    __slots__ = ()
    __doc__ = Docstring(__doc__, _tell)

    def __init__(
        self, module: str, connection: Connection, async_local: bool = False, async_remote: bool = True
    ) -> None:
        if not isinstance(module, str) or not module:
            raise ConfigError("module is the dotted name of a module on the server")
        follow(connection)
        super().__init__(connection, module, Options(async_remote=async_remote, async_local=async_local))

    @property
    def async_local(self) -> bool:
        """Tell whether calls are awaited."""
        return self._options.async_local

    @async_local.setter
    def async_local(self, value: bool) -> None:
        _set_options(self, replace(self._options, async_local=value))

    @property
    def async_remote(self) -> bool:
        """Tell whether calls may run side by side on the server."""
        return self._options.async_remote

    @async_remote.setter
    def async_remote(self, value: bool) -> None:
        _set_options(self, replace(self._options, async_remote=value))

    @property
    def cache_get(self) -> bool | None:
        """Tell whether the cache may answer; None leaves it to the server."""
        return self._options.cache_get

    @cache_get.setter
    def cache_get(self, value: bool | None) -> None:
        _set_options(self, replace(self._options, cache_get=value))

    @property
    def cache_expire(self) -> float | None:
        """Tell how old an answer may be [s]; None leaves it to the server's rule."""
        return self._options.cache_expire

    @cache_expire.setter
    def cache_expire(self, value: float | None) -> None:
        _set_options(self, replace(self._options, cache_expire=value))

    def __setattr__(self, name: str, value: object) -> None:
        if name not in _OPTIONS:
            raise AttributeError(f"only {', '.join(_OPTIONS)} can be set here, not {name!r}")
        object.__setattr__(self, name, value)


trust_in_ipython(RemotePath, RpcClient)


def _child(parent: RemotePath, name: str) -> RemotePath:
    if name.startswith("_"):
        raise AttributeError(f"{name!r}: names that begin with an underscore are not remote")
    return RemotePath(parent._connection, f"{parent._path}.{name}", parent._options)


def _is_inspected() -> bool:
    """Tell whether it is IPython's `?` that reads `getdoc`, to call it: that is no name of the server."""
    return sys._getframe(2).f_globals.get("__name__") == "IPython.core.oinspect"
