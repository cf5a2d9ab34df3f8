"""The place of a worker: what is told, what is carved out, what the hook refuses, what older kernels leave open."""

from __future__ import annotations

import errno
import os
import platform
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from ksrpc.worker.place import sieve
from ksrpc.worker.place.entry import proxy_ports
from ksrpc.worker.place.ground import readable, without
from ksrpc.worker.place.guard import make_hook
from ksrpc.worker.place.kernel import landlock_version, weaknesses
from ksrpc.worker.place.plan import Level, Plan, parse_plan


def test_a_plan_comes_over_as_it_is() -> None:
    plan = Plan("network", "numpy", ("/a", "/b é"), ("/c",), (80, 443))
    assert parse_plan(plan.pack()) == plan
    assert parse_plan(Plan().pack()).level == "open"


# what may be read


def _tree(folder: Path, *files: str) -> None:
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_what_is_closed_is_carved_out_of_the_folders_around_it(tmp_path: Path) -> None:
    _tree(tmp_path, "a.csv", "sub/b.csv", "sub/data/store", "sub/data/deep/x", "other/c")
    closed = [str(tmp_path / "sub" / "data")]
    found = sorted(os.path.relpath(path, tmp_path) for path in without(str(tmp_path), closed))
    assert found == ["a.csv", "other", "sub/b.csv"]
    assert list(without(str(tmp_path / "other"), closed)) == [str(tmp_path / "other")]
    assert list(without(closed[0], closed)) == []


def test_what_lies_in_what_is_closed_can_be_named(tmp_path: Path) -> None:
    _tree(tmp_path, "data/shared/x")
    assert list(without(str(tmp_path / "data" / "shared"), [str(tmp_path / "data")]))


def test_a_link_is_no_way_round_what_is_closed(tmp_path: Path) -> None:
    _tree(tmp_path, "home/data/store", "home/a")
    (tmp_path / "link").symlink_to(tmp_path / "home")
    closed = [str(tmp_path / "home" / "data")]
    assert [Path(path).name for path in without(str(tmp_path / "link"), closed)] == ["a"]
    assert list(without(str(tmp_path / "link" / "data"), closed)) == []


def test_python_and_its_libraries_can_be_read_and_little_else(tmp_path: Path) -> None:
    _tree(tmp_path, "prices/x", "ca.pem")
    plan = Plan("strict", "", (str(tmp_path / "prices"), "relative"), (), ())
    environment = {"SSL_CERT_FILE": str(tmp_path / "ca.pem"), "LD_LIBRARY_PATH": f"{tmp_path}/lib::", "X": "/x"}
    found = readable(plan, environment)
    assert {sys.prefix, sys.base_prefix, *(entry for entry in sys.path if os.path.isabs(entry))} <= set(found)
    assert {str(tmp_path / "prices"), str(tmp_path / "ca.pem"), f"{tmp_path}/lib", "/etc/resolv.conf"} <= set(found)
    assert not {"/", "/etc", "/etc/passwd", "/etc/ssl", "/home", "/root", "/proc", "/sys", "/tmp", "/usr", "", "/x",
                "relative", str(tmp_path)} & set(found)  # fmt: skip


def test_a_package_that_is_installed_to_be_edited_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _tree(tmp_path, "edited_here/__init__.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert str(tmp_path / "edited_here") in readable(Plan("strict", "edited_here"), {})
    assert readable(Plan("strict", "not_installed_at_all"), {}) == readable(Plan("strict"), {})


# ports


def test_ports_of_proxies_are_open(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert proxy_ports(os.environ) == []
    told = {"http_proxy": "http://me:word@proxy.example:3128", "HTTPS_PROXY": "http://proxy.example", "NO_PROXY": "a:1"}
    assert sorted(proxy_ports(told)) == [80, 3128]
    assert proxy_ports({"http_proxy": "http://proxy.example:port"}) == []
    assert proxy_ports({"http_proxy": "proxy.example:3128"}) == [3128]


# the hook

STARTS: list[tuple[str, tuple[Any, ...]]] = [
    ("os.exec", ("/bin/sh", [], {})),
    ("os.fork", ()),
    ("os.forkpty", ()),
    ("os.posix_spawn", ("/bin/sh", [], {})),
    ("os.system", (b"id",)),
    ("pty.spawn", (["sh"],)),
    ("subprocess.Popen", ("sh", [], None, None)),
]
UNIX: list[tuple[str, tuple[Any, ...]]] = [
    ("socket.connect", (None, "/run/docker.sock")),
    ("socket.connect", (None, b"\0abstract")),
    ("socket.sendto", (None, "/dev/log")),
    ("socket.bind", (None, "/tmp/x")),
]
NETWORK: list[tuple[str, tuple[Any, ...]]] = [
    ("socket.connect", (None, ("10.0.0.1", 80))),
    ("socket.bind", (None, ("0.0.0.0", 0))),
    ("socket.sendto", (None, ("10.0.0.1", 53))),
    ("socket.sendmsg", (None, ("10.0.0.1", 53))),
    ("socket.getaddrinfo", ("example.com", 80, 0, 0, 0)),
    ("socket.gethostbyname", ("example.com",)),
]
HARMLESS: list[tuple[str, tuple[Any, ...]]] = [
    ("open", ("x", "r", 0)),
    ("import", ("json", None, None, None, None)),
    ("socket.__new__", (None, 2, 1, 0)),
    ("socket.sendmsg", (None, None)),
    ("ctypes.dlopen", ("x.so",)),
]


@pytest.mark.parametrize("level", ["strict", "network"])
@pytest.mark.parametrize(("event", "args"), [*STARTS, *UNIX])
def test_the_hook_refuses(level: Level, event: str, args: tuple[Any, ...]) -> None:
    with pytest.raises(PermissionError, match="worker process may not"):
        make_hook(level)(event, args)


@pytest.mark.parametrize(("event", "args"), NETWORK)
def test_the_network_is_closed_to_strict_alone(event: str, args: tuple[Any, ...]) -> None:
    make_hook("network")(event, args)
    with pytest.raises(PermissionError, match="may not use the network"):
        make_hook("strict")(event, args)


@pytest.mark.parametrize(("event", "args"), HARMLESS)
def test_the_hook_lets_everything_else_be(event: str, args: tuple[Any, ...]) -> None:
    make_hook("strict")(event, args)
    make_hook("network")(event, args)


# kernels


def test_each_version_leaves_less_open() -> None:
    counts = [len(weaknesses(version)) for version in range(9)]
    assert counts == sorted(counts, reverse=True)
    assert (counts[0], counts[6]) == (len(set(weaknesses(0))), 0)
    assert "files are bounded by the rights" in weaknesses(0)[0]
    assert not any("files are bounded" in text for text in weaknesses(1))


def test_where_there_is_no_landlock_its_version_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert landlock_version() >= 0
    monkeypatch.setattr(sys, "platform", "darwin")
    assert landlock_version() == 0


# the filter of system calls, run here as the kernel would

X86 = {"machine": 0xC000003E, "clone": 56, "socket": 41, "read": 0, "write": 1, "futex": 202, "mmap": 9}
ARM = {"machine": 0xC00000B7, "clone": 220, "socket": 198, "read": 63, "write": 64, "futex": 98, "mmap": 222}
THREAD = 0x3D0F00
FORK = 0x1200011


def _judge(name: str, level: Level, number: int, *, argument: int = 0, machine: int | None = None) -> int:
    """Return the error number that a system call gets; 0 if it is let through."""
    system = sieve.SYSTEMS[name]
    seen = {0: number, 4: system.machine if machine is None else machine, 16: argument}
    steps, at, value = sieve.write_steps(system, level), 0, 0
    while True:
        code, jump, stay, operand = steps[at]
        at += 1
        if code == 0x06:
            return 0 if operand == 0x7FFF0000 else operand & 0xFFFF
        if code == 0x20:
            value = seen[operand]
        else:
            holds = {0x15: value == operand, 0x35: value >= operand, 0x45: bool(value & operand)}[code]
            at += jump if holds else stay


@pytest.mark.parametrize("level", ["strict", "network"])
@pytest.mark.parametrize(("name", "numbers"), [("x86_64", X86), ("aarch64", ARM)])
def test_the_filter_lets_data_and_threads_through_and_nothing_that_starts(
    name: str, numbers: dict[str, int], level: Level
) -> None:
    system = sieve.SYSTEMS[name]
    assert system.machine == numbers["machine"]
    for call in ("read", "write", "futex", "mmap"):
        assert _judge(name, level, numbers[call]) == 0
    assert _judge(name, level, numbers["clone"], argument=THREAD) == 0
    assert _judge(name, level, numbers["clone"], argument=FORK) == errno.EACCES
    assert {_judge(name, level, number) for number in system.refused} == {errno.EACCES}
    assert {_judge(name, level, number) for number in system.unknown} == {errno.ENOSYS}


@pytest.mark.parametrize(("name", "numbers"), [("x86_64", X86), ("aarch64", ARM)])
def test_the_filter_knows_families_of_sockets(name: str, numbers: dict[str, int]) -> None:
    for family in range(46):
        assert _judge(name, "strict", numbers["socket"], argument=family) == errno.EACCES
        expected = 0 if family in (socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK) else errno.EACCES
        assert _judge(name, "network", numbers["socket"], argument=family) == expected


@pytest.mark.parametrize("name", ["x86_64", "aarch64"])
def test_another_calling_convention_is_no_way_round(name: str) -> None:
    assert _judge(name, "network", 0, machine=0x40000003) == errno.EACCES
    assert _judge(name, "network", 0x40000000 + 59) == errno.EACCES


def test_other_machines_go_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert not sieve.has_sieve()
    sieve.sift("strict")
    socket.socket().close()
