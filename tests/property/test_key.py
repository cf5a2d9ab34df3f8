"""Two calls have one key exactly if what they say is the same, by an oracle that knows nothing of the encoding."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ksrpc import wire
from ksrpc.errors import DecodeError, KsrpcError, TooLargeError
from ksrpc.gateway.key import KeyMaker
from ksrpc.model import Descriptor, Parameter
from tests.conformance.wire.golden import load
from tests.unit.wire.tabular.case import frames, indexes, series

QUICK = settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
WHOLE = Descriptor("m.f", "m.f", "m", "function", (Parameter("x", "POSITIONAL_OR_KEYWORD"),))
TABLES = {**frames(), **series(), **indexes()}
MAKER = KeyMaker()

#: Few different values, so that two of them are often equal, or nearly.
atoms = st.one_of(
    st.sampled_from([None, True, False, 0, 1, -1, 1.0, 0.0, -0.0, math.nan, math.inf, "", "1", "1.0", "True", "None"]),
    st.sampled_from([b"", b"1", bytearray(b"1"), np.int64(1), np.float64(1), np.bool_(True), np.str_("1"), np.int8(1)]),
    st.sampled_from([np.float32(1), np.bytes_(b"1"), np.uint64(2**64 - 1), 2**64 - 1, 2**64, -(2**63), -(2**63) - 1]),
    st.sampled_from([1 + 0j, complex(1, -0.0), np.complex128(1), Decimal("1"), Decimal("1.0"), Ellipsis, range(1)]),
    st.sampled_from([date(2024, 1, 1), datetime(2024, 1, 1), datetime(2024, 1, 1, tzinfo=UTC), timedelta(1)]),
    st.sampled_from([np.datetime64("2024-01-01"), np.datetime64("2024-01-01", "s"), np.timedelta64(1, "D"), slice(1)]),
    st.sampled_from([pd.Timestamp("2024-01-01"), pd.Timestamp("2024-01-01", tz="UTC"), pd.NaT, pd.NA]),
)
#: Only what can be compared with all others: members of a set are.
hashable = st.one_of(
    st.sampled_from([None, True, False, 0, 1, -1, 1.0, -0.0, math.nan, "", "1", "None", b"1", (1,), ("1",), Ellipsis]),
    st.sampled_from([np.int64(1), np.float64(1), np.str_("1"), np.bytes_(b"1"), 2**64, date(2024, 1, 1), timedelta(1)]),
)
arrays = st.builds(
    lambda items, dtype, order: np.array(items, order=order).astype(dtype),
    st.lists(st.lists(st.sampled_from([0, 1, -0.0, 2]), min_size=2, max_size=2), max_size=2),
    st.sampled_from(["i8", "f8", "i4", "U3", "c16", ">i8", "M8[s]", "?"]),
    st.sampled_from(["C", "F"]),
)
tables = st.builds(
    lambda items, names, kind: pd.DataFrame({name: pd.Series(items, dtype=kind) for name in names}),
    st.lists(st.sampled_from([0, 1, 2]), max_size=2),
    st.lists(st.sampled_from(["a", "b", 1, 1.5]), max_size=2, unique=True),
    st.sampled_from(["i8", "f8", "object", "Int64", "category"]),
)
values = st.recursive(
    atoms | arrays | tables,
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.tuples(inner),
        st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2),
        st.dictionaries(hashable, inner, max_size=2),
        st.sets(hashable, max_size=2),
        st.frozensets(hashable, max_size=2),
    ),
    max_leaves=4,
)


def key(value: Any) -> bytes:
    """Make the key of a call with one argument."""
    made = MAKER.make_key(WHOLE, wire.pack_arguments((value,), {}).join())
    if made is None:
        raise AssertionError("no key")
    return made


def tell(value: Any) -> Any:
    """Say in Python's own terms what a value is; equal exactly where keys are to be equal."""
    if isinstance(value, bool | np.bool_):
        return "bool", bool(value)
    if type(value) in (int, np.int64):
        return "int", int(value)
    if type(value) in (float, np.float64):
        return "float", "nan" if np.isnan(value) else float(value).hex()
    if type(value) in (complex, np.complex128):
        return "complex", tell(value.real), tell(value.imag)
    if isinstance(value, str | bytes):
        return "str" if isinstance(value, str) else "bytes", list(value)
    if isinstance(value, np.ndarray):
        return "array", value.dtype.str, value.shape, [tell(item) for item in value.reshape(-1).tolist()]
    if isinstance(value, pd.DataFrame):
        columns = [(str(kind), list(map(tell, value.iloc[:, i].tolist()))) for i, kind in enumerate(value.dtypes)]
        return "frame", str(value.index.dtype), value.index.tolist(), list(map(tell, value.columns)), columns
    return _tell_container(value)


def _tell_container(value: Any) -> Any:
    kind = type(value).__name__
    if isinstance(value, list | tuple):
        return kind, list(map(tell, value))
    if isinstance(value, set | frozenset):
        return kind, sorted(map(repr, map(tell, value)))
    if isinstance(value, dict):
        return kind, sorted(repr((tell(name), tell(item))) for name, item in value.items())
    return kind, str(getattr(value, "dtype", "")), repr(value)


def disguise(value: Any) -> Any:
    """Return what says the same in another way."""
    kind = type(value)
    others: dict[type, Any] = {int: np.int64, float: np.float64, bool: np.bool_, str: np.str_, complex: np.complex128}
    if kind in others and (kind is not int or -(2**63) <= value < 2**63):
        return others[kind](value)
    if kind in (np.int64, np.float64, np.bool_, np.str_, np.complex128, np.bytes_):
        return value.item()
    if kind in (list, tuple):
        return kind(map(disguise, value))
    if kind in (set, frozenset):
        return kind(sorted(map(disguise, value), key=repr, reverse=True))
    if kind is dict:
        return {disguise(name): disguise(item) for name, item in reversed(value.items())}
    if kind is np.ndarray:
        return np.array(value, order="F" if value.flags.c_contiguous else "C")
    return value.copy() if kind is pd.DataFrame else value


@QUICK
@given(values, values)
@example([1], [True])
@example(range(1), range(0, 1, 2))
def test_equal_exactly_if_they_say_the_same(one: Any, other: Any) -> None:
    assert (key(one) == key(other)) == (tell(one) == tell(other))


@QUICK
@given(values)
def test_another_way_to_say_it_is_the_same_key(value: Any) -> None:
    assert key(value) == key(disguise(value))


def test_keys_of_tables_are_all_different() -> None:
    made: dict[bytes, str] = {}
    for name, table in TABLES.items():
        with suppress(KsrpcError):
            message = wire.pack_arguments((table,), {}).join()
            found = MAKER.make_key(WHOLE, message)
            assert found is not None
            twin = made.setdefault(found, name)
            assert twin == name or wire.pack(TABLES[twin]).join() == wire.pack(table).join(), (twin, name)
    assert len(made) > 60


PROGRAM = textwrap.dedent("""
    import warnings
    warnings.simplefilter("ignore")
    from tests.property.test_key import TABLES, key
    from ksrpc.errors import EncodeError
    words = [f"w{n}" for n in range(50)]
    for value in [set(words), frozenset(words), dict.fromkeys(words), {(w,): {w} for w in words}, *TABLES.values()]:
        try:
            print(key(value).hex())
        except EncodeError:
            print("none")
""")


def test_four_processes_with_other_hashes_agree() -> None:
    told = set()
    for seed in "0123":
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        run = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
        )
        told.add(run.stdout)
    (text,) = told
    assert len(set(text.split())) > 60


def _corpus() -> Iterator[bytes]:
    for message in load().values():
        with warnings.catch_warnings(), suppress(KsrpcError):
            warnings.simplefilter("ignore")
            yield wire.pack_arguments((wire.parse(message),), {}).join()
    for table in TABLES.values():
        with suppress(KsrpcError):
            yield wire.pack_arguments((table,), {}).join()
    yield wire.pack_arguments((np.arange(500.0), ["x" * 9] * 100), {"a": {"b": [1, 2.5]}}).join()


CORPUS = [message for message in _corpus() if len(message) < 6000]


def _parse(data: bytes) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return wire.parse_arguments(data, table=wire.REQUEST_ANY_TABLE)


@settings(QUICK, max_examples=500)
@given(
    st.sampled_from(CORPUS),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=3),
)
def test_damaged_bytes_end_as_a_key_or_the_right_error(data: bytes, changes: list[tuple[float, int]]) -> None:
    changed = bytearray(data)
    for place, byte in changes:
        changed[int(place * (len(changed) - 1))] = byte
    free = Descriptor("m.f", "m.f", "m", "function", None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            MAKER.make_key(free, bytes(changed))
        except (DecodeError, TooLargeError):
            with pytest.raises(KsrpcError):  # nothing is refused here that the worker would take
                _parse(bytes(changed))


@pytest.mark.parametrize("data", CORPUS[::7], ids=lambda data: str(len(data)))
def test_cut_and_trailing_bytes_are_refused(data: bytes) -> None:
    for size in range(0, len(data), 3):
        with pytest.raises(DecodeError):
            MAKER.make_key(WHOLE, data[:size])
    with pytest.raises(DecodeError):
        MAKER.make_key(WHOLE, data + b"\0")
    assert MAKER.make_key(WHOLE, data) == MAKER.make_key(WHOLE, bytearray(data))
