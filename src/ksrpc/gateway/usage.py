"""What users have used of their quotas, to be shown: in `/v1/me` and on the command line.

Source: docs/explanation/quotas.md.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from ksrpc.config import Config
from ksrpc.errors import BusyError
from ksrpc.gateway.limit import limits_of, window_at
from ksrpc.store.usage import UsageStore


@dataclass(frozen=True, slots=True)
class Usage:
    """Say how much of one limit a user has used, for `/v1/me` and the command line.

    Attributes:
        scope: The module or function; "*" is everything together.
        resets_at: When it opens again: ISO 8601 with the offset of the server's zone.
    """

    scope: str
    used: int
    limit: int
    resets_at: str


def open_usage(config: Config) -> UsageStore:
    """Open the counters in the data folder.

    Raises:
        ConfigError: They cannot be used.
    """
    return UsageStore(Path(config.server.data_dir) / "usage.sqlite3")


def read_usage(config: Config, store: UsageStore, user: str, *, now: float) -> list[Usage]:
    """Return all limits of a user, and how much of each is used at a moment.

    Raises:
        BusyError: The counters cannot be read.
    """
    zone = config.server.time_zone
    window = window_at(now, zone)
    try:
        used = store.read(window.name, user)
    except sqlite3.Error as exc:
        raise BusyError(f"the usage of quotas cannot be read now: {exc}") from None
    resets_at = datetime.fromtimestamp(window.ends_at, ZoneInfo(zone)).isoformat()
    return [
        Usage(limit.scope, used.get(limit.scope, 0), limit.rows, resets_at) for limit in limits_of(config, user, used)
    ]
