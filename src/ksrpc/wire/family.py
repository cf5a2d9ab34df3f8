"""Modules that know one library's types, imported when the first value of it is met; importing registers them.

Source: docs/spec/wire.md "Tags".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ksrpc.wire.tag import ARROW, POLARS, SPARSE

__all__ = ["load_reader", "load_writers"]


def _load_pandas() -> None:
    import ksrpc.wire.tabular  # noqa: F401, PLC0415


def _load_arrow() -> None:
    import ksrpc.wire.columnar.arrow  # noqa: F401, PLC0415


def _load_polars() -> None:
    import ksrpc.wire.columnar.polars  # noqa: F401, PLC0415


def _load_scipy() -> None:
    import ksrpc.wire.sparse  # noqa: F401, PLC0415


_BY_PACKAGE: Final[dict[str, Callable[[], None]]] = {
    "pandas": _load_pandas,
    "pyarrow": _load_arrow,
    "polars": _load_polars,
    "scipy": _load_scipy,
}
_BY_TAG: Final[dict[int, Callable[[], None]]] = {ARROW: _load_arrow, POLARS: _load_polars, SPARSE: _load_scipy}


def load_writers(kind: type) -> None:
    """Let the libraries that a class comes from register their writers; its name alone is looked at."""
    for package in {base.__module__.partition(".")[0] for base in kind.__mro__}:
        load = _BY_PACKAGE.get(package)
        if load is not None:
            load()


def load_reader(number: int) -> None:
    """Let the library of a tag register its reader.

    Raises:
        MissingExtraError: It is not installed.
    """
    _BY_TAG.get(number, _load_pandas)()
