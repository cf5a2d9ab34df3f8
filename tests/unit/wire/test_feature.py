"""What a value needs to be read, told from its head alone; nothing optional is imported before it is needed."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ksrpc.wire import lacking, pack
from ksrpc.wire.feature import FAMILIES, FEATURES, needs

ALL = frozenset(FAMILIES)


def _values() -> dict[str, tuple[Any, set[str]]]:
    """Return name → value, and what it needs."""
    pa, pl = pytest.importorskip("pyarrow"), pytest.importorskip("polars")
    sp = pytest.importorskip("scipy.sparse")
    column = pd.Series([1, None], dtype=pd.ArrowDtype(pa.int64()))
    return {
        "plain": ([1, "arrow", {"polars": b"scipy"}], set()),
        "frame": (pd.DataFrame({"a": [1.5], "b": ["arrow"]}), set()),
        "sparse column": (pd.Series(pd.arrays.SparseArray([0, 1])), set()),
        "text column": (pd.Series(["a", None] * 50, dtype=pd.ArrowDtype(pa.string())), set()),
        "bytes of tags": (b"\xd4\x01\x70 \xd4\x01\x71 \xd4\x01\x72 \xd4\x01\x55\xa5arrow", set()),
        "numbers of tags": ([0x01D4_0170_D401_71D4, 0x71_D401_72D4], set()),
        "list of a word": ([[0x55, "arrow"]], set()),
        "table": ([1, {"x": pa.table({"a": [1]})}], {"arrow"}),
        "column": (pd.DataFrame({"a": column}), {"arrow"}),
        "data type": (column.dtype, {"arrow"}),
        "polars": (pl.DataFrame({"a": [1]}), {"polars"}),
        "scipy": (sp.csr_array(np.eye(2)), {"scipy"}),
        "large": (pl.DataFrame({"a": range(100_000)}), {"polars"}),
        "all": ([pl.Series([1]), sp.csr_array(np.eye(2)), pa.int8()], {"arrow", "polars", "scipy"}),
    }


def test_needs() -> None:
    for name, (value, needed) in _values().items():
        message = pack(value)
        data = message.join()
        size = int.from_bytes(data[16:24], "little")
        start = 16 + 8 * int.from_bytes(data[8:12], "little") + 16
        assert needs(data[start : start + size]) == needed, name
        for pieces in (message.segments, (data,), (bytearray(data),), (data[:start], data[start:])):
            assert lacking(pieces, ALL) == "", name
            assert bool(lacking(pieces, ())) is bool(needed), name
            assert lacking(pieces, needed) == "", name


def test_the_cure_names_all_packages_once() -> None:
    message = pack(_values()["all"][0])
    assert lacking(message.segments, ()) == "pip install pyarrow polars scipy"
    assert lacking(message.segments, {"arrow"}) == "pip install polars pyarrow scipy"


@pytest.mark.parametrize("data", [b"", b"\x92\xd4\x01\x70", b"\xc1\xd4\x01\x72", b"\xd4\x01\x70" * 9])
def test_damaged_heads_need_nothing(data: bytes) -> None:
    assert needs(data) == frozenset()


def test_what_is_installed_is_offered() -> None:
    for name, packages in FAMILIES.items():
        assert (name in FEATURES) is all(importlib.util.find_spec(package) is not None for package in packages)


_LAZY = """
import sys
import ksrpc
from ksrpc.wire import pack, parse
import numpy as np
parse(pack([1, "a", {"x": (1, 2)}, np.arange(3)]).join())
print([name for name in ("pandas", "pyarrow", "polars", "scipy") if name in sys.modules])
"""
_ONE = """
import sys
from ksrpc.wire import pack, parse
import scipy.sparse
parse(pack(scipy.sparse.eye_array(3)).join())
print([name for name in ("pandas", "pyarrow", "polars") if name in sys.modules])
"""
_WITHOUT = """
import sys
from ksrpc.errors import MissingExtraError
from ksrpc.wire import parse
for name in ("pyarrow", "polars", "scipy"):
    sys.modules[name] = None
for text in sys.argv[1:]:
    try:
        parse(bytes.fromhex(text))
    except MissingExtraError as error:
        print(error)
"""


def _run(program: str, *args: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", program, *args], capture_output=True, text=True, timeout=100, check=True
    ).stdout


def test_nothing_is_imported_before_it_is_needed() -> None:
    assert _run(_LAZY) == "[]\n"
    pytest.importorskip("scipy")
    assert _run(_ONE) == "[]\n"


def test_who_lacks_the_library_learns_what_to_install() -> None:
    values = _values()
    told = _run(_WITHOUT, *(pack(values[name][0]).join().hex() for name in ("table", "polars", "scipy", "column")))
    assert told.splitlines() == [
        "this value needs pyarrow: pip install pyarrow",
        "this value needs polars: pip install polars pyarrow",
        "this value needs scipy: pip install scipy",
        "this value needs pyarrow: pip install pyarrow",
    ]
