"""Gate B: judge the object that a path led to, by the decision table of the policy.

Rules:
* Whatever no row of the table accepts is refused; there is no last "else" that lets pass.
* Nothing of the object runs before the verdict: no property, descriptor, metaclass or `__getattr__`.
* The verdict holds the very object that was judged, and only that is called.

Source: docs/spec/policy.md "Gate B", whose rows are the functions here.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    FunctionType,
    MethodDescriptorType,
    MethodType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any

from ksrpc.expose.datatype import class_dict, class_module, class_mro, is_data, is_data_class, is_data_type
from ksrpc.expose.owner import Territory, code_home, is_function
from ksrpc.expose.rule import SECRET_NAME, forbid
from ksrpc.model import Kind

__all__ = ["Place", "Verdict", "judge", "judge_module"]

#: Bases whose methods an owned class may inherit.
_NEUTRAL: tuple[type, ...] = (dict, list, tuple, str, int, float, set, frozenset, bytes, BaseException)
#: Exact types of callable objects: module of the library → attributes of that module that hold the types.
_CALLABLE_TYPES = {
    "numpy": "ufunc",
    "numpy._core._multiarray_umath": "_ArrayFunctionDispatcher",
    "numpy.core._multiarray_umath": "_ArrayFunctionDispatcher",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Say how an object was reached.

    Attributes:
        path: The path, for texts.
        territory: What its root owns.
        holder: The module dictionary or, for attributes of a class, the class.
        objects: Instances whose bound methods count as functions.
        is_listed: Whether a reviewed list names the path.
        is_handle: Whether the administrator lists the class, or the method of a class, that is reached: its instances
            may be kept on the server although they are no data.
    """

    path: str
    territory: Territory
    holder: ModuleType | type | None
    objects: tuple[Any, ...] = ()
    is_listed: bool = False
    is_handle: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """Hold an accepted object and what a caller must know of it.

    Attributes:
        value: The object to call or to return.
        kind: What it is.
        is_async: Whether a call gives something to await or to iterate asynchronously.
        self_class: The class whose instance the first argument must be (C4), for methods reached through it.
    """

    value: Any
    kind: Kind
    is_async: bool = False
    self_class: type | None = None


def judge(value: Any, place: Place) -> Verdict:
    """Judge what the last part of a path led to.

    Raises:
        ForbiddenError: By the row of the table that the object falls under.
    """
    if isinstance(value, ModuleType):
        raise forbid("B1", f"{place.path} is a module under another name")
    if is_data_type(type(value)):
        return _judge_value(value, place)
    if isinstance(value, type):
        return _judge_class(value, place)
    for kind, row in _ROWS:
        if type(value) is kind:
            return row(value, place)
    if is_function(value):
        return _judge_function(value, place)
    return _judge_callable_object(value, place)


def judge_module(module: Any, prefix: str, names: tuple[str, ...]) -> ModuleType:
    """Accept a module that is one of its own names (B1): an alias would open what its own path does not.

    Raises:
        ForbiddenError: If it is another module, a look-alike in `sys.modules`, or private.
    """
    if type(module) is not ModuleType:
        raise forbid("B1", f"{prefix} is no plain module")
    own = vars(module).get("__name__")
    if own not in (names or (prefix,)) or any(part.startswith("_") for part in own.split(".")):
        raise forbid("B1", f"{prefix} is a module under another name")
    return module


def _judge_value(value: Any, place: Place) -> Verdict:
    if SECRET_NAME.search(place.path.rpartition(".")[2]):
        raise forbid("B12", f"{place.path} may be a secret")
    if not is_data(value) or _is_process_state(value):
        raise forbid("B12", f"{place.path} is not data")
    return Verdict(value, "value")


def _is_process_state(value: Any) -> bool:
    """Tell whether a container is one of the interpreter's own, such as `sys.path` under any name."""
    return type(value) in (list, dict, set) and any(value is own for own in vars(sys).values())


def _judge_class(cls: type, place: Place) -> Verdict:
    if not is_data_class(cls) and not place.is_handle:
        raise forbid("B3", f"{place.path} is a class whose instances are not data")
    if not place.territory.owns_class(cls):
        raise forbid("B3", f"{place.path} is a class of another package")
    return Verdict(cls, "class")


def _judge_function(function: Any, place: Place) -> Verdict:
    if not code_home(function):
        raise forbid("B13", f"{place.path} runs in the globals of no loaded module")
    if not place.territory.owns_function(function):
        raise forbid("B4", f"{place.path} is a function of another package")
    cls = place.holder if isinstance(place.holder, type) else None
    if cls is not None and not is_data_type(cls) and not place.is_handle:
        raise forbid("B7", f"{place.path} is a method of a class whose instances are not data")
    kind, is_async = _flavour(function)
    return Verdict(function, kind, is_async, cls)


def _flavour(function: Any) -> tuple[Kind, bool]:
    if inspect.iscoroutinefunction(function):
        return "coroutine", True
    if inspect.isasyncgenfunction(function):
        return "async_generator", True
    return ("generator" if inspect.isgeneratorfunction(function) else "function"), False


def _judge_builtin(function: Any, place: Place) -> Verdict:
    holder = function.__self__
    if holder is not None and not isinstance(holder, (ModuleType, type)):
        return _judge_bound(function, place)
    if not place.territory.owns_builtin(function):
        raise forbid("B6" if isinstance(holder, type) else "B5", f"{place.path} is a function of another module")
    return Verdict(function, "function")


def _judge_bound(method: Any, place: Place) -> Verdict:
    """Accept a method bound to an owned class, to a ufunc that passes itself, or to an object that a preset lists."""
    holder = method.__self__
    if isinstance(holder, type):
        return _judge_class_method(method.__func__, holder, place)
    if type(holder) is _attribute("numpy", "ufunc"):
        _judge_callable_object(holder, place)
        return Verdict(method, "function")
    if not any(holder is known for known in place.objects):
        raise forbid("B8", f"{place.path} is bound to an instance")
    if not place.territory.owns_class(type(holder)):
        raise forbid("B8", f"{place.path} is bound to an instance of another package")
    if type(method) is MethodType and not place.territory.owns_function(method.__func__):
        raise forbid("B4", f"{place.path} is a function of another package")
    return Verdict(method, "function")


def _judge_class_method(function: Any, cls: type, place: Place) -> Verdict:
    if not place.territory.owns_class(cls) or not place.territory.owns_function(function):
        raise forbid("B6", f"{place.path} is a class method of another package")
    kind, is_async = _flavour(function)
    return Verdict(MethodType(function, cls), kind, is_async)


def _judge_class_wrapper(wrapper: Any, place: Place) -> Verdict:
    if not isinstance(place.holder, type):
        raise forbid("B11", f"{place.path} is a class method without its class")
    return _judge_class_method(wrapper.__func__, place.holder, place)


def _judge_static_wrapper(wrapper: Any, place: Place) -> Verdict:
    inside = wrapper.__func__
    if isinstance(inside, (staticmethod, classmethod)):
        raise forbid("B11", f"{place.path} wraps a wrapper")
    return judge(inside, Place(place.path, place.territory, None, place.objects))


def _judge_cache_wrapper(wrapper: Any, place: Place) -> Verdict:
    inside = wrapper.__wrapped__
    if not is_function(inside) and type(inside) is not BuiltinFunctionType:
        raise forbid("B11", f"{place.path} caches something that is no function")
    verdict = judge(inside, place)
    return Verdict(wrapper, verdict.kind, verdict.is_async, verdict.self_class)


def _judge_partial(part: Any, place: Place) -> Verdict:
    if not is_data(list(part.args)) or not is_data(dict(part.keywords)):
        raise forbid("B10", f"{place.path} has bound arguments that are not data")
    if any(SECRET_NAME.search(str(name)) for name in part.keywords):
        raise forbid("B10", f"{place.path} may hold a secret")
    if not is_function(part.func) and type(part.func) is not BuiltinFunctionType:
        raise forbid("B10", f"{place.path} binds something that is no function")
    verdict = judge(part.func, place)
    return Verdict(part, verdict.kind, verdict.is_async)


def _judge_class_descriptor(method: Any, place: Place) -> Verdict:
    if not isinstance(place.holder, type) or not _is_own_descriptor(method, place.holder, place):
        raise forbid("B6", f"{place.path} is a class method of another package")
    return Verdict(method.__get__(None, place.holder), "function")


def _judge_descriptor(method: Any, place: Place) -> Verdict:
    cls = place.holder
    if not isinstance(cls, type) or not (is_data_type(cls) or place.is_handle):
        raise forbid("B7", f"{place.path} is a method of a class whose instances are not data")
    if not _is_own_descriptor(method, cls, place):
        raise forbid("B7", f"{place.path} is a method of another package")
    return Verdict(method, "function", self_class=cls)


def _is_own_descriptor(method: Any, cls: type, place: Place) -> bool:
    owner = method.__objclass__
    if place.territory.owns_class(owner):
        return True
    return owner in _NEUTRAL and owner in class_mro(cls)


def _judge_callable_object(value: Any, place: Place) -> Verdict:
    """Accept objects of exactly the listed types, where the package offers them under their own name."""
    kind = type(value)
    known = any(_attribute(module, name) is kind for module, name in _CALLABLE_TYPES.items())
    if not known:
        rule = "B9" if any("__call__" in class_dict(base) for base in class_mro(kind)) else "B12"
        raise forbid(rule, f"{place.path} is neither data nor a function")
    is_listed_ufunc = place.is_listed and kind is _attribute("numpy", "ufunc")  # other packages make some, too
    is_ours = is_listed_ufunc or place.territory.owns_module(class_module(kind))
    if not is_ours or not _is_offered(value, place):
        raise forbid("B9", f"{place.path} is a callable object of another package")
    return Verdict(value, "function")


def _attribute(module: str, name: str) -> Any:
    home = sys.modules.get(module)
    return None if home is None else vars(home).get(name)


def _is_offered(value: Any, place: Place) -> bool:
    names = vars(place.holder) if isinstance(place.holder, ModuleType) else {}
    name = value.__name__
    return names.get(name) is value and (place.is_listed or name in names.get("__all__", ()))


_ROWS: tuple[tuple[type, Callable[[Any, Place], Verdict]], ...] = (
    (FunctionType, _judge_function),
    (BuiltinFunctionType, _judge_builtin),
    (MethodType, _judge_bound),
    (MethodDescriptorType, _judge_descriptor),
    (WrapperDescriptorType, _judge_descriptor),
    (ClassMethodDescriptorType, _judge_class_descriptor),
    (staticmethod, _judge_static_wrapper),
    (classmethod, _judge_class_wrapper),
    (functools.partial, _judge_partial),
    (functools._lru_cache_wrapper, _judge_cache_wrapper),
)
