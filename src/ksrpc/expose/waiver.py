"""Follow the paths of roots that their owner declared unsafe: gates A3, B and C do not hold for them.

Whoever may call such a root owns the process it runs in. What stays closed is this program itself.

Source: docs/spec/policy.md "Unsafe roots".
"""

from __future__ import annotations

import inspect
import sys
from types import ModuleType
from typing import Any

from ksrpc.errors import NotFoundError
from ksrpc.expose.argument import FREE
from ksrpc.expose.origin import ImportDesk
from ksrpc.expose.rule import forbid
from ksrpc.expose.surface import OWN_ROOTS
from ksrpc.expose.target import Target
from ksrpc.model import Kind

__all__ = ["resolve_waived"]


def resolve_waived(path: str, desk: ImportDesk, generation: int) -> Target:
    """Follow a path as Python does, importing sub-modules where an attribute is missing.

    Raises:
        NotFoundError: If there is nothing at the path.
        ForbiddenError: If it leads into this program.
        RefusedError: If a module fails to import.
    """
    root, *rest = path.split(".")
    item: Any = desk.fetch(root)
    prefix = root
    for part in rest:
        before, prefix = prefix, f"{prefix}.{part}"
        item = _step(item, part, before, desk)
        if _is_own(item):
            raise forbid("A1", f"{prefix} leads into the server itself")
    return Target(
        object=item,
        path=path,
        canonical=path,
        owner=root,
        kind=_kind(item),
        is_async=inspect.iscoroutinefunction(item) or inspect.isasyncgenfunction(item),
        arguments="data",
        generation=generation,
        plan=FREE,
        is_waived=True,
    )


def _is_own(item: Any) -> bool:
    """Tell whether something is a part of this program, or the table of modules, which leads to all of it."""
    if item is sys.modules:
        return True
    home = getattr(item, "__name__" if isinstance(item, ModuleType) else "__module__", None)
    return type(home) is str and home.partition(".")[0] in OWN_ROOTS


def _step(item: Any, part: str, before: str, desk: ImportDesk) -> Any:
    try:
        return getattr(item, part)
    except AttributeError:
        if not isinstance(item, ModuleType) or "__path__" not in vars(item):
            raise NotFoundError(f"{before} has no name {part!r}") from None
    return desk.fetch(f"{before}.{part}")


def _kind(value: Any) -> Kind:
    if isinstance(value, ModuleType):
        return "module"
    if isinstance(value, type):
        return "class"
    if inspect.iscoroutinefunction(value):
        return "coroutine"
    if inspect.isasyncgenfunction(value):
        return "async_generator"
    if inspect.isgeneratorfunction(value):
        return "generator"
    return "function" if callable(value) else "value"
