"""Any value that can be made of the types of the wire arrives as it is, in every feed."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ksrpc.wire import CODECS, pack, pack_arguments, parse, parse_arguments
from tests.helpers.feed import ragged
from tests.unit.wire.carry import read

QUICK = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])

times = st.datetimes(timezones=st.none() | st.timezones() | st.just(dt.UTC))
hashable = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(),
    st.binary(),
    st.decimals(allow_nan=False),
    st.fractions(),
    st.uuids(),
    st.dates(),
    times,
    st.times(),
    st.timedeltas(),
    st.complex_numbers(allow_nan=False),
)
anything = st.recursive(
    hashable | st.text(st.characters(categories=["Cs", "L"])),
    lambda inner: st.one_of(
        st.lists(inner),
        st.tuples(inner, inner),
        st.dictionaries(hashable, inner),
        st.dictionaries(st.text(), inner),
        st.sets(hashable),
        st.frozensets(hashable),
        st.builds(slice, hashable, hashable),
    ),
    max_leaves=20,
)
safe = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False), st.text(), st.binary()
    ),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner),
    max_leaves=10,
)
dtypes = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(),
    hnp.floating_dtypes(),
    hnp.complex_number_dtypes(),
    hnp.unicode_string_dtypes(),
    hnp.byte_string_dtypes(),
    hnp.datetime64_dtypes(),
    hnp.timedelta64_dtypes(),
)


def typed(value: Any) -> Any:
    """Return a form in which 1, 1.0 and True differ, and -0.0 and 0.0 too."""
    if isinstance(value, dict):
        return [(typed(key), typed(item)) for key, item in value.items()]
    if isinstance(value, list | tuple):
        return type(value), [typed(item) for item in value]
    if isinstance(value, set | frozenset):
        return type(value), sorted(repr(item) for item in value)
    return type(value), repr(value)


@QUICK
@given(anything, st.sampled_from(CODECS))
def test_a_value_arrives(value: Any, codec: str) -> None:
    data = pack(value, codec=codec).join()
    assert typed(parse(data)) == typed(value)
    assert typed(read(data, ragged)) == typed(value)
    assert pack(parse(data), codec=codec).nbytes == len(data)


@QUICK
@given(st.lists(safe, max_size=4), st.dictionaries(st.text(), safe, max_size=3))
def test_arguments_arrive(args: list[Any], kwargs: dict[str, Any]) -> None:
    got = parse_arguments(pack_arguments(tuple(args), kwargs).join())
    assert typed(got) == typed((tuple(args), kwargs))


@QUICK
@given(hnp.arrays(dtypes, hnp.array_shapes(min_dims=0, min_side=0, max_side=6)), st.booleans())
def test_an_array_arrives(array: np.ndarray[Any, Any], transposed: bool) -> None:
    value = array.T if transposed else array
    got = parse(pack(value).join())
    assert (got.dtype, got.shape) == (value.dtype, value.shape)
    assert got.tobytes() == value.tobytes()
    assert got.flags.f_contiguous or not value.flags.f_contiguous


cells = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.dates(), st.just(pd.NaT), st.just(pd.NA)
)


@QUICK
@given(st.lists(cells, max_size=80), st.none() | st.text() | st.integers(), st.booleans())
def test_a_column_of_anything_arrives(items: list[Any], name: Any, inferred: bool) -> None:
    value = pd.Series(items, dtype=None if inferred and not any(item is pd.NA for item in items) else object, name=name)
    got = parse(pack(value).join())
    assert got.dtype == value.dtype
    assert got.name == name
    assert typed(got.tolist()) == typed(value.tolist())
