"""What people call every day passes all three gates and gives what a local call gives."""

from __future__ import annotations

import asyncio
import math
import os.path

import numpy as np
import pandas as pd
import pytest

from ksrpc import wire
from ksrpc.expose import Resolver
from ksrpc.model import Rules
from tests.everyday import CALLS, Call
from tests.everyday.compare import compare
from tests.everyday.search import ROOTS

RESOLVER = Resolver(Rules(allow=(*ROOTS, "arch.data.sp500", "demo")))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("call", CALLS, ids=[f"{call.path}-{number}" for number, call in enumerate(CALLS)])
def test_passes_and_equals_the_local_call(call: Call) -> None:
    """Resolve, check the arguments, call, carry the result, and compare."""
    target = RESOLVER.resolve(call.path)
    target.call_check(call.args, call.kwargs)
    compare(call, wire.parse(wire.pack(target.object(*call.args, **call.kwargs)).join()))


def test_values() -> None:
    """A module's constant is its value."""
    for path, value in {
        "math.pi": math.pi,
        "os.path.sep": os.path.sep,
        "numpy.inf": np.inf,
        "pandas.NA": pd.NA,
    }.items():
        target = RESOLVER.resolve(path)
        assert target.kind == "value"
        assert target.object is value


def test_kinds() -> None:
    """The kind tells how to call."""
    kinds = {
        "math": "module",
        "math.pi": "value",
        "math.pow": "function",
        "pandas.DataFrame": "class",
        "demo.async_say_hi": "coroutine",
        "demo.count": "generator",
    }
    assert {path: RESOLVER.resolve(path).kind for path in kinds} == kinds
    assert RESOLVER.resolve("demo.async_say_hi").is_async


def test_demo() -> None:
    """The functions of the demo do what they say."""
    call = {name: RESOLVER.resolve(f"demo.{name}").object for name in ("sync_say_hi", "div", "echo", "frame", "blob")}
    assert "AA" in call["sync_say_hi"]("AA")
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        call["div"](1, 0)
    assert (call["echo"](7), call["echo"](1, 2), call["echo"](a=1)) == (7, (1, 2), {"a": 1})
    assert call["frame"](10, 3).shape == (10, 3)
    assert call["blob"](5).nbytes == 5
    assert "BB" in asyncio.run(RESOLVER.resolve("demo.async_say_hi").object("BB"))
    assert asyncio.run(RESOLVER.resolve("demo.async_sleep").object(0)) == 0
    assert RESOLVER.resolve("demo.sleep").object(0) == 0
    assert list(RESOLVER.resolve("demo.count").object(3)) == [0, 1, 2]
    assert RESOLVER.resolve("demo.test").object().dtypes.nunique() >= 4


@pytest.mark.parametrize(
    ("name", "value"), [("sleep", 61), ("frame", 2**27), ("blob", 2**31 + 1), ("frame", -1), ("sleep", math.nan)]
)
def test_demo_is_bounded(name: str, value: float) -> None:
    """No function of the demo takes more of the server than its bound."""
    with pytest.raises(ValueError, match="must be between"):
        RESOLVER.resolve(f"demo.{name}").object(value)


def test_demo_takes_any_value_and_others_take_data() -> None:
    """Only modules whose author said so are decoded with the wide table."""
    assert RESOLVER.resolve("demo.echo").arguments == "any"
    assert RESOLVER.resolve("math.pow").arguments == "data"
    RESOLVER.resolve("demo.echo").call_check(("/etc/passwd", object()), {})


def test_served_data_library() -> None:
    """A pattern on a sub-module imports its parents on the way and opens nothing of them."""
    frame = RESOLVER.resolve("arch.data.sp500.load").object()
    assert len(frame) > 1000
