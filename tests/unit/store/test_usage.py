"""Counters of quotas: shared by processes, exact under concurrency, there after a kill."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from ksrpc.errors import ConfigError
from ksrpc.store.usage import Counter, UsageStore
from tests.helpers.server import clean_environment

DAY = "2026-11-22"
ADDER = """
import sys
from pathlib import Path
from ksrpc.store.usage import Counter, UsageStore
store = UsageStore(Path(sys.argv[1]))
for _ in range(int(sys.argv[2])):
    store.add({Counter("2026-11-22", "zhang", scope): 3 for scope in ("*", "demo")})
print("added", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "usage.sqlite3"


@pytest.fixture
def store(path: Path) -> Iterator[UsageStore]:
    with closing(UsageStore(path)) as opened:
        yield opened


def add(store: UsageStore, rows: int, *scopes: str, user: str = "zhang", window: str = DAY) -> None:
    store.add({Counter(window, user, scope): rows for scope in scopes})


def adder(path: Path, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", ADDER, str(path), str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=clean_environment(),
    )


def test_counters_add_up_each_for_itself(store: UsageStore) -> None:
    add(store, 5, "*", "demo")
    add(store, 7, "*", "math")
    add(store, 100, "*", user="li")
    add(store, 1000, "*", window="2026-11-23")
    assert store.read(DAY, "zhang") == {"*": 12, "demo": 5, "math": 7}
    assert store.read_some(DAY, "zhang", ["demo", "numpy"]) == {"demo": 5}
    assert store.read("2026-11-23", "zhang") == {"*": 1000}
    assert store.users(DAY) == ["li", "zhang"]


def test_another_process_sees_them_and_adds_to_them(store: UsageStore, path: Path) -> None:
    with closing(UsageStore(path)) as other:
        add(store, 5, "*")
        add(other, 6, "*")
        assert store.read(DAY, "zhang") == other.read(DAY, "zhang") == {"*": 11}


def test_many_processes_lose_nothing(store: UsageStore, path: Path) -> None:
    processes = [adder(path, 200) for _ in range(3)]
    with ThreadPoolExecutor(4) as threads:
        done = [threads.submit(process.communicate, "", 60) for process in processes]
        for _ in range(200):
            add(store, 1, "*")
        assert [future.result()[0] for future in done] == ["added\n"] * 3
    assert store.read(DAY, "zhang") == {"*": 200 + 3 * 200 * 3, "demo": 3 * 200 * 3}


def test_what_was_added_survives_a_kill(path: Path) -> None:
    process = adder(path, 20)
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == "added\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    process.stdin.close()
    with closing(UsageStore(path)) as store:
        assert store.read(DAY, "zhang") == {"*": 60, "demo": 60}


def test_a_change_is_whole_or_not_at_all(store: UsageStore) -> None:
    add(store, 1, "demo")
    with pytest.raises(sqlite3.Error):
        store.add({Counter(DAY, "zhang", "demo"): 5, Counter(DAY, "zhang", "*"): None})  # type: ignore[dict-item]
    assert store.read(DAY, "zhang") == {"demo": 1}
    add(store, 1, "demo")
    assert store.read(DAY, "zhang") == {"demo": 2}


def test_a_sum_stops_where_integers_end(store: UsageStore) -> None:
    for _ in range(5):
        add(store, 1 << 61, "*")
    assert store.read(DAY, "zhang") == {"*": 1 << 62}


def test_reset_is_for_one_user_and_one_window(store: UsageStore) -> None:
    add(store, 5, "*", "demo")
    add(store, 5, "*", user="li")
    add(store, 5, "*", window="2026-11-21")
    assert store.reset(DAY, "zhang") == 2
    assert store.reset(DAY, "zhang") == 0
    assert store.read(DAY, "zhang") == {}
    assert store.read(DAY, "li") == store.read("2026-11-21", "zhang") == {"*": 5}


def test_tidy_removes_old_windows_only(store: UsageStore, path: Path) -> None:
    for window in ("2025-12-31", "2026-11-21", DAY):
        add(store, 5, "*", window=window)
    store.tidy("2026-11-21")
    assert [store.read(window, "zhang") for window in ("2025-12-31", "2026-11-21", DAY)] == [{}, {"*": 5}, {"*": 5}]
    assert path.stat().st_size > 4096  # the log was moved into the file


def test_the_file_is_for_its_owner_alone(store: UsageStore, path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_what_cannot_be_opened_is_told_without_its_folder(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database, but long enough to be taken for one" * 100)
    with pytest.raises(ConfigError, match=r"^usage\.sqlite3 in the data folder is not a store") as caught:
        UsageStore(path)
    assert str(path.parent) not in str(caught.value)
    path.unlink()
    path.mkdir()
    with pytest.raises(ConfigError, match=r"^usage\.sqlite3 in the data folder"):
        UsageStore(path)


def test_a_file_of_a_newer_version_is_left_alone(path: Path) -> None:
    with closing(UsageStore(path)) as store:
        add(store, 5, "*")
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(ConfigError, match="newer ksrpc"):
        UsageStore(path)
