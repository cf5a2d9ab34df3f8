"""What has no form: refused with its path, never changed on the quiet."""

from __future__ import annotations

import io
import re
import threading
from collections import OrderedDict, deque
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from tests.fidelity.case import Row


def _frame_of(item: Any) -> pd.DataFrame:
    return pd.DataFrame({"x": [1, 2], "price": pd.Series([1, item], dtype=object)})


def _loop() -> list[Any]:
    made: list[Any] = []
    made.append(made)
    return made


class Plain:
    """Be an object of nobody's."""


def _with_attrs(held: pd.DataFrame | pd.Series) -> Any:
    held.attrs = {"made by": {"model": [Plain()]}}
    return held


#: Path to what cannot travel → the value that hides it there.
HIDDEN: dict[str, Any] = {
    "[1]['model']": lambda: [1, {"model": Plain()}],
    "[1][0]['a'][2]": lambda: (1, [{"a": (0, 1, Plain())}]),
    "[(1, 'a')][1]": lambda: {(1, "a"): [0, len]},
    ".keys()[1]": lambda: {1: 2, Plain: 3},
    "['b'][0]": lambda: OrderedDict(a=1, b=[Plain()]),
    "[2]": lambda: deque([1, 2, Plain()]),
    ".fit.model[0]": lambda: SimpleNamespace(fit=SimpleNamespace(model=[Plain()])),
    "['day']['bars']['price'][1]": lambda: {"day": {"bars": _frame_of(Plain())}},
    "[1]['a'][0]": lambda: [0, pd.DataFrame([[1, Plain()]], columns=["a", "a"])],
    "['price'][1]['model']": lambda: _frame_of({"model": Plain()}),
    ".attrs['made by']['model'][0]": lambda: _with_attrs(pd.DataFrame({"a": [1]})),
    "[0].attrs['made by']['model'][0]": lambda: [_with_attrs(pd.Series([1], name="a"))],
    ".name": lambda: pd.Series([1], name=len),
    ".index[0]": lambda: pd.DataFrame({"a": [1]}, index=pd.Index([len], dtype=object)),
    ".columns[1]": lambda: pd.DataFrame([[1, 2]], columns=pd.Index(["a", len], dtype=object)),
    ".index.levels[1][0]": lambda: pd.Series([1], index=pd.MultiIndex.from_arrays([[1], [len]])),
    ".index.levels[0].name": lambda: pd.Series([1], index=pd.MultiIndex.from_arrays([[1], [2]], names=[len, "b"])),
    ".categories[1]": lambda: pd.Categorical.from_codes([0], pd.Index(["a", len], dtype=object)),
    "[1, 0]": lambda: np.array([["a", "b"], [Plain(), "c"]], dtype=object),
    "[0][1]": lambda: [np.ma.MaskedArray(np.array(["a", Plain()], dtype=object), [False, True])],
}

ROWS = [
    Row(
        "functions, classes, modules",
        "never",
        {"function": lambda: len, "lambda": lambda: lambda: 1, "class": lambda: Plain, "module": lambda: re},
        refusal="cannot travel",
    ),
    Row(
        "objects of other classes",
        "never",
        {
            "object": object,
            "own class": Plain,
            "in a dict": lambda: {"model": [Plain()]},
            "in a frame": lambda: _frame_of(object()),
            "as a dict key": lambda: {("a", len): 1},
            "in an object array": lambda: np.array([1, object()], dtype=object),
            "pattern": lambda: re.compile("a+"),
            "open file": lambda: io.StringIO("a"),
            "lock": threading.Lock,
            "group by": lambda: pd.DataFrame({"a": [1]}).groupby("a"),
        },
        refusal="cannot travel",
    ),
    Row(
        "such an object inside any of the above",
        "never",
        {f"at {path}": make for path, make in HIDDEN.items()},
        refusal="cannot travel",
        paths={f"at {path}": path for path in HIDDEN},
    ),
    Row("a value that contains itself", "never", {"loop": _loop}, refusal="or a cycle"),
]
