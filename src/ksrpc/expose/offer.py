"""Tell what an administrator's file offers (B15): its constants are its own, unless its author says otherwise.

Source: docs/spec/policy.md "Administrator's files".
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from ksrpc.expose.rule import forbid
from ksrpc.model import Kind

__all__ = ["check_offer", "listed_names"]


def listed_names(module: ModuleType) -> frozenset[str] | None:
    """Read the names that a module lists in `__all__`; None if it has no such list."""
    names = vars(module)
    if "__all__" not in names:
        return None
    listed: Any = names["__all__"]
    return frozenset(name for name in listed if type(name) is str) if type(listed) in (list, tuple) else frozenset()


def check_offer(path: str, kind: Kind, module: ModuleType) -> None:
    """Let pass what a file's `__all__` lists, and where it has none functions and classes.

    Args:
        path: A path below the file's root.
        kind: What the path leads to.
        module: The file's module.

    Raises:
        ForbiddenError: By rule B15.
    """
    _, name, *below = path.split(".")
    listed = listed_names(module)
    if listed is not None and name not in listed:
        raise forbid("B15", f"{path} is not offered: its file has an `__all__` that does not list {name!r}")
    if kind == "value" and below:
        raise forbid("B15", f"{path} is data inside a class of a file, which is not offered; a function can return it")
    if kind == "value" and listed is None:
        raise forbid("B15", f"{path} is data of a file, offered only if the file lists {name!r} in an `__all__`")
