"""Walk from a root to the object of a path by static lookups, importing only what a list names literally.

Rules:
* Names are read from a module's or a class's own dictionary; no `__getattr__`, property or metaclass runs.
* Only a module or a class that the root owns is a step; an instance is none (B2), save one that a preset lists.

Source: docs/spec/policy.md "Steps".
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FunctionType, MethodType, ModuleType
from typing import Any

from ksrpc.errors import NotFoundError
from ksrpc.expose.datatype import class_dict, class_mro
from ksrpc.expose.judge import judge_module
from ksrpc.expose.origin import ImportDesk
from ksrpc.expose.owner import Territory
from ksrpc.expose.rule import forbid
from ksrpc.expose.surface import CLOSED_PARTS

__all__ = ["MISSING", "Walker", "find_loaded", "find_static"]

#: Methods of a ufunc that are functions of data.
_UFUNC_METHODS = frozenset({"reduce", "accumulate", "outer"})
#: What `find_static` gives where nothing is.
MISSING = object()


@dataclass(frozen=True, slots=True)
class Walker:
    """Know one root's ground.

    Attributes:
        root: The root as callers name it.
        territory: What it owns.
        module_names: Module path → names that the module may have; () for its own.
        homes: Path → module that really keeps the object, for names that their module makes only when asked for.
        may_import: Tells whether a list names a module literally.
        desk: Imports.
        is_object: Tells whether an instance is one that a preset lists.
    """

    root: str
    territory: Territory
    module_names: Callable[[str], tuple[str, ...]]
    homes: Mapping[str, str]
    may_import: Callable[[str], bool]
    desk: ImportDesk
    is_object: Callable[[Any], bool] = lambda _: False

    def walk(self, parts: list[str]) -> tuple[Any, ModuleType | type | None]:
        """Follow a path.

        Returns:
            What the last part names, and the module or class that holds it (for a method of a ufunc: the ufunc's);
            a module was judged already.

        Raises:
            NotFoundError: If there is no such root or public name.
            ForbiddenError: By rule A4, B1 or B2.
            RefusedError: If a module fails to import.
        """
        holder: ModuleType | type | None = None
        item: Any = self._judged(self.desk.fetch(self.root), self.root)
        prefix = self.root
        for part in parts[1:]:
            before, prefix = prefix, f"{prefix}.{part}"
            is_last = prefix.count(".") == len(parts) - 1
            if is_last and part in _UFUNC_METHODS and _is_ufunc(item):
                return getattr(item, part), holder
            if is_last and self.is_object(item):
                return _method(item, part, before), holder
            holder = self._as_step(item, before)
            item = self._step(holder, part, prefix, is_last=is_last)
        return item, holder

    def _as_step(self, item: Any, path: str) -> ModuleType | type:
        if isinstance(item, ModuleType):
            return item
        if not isinstance(item, type):
            raise forbid("B2", f"{path} is neither a module nor a class: there is no way through it")
        if not self.territory.owns_class(item):
            raise forbid("B2", f"{path} is a class of another package")
        return item

    def _step(self, holder: ModuleType | type, part: str, prefix: str, *, is_last: bool) -> Any:
        if prefix in self.homes:
            holder = self._judged_home(self.homes[prefix])
        item = find_static(holder, part)
        if item is MISSING and isinstance(holder, ModuleType):
            item = self._import(holder, part, prefix, is_last=is_last)
        if item is MISSING:
            raise NotFoundError(f"{prefix.rpartition('.')[0]} has no public name {part!r}")
        if isinstance(item, ModuleType):
            return self._judged(item, prefix)
        if isinstance(holder, type) and _is_computed(item):
            raise forbid("B2", f"{prefix} is computed when it is read")
        return item

    def _import(self, holder: ModuleType, part: str, prefix: str, *, is_last: bool) -> Any:
        if "__path__" not in vars(holder):
            return MISSING
        if self.may_import(prefix):
            return self.desk.fetch(prefix)
        if is_last:
            return MISSING
        raise forbid("A4", f"{prefix}: no public name, and no list names such a sub-module")

    def _judged_home(self, name: str) -> ModuleType:
        return judge_module(self.desk.fetch(name), name, ())

    def _judged(self, module: Any, prefix: str) -> ModuleType:
        if prefix != self.root and prefix.rpartition(".")[2] in CLOSED_PARTS and not self.may_import(prefix):
            raise forbid("A3", f"{prefix} is a part that no package offers")
        return judge_module(module, prefix, self.module_names(prefix))


def find_static(holder: ModuleType | type, name: str) -> Any:
    """Read a name from a module's dictionary or along a class's resolution order, running nothing."""
    if isinstance(holder, ModuleType):
        return vars(holder).get(name, MISSING)
    for cls in class_mro(holder):
        names = class_dict(cls)
        if name in names:
            return names[name]
    return MISSING


def find_loaded(path: str) -> Any:
    """Look a path up among what is loaded already, None if it is not there."""
    parts = path.split(".")
    for count in range(len(parts), 0, -1):
        item: Any = sys.modules.get(".".join(parts[:count]))
        if item is None:
            continue
        for part in parts[count:]:
            item = find_static(item, part) if isinstance(item, (ModuleType, type)) else MISSING
        return None if item is MISSING else item
    return None


def _method(item: Any, part: str, path: str) -> MethodType:
    """Bind a function of an instance's class to it, without reading the instance."""
    function = find_static(type(item), part)
    if type(function) is not FunctionType:
        raise NotFoundError(f"{path} has no public method {part!r}")
    return MethodType(function, item)


def _is_ufunc(item: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and type(item) is vars(numpy).get("ufunc")


def _is_computed(item: Any) -> bool:
    """Tell whether reading this attribute of an instance would run code or reach into C memory."""
    kind = type(item)
    return any("__set__" in class_dict(base) or "__delete__" in class_dict(base) for base in class_mro(kind))
