"""The settings, with their types, defaults and bounds.

Source: docs/reference/config.md.
"""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from ksrpc.config.key import Location, join_key
from ksrpc.config.kind import (
    Host,
    Member,
    Network,
    Origin,
    ParameterClass,
    ParameterKey,
    Pattern,
    Place,
    Port,
    PublicUrl,
    Rows,
    SecretName,
    TimeZone,
)
from ksrpc.model import ANONYMOUS, HandleClass, Rules


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ServerSection(_Section):
    """Where the gateway listens and keeps its data."""

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    socket: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    plaintext: bool = False
    public_url: PublicUrl = ""
    data_dir: Path = Path("data")
    modules_dir: Path = Path("server")
    time_zone: TimeZone = "Asia/Shanghai"
    hosts: tuple[str, ...] = ()
    origins: tuple[Origin, ...] = ()
    compression: Literal["auto", "off", "always"] = "auto"


class CallSection(_Section):
    """Whether and how calls are served."""

    enabled: bool = False
    timeout_s: float = Field(300.0, gt=0, le=86_400)
    processes: int = Field(4, ge=1, le=64)
    queue: int = Field(4096, ge=1, le=100_000)
    memory_mb: int = Field(4096, ge=64)
    traceback: bool = False
    handles: int = Field(1000, ge=1, le=10_000)
    handle_idle_s: float = Field(1800.0, gt=0, le=86_400)
    place: Literal["auto", "strict", "network", "open"] = "auto"
    data_roots: tuple[Path, ...] = ()
    connect_ports: tuple[Port, ...] = (80, 443, 53)


class CacheSection(_Section):
    """Whether and how much of the answers is kept."""

    enabled: bool = True
    max_mb: int = Field(10_240, ge=1)
    max_object_mb: int = Field(2048, ge=1)
    min_free_mb: int = Field(1024, ge=0)


class AccessSection(_Section):
    """Who may come in, and what they may call."""

    anonymous: bool = False
    ip_allow: tuple[Network, ...] = ("loopback", "private")
    ip_block: tuple[Network, ...] = ()
    trusted_proxies: tuple[Network, ...] = ()
    connections: int = Field(1000, ge=1, le=100_000)
    allow: tuple[Pattern, ...] = ("demo",)
    block: tuple[Pattern, ...] = ()
    unsafe: tuple[Pattern, ...] = ()
    services: tuple[Pattern, ...] = ()
    handles: bool = True


class UserQuota(_Section):
    """How much one user may fetch, instead of `quota.default`."""

    rows_per_day: Rows | None = None


class UserSection(_Section):
    """What one user may call; it narrows the global rule."""

    allow: tuple[Pattern, ...] | None = None
    block: tuple[Pattern, ...] = ()
    unsafe: tuple[Pattern, ...] = ()
    handles: bool | None = None
    trade: bool = False
    quota: UserQuota = UserQuota()


class QuotaSection(_Section):
    """How much of a module or function each user may fetch."""

    rows_per_day: Rows | None = None


class DefaultQuota(_Section):
    """How much each user may fetch: of all together, of each module, of each function."""

    rows_per_day: Rows | None = None
    module_rows_per_day: Rows | None = None
    function_rows_per_day: Rows | None = None


class QuotaTable(_Section):
    """Limits by module or function; `default` holds for what has none of its own."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, QuotaSection]

    default: DefaultQuota = DefaultQuota()

    @property
    def named(self) -> dict[str, QuotaSection]:
        """Return the limits of single modules and functions by their path."""
        return self.__pydantic_extra__


class HandleSection(_Section):
    """What may be done with an instance of one class of the module, which is kept on the server."""

    methods: tuple[Member, ...] = ()
    attributes: tuple[Member, ...] = ()
    context: bool = False


class ModuleSection(_Section):
    """How one module is run."""

    executor: Literal["process", "inline"] = "process"
    processes: int | None = Field(None, ge=1, le=64)
    memory_mb: int | None = Field(None, ge=64)
    path: Path | None = None
    shadow: bool = False
    arguments: Literal["data", "any"] = "data"
    place: Place | None = None
    data_roots: tuple[Path, ...] | None = None
    connect_ports: tuple[Port, ...] | None = None
    hosts: tuple[Host, ...] | None = None
    parameters: dict[ParameterKey, ParameterClass] = {}
    secrets: tuple[SecretName, ...] = ()
    handles: dict[Pattern, HandleSection] = {}


class AuditSection(_Section):
    """What is written down of calls."""

    enabled: bool = True
    arguments: Literal["digest", "preview", "none"] = "digest"
    file_mb: int = Field(64, ge=1, le=4096)
    keep_days: int = Field(90, ge=1, le=3650)


class Config(_Section):
    """Hold the whole configuration, checked."""

    server: ServerSection = ServerSection()
    call: CallSection = CallSection()
    cache: CacheSection = CacheSection()
    access: AccessSection = AccessSection()
    user: dict[str, UserSection] = {}
    module: dict[str, ModuleSection] = {}
    quota: QuotaTable = QuotaTable()
    audit: AuditSection = AuditSection()

    @model_validator(mode="after")
    def _check_whole(self) -> Config:
        problems = list(_problems(self))
        if problems:
            text = "\n".join(text for _, text in problems)
            raise PydanticCustomError("whole", "{text}", {"text": text, "problems": problems})
        return self

    def rules_for(self, user: str) -> Rules:
        """Return the rules of one user: the global ones, narrowed by the user's own list; `unsafe` adds roots."""
        base, own = self.access, self.user.get(user, UserSection())
        return Rules(
            allow=base.allow if own.allow is None else own.allow,
            block=base.block + own.block,
            unsafe=base.unsafe + own.unsafe,
            services=base.services,
            files=self._files,
            handles=self.handles if self._may_hold(user) else (),
            trade=("*",) if own.trade else (),
        )

    def handle_classes(self, module: str) -> tuple[HandleClass, ...]:
        """Return the classes of a module whose instances may be kept on the server."""
        section = self.module.get(module)
        listed = section.handles if section is not None else {}
        return tuple(
            HandleClass(f"{module}.{name}", entry.methods, entry.attributes, entry.context)
            for name, entry in listed.items()
        )

    @property
    def handles(self) -> tuple[str, ...]:
        """Return the paths of all classes whose instances may be kept on the server."""
        return tuple(f"{module}.{name}" for module, section in self.module.items() for name in section.handles)

    def _may_hold(self, user: str) -> bool:
        """Tell whether a user has the right to objects; nobody without a token has it unless their section says so."""
        own = self.user.get(user, UserSection()).handles
        return (self.access.handles and user != ANONYMOUS) if own is None else own

    @property
    def _files(self) -> tuple[str, ...]:
        return tuple(name for name, section in self.module.items() if section.path is not None)

    @property
    def all_rules(self) -> Rules:
        """Return the widest rules of any user: what a worker may load at all."""
        sections: list[AccessSection | UserSection] = [self.access, *self.user.values()]
        return Rules(
            allow=tuple(dict.fromkeys(p for s in sections for p in s.allow or ())),
            block=self.access.block,
            unsafe=tuple(dict.fromkeys(p for s in sections for p in s.unsafe)),
            services=self.access.services,
            files=self._files,
            handles=self.handles,
            trade=("*",) if any(section.trade for section in self.user.values()) else (),
        )


def _problems(config: Config) -> Iterator[tuple[Location, str]]:
    """Yield what is wrong with keys that are right each for itself: the key, and a text that begins with it."""
    access, server = config.access, config.server
    if access.anonymous and not _is_loopback(server.host):
        yield (
            ("server", "host"),
            f"server.host = {server.host!r} opens this server to the network while access.anonymous is true: "
            "set access.anonymous = false and make tokens with `ksrpc token create NAME`",
        )
    elif not (_is_loopback(server.host) or server.tls_cert or access.trusted_proxies or server.plaintext):
        yield (
            ("server", "host"),
            f"server.host = {server.host!r} opens this server to the network, where others could read tokens: set "
            "server.tls_cert and tls_key, access.trusted_proxies for a proxy with TLS, or server.plaintext = true",
        )
    if (server.tls_cert is None) != (server.tls_key is None):
        here, there = ("tls_cert", "tls_key") if server.tls_key is None else ("tls_key", "tls_cert")
        yield ("server", here), f"server.{here} needs server.{there}: a certificate and its key, both in PEM form"
    if server.tls_client_ca is not None and server.tls_cert is None:
        yield (
            ("server", "tls_client_ca"),
            "server.tls_client_ca needs server.tls_cert and tls_key: only TLS asks for it",
        )
    if "*" in access.allow and not access.unsafe:
        text = 'access.allow = ["*"] opens everything: name the roots in access.unsafe, or ["*"]'
        yield ("access", "allow"), text
    for name, section in config.user.items():
        opened = (*access.allow, *section.unsafe)
        for pattern in section.allow or ():
            if not is_covered(pattern, opened):
                key = ("user", name, "allow")
                text = f"{pattern!r} is not opened by access.allow; a user's list only narrows it"
                yield key, f"{join_key(key)}: {text}"
    yield from _module_problems(config)
    yield from _quota_problems(config)


def _module_problems(config: Config) -> Iterator[tuple[Location, str]]:
    unsafe = config.all_rules.unsafe
    for name, module in config.module.items():
        if module.executor == "inline" and (name in unsafe or "*" in unsafe):
            key = ("module", name, "executor")
            yield key, f"{join_key(key)}: what is unsafe never runs in the gateway itself"
        if module.executor == "inline" and module.place not in (None, "open"):
            key = ("module", name, "place")
            yield key, f'{join_key(key)}: with executor = "inline" it runs in the gateway, which has no such place'
        yield from _handle_problems(name, module)
        yield from _secret_problems(name, module)
        yield from _parameter_problems(name, module)


def _secret_problems(name: str, module: ModuleSection) -> Iterator[tuple[Location, str]]:
    if module.secrets and module.executor == "inline":
        key: Location = ("module", name, "secrets")
        yield key, f'{join_key(key)}: secrets are handed to processes of the module alone, not with executor = "inline"'


def _handle_problems(name: str, module: ModuleSection) -> Iterator[tuple[Location, str]]:
    if module.handles and module.executor == "inline":
        key: Location = ("module", name, "handles")
        yield key, f'{join_key(key)}: objects are kept in worker processes only, not with executor = "inline"'
    for path, listed in module.handles.items():
        key = ("module", name, "handles", path)
        twice = sorted(set(listed.methods) & set(listed.attributes))
        if twice:
            yield key, f"{join_key(key)}: {', '.join(twice)}: either a method or an attribute"
        if "*" in path:
            yield key, f"{join_key(key)}: name each class: nothing is kept that is not listed"


def _parameter_problems(name: str, module: ModuleSection) -> Iterator[tuple[Location, str]]:
    for parameter, kind in module.parameters.items():
        key: Location = ("module", name, "parameters", parameter)
        if module.arguments == "any":
            yield key, f'{join_key(key)}: with arguments = "any" no argument is looked at'
        if kind == "url" and not module.hosts:
            yield key, f'{join_key(key)}: list the hosts in module.{name}.hosts, or write "url:host.example"'
        if parameter.startswith("*.") and parameter[2:] in module.parameters:
            yield key, f"{join_key(key)}: {parameter[2:]!r} is another name for it; keep one"


def _quota_problems(config: Config) -> Iterator[tuple[Location, str]]:
    rules = config.all_rules
    opened = (*rules.allow, *rules.unsafe)
    for name in config.quota.named:
        if has_share(name, opened):
            continue
        close = difflib.get_close_matches(name, ["default", *opened], n=1)
        hint = f"; did you mean {join_key((close[0],))}?" if close else "; name what access.allow opens, or default"
        yield ("quota", name), f"{join_key(('quota', name))}: nothing of this name is open to anybody{hint}"


def is_covered(pattern: str, by: tuple[str, ...]) -> bool:
    """Tell whether one of some patterns opens, or closes, all that another one does."""
    return any(other in ("*", pattern) or pattern.startswith(other + ".") for other in by)


def has_share(pattern: str, in_patterns: tuple[str, ...]) -> bool:
    """Tell whether a pattern and some others have anything in common."""
    return is_covered(pattern, in_patterns) or any(is_covered(other, (pattern,)) for other in in_patterns)


def _is_loopback(host: str) -> bool:
    if host in ("localhost", ""):
        return host == "localhost"
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
