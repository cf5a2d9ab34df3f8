"""Calls of polars and pyarrow."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tests.everyday.call import call

FRAME = pd.DataFrame({"code": ["a", "b", "a"], "close": [3.0, 1.0, 2.0]})

CALLS = [
    call("polars.from_dict", {"code": ["a", "b"], "close": [1.0, 2.0]}),
    call("polars.from_records", [[1, 2], [3, 4]], schema=["a", "b"], orient="row"),
    call("polars.from_numpy", np.array([[1.0, 2.0], [3.0, 4.0]]), schema=["open", "close"]),
    call("polars.from_pandas", FRAME),
    call("polars.from_pandas", FRAME["close"]),
    call("pyarrow.array", [1, 2, None]),
    call("pyarrow.array", ["a", "b", None]),
    call("pyarrow.array", [1, 2], type="int32"),
    call("pyarrow.array", np.array([1.0, 2.0])),
    call("pyarrow.chunked_array", [[1, 2], [3]]),
    call("pyarrow.scalar", 3.5),
    call("pyarrow.table", {"code": ["a", "b"], "close": [1.0, 2.0]}),
    call("pyarrow.table", FRAME),
    call("pyarrow.record_batch", {"n": [1, 2]}),
    call("pyarrow.nulls", 3),
    call("pyarrow.infer_type", [1, 2.5]),
]
