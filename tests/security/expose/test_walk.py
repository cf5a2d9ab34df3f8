"""Walk the installed packages by their public names and let the gates judge every path that leads somewhere.

The paths come from the packages, not from a list: whatever a package exposes by accident is tried.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import pytest

from ksrpc.errors import RefusedError
from ksrpc.expose import Resolver, Target, load_presets
from ksrpc.model import Rules

DEPTH = 4
MOST = 60_000
#: Roots that own code of what is served under another name (docs/spec/policy.md "Owners").
OWN = {
    **{root: {root} for root in ("numpy", "pandas", "arch", "sklearn", "polars", "pyarrow", "requests")},
    "scipy": {"scipy", "numpy"},  # its ufuncs are of numpy's type
}
#: So many paths of it are open at the least.
LEAST = {"numpy": 200, "pandas": 80, "arch": 5, "scipy": 80, "sklearn": 40, "polars": 3, "pyarrow": 5, "requests": 0}


def walk(root: str) -> Iterator[str]:
    """Give dotted paths of public names, breadth first, each module and class entered once."""
    seen: set[int] = set()
    level: list[tuple[str, Any]] = [(root, sys.modules[root])]
    count = 0
    for _ in range(DEPTH):
        below: list[tuple[str, Any]] = []
        for path, item in level:
            if id(item) in seen:
                continue
            seen.add(id(item))
            for name, value in list(vars(item).items()):
                if name.startswith("_"):
                    continue
                count += 1
                if count > MOST:
                    return
                yield f"{path}.{name}"
                if isinstance(value, (ModuleType, type)):
                    below.append((f"{path}.{name}", value))
        level = below


def home(target: Target) -> str:
    """Say by other means than the resolver's where the code of a callable lives."""
    value: Any = target.object
    while isinstance(value, (MethodType, functools.partial, functools._lru_cache_wrapper)):
        if isinstance(value, MethodType):
            value = value.__func__
        else:
            value = value.func if isinstance(value, functools.partial) else value.__wrapped__
    if isinstance(value, FunctionType):
        return str(value.__globals__["__name__"])
    if isinstance(value, BuiltinFunctionType):
        holder = value.__self__
        if isinstance(holder, ModuleType):
            return holder.__name__
        return str((holder if isinstance(holder, type) else type(holder)).__module__)
    owner = getattr(value, "__objclass__", None)
    if owner is not None:
        return str(owner.__module__)
    return str(getattr(value, "__module__", None) or type(value).__module__)


@pytest.mark.parametrize("root", sorted(OWN))
def test_everything_that_resolves_is_owned(root: str) -> None:
    """Nothing of another root, no dangerous object under any name, and no module imported by asking."""
    resolver = Resolver(Rules(allow=(root,)))
    resolver.resolve(root)
    preset = load_presets().get(root)
    for module in preset.modules if preset is not None else ():
        resolver.resolve(module)  # some make their parts only when asked for
    paths = set(walk(root))
    before = set(sys.modules)
    open_paths, foreign = 0, []
    dangerous = {id(item) for item in _dangerous()}
    for path in sorted(paths):
        try:
            target = resolver.resolve(path)
        except RefusedError:
            continue
        open_paths += 1
        assert id(target.object) not in dangerous, path
        if target.kind in ("module", "value"):
            continue
        if home(target).partition(".")[0] not in OWN[root] | {"builtins"}:
            foreign.append((path, home(target)))
    assert foreign == []
    assert open_paths > LEAST[root] or root == "requests"
    assert len(paths) > 5 * open_paths
    assert {name for name in set(sys.modules) - before if name.partition(".")[0] != root} == set()


def _dangerous() -> Iterator[Any]:
    import builtins
    import ctypes
    import importlib
    import io
    import os
    import pickle
    import shutil
    import subprocess

    for module in (builtins, ctypes, importlib, io, os, pickle, shutil, subprocess):
        for name, value in vars(module).items():
            if callable(value) and not name.startswith("_"):
                yield value
