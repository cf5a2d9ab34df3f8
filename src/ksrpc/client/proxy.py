"""A remote module as an object: attributes are names, calls are calls.

Source: docs/reference/client.md.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ksrpc.connections.base import Connection, Options
from ksrpc.errors import ConfigError

_OPTIONS = ("async_local", "async_remote", "cache_get", "cache_expire")


class RemotePath:
    """Name something on the server. Immutable: keep it, share it between threads, call it again.

    Reading an attribute does no I/O and gives the path below. Calling it calls the function there; without arguments
    a variable gives its value and a module its name.
    """

    __slots__ = ("_connection", "_options", "_path")

    _connection: Connection
    _options: Options
    _path: str

    def __init__(self, connection: Connection, path: str, options: Options) -> None:
        _set_connection(self, connection)
        _set_path(self, path)
        _set_options(self, options)

    def __getattr__(self, name: str) -> RemotePath:
        return _child(self, name)

    def __getitem__(self, name: str) -> RemotePath:
        """Reach a name that is taken here: `client["cache_get"]`."""
        if not isinstance(name, str):
            raise TypeError(f"a remote name is a str, not {type(name).__name__}")
        return _child(self, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._options.async_local:
            return self._connection.acall(self._path, args, kwargs, self._options)
        return self._connection.call(self._path, args, kwargs, self._options)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name!r} cannot be set on the remote {self._path!r}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{name!r} cannot be deleted on the remote {self._path!r}")

    def __iter__(self) -> Any:
        raise TypeError(f"the remote {self._path!r} is a name, not a sequence; call it first")

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<remote {self._path} at {self._connection.url}>"


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

    def __init__(
        self, module: str, connection: Connection, async_local: bool = False, async_remote: bool = True
    ) -> None:
        if not isinstance(module, str) or not module:
            raise ConfigError("module is the dotted name of a module on the server")
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


def _child(parent: RemotePath, name: str) -> RemotePath:
    if name.startswith("_"):
        raise AttributeError(f"{name!r}: names that begin with an underscore are not remote")
    return RemotePath(parent._connection, f"{parent._path}.{name}", parent._options)
