"""`ksrpc.install`: `import akshare` where there is no akshare, from a gateway that has it.

Source: docs/reference/client.md "ksrpc.install"; https://docs.python.org/3/reference/import.html#the-meta-path.
"""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Final, Literal, TypeAlias

from ksrpc.client.agateway import AsyncGateway
from ksrpc.client.description import check_name
from ksrpc.client.gateway import RemoteGateway, find_connection
from ksrpc.client.module import Origin, fill_module, origin_of
from ksrpc.connections.base import Connection, Options
from ksrpc.errors import ConfigError, ForbiddenError, KsrpcError, NotFoundError

__all__ = ["install", "uninstall"]

Gateway: TypeAlias = RemoteGateway | AsyncGateway | Connection
Preference: TypeAlias = Literal["remote", "local"]

#: Without these there is no import of anything, or no value of a gateway can be read.
_NEVER: Final = frozenset({
    "ksrpc", "sys", "builtins", "importlib", "types", "h11", "lz4", "msgpack", "msgspec", "numpy", "pandas", "pyarrow",
    "websockets", "zstandard",
})  # fmt: skip


def install(
    *names: str | Gateway,
    gateway: Gateway | None = None,
    prefer: Preference | None = None,
    async_local: bool | None = None,
    force: bool = False,
) -> None:
    """Let `import` find packages on a gateway. Nothing is sent before the first import.

    Args:
        names: Packages, such as "akshare"; the gateway may stand last.
        gateway: What `ksrpc.connect` or `aconnect` gave, or a connection; by default that of $KSRPC_URL or of
            `ksrpc login`.
        prefer: Which one is imported if the package is here too: "remote" or "local"; by default that is an error.
        async_local: True = calls are awaited; by default as the gateway's.
        force: Take the place of a package that is imported already, or of one of the standard library.

    Raises:
        ConfigError: There is no gateway, a name cannot be installed, or it is here too and nothing says which is meant.
    """
    wanted = [name for name in names if isinstance(name, str)]
    if not wanted or prefer not in (None, "remote", "local"):
        raise ConfigError('say which packages: ksrpc.install("akshare", gw, prefer="remote" or "local")')
    placed = [name for name in names if not isinstance(name, str)]
    if len(placed) + (gateway is not None) > 1:
        raise ConfigError("ksrpc.install takes one gateway")
    for name in wanted:
        _check(name, prefer, force=force)
    origin = _find_origin(gateway if gateway is not None else next(iter(placed), None), async_local)
    for name in wanted:
        uninstall(name)
        kept = {} if prefer == "local" else _take_out(name)
        _installed[name] = _Package(origin, is_first=prefer != "local", kept=kept)
    _arm()


def uninstall(*names: str) -> None:
    """Undo `install` for packages, without names for all: imports are local again, what was replaced comes back.

    Objects that were taken from the packages before go on to work.
    """
    for name in names or tuple(_installed):
        package = _installed.pop(name, None)
        if package is not None:
            _take_out(name, is_remote=True)
            sys.modules.update(package.kept)
    if not _installed:
        for finder in (_FIRST, _LAST):
            with contextlib.suppress(ValueError):
                sys.meta_path.remove(finder)


@dataclass(slots=True)
class _Package:
    """Hold one installed package.

    Attributes:
        is_first: Whether it goes before one of that name here.
        kept: Modules whose place it took.
    """

    origin: Origin
    is_first: bool
    kept: dict[str, ModuleType] = field(default_factory=dict)


_installed: dict[str, _Package] = {}


class _Loader(importlib.abc.Loader):
    """Fill a module with what the gateway says of it."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave it to the import system."""

    def exec_module(self, module: ModuleType) -> None:
        """Ask the gateway what is in the module; nothing of it is run here.

        Raises:
            ImportError: The gateway does not have it for this caller, or cannot be asked.
        """
        name, url = module.__name__, self._origin.connection.url
        try:
            fill_module(module, self._origin)
        except (NotFoundError, ForbiddenError) as exc:
            text = f"No module named {name!r} at the gateway {url}: {exc}; `ksrpc ls` lists what is open to you"
            raise ModuleNotFoundError(text, name=name) from None
        except KsrpcError as exc:
            text = f"{name} was to come from the gateway {url}, which `ksrpc.install` named: {exc}"
            raise ImportError(text, name=name) from exc


class _Finder(importlib.abc.MetaPathFinder):
    """Find installed packages, before or after those that are here."""

    def __init__(self, *, is_first: bool) -> None:
        self._is_first = is_first

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of an installed package or of a module in it."""
        root = fullname.partition(".")[0]
        package = _installed.get(root)
        if package is None or package.is_first is not self._is_first:
            return None
        if fullname != root and origin_of(sys.modules.get(root)) is None:
            return None  # a module of the local package, which simply does not exist
        loader = _Loader(package.origin)
        return ModuleSpec(fullname, loader, origin=package.origin.connection.url, is_package=True)


_FIRST = _Finder(is_first=True)
_LAST = _Finder(is_first=False)


def _arm() -> None:
    if _FIRST not in sys.meta_path:
        sys.meta_path.insert(0, _FIRST)
    if _LAST not in sys.meta_path:
        sys.meta_path.append(_LAST)


def _check(name: str, prefer: Preference | None, *, force: bool) -> None:
    root = name.partition(".")[0]
    if not check_name(root):
        raise ConfigError(f"{name!r} is no name of a package")
    if root in _NEVER:
        raise ConfigError(f'ksrpc itself works with the {root!r} that is here: use gw.module("{root}")')
    if name != root:
        raise ConfigError(f"install {root!r} itself: its sub-modules come with it")
    if force or prefer == "local":
        return
    if name in sys.stdlib_module_names:
        raise ConfigError(
            f'{name!r} is part of Python, and programs rely on it: use gw.module("{name}"), or say force=True'
        )
    if name in sys.modules and origin_of(sys.modules[name]) is None:
        raise ConfigError(
            f"{name!r} is imported here already, and what was taken from it would stay local: "
            "install it before the first import, or say force=True"
        )
    place = None if prefer == "remote" else _find_local(name)
    if place is not None:
        raise ConfigError(
            f'{name!r} is here too ({place}): say prefer="remote" for that of the gateway, '
            'or prefer="local" to ask the gateway only where there is none'
        )


def _find_local(name: str) -> str | None:
    """Return where a package of this name is here; folders without `__init__.py` are none."""
    for finder in list(sys.meta_path):
        if isinstance(finder, _Finder):
            continue
        with contextlib.suppress(Exception):
            spec = finder.find_spec(name, None)
            if spec is not None and spec.origin is not None:
                return spec.origin
    return None


def _find_origin(gateway: Any, async_local: bool | None) -> Origin:
    if gateway is None:
        gateway = find_connection(None, None, None)
    connection = gateway if isinstance(gateway, Connection) else getattr(gateway, "connection", None)
    if not isinstance(connection, Connection):
        raise ConfigError(f"a gateway is what ksrpc.connect gives, not {type(gateway).__name__}")
    is_awaited = isinstance(gateway, AsyncGateway) if async_local is None else async_local
    return Origin(connection, Options(async_local=is_awaited))


def _take_out(name: str, *, is_remote: bool = False) -> dict[str, ModuleType]:
    """Forget a package's modules that were imported, those of a gateway or all others; return them."""
    taken = {
        known: module
        for known, module in list(sys.modules.items())
        if known.partition(".")[0] == name and (origin_of(module) is not None) is is_remote
    }
    for known in taken:
        sys.modules.pop(known, None)
    return taken
