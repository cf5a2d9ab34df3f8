"""Checks of files and stores: who can read and write what, and whether it can be opened.

Source: docs/reference/cli.md "ksrpc doctor".
"""

from __future__ import annotations

import os
import shutil
import stat
import time
from contextlib import closing
from pathlib import Path

from ksrpc.cli.amount import show_bytes, show_moment
from ksrpc.cli.doctor.finding import Case, Finding, Findings, fail, ok, warn
from ksrpc.cli.hoard import open_cache
from ksrpc.cli.token import DAY_S, open_tokens, read_tokens
from ksrpc.errors import KsrpcError
from ksrpc.gateway.usage import open_usage
from ksrpc.limits import MIB
from ksrpc.store import TokenRecord
from ksrpc.store.token import is_valid
from ksrpc.text import singular

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_SOON_S = 7 * DAY_S
_PRIVATE = ("*.sqlite3*", "*.token", "cache")


def check_modes(case: Case) -> Findings:
    """See who else can change the configuration, or read what the data folder holds."""
    found = [*_check_config_mode(case.path), *_check_data_modes(case.data_dir)]
    yield from found or [ok("file modes", "configuration and data folder are their owner's")]
    for path in sorted(case.data_dir.glob("*.token")):
        yield warn("file modes", f"{path} still holds a token", f"give it to its user, then: rm {path}")


def check_data(case: Case) -> Findings:
    """See whether the data folder can be written, and whether the disk has room for answers."""
    folder = case.data_dir
    place = _existing(folder)
    if not place.is_dir():
        yield fail("data folder", f"{place} is no folder", "set server.data_dir to another one, or remove the file")
        return
    if not os.access(place, os.W_OK | os.X_OK):
        yield fail("data folder", f"{place} cannot be written", f"chown it to who serves: chown -R $USER {place}")
        return
    if not folder.exists():
        yield ok("data folder", f"{folder} will be made")
    elif folder.stat().st_uid != os.geteuid():
        cure = f"run ksrpc as that user, or chown -R $USER {folder}"
        yield warn("data folder", f"{folder} belongs to another user than the one who asks", cure)
    else:
        yield ok("data folder", f"{folder} can be written")
    yield _check_room(case, place)


def check_stores(case: Case) -> Findings:
    """See whether tokens, counters and kept answers can be opened, as far as they are there."""
    opened: list[str] = []
    for name, label in (("store.sqlite3", "tokens"), ("usage.sqlite3", "counters"), ("cache", "kept answers")):
        if (case.data_dir / name).exists():
            try:
                _open(case, label)
            except KsrpcError as exc:
                yield fail("stores", f"{label}: {exc}", f"put a copy of it back, or move {case.data_dir / name} away")
            else:
                opened.append(label)
    yield ok("stores", f"{', '.join(opened)} can be opened" if opened else "nothing is kept yet")


def check_tokens(case: Case) -> Findings:
    """See whether anybody has a token, and which end soon."""
    records = [record for record in read_tokens(case.settings) if is_valid(record)]
    if records:
        users = {record.user for record in records}
        yield ok("tokens", f"{singular(len(records), 'valid token')} of {singular(len(users), 'user')}")
    elif case.settings.access.anonymous:
        yield ok("tokens", "none, and none needed: access.anonymous = true")
    else:
        yield warn("tokens", "there is none, and nobody may call without one", "ksrpc user add NAME")
    yield from _check_ends(records)
    for name in sorted(set(case.settings.user) - {record.user for record in records}):
        yield warn("tokens", f"{name} has a section and no valid token", f"ksrpc token create {name}")


def _check_ends(records: list[TokenRecord]) -> Findings:
    now = time.time()
    last = {record.user: record.expires_at for record in sorted(records, key=lambda entry: entry.expires_at or 1e18)}
    for name, moment in last.items():
        if moment is not None and moment - now < _SOON_S:
            text = f"the last token of {name} ends {show_moment(moment)}"
            yield warn("tokens", text, f"ksrpc token create {name} --days 365")
    for record in records:
        if record.is_adopted:
            text = f"the token {record.id} of {record.user} was taken over from an old config.py"
            yield warn("tokens", text, f"ksrpc token create {record.user}, then ksrpc token revoke {record.id}")
    if any(record.created_at > now + DAY_S for record in records):
        yield warn("clock", "a token was made in the future: the clock was or is wrong", "set the clock (NTP)")


def _check_config_mode(path: Path) -> Findings:
    try:
        found = path.stat()
    except OSError:
        return
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        yield fail("file modes", f"{path} can be changed by others, who then decide what is open", f"chmod go-w {path}")
    if found.st_uid not in (os.geteuid(), 0):
        yield warn("file modes", f"{path} belongs to another user", f"chown $USER {path}")


def _check_data_modes(folder: Path) -> Findings:
    if not folder.is_dir():
        return
    if folder.stat().st_mode & _OTHERS:
        yield fail("file modes", f"{folder} can be entered by others", f"chmod 700 {folder}")
    for pattern in _PRIVATE:
        for path in sorted(folder.glob(pattern)):
            if path.stat().st_mode & _OTHERS:
                yield fail("file modes", f"{path} can be read by others", f"chmod go-rwx {path}")


def _check_room(case: Case, place: Path) -> Finding:
    free, wanted = shutil.disk_usage(place).free, case.settings.cache.min_free_mb * MIB
    text = f"{show_bytes(free)} free"
    if case.settings.cache.enabled and free < wanted:
        cure = "make room, or lower cache.min_free_mb or cache.max_mb"
        return warn("disk", f"{text}, under cache.min_free_mb ({show_bytes(wanted)}): no answer is kept", cure)
    return ok("disk", text)


def _open(case: Case, label: str) -> None:
    if label == "kept answers":
        with open_cache(case.settings):
            return
    with closing(open_tokens(case.settings) if label == "tokens" else open_usage(case.settings)):
        return


def _existing(path: Path) -> Path:
    """Return the path itself, or the nearest folder above it that is there."""
    return next(place for place in (path, *path.parents) if place.exists())
