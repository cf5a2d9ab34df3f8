"""Tell what a target is in texts that are safe to show: no server path, no secret, no code of the object runs.

Source: docs/spec/policy.md "Describe"; THREATS H33.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

from ksrpc.expose.argument import read_signature
from ksrpc.expose.datatype import is_data
from ksrpc.expose.target import Target
from ksrpc.model import Descriptor, Parameter

__all__ = ["describe", "list_names"]

_DOC_CHARS = 65_536
_DEFAULT_CHARS = 40
_NAME_CHARS = 200
_MEMBERS = 10_000
_SECRET = re.compile(r"token|passw|secret|cookie|credential|key|auth", re.IGNORECASE)
_SHORT = (bool, int, float, str, type(None))


def describe(target: Target, members: Callable[[ModuleType], Iterable[str]]) -> Descriptor:
    """Describe a target.

    Args:
        target: What a path resolved to.
        members: Gives the public names of a module that resolve, asked for modules only.
    """
    is_callable = target.kind not in ("module", "value")
    signature = read_signature(target.object) if is_callable else None
    return Descriptor(
        path=target.path,
        canonical=target.canonical,
        owner=target.owner,
        kind=target.kind,
        signature=None if signature is None else tuple(map(_parameter, signature.parameters.values())),
        returns="" if signature is None else _annotation(signature.return_annotation),
        doc=_doc(target.object) if target.kind != "value" else "",
        members=tuple(members(target.object)) if target.kind == "module" else (),
        version=_version(target),
        generation=target.generation,
    )


def list_names(module: ModuleType) -> list[str]:
    """List the names that a module offers: its `__all__`, or what does not begin with an underscore."""
    names = vars(module).get("__all__")
    listed = names if type(names) in (list, tuple) else list(vars(module))
    public = {name for name in listed or () if type(name) is str and name and not name.startswith("_")}
    return sorted(public)[:_MEMBERS]


def _parameter(parameter: inspect.Parameter) -> Parameter:
    return Parameter(
        parameter.name,
        parameter.kind.name,
        _default(parameter.name, parameter.default),
        _annotation(parameter.annotation),
    )


def _default(name: str, value: Any) -> str:
    if value is inspect.Parameter.empty:
        return ""
    items = value if type(value) is tuple and len(value) <= 4 else (value,)
    is_short = all(type(item) in _SHORT for item in items) and is_data(value) and not _SECRET.search(name)
    text = repr(value) if is_short else "..."
    return text if len(text) <= _DEFAULT_CHARS else "..."


def _annotation(annotation: Any) -> str:
    if annotation is inspect.Parameter.empty:
        return ""
    if type(annotation) is str:
        return annotation[:_NAME_CHARS]
    if annotation is None or annotation is type(None):
        return "None"
    if type(annotation) is type:
        module = annotation.__module__
        return annotation.__qualname__ if module == "builtins" else f"{module}.{annotation.__qualname__}"
    return ""


def _doc(value: Any) -> str:
    text = getattr(value, "__doc__", None)
    return inspect.cleandoc(text)[:_DOC_CHARS] if type(text) is str else ""


def _version(target: Target) -> str:
    module = sys.modules.get(target.owner)
    version = vars(module).get("__version__") if module is not None else None
    return version[:_NAME_CHARS] if type(version) is str else ""
