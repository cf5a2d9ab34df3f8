"""What has no form: refused with its path, never changed on the quiet."""

from __future__ import annotations

import io
import re
import threading
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
    Row("a value that contains itself", "never", {"loop": _loop}, refusal="or a cycle"),
]
