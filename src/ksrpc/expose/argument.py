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

from ksrpc.errors import ArgumentError
from ksrpc.expose.bound import BOUNDS, SCALAR_BOUNDS
from ksrpc.expose.datatype import class_module, class_mro
from ksrpc.expose.parameter import INT_MAX, SCALAR_CLASSES, Check, check_strict, class_by_name, class_check
from ksrpc.expose.preset import Entry
from ksrpc.expose.rule import forbid

__all__ = ["FREE", "CallPlan", "make_plan", "read_signature"]

_P = inspect.Parameter
#: Classes that a positional argument could evade where Python knows no parameter names.
_BY_NAME_ONLY = frozenset({"count", "shape", "small", "dtype"})
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
    other: str = ""
    bounds: tuple[Callable[[Mapping[str, Any]], None], ...] = ()
    self_class: type | None = None
    is_bounded: bool = False
    signature: inspect.Signature | None = None

    def check(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Let the arguments of one call pass.

        Raises:
            ForbiddenError: By rule C1 to C5.
        """
        if self.is_free:
            return
        if self.passes_scalars and _are_scalars(args) and (not kwargs or self._passes_keywords(kwargs)):
            return
        own: dict[str, Any] = {}
        if self.self_class is not None and (args or kwargs):
            own["self"] = self._check_self(args)
            args = args[1:]
        pairs = self._assign(args, kwargs)
        if pairs is None:
            self._check_misfit(args, kwargs)
            return
        for name, value in pairs:
            self._check_of(name)(name, value)
        if self.bounds:
            own.update(pairs)
            self._check_bounds(own)

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
        if _root_of(type(args[0])) != _root_of(cls):
            # `datetime.replace` of a pandas Timestamp makes one of the year 0, whose use ends the process
            raise forbid("C4", f"the first argument must be a {cls.__name__} of {_root_of(cls)}")
        return args[0]

    def _check_misfit(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Judge arguments that the library is going to refuse; where it has bounds, do not rely on that."""
        if self.is_bounded:
            placed = args if self.self_class is None else (None, *args)
            raise ArgumentError(_misfit_text(self.signature, placed, kwargs))
        for name, value in _enumerate(args, kwargs):
            check_strict(name, value)

    def _assign(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[tuple[str, Any]] | None:
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


def make_plan(value: Any, entry: Entry | None, self_class: type | None) -> CallPlan:
    """Plan the checks of a callable.

    Args:
        value: The callable, judged.
        entry: Its group in a preset, if it has one.
        self_class: Class of the first argument for methods reached through it.
    """
    entry = entry or Entry("")
    given = dict(entry.parameters)
    other = given.pop("*", "")
    signature = read_signature(value)
    parameters = [] if signature is None else list(signature.parameters.values())
    names = _positional_names(parameters, entry, self_class)
    known = signature is not None or bool(entry.positional)
    classes = {} if other else {name: class_check(class_by_name(name)) for name in names}
    classes |= {name: class_check(kind) for name, kind in given.items()}
    bounds = [BOUNDS[name] for name in entry.bounds]
    kinds = {name: kind.partition(":")[0] for name, kind in {**given, "": other or "text"}.items()}
    moderate = SCALAR_CLASSES.issuperset(kinds.values())
    by_place = {kinds.get(name, "text") for name in (*names, "")} | ({"none"} if not known and not moderate else set())
    if not known and not _BY_NAME_ONLY.isdisjoint(kinds.values()):
        bounds.append(BOUNDS["named"])
    return CallPlan(
        passes_scalars=self_class is None and by_place <= SCALAR_CLASSES and SCALAR_BOUNDS.issuperset(entry.bounds),
        positional=names if known else None,
        named=frozenset(p.name for p in parameters if p.kind in _BY_NAME) | set(entry.positional),
        rest=next((p.name for p in parameters if p.kind is _P.VAR_POSITIONAL), ""),
        takes_keywords=signature is None or any(p.kind is _P.VAR_KEYWORD for p in parameters),
        classes=classes,
        other=other,
        bounds=tuple(bounds),
        self_class=self_class,
        is_bounded=bool(bounds) or not moderate,
        signature=signature,
    )


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
