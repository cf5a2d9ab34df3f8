"""The values of the golden messages, and the program that writes them: `python -m tests.conformance.wire.golden`.

Each message is one that every implementation reads as the described value. The file is written again only when a tag or
a payload is added: existing messages never change.
"""

from __future__ import annotations

import collections
import datetime as dt
import decimal
import fractions
import importlib.util
import ipaddress
import json
import uuid
import zoneinfo
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from ksrpc.wire import pack, parse
from ksrpc.wire.instance import Instance, Member

FILE = Path(__file__).with_name("golden.json")

NAN_BITS = np.array([0x7FF8_0000_0000_0001], np.uint64).view(np.float64)[0].item()
CODES: Any = [np.array([0, 1], "i1"), np.array([1, -1], "i1")]
SHARED = np.array([1, 2], "<i2")
#: Begins what a foreign library writes: every version of it must be read, and none writes exactly as another.
FOREIGN = "as an Arrow stream: "


def _plain() -> dict[str, Any]:
    return {
        "nil": None,
        "true": True,
        "integers [0, -1, 2**64-1, -2**63]": [0, -1, 2**64 - 1, -(2**63)],
        "floats [1.5, -0.0, inf, nan with payload 1]": [1.5, -0.0, float("inf"), NAN_BITS],
        "text '中文', bytes 00 ff": ["中文", b"\x00\xff"],
        "map {a: [1, {}]}": {"a": [1, {}]},
        "tuple (1, (2,))": (1, (2,)),
        "set {7}": {7},
        "frozenset {'a'}": frozenset("a"),
        "map with other keys {1: 'a', None: (2,)}": {1: "a", None: (2,)},
        "ordered dict b=1, a=2": collections.OrderedDict(b=1, a=2),
        "counter a=2": collections.Counter("aa"),
        "default dict of list, a=[1]": collections.defaultdict(list, a=[1]),
        "deque [1, 2], at most 5": collections.deque([1, 2], 5),
        "integer 2**64": 2**64,
        "integer -2**63-1": -(2**63) - 1,
        "complex 1-2j": 1 - 2j,
        "bytearray 61 62": bytearray(b"ab"),
        "memoryview of u2 [1, 2]": memoryview(np.array([1, 2], "<u2").data),
        "text with a lone surrogate U+D800": "\ud800",
        "decimal -0E+5": decimal.Decimal("-0E+5"),
        "fraction 1/3": fractions.Fraction(1, 3),
        "uuid": uuid.UUID(int=0x0123456789ABCDEF),
        "range(1, 10, 2)": range(1, 10, 2),
        "slice(None, 5, None)": slice(5),
        "ellipsis": ...,
        "not implemented": NotImplemented,
        "70 000 bytes of 61, in a buffer": b"a" * 70_000,
        "70 000 letters b, in a buffer": "b" * 70_000,
    }


def _times() -> dict[str, Any]:
    eastern = dt.timezone(dt.timedelta(hours=8), "CST")
    return {
        "date 2024-02-29": dt.date(2024, 2, 29),
        "time 09:30:00.000001, fold 1": dt.time(9, 30, 0, 1, fold=1),
        "naive datetime": dt.datetime(2024, 1, 31, 9, 30),
        "datetime in UTC": dt.datetime(2024, 1, 31, tzinfo=dt.UTC),
        "datetime in Asia/Shanghai": dt.datetime(2024, 1, 31, tzinfo=zoneinfo.ZoneInfo("Asia/Shanghai")),
        "datetime at +08:00 'CST'": dt.datetime(2024, 1, 31, tzinfo=eastern),
        "timedelta -1 day, 2 s, 3 µs": dt.timedelta(-1, 2, 3),
    }


def _arrays() -> dict[str, Any]:
    structure = np.dtype([("a", "|i1"), ("b", "<f8")], align=True)
    return {
        "array f8 [1.5, nan]": np.array([1.5, np.nan], "<f8"),
        "array i4 2x3, C": np.arange(6, dtype="<i4").reshape(2, 3),
        "array i4 2x3, F": np.asfortranarray(np.arange(6, dtype="<i4").reshape(2, 3)),
        "array u1 without dimensions, 5": np.array(5, "u1"),
        "array f8 0x3": np.zeros((0, 3), "<f8"),
        "array bool": np.array([True, False]),
        "array big-endian i2": np.array([1, 2], ">i2"),
        "array text": np.array(["a", "中文"], "<U2"),
        "array bytes": np.array([b"a", b"bc"], "S2"),
        "array days, NaT": np.array(["2024-01-31", "NaT"], "<M8[D]"),
        "array 25 s": np.array([1, -1], "<m8[25s]"),
        "array of a structure": np.array([(1, 2.5), (3, 0.0)], structure),
        "objects [1, 'a', None]": np.array([1, "a", None], dtype=object),
        "64 objects 'a', 'b' by code": np.array(["a", "b"] * 32, dtype=object),
        "one array twice": [SHARED, SHARED],
        "400 f8 in a buffer": np.arange(400, dtype="<f8"),
        "scalar f8": np.float64(1.5),
        "scalar text": np.str_("ab"),
        "scalar day": np.datetime64("2024-01-31", "D"),
        "data type f8": np.dtype("<f8"),
        "data type of a structure": structure,
    }


def _tables() -> dict[str, Any]:
    days = pd.DatetimeIndex(np.array(["2024-01-01", "2024-01-02"], "<M8[ns]"), freq="D", name="day")
    labels = pd.Index(["a", "b"], dtype=object)
    frame = pd.DataFrame({"x": [1.5, 2.5], "n": [1, 2]}, index=days)
    frame.columns = pd.Index(["x", "n"], dtype=object)
    levels: Any = [pd.Index([1, 2]), pd.Index(["u", "v"], dtype=object)]
    objects = pd.Series(["000001", None], index=labels, dtype=object, name="code")
    aware = pd.DatetimeIndex(np.array([0], "<M8[us]")).tz_localize("UTC").tz_convert(zoneinfo.ZoneInfo("Asia/Shanghai"))
    return {
        "frame x f8, n i8; daily index": frame,
        "series of objects": objects,
        "range index 0..3": pd.RangeIndex(3),
        "frame without anything": pd.DataFrame(index=pd.RangeIndex(0), columns=pd.RangeIndex(0)),
        "multi index": pd.MultiIndex(levels, CODES, names=["k", None]),
        "nullable Int64 [1, NA]": pd.array([1, None], dtype="Int64"),
        "category b < a": pd.Categorical.from_codes([1, -1], pd.Index(["b", "a"], dtype=object), ordered=True),
        "periods 2024-01": pd.period_range("2024-01", periods=2, freq="M"),
        "string, python storage": pd.array(["a", None], dtype=pd.StringDtype("python")),
        "times in a zone": aware,
        "interval (0, 1]": pd.IntervalIndex.from_arrays([0], [1]),
        "timestamp, ns": pd.Timestamp("2024-01-31").as_unit("ns"),
        "timedelta, s": pd.Timedelta(5, "s").as_unit("s"),
        "period": pd.Period("2024-01", "M"),
        "interval [1, 2]": pd.Interval(1, 2, "both"),
        "NaT": pd.NaT,
        "NA": pd.NA,
        "offset 2h": pd.offsets.Hour(2),
        "offset by class": pd.DateOffset(months=1),
        "pandas data type": pd.Int64Dtype(),
    }


def _columnar() -> dict[str, Any]:
    """Make values of libraries that may be missing, and of pandas' arrays that lean on them."""
    made: dict[str, Any] = {
        "sparse column [0, 0, 1.5], integer": pd.arrays.SparseArray([0, 0, 1.5], fill_value=0.0),
        "sparse column [NaN, 1, 2], block": pd.arrays.SparseArray([np.nan, 1, 2], kind="block"),
        "numpy column ['a', 1]": pd.arrays.NumpyExtensionArray(np.array(["a", 1], dtype=object)),
        "sparse data type": pd.SparseDtype("f8", 0.0),
    }
    if importlib.util.find_spec("scipy") is not None:
        from scipy import sparse

        made["sparse csr_array 2x3"] = sparse.csr_array(np.array([[0, 1.5, 0], [2, 0, 0]]))
        made["sparse coo_matrix 2x2"] = sparse.coo_matrix(np.array([[0, 1], [0, 0]]))
    if importlib.util.find_spec("pyarrow") is not None:
        import pyarrow as pa

        text: Any = pd.ArrowDtype(pa.string())
        lists: Any = pd.ArrowDtype(pa.list_(pa.int8()))
        made[f"{FOREIGN}table a: int64, t: text"] = pa.table({"a": [1, None], "t": ["x", "中文"]})
        made[f"{FOREIGN}schema"] = pa.schema([pa.field("x", pa.decimal128(10, 2), nullable=False)], metadata={"k": "v"})
        made[f"{FOREIGN}column of lists"] = pd.array([[1, 2], None], dtype=lists)
        made["text column, string of Arrow"] = pd.array(["a", None], dtype=text)
    if importlib.util.find_spec("polars") is not None:
        import polars as pl

        made[f"{FOREIGN}polars frame"] = pl.DataFrame({"e": pl.Series(["b", None], dtype=pl.Enum(["a", "b"]))})
    return made


def _places() -> dict[str, Any]:
    return {
        "namespace a=1": SimpleNamespace(a=1),
        "posix path /a/b": PurePosixPath("/a/b"),
        "windows path C:\\a": PureWindowsPath("C:\\a"),
        "address 192.0.2.1": ipaddress.ip_address("192.0.2.1"),
        "address fe80::1 in zone eth0": ipaddress.ip_address("fe80::1%eth0"),
        "network 192.0.2.0/24": ipaddress.ip_network("192.0.2.0/24"),
        "interface 192.0.2.5/24": ipaddress.ip_interface("192.0.2.5/24"),
    }


def _objects() -> dict[str, Any]:
    """Make what arrives of objects whose classes the receiver does not have; it is sent on as what it was."""
    pair = collections.namedtuple("pair", ["left", "right"], module="vendor")
    return {
        "named tuple left=1, right=2": parse(pack(pair(1, 2)).join()),
        "dataclass vendor.Bar, code='a'": Instance("vendor.Bar", {"code": "a"}, is_dataclass=True),
        "record vendor.Tick, price=1.5": Instance("vendor.Tick", {"price": 1.5}, is_dataclass=False),
        "member BUY = 'b' of vendor.Side": Member("vendor.Side", "BUY", "b"),
        "subclass of dict, a=1": parse(pack(_Basket(a=1)).join()),
    }


class _Basket(dict[str, int]):
    __module__, __qualname__ = "vendor", "Basket"


def _subarrays() -> dict[str, Any]:
    structure = np.dtype([("a", "<i4"), ("b", "<f8")])
    made = {
        "masked array [1.5, masked 2.5]": np.ma.MaskedArray([1.5, 2.5], [False, True]),
        "the masked constant": np.ma.masked,
        "matrix 1x2": np.array([[1, 2]], "<i2").view(np.matrix),
        "record array": np.array([(1, 2.5)], structure).view(np.recarray),
    }
    if hasattr(np, "dtypes") and hasattr(np.dtypes, "StringDType"):
        made["array of StringDType 'a', missing"] = np.array(["a", None], np.dtypes.StringDType(na_object=None))
    return made


def values() -> dict[str, Any]:
    """Return description → value."""
    newer = {**_places(), **_objects(), **_subarrays()}
    return {**_plain(), **_times(), **_arrays(), **_tables(), **_columnar(), **newer}


def load() -> dict[str, bytes]:
    """Return description → message, as they are checked in."""
    told: dict[str, str] = json.loads(FILE.read_text(encoding="utf-8"))
    return {name: bytes.fromhex(text) for name, text in told.items()}


def dump() -> None:
    """Write the messages."""
    made = {name: pack(value, codec="none").join() for name, value in values().items()}
    small = {name: data.hex() for name, data in made.items() if len(data) < 5000}
    FILE.write_text(json.dumps(small, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    dump()
