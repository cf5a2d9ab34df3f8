"""Read the constants that a Python file assigns, without executing it.

Rules:
* Nothing is imported, called, formatted or looked up; what would need that has no value here.
* Sums and joins are worked out, each bounded before it is.
* Everything that is made counts against one budget, however it is nested or repeated.

Source: docs/howto/import-the-original-configuration.md.
"""

from __future__ import annotations

import ast
import io
import operator
import tokenize
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ksrpc.errors import ConfigError

_BITS = 128
_TEXT_CHARS = 65_536
_ITEMS = 10_000
_DEPTH = 50
_BUDGET = 4_000_000
_CODECS = frozenset({"ascii", "utf-8", "utf-8-sig", "gbk", "gb2312", "gb18030", "big5", "iso-8859-1"})
_NUMBERS = (int, float)
_SIGNS: Mapping[type[ast.unaryop], Callable[[Any], Any]] = MappingProxyType(
    {ast.USub: operator.neg, ast.UAdd: operator.pos}
)
_SUMS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = MappingProxyType(
    {
        ast.Add: operator.add,
        ast.Sub: operator.sub,
        ast.Mult: operator.mul,
        ast.Div: operator.truediv,
        ast.FloorDiv: operator.floordiv,
        ast.Mod: operator.mod,
        ast.Pow: operator.pow,
    }
)


@dataclass(frozen=True, slots=True)
class Assigned:
    """Hold what a name was assigned.

    Attributes:
        line: Where, last.
        value: The value; None if `reason` says why there is none.
        reason: Why there is none.
    """

    line: int
    value: Any = None
    reason: str = ""


def read_assigned(source: bytes, file: str) -> dict[str, Assigned]:
    """Return the names that a file assigns, in the order of their first lines.

    Raises:
        ConfigError: It is no Python.
    """
    reader = _Reader()
    for statement in _parse(source, file).body:
        reader.read(statement)
    return reader.names


def _parse(source: bytes, file: str) -> ast.Module:
    try:
        encoding = tokenize.detect_encoding(io.BytesIO(source).readline)[0]
        if encoding not in _CODECS:
            raise ConfigError(f"{file}: it is written in {encoding}; save it as UTF-8")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the file's own making: "\d" and the like
            return ast.parse(source.decode(encoding))
    except SyntaxError as exc:
        raise ConfigError(f"{file}:{exc.lineno or 1}: this is no Python: {exc.msg}") from None
    except (RecursionError, MemoryError):
        raise ConfigError(f"{file}: it is nested too deeply") from None
    except ValueError as exc:
        raise ConfigError(f"{file} cannot be read: {exc}") from None


class _Reader:
    """Keep what was assigned so far."""

    def __init__(self) -> None:
        self.names: dict[str, Assigned] = {}
        self._costs: dict[str, int] = {}
        self._left = _BUDGET

    def read(self, statement: ast.stmt) -> None:
        """Take one statement of the file's top level."""
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                self._assign(target, statement.value)
        elif isinstance(statement, ast.AnnAssign):
            if statement.value is not None:
                self._assign(statement.target, statement.value)
        elif isinstance(statement, ast.AugAssign):
            joined = ast.BinOp(_as_read(statement.target), statement.op, statement.value)
            self._assign(statement.target, ast.copy_location(joined, statement))
        elif isinstance(statement, ast.Expr):
            self._doubt(statement, "it is changed by a call")
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            self._doubt(statement, "it is imported from elsewhere")
        else:
            self._doubt(statement, "it is set under a condition, in a loop or a function")

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            before = self._left
            self.names[target.id] = self._try(value)
            self._costs[target.id] = before - self._left
        elif isinstance(target, ast.Tuple | ast.List) and isinstance(value, ast.Tuple | ast.List):
            for one, part in zip(target.elts, value.elts, strict=False):
                self._assign(one, part)
        else:
            self._doubt(target, "it is changed in a part")

    def _try(self, value: ast.expr) -> Assigned:
        try:
            return Assigned(value.lineno, self._value(value, 0))
        except ConfigError as exc:  # raised below to give up this value, not the file
            return Assigned(value.lineno, reason=str(exc))
        except (ArithmeticError, TypeError, ValueError) as exc:
            return Assigned(value.lineno, reason=f"it cannot be worked out: {exc}")

    def _doubt(self, node: ast.AST, what: str) -> None:
        """Give up the values of the names that a statement might change."""
        line = getattr(node, "lineno", 0)
        for name in _changed_names(node):
            self.names[name] = Assigned(line, reason=f"{what}; write it as one plain assignment")

    def _spend(self, amount: int) -> None:
        self._left -= amount
        if self._left < 0:
            raise ConfigError("the file makes values that are too large")

    def _value(self, node: ast.expr, depth: int) -> Any:
        self._spend(1)
        if depth > _DEPTH:
            raise ConfigError("it is nested too deeply")
        read = _READERS.get(type(node))
        if read is None:
            raise ConfigError(f"{_DESCRIBED.get(type(node), 'this expression')} is not executed here")
        return read(self, node, depth + 1)

    def _constant(self, node: ast.Constant, _depth: int) -> Any:
        if isinstance(node.value, int) and node.value.bit_length() > _BITS:
            raise ConfigError("the number is too large")
        if isinstance(node.value, str | bytes) and len(node.value) > _TEXT_CHARS:
            raise ConfigError("the text is too long")
        return node.value

    def _name(self, node: ast.Name, _depth: int) -> Any:
        found = self.names.get(node.id)
        if found is None or found.reason:
            raise ConfigError(f"{node.id} has no value that can be read before it")
        self._spend(self._costs[node.id])
        return found.value

    def _sequence(self, node: ast.List | ast.Tuple | ast.Set, depth: int) -> Any:
        items: list[Any] = []
        for item in node.elts:
            if isinstance(item, ast.Starred):
                items += _listed(self._value(item.value, depth))
            else:
                items.append(self._value(item, depth))
        _bound_items(len(items))
        return {ast.List: list, ast.Tuple: tuple, ast.Set: set}[type(node)](items)

    def _dict(self, node: ast.Dict, depth: int) -> dict[Any, Any]:
        made: dict[Any, Any] = {}
        _bound_items(len(node.keys))
        for key, item in zip(node.keys, node.values, strict=True):
            value = self._value(item, depth)
            if key is not None:
                made[self._value(key, depth)] = value
            elif isinstance(value, dict):
                made.update(value)
            else:
                raise ConfigError("** stands before what is no dict")
        _bound_items(len(made))
        return made

    def _sign(self, node: ast.UnaryOp, depth: int) -> Any:
        value = self._value(node.operand, depth)
        if isinstance(node.op, ast.Not) and isinstance(value, bool):
            return not value
        if type(node.op) not in _SIGNS or not isinstance(value, _NUMBERS):
            raise ConfigError("this is no sign of a number")
        return _SIGNS[type(node.op)](value)

    def _sum(self, node: ast.BinOp, depth: int) -> Any:
        before = self._left
        left = self._value(node.left, depth)
        weight = before - self._left  # of all that is in it, which a repetition repeats
        right = self._value(node.right, depth)
        work = _SUMS.get(type(node.op))
        if work is None:
            raise ConfigError("only + - * / // % ** are worked out")
        self._spend(_cost(node.op, left, right) * (weight if isinstance(left, list | tuple) else 1))
        return work(left, right)


_READERS: Mapping[type[ast.expr], Callable[..., Any]] = MappingProxyType(
    {
        ast.Constant: _Reader._constant,
        ast.Name: _Reader._name,
        ast.List: _Reader._sequence,
        ast.Tuple: _Reader._sequence,
        ast.Set: _Reader._sequence,
        ast.Dict: _Reader._dict,
        ast.UnaryOp: _Reader._sign,
        ast.BinOp: _Reader._sum,
    }
)
_DESCRIBED: Mapping[type[ast.expr], str] = MappingProxyType(
    {ast.Call: "a call", ast.JoinedStr: "an f-string", ast.Attribute: "an attribute", ast.IfExp: "a condition"}
)


def _cost(kind: ast.operator, left: Any, right: Any) -> int:
    """Say what an operation makes, in units of the budget.

    Raises:
        ConfigError: It is too much, or not an operation that is worked out.
    """
    if isinstance(left, _NUMBERS) and isinstance(right, _NUMBERS):
        _bound_number(kind, left, right)
        return 1
    if isinstance(kind, ast.Add) and type(left) is type(right) and isinstance(left, str | list | tuple):
        return _bound_length(left, len(left) + len(right))
    if isinstance(kind, ast.Mult) and isinstance(left, str | list | tuple) and isinstance(right, int):
        return _bound_length(left, len(left) * max(right, 0))
    raise ConfigError("these are not worked out together")


def _bound_number(kind: ast.operator, left: float, right: float) -> None:
    bits = [number.bit_length() if isinstance(number, int) else 0 for number in (left, right)]
    if isinstance(kind, ast.Pow):
        is_small = abs(right) <= _BITS and bits[0] * max(abs(right), 1) <= _BITS
    else:
        is_small = sum(bits) <= 2 * _BITS
    if not is_small or max(bits) > _BITS:
        raise ConfigError("the number is too large")


def _bound_length(value: Any, length: int) -> int:
    if length > (_TEXT_CHARS if isinstance(value, str) else _ITEMS):
        raise ConfigError("the value is too long")
    return length


def _bound_items(count: int) -> None:
    if count > _ITEMS:
        raise ConfigError(f"there are more than {_ITEMS} items")


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, list | tuple | set):
        raise ConfigError("* stands before what is no list")
    return list(value)


def _as_read(target: ast.expr) -> ast.expr:
    return ast.copy_location(ast.Name(target.id, ast.Load()), target) if isinstance(target, ast.Name) else target


def _changed_names(statement: ast.AST) -> set[str]:
    """Return the names that a statement may bind, or whose content it may change; "*" stands for any."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name.partition(".")[0] for alias in statement.names}
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        inner = [name for node in ast.walk(statement) if isinstance(node, ast.Global) for name in node.names]
        return {statement.name, *inner}
    return {name for node in ast.walk(statement) if (name := _changed_name(node))}


def _changed_name(node: ast.AST) -> str:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return _root_name(node.func)
    if isinstance(node, ast.Attribute | ast.Subscript | ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
        return _root_name(node)
    return ""


def _root_name(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""
