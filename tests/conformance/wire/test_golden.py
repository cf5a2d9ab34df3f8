"""Messages that were once sent are read for ever, and nothing else is sent for the same values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from ksrpc.wire import pack, parse
from ksrpc.wire.tag import TAGS
from tests.conformance.wire.golden import FOREIGN, load, values
from tests.helpers.feed import FEEDS, Feed
from tests.unit.wire.carry import read
from tests.unit.wire.tabular.test_tabular import assert_same

GOLDEN = load()
VALUES = values()


@pytest.mark.parametrize("name", [name for name in GOLDEN if name in VALUES])
@pytest.mark.parametrize("feed", FEEDS)
def test_it_is_read(name: str, feed: Feed) -> None:
    for got in (parse(GOLDEN[name]), read(GOLDEN[name], feed)):
        value: Any = VALUES[name]
        assert type(got) is type(value)
        if isinstance(value, pd.DataFrame | pd.Series | pd.Index | pd.api.extensions.ExtensionArray):
            assert_same(got, value)
        elif isinstance(value, np.ndarray):
            assert got.dtype == value.dtype
            np.testing.assert_array_equal(got, value)
        elif hasattr(value, "nnz"):
            assert got.dtype == value.dtype
            np.testing.assert_array_equal(got.toarray(), value.toarray())
        else:
            assert repr(got) == repr(value) or got == value


@pytest.mark.parametrize("name", [name for name in GOLDEN if name in VALUES and not name.startswith(FOREIGN)])
def test_it_is_what_is_sent(name: str) -> None:
    assert pack(VALUES[name]).join() == GOLDEN[name]


def test_large_values_are_left_out_and_no_other() -> None:
    assert set(VALUES) - set(GOLDEN) == {name for name in VALUES if "70 000" in name}


def test_every_tag_is_there_but_those_of_large_values_and_of_exceptions() -> None:
    everything = b"".join(GOLDEN.values())
    unseen = {mark.name for mark in TAGS.values() if b"\xd4\x01" + bytes([mark.number]) not in everything}
    reserved = {mark.name for mark in TAGS.values() if mark.scope == "reserved"}
    assert unseen - reserved == {"bytes", "text", "exception"}
