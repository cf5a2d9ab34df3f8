"""What a worker process needs of the file system: Python, the system's libraries, and what these ask of the machine."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ksrpc.worker.place.plan import Plan

_LIBRARIES = ("/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/local/lib", "/usr/local/lib64", "/lib", "/lib32", "/lib64",
              "/nix/store", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d")  # fmt: skip
_SHARED = ("/usr/share/zoneinfo", "/usr/share/locale", "/usr/share/ca-certificates",
           "/usr/local/share/ca-certificates")  # fmt: skip
#: Certificates, and not the keys that lie beside them.
_AUTHORITIES = ("/etc/ssl/certs", "/etc/ssl/cert.pem", "/etc/ssl/openssl.cnf", "/etc/ca-certificates",
                "/etc/pki/tls/certs", "/etc/pki/tls/cert.pem", "/etc/pki/tls/openssl.cnf", "/etc/pki/ca-trust",
                "/etc/crypto-policies")  # fmt: skip
_SETTINGS = ("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf",
             "/etc/services", "/etc/protocols", "/etc/localtime", "/etc/timezone", "/etc/locale.alias",
             "/etc/mime.types", "/etc/os-release")  # fmt: skip
_MACHINE = ("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/loadavg", "/proc/uptime",
            "/proc/version", "/proc/filesystems", "/proc/sys/vm/overcommit_memory", "/proc/sys/kernel/osrelease",
            "/proc/sys/crypto", "/sys/devices/system", "/sys/fs/cgroup", "/sys/kernel/mm", "/dev/zero",
            "/dev/random", "/dev/urandom")  # fmt: skip
#: What is written to, as well as read.
DEVICES = ("/dev/null",)
_TOLD = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")


def readable(plan: Plan, environment: Mapping[str, str]) -> list[str]:
    """List what a worker may read: the least that its libraries work with.

    Args:
        plan: What the gateway said.
        environment: Its own, which names certificates and folders of libraries.
    """
    python = (sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix, *sys.path)
    told = [environment[name] for name in _TOLD if name in environment]
    told += [entry for entry in environment.get("LD_LIBRARY_PATH", "").split(":") if entry]
    fixed = (*_LIBRARIES, *_SHARED, *_AUTHORITIES, *_SETTINGS, *_MACHINE)
    closed = [os.path.realpath(path) for path in plan.closed]
    wanted = dict.fromkeys((*python, *_package(plan.module), *told, *plan.read))
    return [*fixed, *(part for path in wanted if os.path.isabs(path) for part in without(path, closed))]


def without(path: str, closed: Iterable[str]) -> Iterator[str]:
    """Yield a path, or all that lies in it but what is closed.

    Args:
        path: A file or folder.
        closed: Real paths.
    """
    real = os.path.realpath(path)
    inside = [other for other in closed if Path(other).is_relative_to(real)]
    if not inside:
        yield path
    elif real not in inside:
        for name in _names(real):
            yield from without(os.path.join(real, name), inside)


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _package(name: str) -> list[str]:
    """Find where a package lies that no entry of `sys.path` holds: one that was installed to be edited."""
    try:
        spec = importlib.util.find_spec(name) if name else None
    except (ImportError, ValueError):
        return []
    if spec is None:
        return []
    return [*(spec.submodule_search_locations or ()), *((spec.origin,) if spec.has_location and spec.origin else ())]
