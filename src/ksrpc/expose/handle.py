"""Judge what callers do with an object that is kept for them: listed names only, by gate B on the object's class.

Rules:
* Nothing is kept but instances of exactly a listed class.
* A name is looked up in the class, never in the instance: what was judged is what is called.
* An attribute is read as data or not at all.

Source: docs/spec/policy.md "Handles"; THREATS H9.
"""

from __future__ import annotations

import builtins
import functools
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from types import GetSetDescriptorType, MemberDescriptorType
from typing import Any, NamedTuple

from ksrpc.errors import REMOTE_BUILTINS, ArgumentError, KsrpcError, NotFoundError
from ksrpc.expose.argument import FREE
from ksrpc.expose.datatype import class_dict, class_mro, is_data
from ksrpc.expose.describe import describe
from ksrpc.expose.lookup import MISSING, find_static
from ksrpc.expose.owner import code_home
from ksrpc.expose.resolver import Resolver
from ksrpc.expose.rule import SECRET_NAME, forbid
from ksrpc.expose.target import Target
from ksrpc.model import HandleClass

__all__ = ["ENTER", "EXIT", "HandleBook", "Member", "check_attribute"]

#: Steps of `with`, in the place of a name.
ENTER = ":enter"
EXIT = ":exit"
_DUNDERS = {ENTER: ("__enter__", "__aenter__"), EXIT: ("__exit__", "__aexit__")}
_DOC_CHARS = 2000


class Member(NamedTuple):
    """Hold the judged function behind a name of a kept object.

    Attributes:
        target: What to call.
        takes_self: Whether the object is its first argument.
        is_attribute: Whether its value must be data.
        runs_code: Whether anything of the library runs for it.
        most_arguments: How many it takes at most; None leaves that to its signature.
    """

    target: Target
    takes_self: bool = True
    is_attribute: bool = False
    runs_code: bool = True
    most_arguments: int | None = None

    def check(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Let decoded arguments, the object itself among them if it is taken, pass gate C or refuse them.

        Returns:
            What to call the function with.

        Raises:
            ForbiddenError: By rule C1 to C5.
            ArgumentError: There are more than it takes.
        """
        if self.most_arguments is not None and (kwargs or len(args) > self.most_arguments + self.takes_self):
            raise ArgumentError(f"{self.target.path} takes no such arguments")
        return self.target.call_check(args, kwargs)


class HandleBook:
    """Know the listed classes of this process and what their instances may be asked.

    Args:
        resolver: Judges.
        classes: What the administrator lists.
    """

    def __init__(self, resolver: Resolver, classes: Iterable[HandleClass] = ()) -> None:
        self._resolver = resolver
        self._listed = {listed.path: listed for listed in classes}
        self._classes: dict[type, HandleClass] | None = None
        self._members: dict[tuple[type, str], Member] = {}
        self._descriptions: dict[type, dict[str, Any]] = {}

    def lists(self, path: str) -> bool:
        """Tell whether a path is that of a listed class."""
        return path in self._listed

    def find(self, value: object) -> HandleClass | None:
        """Return what is listed of a value's class; None if that is not listed."""
        if not self._listed:
            return None
        if self._classes is None:
            self._classes = dict(self._load())
        return self._classes.get(type(value))

    def resolve(self, held: object, name: str) -> Member:
        """Resolve a name of a kept object.

        Raises:
            ForbiddenError: By rule B7 if it is not listed, else as gate B refuses.
            NotFoundError: The class has no such name.
        """
        cls = type(held)
        member = self._members.get((cls, name))
        if member is None:
            listed = self.find(held)
            if listed is None:
                raise forbid("B7", "its class is not listed")
            member = self._members[cls, name] = self._resolve(cls, listed, name)
        return member

    def describe(self, held: object) -> dict[str, Any]:
        """Describe a kept object by its class: path, docstring, and each name that may be used."""
        cls = type(held)
        known = self._descriptions.get(cls)
        listed = self.find(held)
        if known is None and listed is not None:
            known = self._descriptions[cls] = self._describe(held, listed)
        return known or {}

    def _load(self) -> Iterable[tuple[type, HandleClass]]:
        for path, listed in self._listed.items():
            try:
                yield self._resolver.resolve_class(path), listed
            except KsrpcError as exc:  # told here, where the administrator looks; who asks for it is told the same
                sys.stderr.write(f"ksrpc worker: {path} is listed in handles, but cannot be kept: {exc}\n")

    def _resolve(self, cls: type, listed: HandleClass, name: str) -> Member:
        path = f"{listed.path}.{name}"
        if name in _DUNDERS:
            return self._resolve_context(cls, listed, name)
        if name in listed.attributes:
            return self._resolve_attribute(cls, path, name)
        if name not in listed.methods:
            raise forbid("B7", f"{listed.path} lists no method or attribute {name[:80]!r}")
        item = find_static(cls, name)
        if item is MISSING:
            raise NotFoundError(f"{listed.path} has no method {name!r}")
        if not callable(item) and not isinstance(item, (staticmethod, classmethod)):
            raise forbid("B7", f"{path} is no method; list it as an attribute")
        target = self._resolver.resolve_member(path, item, cls)
        return Member(target, takes_self=not isinstance(item, (staticmethod, classmethod)) and _is_method(item))

    def _resolve_attribute(self, cls: type, path: str, name: str) -> Member:
        if SECRET_NAME.search(name):
            raise forbid("B12", f"{path} may be a secret")
        item = find_static(cls, name)
        read: Callable[[Any], Any] = functools.partial(_read_own, name=name, default=item)
        if type(item) in (property, functools.cached_property):
            getter = item.fget if type(item) is property else item.func
            judged = self._resolver.resolve_member(path, getter, cls)
            read = judged.object if type(item) is property else functools.partial(_read_cached, name, judged.object)
        elif type(item) in (MemberDescriptorType, GetSetDescriptorType):
            if not self._resolver.owns(path, item.__objclass__):
                raise forbid("B7", f"{path} is kept by another package")
            read = functools.partial(_read_slot, item)
        elif item is not MISSING and any("__get__" in class_dict(base) for base in class_mro(type(item))):
            raise forbid("B7", f"{path} is computed when it is read; list a method in its place")
        runs_code = type(item) in (property, functools.cached_property)
        return Member(_make_target(path, "value", read), is_attribute=True, runs_code=runs_code, most_arguments=0)

    def _resolve_context(self, cls: type, listed: HandleClass, name: str) -> Member:
        if not listed.context:
            raise forbid("B7", f"{listed.path} is not listed with context = true: `with` neither enters nor leaves it")
        for number, dunder in enumerate(_DUNDERS[name]):
            item = find_static(cls, dunder)
            if item is MISSING:
                continue
            is_default = code_home(item) == "contextlib" and "__wrapped__" not in vars(item)
            path = f"{listed.path}.{dunder}"
            judged = item if is_default else self._resolver.resolve_member(path, item, cls).object
            step = functools.partial(_leave if name == EXIT else _aenter if number else _enter, judged)
            return Member(_make_target(path, "function", step, is_async=bool(number)), most_arguments=int(name == EXIT))
        raise NotFoundError(f"{listed.path} is no context manager")

    def _describe(self, held: object, listed: HandleClass) -> dict[str, Any]:
        members: dict[str, Any] = {}
        for name in (*listed.methods, *listed.attributes):
            try:
                member = self.resolve(held, name)
            except KsrpcError:  # whoever asks for it is told why
                continue
            members[name] = _describe_member(member)
        doc = getattr(type(held), "__doc__", None)
        return {
            "class": listed.path,
            "doc": doc[:_DOC_CHARS] if type(doc) is str else "",
            "members": members,
            "context": listed.context,
        }


def check_attribute(path: str, value: object) -> None:
    """Let an attribute's value pass if it is data.

    Raises:
        ForbiddenError: By rule B12.
    """
    if not is_data(value):
        raise forbid("B12", f"{path} is not data; list a method that gives data in its place")


def _is_method(item: object) -> bool:
    """Tell whether a call through the class takes an instance first."""
    return any("__get__" in class_dict(base) for base in class_mro(type(item)))


def _describe_member(member: Member) -> dict[str, Any]:
    if member.is_attribute:
        return {"kind": "value"}
    found = describe(member.target, lambda _: (), is_guarded=True)
    parameters = found.signature
    if parameters is not None and member.takes_self:
        parameters = parameters[1:]
    shown = None if parameters is None else [asdict(replace(entry, default_key=b"")) for entry in parameters]
    for entry in shown or ():
        del entry["default_key"]
    return {"kind": found.kind, "signature": shown, "returns": found.returns, "doc": found.doc[:_DOC_CHARS]}


def _make_target(path: str, kind: Any, function: Any, *, is_async: bool = False) -> Target:
    return Target(
        object=function,
        path=path,
        canonical=path,
        owner=path.partition(".")[0],
        kind=kind,
        is_async=is_async,
        arguments="data",
        generation=0,
        plan=FREE,
    )


def _read_own(held: Any, name: str, default: Any) -> Any:
    """Read what an instance keeps under a name, else what its class does; no code of either runs."""
    try:
        names = object.__getattribute__(held, "__dict__")
    except AttributeError:
        names = {}
    value = names.get(name, default) if type(names) is dict else default
    if value is MISSING:
        raise AttributeError(f"{type(held).__name__!r} object has no attribute {name!r}")
    return value


def _read_slot(slot: Any, held: Any) -> Any:
    return slot.__get__(held, type(held))


def _read_cached(name: str, function: Callable[[Any], Any], held: Any) -> Any:
    names = held.__dict__
    if name not in names:
        names[name] = function(held)
    return names[name]


def _enter(function: Callable[..., Any], held: Any) -> Any:
    """Enter a `with` block; tell whether it gives the object itself, and what else it gives."""
    found = function(held)
    return (True, None) if found is held else (False, found)


async def _aenter(function: Callable[..., Any], held: Any) -> Any:
    found = await function(held)
    return (True, None) if found is held else (False, found)


def _leave(function: Callable[..., Any], held: Any, failure: Any = None) -> Any:
    """Leave a `with` block that ended well, or by an exception of this class name and text."""
    if failure is None:
        return function(held, None, None, None)
    if type(failure) not in (list, tuple) or [type(part) for part in failure] != [str, str]:
        raise ArgumentError("what ended a block is told by class name and text")
    name, text = failure
    cls = getattr(builtins, name) if name in REMOTE_BUILTINS else RuntimeError
    try:
        error = cls(text)
    except TypeError:  # a builtin that wants more than a text
        cls, error = RuntimeError, RuntimeError(f"{name}: {text}")
    return function(held, cls, error, None)
