"""Gate C: which arguments pass, by parameter, by text, by instance and by size."""

from __future__ import annotations

import datetime
import re
import types
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ksrpc.errors import ArgumentError, ForbiddenError
from ksrpc.expose import Resolver, Target, load_presets
from ksrpc.model import Rules
from tests.unit.expose.conftest import Builder

RESOLVER = Resolver(Rules(allow=tuple(root for root, preset in load_presets().items() if preset.kind != "vendor")))
STALL = """
def get(symbol, fields=None, start=None, **kwargs): return symbol
def read(path, *, sql=None): return path
def call(callback, engine=None, proxies=None): return callback
def fetch(url, host=None): return url
def rest(first, *args): return args
def only(x, /): return x
def mixed(code, data_file=None, on_done_callback=None, date_path=None): return code
"""


@pytest.fixture
def stall(build: Builder) -> Callable[[str], Target]:
    """Serve a vendor's functions."""
    build({"stall.py": STALL})
    resolver = Resolver(Rules(allow=("stall",)))
    return lambda name: resolver.resolve(f"stall.{name}")


def refusal(target: Target, *args: Any, **kwargs: Any) -> ForbiddenError:
    """Return how gate C refuses a call."""
    with pytest.raises(ForbiddenError) as caught:
        target.call_check(args, kwargs)
    assert caught.value.gate == "C"
    return caught.value


SUSPECT = [
    "http://169.254.169.254/latest",
    "file:///etc/passwd",
    "file:/etc/passwd",
    "ftp://x",
    "gopher://localhost:6379/_x",
    "jar:http://x!/y",
    "/etc/passwd",
    "\\\\host\\share",
    "C:\\windows",
    "c:/windows",
    "~/.ssh/id_rsa",
    "../../etc/passwd",
    "a/../../b",
    "a\\..\\b",
    "..",
    "a\x00b",
    "$HOME/x",
    "${HOME}",
    "$(id)",
    b"/etc/passwd",
    bytearray(b"http://x"),
    np.str_("/etc/passwd"),
    ["ok", ["/etc/passwd"]],
    {"/etc/passwd": 1},
    {"a": {"b": ("http://x",)}},
    {"http://x"},
]


@pytest.mark.parametrize("value", SUSPECT, ids=ascii)
def test_suspect_text_anywhere(stall: Callable[[str], Target], value: Any) -> None:
    """C3 holds for every parameter, position and depth."""
    assert refusal(stall("get"), value).rule == "C3"
    assert refusal(stall("get"), "x", fields=value).rule == "C3"
    assert refusal(stall("get"), "x", unknown=value).rule == "C3"
    assert refusal(stall("rest"), 1, 2, value).rule == "C3"
    assert refusal(stall("only"), value).rule == "C3"


FINE = ["000001.SZ,600000.SH", "2024/01/02", "2024-01-02 10:00:00", "a:b", "50%", "$1", "抱歉", "x" * 10_000, "", "a.b"]


@pytest.mark.parametrize("value", [*FINE, 1.5, None, True, datetime.date(2024, 1, 1), Decimal("1.5"), Fraction(1, 3)])
def test_plain_data_passes(stall: Callable[[str], Target], value: Any) -> None:
    """What calls are made of."""
    stall("get").call_check((value,), {"fields": [value], "more": {"k": value}})


@pytest.mark.parametrize("name", ["path", "sql"])
@pytest.mark.parametrize("value", ["select * from t", "a_b", "x(y)", "@secret", "a b", "dir/file", b"x", {"a": 1}])
def test_places_and_expressions(stall: Callable[[str], Target], name: str, value: Any) -> None:
    """C2: only short plain text passes where a place or an expression is named."""
    error = refusal(stall("read"), **{"path": "x", name: value})
    assert error.rule == "C2"
    assert name in str(error)


def test_security_codes_pass_as_places(stall: Callable[[str], Target]) -> None:
    """C2: a code is short plain text, alone or in a list."""
    stall("read").call_check(("000001.SZ",), {})
    stall("read").call_check((["000001.SZ", "600000.SH"],), {"sql": None})
    stall("mixed").call_check(("600000.SH|000001.SZ",), {})


@pytest.mark.parametrize("name", ["callback", "engine", "proxies"])
@pytest.mark.parametrize("value", ["python", ["sum"], {"http": "x"}, b"x", datetime.date(2024, 1, 1)])
def test_capabilities(stall: Callable[[str], Target], name: str, value: Any) -> None:
    """C2: nothing but None, booleans and numbers."""
    assert refusal(stall("call"), **{"callback": None, name: value}).rule == "C2"
    stall("call").call_check((None,), {"engine": 1, "proxies": False})


@pytest.mark.parametrize("name", ["path", "sql"])
def test_bounds_of_values_hold_for_every_class(stall: Callable[[str], Target], name: str) -> None:
    """C1 comes first, whatever a parameter is called."""
    for value in (2**70, Sneaky("x"), [2**70], Decimal("1E+99999999")):
        assert refusal(stall("read"), **{"path": "x", name: value}).rule == "C1"
    assert refusal(stall("call"), 2**70).rule == "C1"


@pytest.mark.parametrize("value", ["localhost:6379", "127.0.0.1", "example.com"])
def test_addresses_are_capabilities(stall: Callable[[str], Target], value: str) -> None:
    """C2: an address without a scheme is one still."""
    assert refusal(stall("fetch"), value).rule == "C2"
    assert refusal(stall("fetch"), None, host=value).rule == "C2"


def test_names_are_classed_by_their_end_and_in_kwargs(stall: Callable[[str], Target]) -> None:
    """C2: `data_file`, `on_done_callback`, and names that only `**kwargs` takes."""
    assert refusal(stall("mixed"), "x", data_file="a_b").rule == "C2"
    assert refusal(stall("mixed"), "x", on_done_callback="print").rule == "C2"
    for name in ("engine", "PROXIES", "_path", "cache_dir"):
        assert refusal(stall("get"), "x", **{name: "a_b"}).rule == "C2"


class Sneaky(str):
    """Be a text to `isinstance` and something else to who looks closer."""

    __slots__ = ()


@pytest.mark.parametrize(
    "value",
    [
        types.SimpleNamespace(a=1),
        object(),
        print,
        int,
        ValueError("x"),
        Sneaky("x"),
        memoryview(b"x"),
        iter("x"),
        2**62 + 1,
        -(2**100),
        range(10**9),
        Decimal("1E+99999999"),
        np.array([object()]),
        [2**63, "x"],
        {"a": [2**63]},
        [2**63],
    ],
    ids=lambda value: re.sub(" at 0x.*", "", ascii(value))[:30],
)
def test_what_cannot_be_sent(stall: Callable[[str], Target], value: Any) -> None:
    """C1: types outside the request table, and values that are small to send and huge to work with."""
    assert refusal(stall("get"), value).rule == "C1"
    assert refusal(stall("get"), "x", fields=[value, "y"]).rule == "C1"


def test_deep_and_long_values_are_walked_without_recursion(stall: Callable[[str], Target]) -> None:
    """A nesting deeper than Python's own stack is judged."""
    value: Any = "http://x"
    for _ in range(5000):
        value = [value]
    assert refusal(stall("get"), value).rule == "C3"
    stall("get").call_check(([1.5] * 1_000_000,), {})


def test_misfit_goes_on_to_the_library(stall: Callable[[str], Target]) -> None:
    """Arguments that do not fit leave the TypeError to Python, unless they are texts of any doubt."""
    for args, kwargs in (((), {}), ((1, 2, 3, 4), {}), ((1,), {"x": 1})):
        stall("only").call_check(args, kwargs)
        with pytest.raises(TypeError):
            stall("only").object(*args, **kwargs)
    assert refusal(stall("only"), 1, "a_b").rule == "C2"
    assert refusal(stall("only"), 1, nothing="/x").rule == "C3"
    RESOLVER.resolve("math.pow").call_check((2,), {})
    with pytest.raises(ArgumentError, match="unexpected keyword argument 'bogus'"):
        RESOLVER.resolve("numpy.tile").call_check((1, 2), {"bogus": 1})


C4 = [
    ("pandas.DataFrame.head", (b"A" * 400,)),
    ("pandas.DataFrame.head", (None, 5)),
    ("pandas.DataFrame.head", (pd.Series([1]),)),
    ("pandas.DataFrame.sort_values", ({"a": 1}, "a")),
    ("pandas.Series.mean", ([1, 2],)),
    ("datetime.date.isoformat", ("2024-01-01",)),
    ("datetime.datetime.timestamp", (datetime.date(2024, 1, 1),)),
    ("datetime.datetime.replace", (pd.Timestamp("2024-01-31"),)),  # made one of the year 0, whose use ended the process
    ("datetime.date.replace", (pd.Timestamp("2024-01-31"),)),
]


@pytest.mark.parametrize(("path", "args"), C4)
def test_foreign_self(path: str, args: tuple[Any, ...]) -> None:
    """C4: the first argument is an instance of the class, and it stands first."""
    target = RESOLVER.resolve(path)
    assert refusal(target, *args).rule == "C4"
    assert refusal(target, self=args[0]).rule == "C4"
    target.call_check((), {})


@pytest.mark.parametrize("value", [np.datetime64("2024-01-31"), np.timedelta64(1, "D")])
def test_scalars_that_are_no_numbers_are_not_compared_with_bounds(value: Any) -> None:
    series = pd.Series([1.0])
    RESOLVER.resolve("pandas.Series.shift").call_check((series, value), {})
    with pytest.raises(ForbiddenError):
        RESOLVER.resolve("json.loads").call_check(("{}",), {"cls": value})


BIG = 2**27 + 1
SQUARE = np.ones((3, 3))
TALL = pd.DataFrame({"a": np.zeros(2**14)})
WIDE = pd.DataFrame(np.zeros((1, 2**14)))
HUGE = [
    ("numpy.zeros", (BIG,), {}),
    ("numpy.zeros", ([2**20, 2**20],), {}),
    ("numpy.zeros", (), {"shape": (2**20, 2**20)}),
    ("numpy.zeros", (2**20, "S100000"), {}),
    ("numpy.zeros", (2**23,), {"dtype": "S256"}),
    ("numpy.zeros", (np.array([2**20, 2**20]),), {}),
    ("numpy.zeros", (float("inf"),), {}),
    ("numpy.full", (BIG, 1), {}),
    ("numpy.eye", (2**14,), {}),
    ("numpy.eye", (1, 2**28), {}),
    ("numpy.identity", (2**14,), {}),
    ("numpy.arange", (2**40,), {}),
    ("numpy.arange", (), {"start": 0, "stop": 2**40}),
    ("numpy.arange", (0, 1, 1e-12), {}),
    ("numpy.arange", ("2000", "2020"), {"dtype": "datetime64[ns]"}),
    ("numpy.linspace", (0, 1, BIG), {}),
    ("numpy.linspace", (np.ones(10**5), 1), {"num": 10**5}),
    ("numpy.add", (np.ones((2**14, 1)), np.ones((1, 2**14))), {}),
    ("numpy.add.outer", (np.ones(2**14), np.ones(2**14)), {}),
    ("numpy.multiply", (pd.Series(["a", "b"]), 10**9), {}),
    ("numpy.outer", (np.ones(2**14), np.ones(2**14)), {}),
    ("numpy.diag", (np.ones(2**14),), {}),
    ("numpy.cov", (np.ones((2**14, 2)),), {}),
    ("numpy.tile", (np.ones(4), 2**26), {}),
    ("numpy.tile", (np.ones(4), [2**13, 2**13]), {}),
    ("numpy.repeat", (np.ones(4), 2**26), {}),
    ("numpy.repeat", (np.ones(2), [2**30, 1]), {}),
    ("numpy.kron", (np.ones(2**14), np.ones(2**14)), {}),
    ("numpy.meshgrid", (np.ones(2**14), np.ones(2**14)), {}),
    ("numpy.linalg.matrix_power", (SQUARE, 10**9), {}),
    ("numpy.linalg.svd", (np.ones((2**14, 2)),), {}),
    ("numpy.roots", (np.ones(10**4),), {}),
    ("numpy.histogram", (np.ones(3),), {"bins": 10**9}),
    ("numpy.histogram", (np.ones(3),), {"bins": "auto"}),
    ("numpy.diff", (np.ones(3), 10**9), {}),
    ("numpy.fft.fft", (np.ones(3), BIG), {}),
    ("numpy.hanning", (BIG,), {}),
    ("numpy.random.normal", (), {"size": BIG}),
    ("numpy.random.normal", (0, 1, (2**20, 2**20)), {}),
    ("numpy.random.rand", (2**20, 2**20), {}),
    ("numpy.random.permutation", (BIG,), {}),
    ("numpy.random.choice", (BIG,), {}),
    ("numpy.array", ([1],), {"dtype": "S100000"}),
    ("operator.mul", ("a", 10**9), {}),
    ("operator.mul", ([1], 10**9), {}),
    ("operator.mul", (pd.Series(["a"]), 10**9), {}),
    ("statistics.quantiles", ([1, 2],), {"n": 10**9}),
    ("json.dumps", ([1],), {"indent": 10**9}),
    ("pandas.date_range", ("2000-01-01", "2020-01-01"), {"freq": "ns"}),
    ("pandas.date_range", ("2000-01-01", "2020-01-01"), {"freq": "s"}),
    ("pandas.date_range", ("2000-01-01",), {"periods": 10**9}),
    ("pandas.bdate_range", ("0001-01-01",), {"periods": 10**9}),
    ("pandas.DataFrame", (0,), {"index": range(10**5), "columns": range(10**5)}),
    ("pandas.cut", ([1, 2],), {"bins": 10**9}),
    ("pandas.Series.mul", (pd.Series(["a"]), 10**9), {}),
    ("pandas.Series.rmod", (pd.Series([1]), pd.Series(["%1000000000d"])), {}),
    ("pandas.DataFrame.add", (TALL, WIDE), {}),
    ("pandas.DataFrame.combine_first", (TALL, WIDE), {}),
    ("pandas.DataFrame.assign", (TALL,), {f"c{number}": 1 for number in range(9_000)}),
    ("pandas.DataFrame.add_prefix", (TALL, "x" * 10**6), {}),
    ("pandas.DatetimeIndex.strftime", (pd.date_range("2024", periods=2_000), "x" * 10**6), {}),
    ("pandas.DataFrame.take", (WIDE, range(2**14)), {}),
    ("pandas.DataFrame.take", (TALL, range(2**14)), {"axis": "columns"}),
    ("pandas.DataFrame.sample", (TALL, 10**6), {"replace": True}),
    ("pandas.Series.value_counts", (pd.Series([1.0]),), {"bins": 10**9}),
    ("pandas.Series.repeat", (pd.Series([1.0]), BIG), {}),
    ("pandas.get_dummies", (range(2**16),), {}),
    ("pandas.get_dummies", (pd.DataFrame({"a": range(2**14), "b": 1}),), {"dtype": "float64"}),
    ("pandas.timedelta_range", ("0s", "9000D"), {"freq": "us"}),
    ("pandas.timedelta_range", ("0s",), {"periods": 10**9}),
    ("pandas.period_range", ("1700", "2200"), {"freq": "s"}),
    ("pandas.period_range", (pd.Period("1970", "s"), pd.Period("2200", "s")), {}),
    ("pandas.period_range", ("1700",), {"periods": 10**9, "freq": "D"}),
    ("pandas.RangeIndex", (2**40,), {}),
    ("pandas.MultiIndex.from_product", ([range(2**10)] * 3,), {}),
    ("numpy.bincount", ([1, 2**30],), {}),
    ("numpy.bincount", (np.array([1, 2**30]),), {}),
    ("numpy.bincount", ([1],), {"minlength": 2**30}),
    ("numpy.pad", (np.ones(3), BIG), {}),
    ("numpy.pad", (np.ones((2, 2)), [(2**13, 0), (0, 2**13)]), {}),
    ("numpy.take", (np.ones((2, 2**16)), np.zeros(2**14, int)), {"axis": 0}),
    ("numpy.broadcast_to", (1.0, (2**20, 2**20)), {}),
    ("numpy.inner", (np.ones((2**14, 1)), np.ones((2**14, 1))), {}),
    ("numpy.cross", (pd.Series(["a", "b", "c"]), [10**9] * 3), {}),
    ("numpy.trapezoid", (pd.Series(["a", "b"]),), {"dx": 10**9}),
    ("numpy.base_repr", (3,), {"padding": 10**9}),
    ("numpy.format_float_positional", (1.5,), {"pad_left": 10**9}),
    ("numpy.unpackbits", (np.ones(1, "u1"),), {"count": BIG}),
    ("numpy.random.bytes", (BIG,), {}),
]


@pytest.mark.parametrize(("path", "args", "kwargs"), HUGE)
def test_sizes(path: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """C5: refused before anything is allocated."""
    with pytest.raises((ForbiddenError, ArgumentError)) as caught:
        RESOLVER.resolve(path).call_check(args, kwargs)
    if isinstance(caught.value, ForbiddenError):
        assert caught.value.rule == "C5"


CAPABLE = [
    ("pandas.merge", (pd.DataFrame(), pd.DataFrame(), "cross"), {}),
    ("pandas.pivot_table", (pd.DataFrame(),), {"aggfunc": "to_pickle"}),
    ("pandas.pivot_table", (pd.DataFrame(),), {"aggfunc": {"a": "to_csv"}}),
    ("pandas.crosstab", ([1], [1]), {"values": [1], "aggfunc": "eval"}),
    ("pandas.Timestamp", ("2024-01-01",), {"tz": "dateutil//etc/passwd"}),
    ("pandas.DataFrame.tz_localize", (pd.DataFrame(), "dateutil/x"), {}),
    ("pandas.Series", ([1],), {"dtype": "datetime64[ns, dateutil//etc/passwd]"}),
    ("pandas.DataFrame.astype", (pd.DataFrame(), {"a": "datetime64[ns, dateutil/x]"}), {}),
    ("pandas.DataFrame.sort_values", (pd.DataFrame(), "a"), {"key": "eval"}),
    ("pandas.util.hash_array", (np.ones(1),), {"encoding": "rot13"}),
    ("numpy.zeros", (1,), {"like": np.ones(1)}),
    ("numpy.zeros", (1,), {"dtype": "V8,(2,)O@"}),
    ("json.loads", ("{}",), {"cls": "x"}),
    ("json.loads", ("{}",), {"object_hook": "x"}),
    ("json.dumps", ({},), {"default": "str"}),
    ("bisect.bisect", ([1], 1), {"key": "x"}),
    ("pandas.Timestamp.day_name", (pd.Timestamp("2024"), "de_DE"), {}),
    ("pandas.DatetimeIndex.month_name", (pd.date_range("2024", periods=1),), {"locale": "de_DE"}),
    ("pandas.Series.replace", (pd.Series(["a"]), "a+", "b"), {"regex": True}),
    ("pandas.DataFrame.filter", (pd.DataFrame(),), {"regex": "(a+)+$"}),
    ("numpy.pad", (np.ones(1), 1), {"mode": "empty"}),
    ("numpy.asanyarray", ([1],), {"dtype": "O@"}),
]


@pytest.mark.parametrize(("path", "args", "kwargs"), CAPABLE)
def test_capabilities_in_presets(path: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """C2: parameters that take code, names of functions, or open files."""
    assert refusal(RESOLVER.resolve(path), *args, **kwargs).rule in ("C2", "C3")


def test_refusal_names_the_parameter(stall: Callable[[str], Target]) -> None:
    """The text says which one, and nothing of its value."""
    text = str(refusal(stall("get"), "x", fields="/etc/passwd"))
    assert "'fields'" in text
    assert "passwd" not in text


def test_what_ends_a_process_is_refused_before() -> None:
    """Found by the effect fuzzer: C code that trusts what it is given."""
    for path, args, kwargs in (
        ("datetime.date.replace", (datetime.datetime(2024, 1, 31, 10, 30),), {}),
        ("numpy.equal", (np.ones((2, 2), "u1"), -1), {"where": "2147483648"}),
    ):
        with pytest.raises(ForbiddenError):
            RESOLVER.resolve(path).call_check(args, kwargs)
    mask = np.array([True, False])
    RESOLVER.resolve("numpy.equal").call_check((np.ones(2), 1.0), {"where": mask})
