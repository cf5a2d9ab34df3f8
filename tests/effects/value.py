"""Make arguments: numbers, texts of hostile shapes, arrays, frames, lists, by keyword and by place.

Rule: all chance comes from the `Random` that is handed in; the same seed gives the same arguments.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np
import pandas as pd

from ksrpc.expose import Target
from ksrpc.expose.preset import Entry
from tests.effects.rule import CANARY

__all__ = ["Plan", "change", "make_arguments", "make_plan"]

#: Texts that act on whoever takes them for a place, an address, code or a name; those that pass gate C, and others.
HOSTILE = [
    *(f"{CANARY}.csv", f"{CANARY}.pkl", f"{CANARY}/data.npy", f"data.{CANARY}", f"{CANARY}.h5", f"{CANARY}.txt.gz"),
    *(f"./{CANARY}", f"../{CANARY}", f"/etc/{CANARY}", f"~/{CANARY}", f"file:///{CANARY}", f"C:\\{CANARY}"),
    *(f"http://127.0.0.1:9/{CANARY}", f"ftp:{CANARY}", f"//127.0.0.1/{CANARY}", f"$HOME/{CANARY}", f"{CANARY}\x00"),
    *(f"__import__('{CANARY}')", f"@{CANARY}", f"import {CANARY}", f"{CANARY}.main()", f"lambda x: {CANARY}"),
    *(f"{CANARY}.Boom", f"module://{CANARY}", f"{CANARY}:Boom", f"{{0.__class__.{CANARY}}}", f"%({CANARY})s"),
    *("os.system", "os", "subprocess", "antigravity", "builtins", "ctypes.CDLL", "__class__", "to_pickle", "to_csv"),
    *("eval", "query", "numexpr", "python", "pyarrow", "bottleneck", "matplotlib", "sqlite3", "pickle", "zip", "gzip"),
    *("infer", "cython", "numba", "c", "xlsxwriter", "tables", "lxml", "`", ";", "|", "-rf", "\\N{BULLET}", "a" * 5000),
    *("dateutil/Europe/Berlin", "Europe/Berlin", "UTC", "../UTC", f"zone/{CANARY}", "localtime", "posixrules"),
]
#: Texts that functions know: without them most calls end at the first look.
KNOWN = [
    *("mean", "sum", "min", "max", "std", "count", "first", "last", "linear", "nearest", "pad", "ffill", "bfill"),
    *(
        "left",
        "right",
        "inner",
        "outer",
        "cross",
        "both",
        "neither",
        "upper",
        "lower",
        "pearson",
        "spearman",
        "polynomial",
    ),
    *("spline", "krogh", "pchip", "akima", "cubic", "quadratic", "time", "index", "values", "barycentric", "raise"),
    *(
        "ignore",
        "coerce",
        "warn",
        "omit",
        "same",
        "full",
        "valid",
        "reflect",
        "wrap",
        "constant",
        "edge",
        "C",
        "F",
        "K",
    ),
    *("A", "q", "s", "D", "B", "h", "ME", "QE", "YE", "W-MON", "2h", "ns", "us", "ms", "min", "2020Q1", "%Y-%m-%d"),
    *(
        "columns",
        "records",
        "list",
        "dict",
        "split",
        "tight",
        "a",
        "b",
        "key",
        "0",
        "1.5",
        "2024-01-31",
        "now",
        "today",
    ),
    *(
        "NaT",
        "nan",
        "inf",
        "i,j->ij",
        "ij,jk",
        "ii",
        "...",
        "hello",
        "ü漢字",
        "",
        " ",
        "10:30",
        "1 days",
        "P1D",
        "1e400",
    ),
    *(
        "hamming",
        "auto",
        "fd",
        "doane",
        "scott",
        "sqrt",
        "quicksort",
        "stable",
        "single",
        "table",
        "integer",
        "unsigned",
    ),
]
DTYPES = [
    *(
        "f8",
        "int64",
        "i1",
        "u8",
        "c16",
        "bool",
        "O",
        "object",
        "S3",
        "U5",
        "M8[ns]",
        "m8[s]",
        "V8",
        "a9",
        "f4,i4",
        "category",
    ),
    *("Int64", "boolean", "string", "Float32", "datetime64[ns, UTC]", "datetime64[ns, dateutil/x]", "period[D]"),
    *(
        "interval[int64]",
        "Sparse[int]",
        "string[pyarrow]",
        "int64[pyarrow]",
        "(2,3)i4",
        "timestamp[ns][pyarrow]",
        "V99999999",
    ),
    *(
        "list<item: int64>[pyarrow]",
        "decimal128(3, 2)[pyarrow]",
        f"{CANARY}",
        "period[0s]",
        "interval[datetime64[ns, UTC]]",
    ),
]
NUMBERS = [
    *(0, 1, -1, 2, 3, 5, 7, 10, 16, 100, 1000, 10_001, 65_536, 10**6, 2**31 - 1, 2**31, 2**53, 2**62, -(2**62)),
    *(0.0, -0.0, 0.5, 1.5, -2.25, 1e308, 5e-324, float("inf"), float("-inf"), float("nan")), 1j, True, False, None,
]  # fmt: skip
NAMED_TEXTS = {
    "dtype": DTYPES,
    "dtypes": DTYPES,
    "tz": ["UTC", "Europe/Berlin", "Asia/Shanghai", "+01:00", f"{CANARY}/x"],
}


@dataclass(frozen=True)
class Plan:
    """Say how a function can be called.

    Attributes:
        positional: Names by place, after the object itself.
        required: How many of these must be there.
        keywords: All names by keyword.
        takes_more: Whether any number may follow.
        takes_any: Whether any keyword may.
        own: Class whose instance stands first, if it is a method.
        options: Name → texts that a preset lists.
    """

    positional: tuple[str, ...] = ()
    required: int = 0
    keywords: tuple[str, ...] = ()
    takes_more: bool = False
    takes_any: bool = False
    own: type | None = None
    options: Mapping[str, list[str]] = field(default_factory=dict)


def make_plan(target: Target, entry: Entry) -> Plan:
    """Read how a function can be called from what gate C knows of it."""
    plan = target.plan
    options = {n: k.partition(":")[2].split("|") for n, k in entry.parameters.items() if k.startswith("choice:")}
    listed = tuple(name for name in entry.parameters if name != "*")
    if plan.signature is None:
        names = plan.positional or ()
        return Plan(names, min(1, len(names)), listed, plan.positional is None, True, plan.self_class, options)
    kinds = inspect.Parameter
    parameters = list(plan.signature.parameters.values())[1 if plan.self_class is not None else 0 :]
    placed = [p for p in parameters if p.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)]
    named = [p.name for p in parameters if p.kind in (kinds.KEYWORD_ONLY, kinds.POSITIONAL_OR_KEYWORD)]
    return Plan(
        tuple(p.name for p in placed),
        sum(p.default is kinds.empty for p in placed),
        tuple(dict.fromkeys((*named, *listed))),
        any(p.kind is kinds.VAR_POSITIONAL for p in parameters),
        any(p.kind is kinds.VAR_KEYWORD for p in parameters),
        plan.self_class,
        options,
    )


Arguments = tuple[tuple[Any, ...], dict[str, Any]]


def make_arguments(plan: Plan, chance: Random) -> Arguments:
    """Make arguments that a function may take."""
    own = [] if plan.own is None else [make_own(plan.own, chance)]
    most = len(plan.positional)
    count = plan.required if chance.random() < 0.6 else chance.randint(min(plan.required, most), most)
    more = chance.randrange(4) if plan.takes_more else 0
    by_place = chance.randint(0, count) if chance.random() < 0.2 else count
    placed = [make_value(plan, name, chance) for name in plan.positional[:by_place]]
    if more and by_place == most:
        placed += [make_value(plan, "", chance) for _ in range(more)]
    named = {name: make_value(plan, name, chance) for name in plan.positional[by_place:count]}
    left = [name for name in plan.keywords if name not in plan.positional[:by_place]]
    for name in chance.sample(left, min(len(left), chance.choice((0, 0, 1, 1, 2, 4)))):
        named[name] = make_value(plan, name, chance)
    if plan.takes_any and chance.random() < 0.1:
        named[chance.choice(("path", "engine", "dtype", "out", CANARY, "file", "func", "like", "where"))] = make_text(
            chance
        )
    return (*own, *placed), named


def change(plan: Plan, arguments: Arguments, chance: Random) -> Arguments:
    """Change one argument, or give or take one."""
    args, kwargs = list(arguments[0]), dict(arguments[1])
    first = 0 if plan.own is None or chance.random() < 0.3 else 1
    choice = chance.random()
    if choice < 0.5 and len(args) > first:
        at = chance.randrange(first, len(args))
        names = ("", *plan.positional) if plan.own is not None else plan.positional
        if plan.own is not None and at == 0:
            args[0] = make_own(plan.own, chance)
        else:
            args[at] = make_value(plan, names[at] if at < len(names) else "", chance)
    elif choice < 0.6 and kwargs:
        del kwargs[chance.choice(sorted(kwargs))]
    elif plan.keywords:
        used = plan.positional[: len(args) - (plan.own is not None)]
        free = [name for name in plan.keywords if name not in used]
        if free:
            name = chance.choice(free)
            kwargs[name] = make_value(plan, name, chance)
    return tuple(args), kwargs


def make_value(plan: Plan, name: str, chance: Random) -> Any:
    """Make a value for a parameter: mostly of a kind that its name suggests, often of any."""
    if name in plan.options and chance.random() < 0.6:
        return chance.choice(plan.options[name])
    if name in NAMED_TEXTS and chance.random() < 0.7:
        return chance.choice(NAMED_TEXTS[name])
    if (
        name in ("axis", "axis1", "axis2", "n", "k", "ddof", "decimals", "periods", "limit", "level")
        and chance.random() < 0.6
    ):
        return chance.randrange(-2, 5)
    return chance.choices(_KINDS, _WEIGHTS)[0](chance)


def make_text(chance: Random) -> str:
    """Make a text: hostile, known to some function, or both joined."""
    text = chance.choice(HOSTILE if chance.random() < 0.5 else (KNOWN if chance.random() < 0.8 else DTYPES))
    return text + chance.choice(HOSTILE) if chance.random() < 0.03 else text


def make_number(chance: Random) -> Any:
    """Make a number, or what stands for none."""
    return chance.choice(NUMBERS) if chance.random() < 0.7 else chance.randrange(-20, 50)


def make_array(chance: Random) -> Any:
    """Make an array of any shape and dtype."""
    shape = chance.choice(
        [(), (0,), (1,), (3,), (3,), (5,), (2, 2), (3, 3), (3, 3), (2, 3), (2, 0), (2, 2, 2), (64,), (1000,)]
    )
    count = int(np.prod(shape))
    kind = chance.choice("ffffiiibcuMmSUV")
    if kind in "fiuc":
        low = 0 if kind == "u" else -5
        flat = np.array(
            [chance.choice((chance.randrange(low, 9), chance.random() if kind in "fc" else 1)) for _ in range(count)]
        )
        dtype = {"f": chance.choice(("f8", "f4", "f2", "g")), "i": "i8", "u": "u1", "c": "c16"}[kind]
        made = flat.astype(dtype)
        if kind == "f" and count and chance.random() < 0.3:
            made[chance.randrange(count)] = chance.choice((np.nan, np.inf, -0.0))
    elif kind == "b":
        made = np.array([chance.random() < 0.5 for _ in range(count)], bool)
    elif kind in "Mm":
        made = np.array([chance.randrange(10**6) for _ in range(count)], "i8").astype(
            f"{kind}8[{chance.choice(('s', 'D', 'ns'))}]"
        )
    elif kind == "V":
        made = np.zeros(count, "i4,f8")
    else:
        made = (
            np.array([make_text(chance)[:20].replace("\0", "") for _ in range(count)], f"{kind}20")
            if kind == "U"
            else np.array([b"ab"] * count, "S4")
        )
    made = made.reshape(shape)
    return made.T if chance.random() < 0.1 else made


def make_index(chance: Random) -> Any:
    """Make labels of any kind."""
    return chance.choice(_INDEXES)()


_INDEXES: list[Callable[[], Any]] = [
    lambda: pd.RangeIndex(3),
    lambda: pd.Index(["a", "b", f"{CANARY}.csv"]),
    lambda: pd.date_range("2024-01-31", periods=3, freq="D"),
    lambda: pd.date_range("2024-01-31", periods=3, freq="h", tz="Europe/Berlin"),
    lambda: pd.period_range("2024-01", periods=3, freq="M"),
    lambda: pd.timedelta_range("1h", periods=3),
    lambda: pd.CategoricalIndex(["a", "b", "a"]),
    lambda: pd.IntervalIndex.from_breaks([0.0, 1.0, 2.0, 3.0]),
    lambda: pd.MultiIndex.from_product([[1], ["x", "y", "z"]], names=["k", "l"]),
    lambda: pd.Index([], dtype="f8"),
    lambda: pd.Index([1.5, float("nan"), 1.5]),
]


def make_series(chance: Random) -> Any:
    """Make a column."""
    values: list[Any] = [
        [1, 2, 3], [1.5, None, -2.0], ["a", f"{CANARY}.txt", None], [True, False, True], [1j, 2j, 3j],
        ["1", "x", "2024-01-31"],
        pd.array([1, None, 3], "Int64"), pd.array(["x", None, "y"], "string"), pd.Categorical(["u", "v", "u"]),
        pd.date_range("2024", periods=3), pd.timedelta_range("1D", periods=3),
        pd.period_range("2024", periods=3, freq="Q"), pd.arrays.SparseArray([0, 0, 1]),
        pd.arrays.IntervalArray.from_breaks([0, 1, 2, 3]), [(1, 2), (3,), ()], [b"a", b"b", b"c"],
    ]  # fmt: skip
    return pd.Series(
        chance.choice(values),
        index=make_index(chance) if chance.random() < 0.0 else None,
        name=chance.choice((None, "a", 0, CANARY)),
    )


def make_frame(chance: Random) -> Any:
    """Make a table."""
    count = chance.choice((0, 1, 2, 3))
    names: list[Any] = [
        chance.choice(("a", "b", "key", 0, 1.5, CANARY, ("a", 1), f"{CANARY}.csv")) for _ in range(count)
    ]
    columns = [make_series(chance) for _ in names]
    made = pd.concat(columns, axis=1) if columns else pd.DataFrame()
    if names:
        made.columns = pd.Index(names, tupleize_cols=False)
    index = make_index(chance)
    if len(index) == len(made) and chance.random() < 0.5:
        made.index = index
    return made


def make_list(chance: Random) -> Any:
    """Make a list, tuple, set or dictionary."""
    items = [chance.choice((make_number, make_text, make_number))(chance) for _ in range(chance.randrange(6))]
    if chance.random() < 0.4:
        items = [chance.randrange(9) * 1.5 for _ in range(4)]
    choice = chance.randrange(8)
    if choice == 0:
        return {
            make_text(chance)[:40]: chance.choice((make_number, make_text, make_series, make_array))(chance)
            for _ in range(2)
        }
    if choice == 1:
        return {number: make_number(chance) for number in range(3)}
    if choice == 2:
        return [chance.choice((make_array, make_series, make_frame, make_text))(chance) for _ in range(2)]
    if choice == 3:
        return [[1, 2], [3, 4.5]]
    if choice == 4:
        return [make_array(chance)] * 2
    if choice == 5:
        return [("a", "f8"), ("b", "i4")]
    return items if chance.random() < 0.7 else tuple(items)


def make_other(chance: Random) -> Any:
    """Make a value of another type that a caller may send."""
    return chance.choice(_OTHERS)()


_OTHERS: list[Callable[[], Any]] = [
    lambda: datetime(2024, 1, 31, 10, 30),
    lambda: date(2024, 2, 29),
    lambda: time(10, 30),
    lambda: timedelta(hours=3),
    lambda: timezone(timedelta(hours=8)),
    lambda: Decimal("1E+6000"),
    lambda: Fraction(1, 3),
    lambda: b"canary.csv",
    lambda: b"\x80\x04cos\nsystem\n.",
    lambda: pd.Timestamp("2024-01-31", tz="UTC"),
    lambda: pd.Timedelta("1D"),
    lambda: pd.Period("2024Q1"),
    lambda: pd.Interval(0, 1),
    lambda: pd.NaT,
    lambda: pd.NA,
    lambda: pd.offsets.MonthEnd(2),
    lambda: range(5),
    lambda: slice(0, 2),
    lambda: np.float32(1.5),
    lambda: np.datetime64("2024-01-31"),
    lambda: np.dtype("f8"),
    lambda: pd.DataFrame({"a": [1, 2]}),
]
_KINDS: list[Callable[[Random], Any]] = [
    make_number, make_text, make_array, make_series, make_frame, make_index, make_list, make_other,
]  # fmt: skip
_WEIGHTS = [20, 18, 25, 9, 8, 5, 12, 4]


def make_own(cls: type, chance: Random) -> Any:
    """Make the instance that a method is called on; seldom something else."""
    if chance.random() < 0.02:
        return make_text(chance)
    makers: dict[str, Callable[[Random], Any]] = {"DataFrame": make_frame, "Series": make_series, "ndarray": make_array}
    if cls.__name__ in makers:
        return makers[cls.__name__](chance)
    known = [make() for make in (*_OTHERS, *_INDEXES)]
    fitting = [value for value in known if isinstance(value, cls)]
    return chance.choice(fitting) if fitting else chance.choice([make_text(chance), [1, 2], {"a": 1}, 1, b"a"])
