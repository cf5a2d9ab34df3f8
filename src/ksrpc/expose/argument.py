"""Gate C: let the decoded arguments of one call pass or refuse them, planned once per target.

Rules:
* A plan is made when a path is resolved; a call with moderate numbers only costs one look at each type.
* The first argument of a method must be an instance of the class that the path names (C4).
* Arguments that fit no parameter pass the strictest class, and the library raises its own TypeError.

Source: docs/spec/policy.md "Gate C".
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ksrpc.errors import ArgumentError, RefusedError
from ksrpc.expose.bound import BOUNDS, SCALAR_BOUNDS
from ksrpc.expose.datatype import class_module, class_mro
from ksrpc.expose.locator import Locator, make_locator
from ksrpc.expose.parameter import INT_MAX, SCALAR_CLASSES, Check, check_strict, class_by_name, class_check
from ksrpc.expose.preset import Entry
from ksrpc.expose.rule import forbid
from ksrpc.model import Reach

__all__ = ["FREE", "CallPlan", "make_plan", "read_signature", "wrong_class"]

_P = inspect.Parameter
#: Classes that a positional argument could evade where Python knows no parameter names.
_BY_NAME_ONLY = frozenset({"count", "shape", "small", "dtype", "path", "url"})
_Pairs = list[tuple[str, Any]]
_BY_PLACE = (_P.POSITIONAL_ONLY, _P.POSITIONAL_OR_KEYWORD)
_BY_NAME = (_P.KEYWORD_ONLY, _P.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True, slots=True)
class CallPlan:
    """Hold what must be looked at before a call.

    Attributes:
        is_free: Nothing; the target's owner said so.
        passes_scalars: Arguments that are moderate numbers need no look.
        positional: Names of the parameters that positional arguments fill; None where Python does not know.
        named: Names that may be given by keyword.
        rest: Name of the `*args` parameter, "" if there is none.
        takes_keywords: Whether any keyword is taken.
        classes: Parameter name → its check; names that are missing are classed when they appear.
        locators: Parameter name → what judges a path or an address, and says what the library gets in its place.
        other: The class of every name without one, "" for its name's class.
        bounds: Checks over all arguments together.
        self_class: Class that the first argument must be an instance of.
        is_bounded: Whether some argument has a bound, so that no call may reach the library unread.
        signature: What Python knows of the parameters.
    """

    is_free: bool = False
    passes_scalars: bool = False
    positional: tuple[str, ...] | None = None
    named: frozenset[str] = frozenset()
    rest: str = ""
    takes_keywords: bool = True
    classes: Mapping[str, Check] = field(default_factory=dict)
    locators: Mapping[str, Locator] = field(default_factory=dict)
    other: str = ""
    bounds: tuple[Callable[[Mapping[str, Any]], None], ...] = ()
    self_class: type | None = None
    is_bounded: bool = False
    signature: inspect.Signature | None = None

    def check(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Let the arguments of one call pass.

        Returns:
            What the library is given: these, with paths and addresses as they were judged.

        Raises:
            ForbiddenError: By rule C1 to C5.
        """
        if self.is_free:
            return args, kwargs
        if self.passes_scalars and _are_scalars(args) and (not kwargs or self._passes_keywords(kwargs)):
            return args, kwargs
        own: _Pairs = []
        placed = args
        if self.self_class is not None and (args or kwargs):
            own = [("self", self._check_self(args))]
            placed = args[1:]
        pairs = self._assign(placed, kwargs)
        if pairs is None:
            self._check_misfit(placed, kwargs)
            return args, kwargs
        pairs = [*own, *((name, self._judge(name, value)) for name, value in pairs)]
        if self.bounds:
            self._check_bounds(dict(pairs))
        if not self.locators:
            return args, kwargs
        return tuple(value for _, value in pairs[: len(args)]), dict(pairs[len(args) :])

    def _judge(self, name: str, value: Any) -> Any:
        """Let one argument pass, and return what the library is given in its place."""
        locator = self.locators.get(name.partition("[")[0])
        if locator is not None:
            return locator(name, value)
        self._check_of(name)(name, value)
        return value

    def _passes_keywords(self, kwargs: dict[str, Any]) -> bool:
        return not self.is_bounded and _are_scalars(kwargs.values())

    def _check_bounds(self, arguments: Mapping[str, Any]) -> None:
        for bound in self.bounds:
            try:
                bound(arguments)
            except (ValueError, TypeError, ArithmeticError, AttributeError):
                raise forbid("C5", "the size of this call cannot be told from its arguments") from None

    def _check_self(self, args: tuple[Any, ...]) -> Any:
        cls = self.self_class
        if not args or cls is None or cls not in class_mro(type(args[0])):
            raise forbid("C4", f"the first argument must be a {cls.__name__ if cls is not None else ''}")
        root = _root_of(cls)
        if _root_of(type(args[0])) != root or (root == "datetime" and type(args[0]) is not cls):
            # `datetime.replace` of a pandas Timestamp makes one of the year 0, whose use ends the process; so does
            # `date.replace` of a datetime at once
            raise forbid("C4", f"the first argument must be a {cls.__name__} of {root}")
        return args[0]

    def _check_misfit(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Judge arguments that the library is going to refuse; where it has bounds, do not rely on that."""
        if self.is_bounded:
            placed = args if self.self_class is None else (None, *args)
            raise ArgumentError(_misfit_text(self.signature, placed, kwargs))
        for name, value in _enumerate(args, kwargs):
            check_strict(name, value)

    def _assign(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Pairs | None:
        """Pair each argument with its parameter's name; None if they do not fit together."""
        names = self.positional
        if names is None:
            return list(_enumerate(args, kwargs))
        surplus = args[len(names) :]
        pairs = list(zip(names, args, strict=False))
        if (surplus and not self.rest) or not kwargs.keys().isdisjoint([n for n, _ in pairs if n in self.named]):
            return None
        if not self.takes_keywords and not kwargs.keys() <= self.named:
            return None
        pairs += [(f"{self.rest}[{index}]", value) for index, value in enumerate(surplus)]
        return [*pairs, *kwargs.items()]

    def _check_of(self, name: str) -> Check:
        base = name.partition("[")[0]
        known = self.classes.get(base)
        if known is not None:
            return known
        if self.other:
            return class_check(self.other)
        return check_strict if self.positional is None and base == "argument" else class_check(class_by_name(base))


#: For targets whose owner answers for every argument.
FREE = CallPlan(is_free=True)


def make_plan(
    value: Any, entry: Entry | None, self_class: type | None, *, path: str = "", reach: Reach | None = None
) -> CallPlan:
    """Plan the checks of a callable.

    Args:
        value: The callable, judged.
        entry: Its group in a preset, if it has one.
        self_class: Class of the first argument for methods reached through it.
        path: The path that leads to it.
        reach: What the module's arguments may name, and the administrator's classes.

    Raises:
        RefusedError: The administrator classed a parameter that it does not have.
    """
    entry, reach = entry or Entry(""), reach or Reach()
    signature = read_signature(value)
    parameters = [] if signature is None else list(signature.parameters.values())
    known = signature is not None or bool(entry.positional)
    given = _given_classes(path, entry, reach, parameters, is_known=known)
    other = given.pop("*", "")
    names = _positional_names(parameters, entry, self_class)
    classes = {} if other else {name: class_check(class_by_name(name)) for name in names}
    locators = {name: found for name, kind in given.items() if (found := make_locator(kind, reach)) is not None}
    classes |= {name: class_check(kind) for name, kind in given.items() if name not in locators}
    bounds = [BOUNDS[name] for name in entry.bounds]
    kinds = {name: kind.partition(":")[0] for name, kind in {**given, "": other or "text"}.items()}
    moderate = SCALAR_CLASSES.issuperset(kinds.values())
    rest = next((p.name for p in parameters if p.kind is _P.VAR_POSITIONAL), "")
    filled = {kinds.get(name, "text") for name in (*names, rest, "")}
    by_place = filled | ({"none"} if not known and not moderate else set())
    if not known and not _BY_NAME_ONLY.isdisjoint(kinds.values()):
        bounds.append(BOUNDS["named"])
    return CallPlan(
        passes_scalars=self_class is None and by_place <= SCALAR_CLASSES and SCALAR_BOUNDS.issuperset(entry.bounds),
        positional=names if known else None,
        named=frozenset(p.name for p in parameters if p.kind in _BY_NAME) | set(entry.positional),
        rest=rest,
        takes_keywords=signature is None or any(p.kind is _P.VAR_KEYWORD for p in parameters),
        classes=classes,
        locators=locators,
        other=other,
        bounds=tuple(bounds),
        self_class=self_class,
        is_bounded=bool(bounds) or not moderate,
        signature=signature,
    )


def _given_classes(path: str, entry: Entry, reach: Reach, parameters: list[_P], *, is_known: bool) -> dict[str, str]:
    """Collect the classes of parameters: the administrator's for this function, the preset's, those for every one."""
    function = path.partition(".")[2]
    split = [(*key.rpartition(".")[::2], kind) for key, kind in reach.classes.items()]
    named = {name: kind for owner, name, kind in split if owner == function and owner}
    general = {name: kind for owner, name, kind in split if owner in ("", "*")}
    has = {p.name for p in parameters if p.kind is not _P.VAR_KEYWORD} | set(entry.positional)
    if is_known and not any(p.kind is _P.VAR_KEYWORD for p in parameters):
        general = {name: kind for name, kind in general.items() if name in has}
        unknown = sorted(named.keys() - has)
        if unknown:
            why = f"the function has no such parameter, only {', '.join(sorted(has)) or 'none'}"
            raise RefusedError(wrong_class(path, unknown[0], why))
    return {**general, **entry.parameters, **named}


def wrong_class(path: str, name: str, why: str) -> str:
    """Say that the administrator classed what is not there."""
    root, _, function = path.partition(".")
    return f"[module.{root}.parameters] {f'{function}.{name}'!r}: {why}"


def _positional_names(parameters: list[inspect.Parameter], entry: Entry, self_class: type | None) -> tuple[str, ...]:
    if entry.positional:
        return entry.positional
    names = tuple(p.name for p in parameters if p.kind in _BY_PLACE)
    return names if self_class is None else names[1:]


def read_signature(value: Any) -> inspect.Signature | None:
    """Read a callable's signature, None where Python knows none."""
    try:
        return inspect.signature(value)
    except (ValueError, TypeError, AttributeError):
        return None


def _misfit_text(signature: inspect.Signature | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    try:
        if signature is not None:
            signature.bind(*args, **kwargs)
    except TypeError as error:
        return str(error)
    return "these arguments do not fit the signature"


def _root_of(cls: type) -> str:
    return class_module(cls).partition(".")[0]


def _are_scalars(values: Any) -> bool:
    for value in values:
        kind = type(value)
        if kind is int:
            if not -INT_MAX <= value <= INT_MAX:
                return False
        elif kind is not float and kind is not bool and value is not None:
            return False
    return True


def _enumerate(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for index, value in enumerate(args):
        yield f"argument[{index}]", value
    yield from kwargs.items()
