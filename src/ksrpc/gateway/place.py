"""Decide in which place a module's worker processes run (gate D): by its section, else by what kind of module it is.

Source: docs/reference/config.md "The place of a call".
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from ksrpc.config import Config
from ksrpc.config.file import NAME
from ksrpc.config.schema import ModuleSection
from ksrpc.expose import Surface
from ksrpc.expose.origin import BUILTIN
from ksrpc.model import Reach, Rules
from ksrpc.worker.place import Level, Plan

#: Of toolkits and the standard library, those that are there to ask others.
_ASKING = frozenset(("aiohttp", "boto3", "fsspec", "ftplib", "http", "httpx", "psycopg", "redis", "requests",
                     "smtplib", "socket", "sqlalchemy", "urllib", "urllib3", "websockets"))  # fmt: skip


def plan_place(config: Config, root: str, *, is_unsafe: bool) -> Plan:
    """Say what the worker processes of a module may reach.

    Args:
        config: The configuration.
        root: The module.
        is_unsafe: Whether these processes are for callers without gates.
    """
    section, calls = config.module.get(root, ModuleSection()), config.call
    ports = calls.connect_ports if section.connect_ports is None else section.connect_ports
    reach = plan_reach(config, root)
    is_file = section.path is not None or root in BUILTIN
    level = _level(config, root, is_unsafe=is_unsafe)
    hosts = section.hosts if level == "network" else None
    return Plan(
        level=level,
        module="" if is_file else root,
        read=(*_texts(_own(section, config.server.data_dir)), *reach.roots),
        closed=reach.closed,
        ports=() if hosts is not None else tuple(ports),
        hosts=hosts,
    )


def plan_reach(config: Config, root: str) -> Reach:
    """Say what arguments of a module may name, where its parameters are classed so."""
    section, server = config.module.get(root, ModuleSection()), config.server
    roots = config.call.data_roots if section.data_roots is None else section.data_roots
    closed = [path for path in (server.data_dir, server.tls_key, server.socket) if path is not None]
    return Reach(_texts(roots), _texts(closed), hosts=section.hosts or (), classes=section.parameters)


def read_secrets(names: Iterable[str]) -> dict[str, str]:
    """Read secrets from the environment, or from the file that NAME_FILE names; what is not there is left out."""
    found = {}
    for name in names:
        file = os.environ.get(f"{name}_FILE")
        with contextlib.suppress(OSError, UnicodeDecodeError):
            text = Path(file).read_text("utf-8").strip() if file else os.environ.get(name)
            if text:
                found[name] = text
    return found


def _texts(paths: Iterable[Path]) -> tuple[str, ...]:
    return tuple(str(path.absolute()) for path in paths)


def _level(config: Config, root: str, *, is_unsafe: bool) -> Level:
    section = config.module.get(root, ModuleSection())
    if section.place is not None:
        return section.place
    if config.call.place != "auto" and section.hosts is None:
        return config.call.place
    if is_unsafe:
        return "open"
    if section.hosts is not None:
        return "network"
    if root in BUILTIN and section.path is None:
        return "strict"
    rules = config.all_rules
    kind = Surface(Rules((), files=rules.files, services=rules.services)).class_of(root)
    return "network" if kind == "vendor" or root in _ASKING else "strict"


def _own(section: ModuleSection, data_dir: Path) -> list[Path]:
    """List what belongs to a file of the administrator: its folder, or it alone if other things are there, too."""
    if section.path is None:
        return []
    folder = section.path.parent.resolve()
    others = map(Path.resolve, (data_dir, Path(os.path.expanduser("~")), Path(tempfile.gettempdir())))
    is_shared = any(other.is_relative_to(folder) for other in others) or (folder / NAME).exists()
    return [section.path] if is_shared else [section.path, folder]
