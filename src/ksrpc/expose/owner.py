"""Establish where the code of an object lives, from facts that the object cannot write about itself.

`__module__` is display: it is writable, copied by `functools.wraps`, changed by `numpy.set_module`. The facts are the
globals that a function runs in, the module or class that a C function is bound to, and the class that a descriptor
belongs to. An owner that cannot be established is a refusal.

Source: docs/spec/policy.md "Gate B".
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from ksrpc.expose.datatype import class_dict, class_module

__all__ = ["Territory", "code_home", "is_function"]

#: Decorators whose wrapper code may stand before an owned function.
_DECORATORS = frozenset({"functools", "contextlib", "dataclasses"})
_WRAP_DEPTH = 16


@dataclass(frozen=True, slots=True)
class Territory:
    """Say which modules hold the code of one root.

    Attributes:
        root: The root as callers name it.
        owners: Root modules whose code counts as its own; for an administrator's file its one full module name.
    """

    root: str
    owners: frozenset[str]

    def owns_module(self, name: str) -> bool:
        """Tell whether a module's name lies inside."""
        return name in self.owners or name.partition(".")[0] in self.owners

    def owns_class(self, cls: type) -> bool:
        """Tell whether a class belongs here: the module that it names is inside and holds that very class."""
        name = class_module(cls)
        return self.owns_module(name) and _is_held(cls, name)

    def owns_function(self, function: Any) -> bool:
        """Tell whether a function, and every function that it wraps, has its code here."""
        for _ in range(_WRAP_DEPTH):
            if type(function) is BuiltinFunctionType:
                return self.owns_builtin(function)
            if isinstance(function, type):
                return self.owns_class(function)
            if not is_function(function):
                return False
            inner = _wrapped(function)
            home = code_home(function)
            if not self.owns_module(home) and (inner is None or home not in _DECORATORS):
                return False
            if inner is None:
                return True
            function = inner
        return False

    def owns_builtin(self, function: Any) -> bool:
        """Tell whether a C function belongs here: by the module or class it is bound to, else by its module."""
        holder = function.__self__
        if isinstance(holder, ModuleType):
            name = vars(holder).get("__name__")
            return type(name) is str and self.owns_module(name)
        if isinstance(holder, type):
            return self.owns_class(holder)
        if holder is None:
            name = function.__module__
            return type(name) is str and self.owns_module(name)
        return False


def code_home(function: Any) -> str:
    """Return the name of the module whose globals a function runs in, "" if no loaded module has these globals."""
    names = getattr(function, "__globals__", None)
    name = names.get("__name__") if type(names) is dict else None
    if type(name) is not str:
        return ""
    module = sys.modules.get(name)
    return name if module is not None and vars(module) is names else ""


def is_function(value: Any) -> bool:
    """Tell whether a value is a Python function or one that Cython compiled."""
    return type(value) is FunctionType or _is_cython(type(value))


def _is_cython(kind: type) -> bool:
    """Recognise Cython's function type, which each version of Cython keeps in a module of its own."""
    name = "cython_function_or_method"
    if type.__dict__["__name__"].__get__(kind) != name:
        return False
    return any(vars(home).get(name) is kind for key, home in list(sys.modules.items()) if key.startswith("_cython_"))


def _is_held(cls: type, module: str) -> bool:
    home = sys.modules.get(module)
    names: Mapping[str, Any] = {} if home is None else vars(home)
    *outer, last = type.__dict__["__qualname__"].__get__(cls).split(".")
    for part in outer:
        step = names.get(part)
        if not isinstance(step, type):
            return False
        names = class_dict(step)
    return names.get(last) is cls


def _wrapped(function: Any) -> Any:
    """Read `__wrapped__` from the function's own attributes."""
    names = getattr(function, "__dict__", None)
    return names.get("__wrapped__") if type(names) is dict else None
