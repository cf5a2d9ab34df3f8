"""Refuse objects by identity (B14): what a block pattern leads to is closed under every other name, too.

Rules:
* Entries are looked up when the root is first resolved, without importing for it, and held by strong reference:
  the `id()` of a freed object is used again.
* Objects are compared after taking off what binds or wraps them: a bound class method is a new object at each access.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable
from types import BuiltinMethodType, MethodType, ModuleType
from typing import Any

from ksrpc.expose.datatype import class_mro
from ksrpc.expose.lookup import find_loaded
from ksrpc.expose.owner import code_home, is_function
from ksrpc.expose.rule import forbid

__all__ = ["Denial"]

_DEPTH = 16
_BOUND = (MethodType, BuiltinMethodType)


class Denial:
    """Hold the objects that block patterns lead to.

    Args:
        patterns: The block patterns.
        reserved: Paths whose objects are reached by these names alone, if gate A opens them to somebody.
    """

    __slots__ = ("_classes", "_modules", "_objects", "_patterns", "_reserved", "_reserved_objects")

    def __init__(self, patterns: Iterable[str], reserved: Iterable[str] = ()) -> None:
        self._patterns = sorted(patterns)
        self._reserved: dict[str, set[str]] = {}
        for path in reserved:
            self._reserved.setdefault(path.partition(".")[0], set()).add(path)
        self._reserved_objects: dict[int, Any] = {}
        self._objects: dict[int, Any] = {}
        self._modules: set[str] = set()
        self._classes: set[type] = set()

    def refresh(self) -> None:
        """Look the patterns up again among the modules that are loaded by now."""
        for pattern in self._patterns:
            found = find_loaded(pattern)
            if isinstance(found, ModuleType):
                self._modules.add(pattern)
            elif isinstance(found, type):
                self._classes.add(found)
            elif found is not None:
                core = strip(found)
                self._objects[id(core)] = core
        for root, paths in self._reserved.items():
            if root not in sys.modules:
                continue
            for path in paths:
                core = strip(find_loaded(path))
                if core is not None:
                    self._reserved_objects[id(core)] = core

    def check(self, path: str, value: Any, holder: ModuleType | type | None) -> None:
        """Refuse a denied object.

        Raises:
            ForbiddenError: By rule B14.
        """
        core = strip(value)
        if id(core) in self._reserved_objects and path not in self._reserved.get(path.partition(".")[0], ()):
            raise forbid("B14", f"{path} is another name of something closed")
        if not self._patterns:
            return
        classes = (core, holder, value.__self__ if type(value) in _BOUND else None)
        if id(core) in self._objects or any(map(self._is_denied_class, classes)):
            raise forbid("B14", f"{path} is blocked under another name")
        home = code_home(core) if is_function(core) else ""
        if any(home == name or home.startswith(f"{name}.") for name in tuple(self._modules)):
            raise forbid("B14", f"{path} is code of a blocked module")

    def _is_denied_class(self, value: Any) -> bool:
        return isinstance(value, type) and not self._classes.isdisjoint(class_mro(value))


def strip(value: Any) -> Any:
    """Take off what binds or wraps a function."""
    for _ in range(_DEPTH):
        if type(value) in (MethodType, staticmethod, classmethod):
            value = value.__func__
        elif type(value) is functools.partial:
            value = value.func
        elif type(value) is functools._lru_cache_wrapper or (is_function(value) and "__wrapped__" in vars(value)):
            value = value.__wrapped__
        else:
            break
    return value
