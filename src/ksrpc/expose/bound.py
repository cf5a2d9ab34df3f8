"""Gate C over all arguments together: what a call would make, or work through, stays within bounds (C5).

Each bound takes parameter name → value. What it cannot read it lets pass only where the library then refuses, too.

Source: docs/spec/policy.md "Bounds".
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from itertools import zip_longest
from math import prod
from typing import Any

from ksrpc.expose.parameter import item_bytes
from ksrpc.expose.rule import forbid
from ksrpc.expose.shape import ELEMENTS, count_elements, shape_of, size_of

__all__ = ["BOUNDS", "SCALAR_BOUNDS"]

_OPERATIONS = 2**38
_DATES = 10_000_000
_HOUR_NS = 3_600 * 10**9

Arguments = Mapping[str, Any]


def bound_named(arguments: Arguments) -> None:
    """Refuse positional arguments of a function whose parameters are not known but have bounds."""
    if any(name.startswith("argument[") for name in arguments):
        raise forbid("C5", "give these arguments by name: the function's bounds are known by name only")


def bound_creation(arguments: Arguments) -> None:
    """Bound the bytes of a new array by its shape and dtype."""
    shape, dtype = arguments.get("shape", arguments.get("size")), arguments.get("dtype")
    if shape is not None:
        _refuse_above(count_elements(shape) * max(8, item_bytes(dtype)), ELEMENTS * 8, "bytes")


def bound_matrix(arguments: Arguments) -> None:
    """Bound the bytes of a new matrix that is square unless told otherwise."""
    rows = arguments.get("N", arguments.get("n"))
    columns = arguments.get("M")
    elements = count_elements(rows) * count_elements(rows if columns is None else columns)
    _refuse_above(elements * max(8, item_bytes(arguments.get("dtype"))), ELEMENTS * 8, "bytes")


def bound_range(arguments: Arguments) -> None:
    """Bound the elements of `arange`."""
    start, stop, step = (arguments.get(name) for name in ("start", "stop", "step"))
    if stop is None:
        start, stop = 0, start
    try:
        count = abs(((0 if stop is None else stop) - (start or 0)) / (1 if step is None else step))
    except ArithmeticError:
        return
    except TypeError:
        raise forbid("C5", "only ranges of numbers can be counted beforehand") from None
    if not count <= ELEMENTS:
        raise forbid("C5", f"this call is about more than {ELEMENTS} elements")


def bound_broadcast(arguments: Arguments) -> None:
    """Bound the elements of the shape that all arguments broadcast to."""
    shapes = [shape[::-1] for shape in map(shape_of, arguments.values()) if shape]
    if len(shapes) > 1:
        _refuse_above(prod(map(max, zip_longest(*shapes, fillvalue=1))), ELEMENTS, "elements")


def bound_outer(arguments: Arguments) -> None:
    """Bound the product of the arguments' sizes."""
    _refuse_above(prod(max(1, size_of(value)) for value in arguments.values()), ELEMENTS, "elements")


def bound_square(arguments: Arguments) -> None:
    """Bound the square of a vector's length."""
    for value in arguments.values():
        if len(shape_of(value)) == 1:
            _refuse_above(size_of(value) ** 2, ELEMENTS, "elements")


def bound_pairs(arguments: Arguments) -> None:
    """Bound the square of the number of variables, rows or columns, that a matrix of pairs is made of."""
    by_columns = arguments.get("rowvar", True) in (False, 0)
    for value in arguments.values():
        shape = shape_of(value)
        if len(shape) == 2:
            _refuse_above(shape[1 if by_columns else 0] ** 2, ELEMENTS, "elements")


def bound_columns(arguments: Arguments) -> None:
    """Bound the square of a frame's columns."""
    for value in arguments.values():
        if len(shape_of(value)) == 2:
            _refuse_above(shape_of(value)[1] ** 2, ELEMENTS, "elements")


def bound_cubic(arguments: Arguments) -> None:
    """Bound the cost of factorising matrices."""
    for value in arguments.values():
        shape = shape_of(value)
        if len(shape) >= 2:
            _refuse_above(prod(shape) * min(shape[-2:]), _OPERATIONS, "operations")


def bound_sides(arguments: Arguments) -> None:
    """Bound the square matrix that a factorisation makes of the longer side."""
    for value in arguments.values():
        _refuse_above(max(shape_of(value)[-2:], default=0) ** 2, ELEMENTS, "elements")


def bound_roots(arguments: Arguments) -> None:
    """Bound the degree of a polynomial whose roots are asked for."""
    for value in arguments.values():
        _refuse_above(size_of(value) ** 3, _OPERATIONS, "operations")


def bound_fit(arguments: Arguments) -> None:
    """Bound points times degree of a polynomial fit."""
    _refuse_above(size_of(arguments.get("x")) * (count_elements(arguments.get("deg", 1)) + 1), ELEMENTS, "elements")


def bound_numeric(arguments: Arguments) -> None:
    """Refuse tables of texts and objects where arithmetic would repeat a text or grow an integer."""
    for name, value in arguments.items():
        if not type(value).__module__.startswith("pandas"):
            continue
        dtypes: Any = getattr(value, "dtypes", None)
        kinds = {dtype.kind for dtype in (dtypes if hasattr(dtypes, "__iter__") else [dtypes]) if dtype is not None}
        if "O" in kinds:
            raise forbid("C5", f"parameter {name!r}: only numbers and dates pass here")


def bound_product(arguments: Arguments) -> None:
    """Bound the cost of a matrix product: all its sizes and the sides that remain."""
    shapes = [shape_of(value) for value in arguments.values()]
    matrices = [shape for shape in shapes if len(shape) >= 2]
    if len(matrices) >= 2:
        _refuse_above(prod(matrices[0]) * matrices[1][-1], _OPERATIONS, "operations")
        _refuse_above(prod(matrices[0][:-1]) * prod(matrices[1][:-2]) * matrices[1][-1], ELEMENTS, "elements")


def bound_axes(arguments: Arguments) -> None:
    """Bound a shape that is given as one argument per axis."""
    _refuse_above(prod(map(count_elements, arguments.values())), ELEMENTS, "elements")


def bound_points(arguments: Arguments) -> None:
    """Bound the points between two ends, which may be arrays."""
    ends = max(size_of(arguments.get(name)) for name in ("start", "stop"))
    _refuse_above(ends * count_elements(arguments.get("num", 50)), ELEMENTS, "elements")


def bound_times(arguments: Arguments) -> None:
    """Bound what repeats a whole (`reps`, per axis) or its items (`repeats`)."""
    repeated = max((size_of(value) for value in arguments.values()), default=1)
    reps, repeats = arguments.get("reps"), arguments.get("repeats")
    largest = max(_numbers(repeats), default=0) if repeats is not None else 1
    _refuse_above(max(1, repeated) * largest * (1 if reps is None else count_elements(reps)), ELEMENTS, "elements")


def _numbers(value: Any) -> list[int]:
    items = value.ravel().tolist() if hasattr(value, "ravel") else value
    return [abs(int(item)) for item in (items if isinstance(items, (list, tuple)) else [items])]


def bound_frame(arguments: Arguments) -> None:
    """Bound the cells that labels alone can ask of a frame."""
    rows, columns = (shape_of(arguments.get(name)) for name in ("index", "columns"))
    _refuse_above(prod([*rows[:1], *columns[:1]]), ELEMENTS, "cells")


def bound_filled(arguments: Arguments) -> None:
    """Refuse arrays without an element, of which numpy's inverse real transforms give memory that was not cleared."""
    if any(0 in shape_of(value) for value in arguments.values()):
        raise forbid("C5", "an array without elements has no transform")


def bound_numbers(arguments: Arguments) -> None:
    """Accept numbers and arrays only: multiplying a text repeats it."""
    for name, value in arguments.items():
        is_number = isinstance(value, (int, float, complex)) or type(value).__module__ in _NUMBER_MODULES
        if not is_number:
            raise forbid("C5", f"parameter {name!r}: only numbers pass here")


_NUMBER_MODULES = frozenset({"numpy", "decimal", "fractions", "datetime"})


def bound_dates(arguments: Arguments) -> None:
    """Bound the dates between two ends at a frequency."""
    periods, start, end = (arguments.get(name) for name in ("periods", "start", "end"))
    if periods is not None:
        _refuse_above(abs(int(periods)), _DATES, "dates")
    if start is None or end is None or periods is not None:
        return
    pandas = importlib.import_module("pandas")
    try:
        ends = [pandas.Timestamp(moment).tz_localize(None).as_unit("s") for moment in (start, end)]
        offset = pandas.tseries.frequencies.to_offset(arguments.get("freq") or "D")
    except (ValueError, TypeError):  # the library calls the same and raises its own error
        return
    try:
        step_ns = abs(int(offset.nanos))
    except ValueError:  # not a fixed span; none of these is below an hour
        step_ns = _HOUR_NS
    span_s = abs((ends[1] - ends[0]).total_seconds())
    _refuse_above(int(span_s * 1e9) // max(1, step_ns), _DATES, "dates")


def bound_spans(arguments: Arguments) -> None:
    """Bound the spans of time between two ends at a frequency."""
    pandas = importlib.import_module("pandas")
    _bound_steps(arguments, lambda end, _: pandas.Timedelta(end).as_unit("s").total_seconds() / _freq_s(arguments))


def bound_periods(arguments: Arguments) -> None:
    """Bound the periods between two ends at a frequency."""
    pandas = importlib.import_module("pandas")
    _bound_steps(arguments, lambda end, freq: pandas.Period(end, freq=freq).ordinal)


def _bound_steps(arguments: Arguments, place_of: Callable[[Any, Any], float]) -> None:
    periods, start, end = (arguments.get(name) for name in ("periods", "start", "end"))
    if periods is not None:
        _refuse_above(abs(int(periods)), _DATES, "dates")
    elif start is not None and end is not None:
        freq = arguments.get("freq")
        _refuse_above(int(abs(place_of(end, freq) - place_of(start, freq))), _DATES, "dates")


def _freq_s(arguments: Arguments) -> float:
    pandas = importlib.import_module("pandas")
    step_ns: int = pandas.tseries.frequencies.to_offset(arguments.get("freq") or "D").nanos
    return max(1, abs(step_ns)) / 1e9


def bound_inner(arguments: Arguments) -> None:
    """Bound the cost of sums over the last axis of two arrays: every row of one by every row of the other."""
    shapes = [shape_of(value) for value in arguments.values()]
    rows = prod(prod(shape[:-1]) for shape in shapes)
    _refuse_above(rows, ELEMENTS, "elements")
    _refuse_above(rows * max((shape[-1] for shape in shapes if shape), default=1), _OPERATIONS, "operations")


def bound_taken(arguments: Arguments) -> None:
    """Bound the elements that `indices` take out of an array, or of a table by rows."""
    shape = next((shape_of(value) for name, value in arguments.items() if name != "indices"), ())
    axis = arguments.get("axis", 0 if "self" in arguments else None)
    axis = {"index": 0, "rows": 0, "columns": 1}.get(axis, axis) if isinstance(axis, str) else axis
    others = 1 if axis is None or not shape else prod(shape) // max(1, shape[axis % len(shape)])
    _refuse_above(size_of(arguments.get("indices")) * others, ELEMENTS, "elements")


def bound_padding(arguments: Arguments) -> None:
    """Bound an array that is padded on both sides of each axis."""
    width = max(_numbers(_flat(arguments.get("pad_width", 0))), default=0)
    _refuse_above(prod(axis + 2 * width for axis in shape_of(arguments.get("array"))), ELEMENTS, "elements")


def bound_largest(arguments: Arguments) -> None:
    """Bound a result that has a place for each number up to the largest one."""
    for name in ("x", "minlength"):
        _refuse_above(max(_numbers(arguments.get(name, 0)), default=0), ELEMENTS, "elements")


def bound_levels(arguments: Arguments) -> None:
    """Bound the product of the lengths of the lists in a list."""
    _refuse_above(prod(len(level) for level in arguments.get("iterables", ())), ELEMENTS, "elements")


def bound_dummies(arguments: Arguments) -> None:
    """Bound a table that has a column for each different value: at worst for each row."""
    rows, columns = (*shape_of(arguments.get("data")), 1, 1)[:2]
    encoded = columns if arguments.get("columns") is None else size_of(arguments["columns"])
    dtype = arguments.get("dtype")
    item = 1 if dtype is None else max(1, item_bytes(dtype))
    _refuse_above(rows * (columns + encoded * rows) * item, ELEMENTS * 8, "bytes")


def bound_assigned(arguments: Arguments) -> None:
    """Bound the cells of a table that gets a column for each argument."""
    _refuse_above(len(arguments) * max(1, *shape_of(arguments["self"])[:1]), ELEMENTS, "cells")


def bound_texts(arguments: Arguments) -> None:
    """Bound what a text makes that is put to each value or label."""
    longest = max((len(value) for value in arguments.values() if isinstance(value, str)), default=0)
    _refuse_above(sum(shape_of(arguments.get("self"))) * longest, ELEMENTS * 8, "characters")


def _flat(value: Any) -> Any:
    while isinstance(value, (list, tuple)) and value and isinstance(value[0], (list, tuple)):
        value = [item for row in value for item in row]
    return value


def _refuse_above(value: int, bound: int, what: str) -> None:
    if value > bound:
        raise forbid("C5", f"this call is about more than {bound} {what}")


#: Bound's name in a preset → its check.
BOUNDS: dict[str, Callable[[Arguments], None]] = {
    "named": bound_named,
    "creation": bound_creation,
    "matrix": bound_matrix,
    "range": bound_range,
    "broadcast": bound_broadcast,
    "outer": bound_outer,
    "square": bound_square,
    "pairs": bound_pairs,
    "columns": bound_columns,
    "cubic": bound_cubic,
    "sides": bound_sides,
    "roots": bound_roots,
    "fit": bound_fit,
    "numeric": bound_numeric,
    "product": bound_product,
    "axes": bound_axes,
    "points": bound_points,
    "times": bound_times,
    "frame": bound_frame,
    "filled": bound_filled,
    "numbers": bound_numbers,
    "dates": bound_dates,
    "spans": bound_spans,
    "periods": bound_periods,
    "inner": bound_inner,
    "taken": bound_taken,
    "padding": bound_padding,
    "largest": bound_largest,
    "levels": bound_levels,
    "dummies": bound_dummies,
    "assigned": bound_assigned,
    "texts": bound_texts,
}
#: Bounds that every call with numbers alone keeps.
SCALAR_BOUNDS = frozenset(BOUNDS) & {
    *("broadcast", "outer", "square", "pairs", "columns", "cubic", "sides"),
    *("numeric", "product", "frame", "filled", "numbers"),
}
