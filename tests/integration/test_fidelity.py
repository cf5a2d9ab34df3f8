"""Real libraries through a real gateway give what they give here, to the last bit, on every transport."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import ksrpc
from ksrpc.errors import ArgumentError, RemoteError
from tests.integration.sameness import assert_same
from tests.integration.table import (
    BARS,
    GRID,
    MATH,
    NUMPY,
    OTHERS,
    PANDAS,
    PATHS,
    PRICES,
    RAISING,
    VALUES,
    Case,
    params,
)

EVERYDAY = MATH + PATHS + NUMPY + PANDAS + OTHERS


@pytest.mark.parametrize("case", params(EVERYDAY))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # numpy's, of the local call
def test_a_call_gives_what_the_local_call_gives(remote: ksrpc.RemoteGateway, case: Case) -> None:
    assert_same(remote.call(case.path, *case.args, **case.kwargs), case.call_here())


@pytest.mark.parametrize("case", params(RAISING))
def test_an_exception_is_the_one_the_local_call_raises(remote: ksrpc.RemoteGateway, case: Case) -> None:
    with pytest.raises(Exception) as local:  # noqa: PT011 - whatever it is, it is the measure
        case.call_here()
    with pytest.raises(type(local.value)) as raised:
        remote.call(case.path, *case.args, **case.kwargs)
    assert isinstance(raised.value, RemoteError)
    assert type(raised.value).__name__ == type(local.value).__name__
    assert raised.value.args == local.value.args
    assert str(raised.value) == str(local.value)


@pytest.mark.parametrize("name", VALUES)
def test_a_value_comes_back_as_it_went(remote: ksrpc.RemoteGateway, name: str) -> None:
    value = VALUES[name]
    assert_same(remote.call("demo.echo", value), value)
    assert_same(remote.call("demo.echo", value, key=[value]), ((value,), {"key": [value]}))


def test_a_result_is_writeable_and_nobody_elses(remote: ksrpc.RemoteGateway) -> None:
    array = remote.call("demo.echo", GRID)
    array[:] = 7.0
    frame = remote.call("demo.test")
    frame.loc[frame.index[0], "close"] = 0.0
    frame["close"].to_numpy(copy=True)[:] = 1.0
    frame["volume"] += 1
    assert_same(remote.call("demo.echo", GRID), GRID)
    assert remote.call("demo.test")["close"].iloc[0] == 6.65


def test_integers_of_any_size_come_back(remote: ksrpc.RemoteGateway) -> None:
    assert remote.call("math.floor", 1e300) == int(1e300)
    assert remote.call("operator.mul", 2**61, 2**61) == 2**122


def test_real_bars_keep_their_shape(remote: ksrpc.RemoteGateway) -> None:
    bars = remote.module("arch.data.sp500").load()
    assert len(bars) == 5031
    assert list(bars.columns) == ["Open", "High", "Low", "Close", "Adj Close", "Volume"]
    assert isinstance(bars.index, pd.DatetimeIndex)
    assert bars.index.name == "Date"


def test_arguments_and_results_of_many_frames(remote: ksrpc.RemoteGateway) -> None:
    """30 MB each way: past every window, and through the hand-over by descriptor."""
    table = pd.DataFrame(np.arange(3_750_000, dtype="float64").reshape(-1, 10), columns=list("abcdefghij"))
    assert_same(remote.call("demo.echo", table), table)


@pytest.mark.parametrize(
    ("path", "args", "type_name", "text"),
    [
        ("json.loads", ("[1,",), "json.decoder.JSONDecodeError", "Expecting value: line 1 column 4 (char 3)"),
        ("statistics.mean", ([],), "statistics.StatisticsError", "mean requires at least one data point"),
    ],
)
def test_a_librarys_own_exception_tells_its_class_and_text(
    remote: ksrpc.RemoteGateway, path: str, args: tuple[object, ...], type_name: str, text: str
) -> None:
    with pytest.raises(RemoteError) as raised:
        remote.call(path, *args)
    assert raised.value.type_name == type_name
    assert text in str(raised.value)
    assert raised.value.maybe_ran is True


@pytest.mark.parametrize(
    ("path", "args", "text"),
    [
        ("pandas.DataFrame.head", (BARS,), "got an unexpected keyword argument 'nosuch'"),
        ("numpy.zeros", (), "missing a required argument: 'shape'"),
    ],
)
def test_arguments_that_do_not_fit_are_a_type_error(
    remote: ksrpc.RemoteGateway, path: str, args: tuple[object, ...], text: str
) -> None:
    with pytest.raises(TypeError, match=text) as raised:
        remote.call(path, *args, nosuch=1)
    assert isinstance(raised.value, ArgumentError)
    assert raised.value.maybe_ran is False


@pytest.mark.parametrize("path", ["math", "os.path", "numpy.linalg", "arch.data.sp500"])
def test_a_module_called_gives_its_path(remote: ksrpc.RemoteGateway, path: str) -> None:
    assert remote.call(path) in (path, "posixpath")


def test_the_whole_sum_over_real_bars_is_the_local_one(remote: ksrpc.RemoteGateway) -> None:
    """A chain as in a notebook: load there, compute there, compare here."""
    bars = remote.call("arch.data.sp500.load")
    returns = remote.call("pandas.DataFrame.pct_change", bars)
    assert_same(returns, bars.pct_change())
    assert_same(remote.call("numpy.nanstd", returns["Close"].to_numpy()), np.nanstd(returns["Close"].to_numpy()))
    assert_same(remote.call("pandas.Series.quantile", PRICES, 0.5), PRICES.quantile(0.5))
    assert_same(remote.call("pandas.DataFrame.tail", BARS, 2), BARS.tail(2))
