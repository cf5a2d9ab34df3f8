"""The cache under what happens to real machines: killed writers, full disks, several processes, many entries."""

from __future__ import annotations

import hashlib
import os
import random
import select
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ksrpc.errors import ConfigError
from ksrpc.store import Stored
from tests.helpers.cache import BLOCK, LARGE, SMALL, Cache, content

ROOT = Path(__file__).parents[2]
KILLS = 200
NAMES = 24
SIZES = [0, 100, 5_000, 65_535, 65_536, 300_000, BLOCK + 1, 3 * BLOCK]

#: Forks a writer for every line it reads; the parent of both tells when to kill it.
NURSERY = """
import os, random, sys
from pathlib import Path
from tests.helpers.cache import Cache
from tests.integration.test_cache_crash import NAMES, SIZES

def write(seed):
    random.seed(seed)
    cache = Cache(Path(sys.argv[1]), max_bytes=24 << 20)
    while True:
        name, size = f"n{random.randrange(NAMES)}", random.choice(SIZES)
        cache.put(name, size)
        if random.random() < 0.1:
            cache.store.delete(f"n{random.randrange(NAMES)}".encode())
        os.write(1, b".")

for line in sys.stdin:
    pid = os.fork()
    if not pid:
        write(int(line))
    os.write(1, b"%d\\n" % pid)
    os.waitpid(pid, 0)
    os.write(1, b"!")
"""

FULL = """
import resource, sys
from pathlib import Path
from tests.helpers.cache import LARGE, SMALL, Cache
cache = Cache(Path(sys.argv[1]))
assert cache.put("before", SMALL) == cache.put("before too", LARGE) == "stored"
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
assert cache.put("large", 200_000) == "disk full"
assert len(cache.blobs()) == 1
results = [cache.put(f"{number}", 60_000) for number in range(20)]
assert results[-1] in ("disk full", "store failed"), results
found = [cache.has(f"{number}", 60_000) for number in range(20)]
assert found == [result == "stored" for result in results]
assert cache.has("before", SMALL) and cache.has("before too", LARGE)
assert cache.store.stats().refused == 1 + found.count(False)
print("fine")
"""

SHARED = """
import sys
from pathlib import Path
from tests.helpers.cache import LARGE, SMALL, Cache
cache = Cache(Path(sys.argv[1]))
for number in range(150):
    for size in (SMALL, LARGE):
        assert cache.put(f"{sys.argv[2]}{number}{size}", size) == "stored"
        assert cache.put("shared", size) == "stored"
        assert cache.has_either("shared", SMALL, LARGE)
stats = cache.store.stats()
assert (stats.failed, stats.damaged) == (0, 0), stats
print("fine")
"""


def start(script: str, *arguments: object) -> subprocess.Popen[bytes]:
    env = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, bufsize=0)


def finish(process: subprocess.Popen[bytes]) -> None:
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, b"fine\n")


@pytest.fixture
def nursery(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    with start(NURSERY, tmp_path / "cache") as process:
        yield process
        process.kill()


def read_pid(process: subprocess.Popen[bytes]) -> int:
    """Read up to the line of the pid; dots of the writer may come before and inside it."""
    assert process.stdout
    line = b""
    while not line.endswith(b"\n"):
        line += process.stdout.read(1)
    return int(line.replace(b".", b""))


def kill_after(process: subprocess.Popen[bytes], pid: int, writes: int, moment_s: float) -> None:
    """Kill the writer some time after it has begun its next write."""
    assert process.stdout
    while writes > 0:
        writes -= process.stdout.read(1) == b"."
    end = time.monotonic() + moment_s
    while time.monotonic() < end:
        select.select([], [], [], max(0.0, end - time.monotonic()))
    os.kill(pid, signal.SIGKILL)
    while process.stdout.read(1) != b"!":
        continue


def test_a_killed_writer_leaves_nothing_wrong(nursery: subprocess.Popen[bytes], tmp_path: Path) -> None:
    assert nursery.stdin
    chance, found, began = random.Random(7), 0, time.monotonic()
    for kill in range(KILLS):
        nursery.stdin.write(b"%d\n" % kill)
        kill_after(nursery, read_pid(nursery), chance.randrange(4), chance.random() ** 2 * 0.02)
        cache = Cache(tmp_path / "cache", max_bytes=24 << 20)
        found += sum(cache.has_either(f"n{number}", *SIZES) for number in range(NAMES))
        stats = cache.store.stats()
        assert (stats.damaged, stats.failed) == (0, 0)
        assert not [path for path in cache.blobs() if path.suffix]
        if kill % 20 == 19:
            report = cache.store.verify()
            assert (report.damaged, report.leftovers, report.is_sound) == (0, 0, True)
            listed = [item.size for item in cache.store.entries()]
            assert (report.entries, report.bytes) == (len(listed), sum(listed))
            assert (cache.store.stats().entries, cache.store.stats().bytes) == (len(listed), sum(listed))
            assert len(cache.blobs()) == sum(size >= 65_536 for size in listed)
        cache.store.close()
    print(f"\n{KILLS} kills in {time.monotonic() - began:.1f} s; {found} entries read, none wrong")
    assert found > KILLS


def test_a_bound_on_file_sizes_is_a_full_disk(tmp_path: Path) -> None:
    finish(start(FULL, tmp_path / "cache"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no right to mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_refuses_and_goes_on(small_disk: Path) -> None:
    cache = Cache(small_disk / "cache")
    assert cache.put("a", SMALL) is Stored.STORED
    assert cache.put("b", LARGE) is Stored.STORED
    blobs = cache.blobs()
    assert cache.put("c", 5 * BLOCK) is Stored.FULL
    assert cache.blobs() == blobs, "nothing partial remains"
    with (small_disk / "ballast").open("wb", buffering=0) as ballast:
        while ballast.write(bytes(16_384)) == 16_384:
            continue
    results = [cache.put(f"{number}", 60_000) for number in range(10)]
    assert results[-1] in (Stored.FULL, Stored.FAILED)
    assert cache.put("d", LARGE) is Stored.FULL
    assert cache.has("a", SMALL)
    assert cache.has("b", LARGE)
    assert [cache.has(f"{number}", 60_000) for number in range(10)] == [result is Stored.STORED for result in results]
    (small_disk / "ballast").unlink()
    assert cache.put("c", BLOCK) is Stored.STORED
    report = cache.store.verify()
    assert (report.damaged, report.leftovers, report.is_sound) == (0, 0, True)
    cache.store.close()


def test_a_read_only_disk_is_told_at_the_start(small_disk: Path) -> None:
    Cache(small_disk / "cache").store.close()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(ConfigError, match="Read-only"):
        Cache(small_disk / "cache")


def test_several_processes_share_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    processes = [start(SHARED, folder, name) for name in "ab"]
    for process in processes:
        finish(process)
    cache = Cache(folder)
    assert cache.store.stats().entries == 601
    assert all(cache.has(f"{name}{number}{LARGE}", LARGE) for name in "ab" for number in range(150))
    cache.store.sweep()
    report = cache.store.verify()
    assert (report.entries, report.damaged, report.leftovers, report.is_sound) == (601, 0, 0, True)
    cache.store.close()


def key_of(number: int) -> bytes:
    return hashlib.sha256(b"%d" % number).digest()


def fill(cache: Cache, begin: int, end: int) -> None:
    data = bytes(200)
    for number in range(begin, end):
        cache.store.put(key_of(number), [data], size=200, expires_at=2e6, labels={"path": "demo.f"})


def measure_us(cache: Cache, entries: int, *, is_hot: bool) -> float:
    """Return the median time of a get [µs] over 1,000 keys spread over all entries."""
    keys = [key_of(number) for number in range(0, entries, max(1, entries // 1000))]
    if is_hot:
        assert all(cache.store.get(key) for key in keys)
    times = []
    for key in keys:
        begin = time.perf_counter()
        entry = cache.store.get(key)
        times.append(time.perf_counter() - begin)
        assert entry is not None
        assert entry.key == key
    return statistics.median(times) * 1e6


@pytest.mark.timeout(900)
def test_many_entries_are_found_as_fast_as_few(tmp_path: Path) -> None:
    """Print the latencies; KSRPC_TEST_ENTRIES=1000000 for the full size."""
    many = int(os.environ.get("KSRPC_TEST_ENTRIES", "10000"))
    cache, figures = Cache(tmp_path / "cache", max_bytes=1 << 40), []
    fill(cache, 0, 1000)
    for entries in (1000, many):
        fill(cache, 1000, entries)
        cache.reopen()
        figures.append((measure_us(cache, entries, is_hot=False), measure_us(cache, entries, is_hot=True)))
    (few_cold, few_hot), (many_cold, many_hot) = figures
    print(f"\nget, 1,000 entries: {few_cold:.1f} µs cold, {few_hot:.1f} µs hot")
    print(f"get, {many:,} entries: {many_cold:.1f} µs cold ({many_cold / few_cold:.2f} ×), {many_hot:.1f} µs hot"
          f" ({many_hot / few_hot:.2f} ×)")  # fmt: skip
    assert cache.store.stats().entries == many
    cache.store.close()


def test_a_writer_s_bytes_are_what_the_tests_take_them_for() -> None:
    assert len({content("a", 64), content("b", 64), content("a", 65)[:64]}) == 3
