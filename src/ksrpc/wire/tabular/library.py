"""The one place that imports pandas."""

from __future__ import annotations

from typing import Any, Final

from ksrpc.errors import MissingExtraError

__all__ = ["UNITS", "create_frame_of_blocks", "pd"]

pd: Any
try:
    import pandas as pd
except ImportError as error:
    raise MissingExtraError("pandas is not installed: pip install 'ksrpc[client]'") from error

#: Units that pandas keeps; arrays of others never stand in its objects.
UNITS: Final = frozenset({"s", "ms", "us", "ns"})

#: pandas 3: a frame around existing memory, without a copy and without checks. None before.
create_frame_of_blocks: Final[Any] = getattr(getattr(pd.api, "internals", None), "create_dataframe_from_blocks", None)
