"""Tell what a target is in texts that are safe to show: no server path, no secret, no code of the object runs.

Source: docs/spec/policy.md "Describe"; THREATS H33.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import lru_cache
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

from ksrpc.expose.argument import FREE, read_signature
from ksrpc.expose.datatype import class_dict, class_mro, is_data
from ksrpc.expose.offer import listed_names
from ksrpc.expose.target import Target
from ksrpc.model import Descriptor, Parameter
from ksrpc.wire.canonical import encode_value

__all__ = ["describe", "list_names"]

_DOC_CHARS = 65_536
_DEFAULT_CHARS = 40
_NAME_CHARS = 200
_MEMBERS = 10_000
_SECRET = re.compile(r"token|passw|secret|cookie|credential|key|auth", re.IGNORECASE)
_SHORT = (bool, int, float, str, type(None))
#: Defaults that say how a function is called and not what it knows: numbers, booleans, what is empty.
_DEFAULT = re.compile(r"[-+]?[\d.]+(?:e[-+]?\d+)?|[-+]?(?:inf|nan)|None|True|False|''|\(\)|")
#: Annotations without texts in them.
_ANNOTATION = re.compile(r"[\w.\[\], |*]*")
_LRU_CACHED: Any = type(lru_cache(lambda: None))


def describe(
    target: Target, members: Callable[[ModuleType | type], Iterable[str]], *, is_guarded: bool = False
) -> Descriptor:
    """Describe a target.

    Args:
        target: What a path resolved to.
        members: Gives the public names that resolve, asked for modules and classes only.
        is_guarded: Whether texts that are constants of the module's source are left out of its signatures.
    """
    is_callable = target.kind not in ("module", "value")
    signature = read_signature(target.object) if is_callable else None
    is_own = signature is not None and _is_own(target.object, signature)
    entries = () if signature is None else signature.parameters.values()
    parameters = tuple(_parameter(entry, is_own) for entry in entries)
    returns = "" if signature is None else _annotation(signature.return_annotation)
    if is_guarded:
        parameters, returns = tuple(map(_guarded, parameters)), _plain(returns, _ANNOTATION)
    return Descriptor(
        path=target.path,
        canonical=target.canonical,
        owner=target.owner,
        kind=target.kind,
        signature=None if signature is None else parameters,
        returns=returns,
        doc=_doc(target.object) if target.kind != "value" else "",
        members=tuple(members(target.object)) if target.kind in ("module", "class") else (),
        version=_version(target),
        generation=target.generation,
        is_keyed=_is_keyed(target),
    )


def list_names(holder: ModuleType | type) -> list[str]:
    """List the names that a module or class offers: its `__all__`, or what does not begin with an underscore."""
    listed = listed_names(holder) if isinstance(holder, ModuleType) else None
    names: Iterable[str] = _own_names(holder) if listed is None else listed
    public = {name for name in names if type(name) is str and name and not name.startswith("_")}
    return sorted(public)[:_MEMBERS]


def _own_names(holder: ModuleType | type) -> list[str]:
    if isinstance(holder, ModuleType):
        return list(vars(holder))
    return [name for cls in class_mro(holder) if cls is not object for name in class_dict(cls)]


def _parameter(parameter: inspect.Parameter, is_own: bool) -> Parameter:
    return Parameter(
        parameter.name,
        parameter.kind.name,
        _default(parameter.name, parameter.default),
        _annotation(parameter.annotation),
        _default_key(parameter) if is_own else b"",
    )


def _guarded(parameter: Parameter) -> Parameter:
    default, annotation = _plain(parameter.default, _DEFAULT), _plain(parameter.annotation, _ANNOTATION)
    return replace(parameter, default=default, annotation=annotation)


def _plain(text: str, pattern: re.Pattern[str]) -> str:
    return text if pattern.fullmatch(text) else "..."


def _default_key(parameter: inspect.Parameter) -> bytes:
    value = parameter.default
    if value is inspect.Parameter.empty or _SECRET.search(parameter.name) or not is_data(value):
        return b""
    return encode_value(value) or b""


def _is_own(value: Any, signature: inspect.Signature) -> bool:
    """Tell whether the defaults are those of the code that runs, not of a function that a wrapper says it is."""
    while type(value) is _LRU_CACHED:
        value = value.__wrapped__
    inside = value.__func__ if type(value) is MethodType else value
    if type(inside) is FunctionType and "__signature__" in vars(inside):
        return False
    try:
        return inspect.signature(value, follow_wrapped=False) == signature
    except (ValueError, TypeError, AttributeError):
        return False


def _is_keyed(target: Target) -> bool:
    """Tell whether the path alone says what runs; without gate B, a method of anything may stand there."""
    if target.plan is not FREE or target.arguments == "any":
        return True
    owner = getattr(target.object, "__self__", None)
    kinds = (FunctionType, BuiltinFunctionType, MethodType, _LRU_CACHED, type)
    return isinstance(target.object, kinds) and (owner is None or isinstance(owner, ModuleType | type))


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
