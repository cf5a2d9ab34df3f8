"""The switches of the original program, of both generations, and what each becomes.

Source: docs/howto/import-the-original-configuration.md "Every switch".
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias, TypeVar

from ksrpc.config.draft import NOTHING, Draft
from ksrpc.config.permission import convert_allow, convert_block, convert_rules, read_leaves
from ksrpc.config.schema import AccessSection, has_share
from ksrpc.config.setting import write_value
from ksrpc.errors import ConfigError

#: What a switch becomes, and a note.
Outcome: TypeAlias = tuple[str, str]
Turn: TypeAlias = Callable[[Draft, str, Any], Outcome]
_Kind = TypeVar("_Kind")
_KINDS: Mapping[type, str] = MappingProxyType({str: "a text", int: "a whole number", dict: "a dict"})

_ABSENT = "not in this version:"
_ROWS = 1 << 53
#: Tokens that the original program was published with.
_PUBLISHED = frozenset({"secret-token-1", "secret-token-2"})


def _expect(value: Any, kind: type[_Kind]) -> _Kind:
    if type(value) is not kind:
        raise ConfigError(f"this must be {_KINDS[kind]}")
    return value


def _flag(value: Any) -> bool:
    if value in (0, 1) and isinstance(value, int):
        return bool(value)
    raise ConfigError("this must be True or False")


def _sentence(*notes: str) -> str:
    return "; ".join(note for note in notes if note)


# the server

_HERE = ("127.0.0.1", "localhost", "::1")


def _turn_enabled(draft: Draft, _name: str, value: Any) -> Outcome:
    return draft.put("call", "enabled", value=_flag(value)), ""


def _turn_host(draft: Draft, _name: str, value: Any) -> Outcome:
    host = _expect(value, str).strip()
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    told = draft.put("server", "host", value=host)
    if host in _HERE:
        return told, ""
    return told, f"without TLS, as before: {draft.put('server', 'plaintext', value=True)}"


def _turn_port(draft: Draft, _name: str, value: Any) -> Outcome:
    port = int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 6 else _expect(value, int)
    if not 0 <= port <= 65_535:
        raise ConfigError(f"{port} is no port")
    return draft.put("server", "port", value=port), ""


def _turn_path(_draft: Draft, _name: str, _value: Any) -> Outcome:
    return NOTHING, f"{_ABSENT} another address; calls go to /api/file, /ws/bytes or /v1/call"


# what may be called


def _turn_methods_check(_draft: Draft, _name: str, value: Any) -> Outcome:
    note = "" if _flag(value) else "it was off, so that everybody could call everything; now only METHODS_ALLOW is open"
    return "always checked", note


def _turn_methods_allow(draft: Draft, _name: str, value: Any) -> Outcome:
    nothing = draft.put("access", "allow", value=())
    becomes, notes = draft.extend(convert_allow(value))
    return nothing if becomes == NOTHING else becomes, _sentence(*notes)


def _turn_methods_block(draft: Draft, _name: str, value: Any) -> Outcome:
    becomes, notes = draft.extend(convert_block(value))
    return becomes, _sentence(*notes)


def _turn_rules(draft: Draft, _name: str, value: Any) -> Outcome:
    becomes, notes = draft.extend(convert_rules(value))
    if not draft.has("ENABLE_SERVER"):
        becomes = f"{becomes}, {draft.put('call', 'enabled', value=True)}"
        notes.append("this generation always served")
    return becomes, _sentence(*notes)


# from where


def _networks(value: Any) -> list[tuple[str, bool]]:
    networks = []
    for text, is_open in _expect(value, dict).items():
        try:
            ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise ConfigError(f"{str(text)[:60]!r} is no network") from None
        networks.append((str(text), _flag(is_open)))
    return networks


def _turn_ip_check(_draft: Draft, _name: str, value: Any) -> Outcome:
    if _flag(value):
        return "always checked", ""
    return "always checked", 'it was off, so that every address was let in; write access.ip_allow = ["any"] for that'


def _turn_ip_allow(draft: Draft, _name: str, value: Any) -> Outcome:
    networks = _networks(value)
    if not draft.is_on("IP_CHECK"):
        return NOTHING, f"was not in force, as IP_CHECK was off; now it is {write_value(AccessSection().ip_allow)}"
    becomes = draft.put("access", "ip_allow", value=tuple(text for text, is_open in networks if is_open))
    closed = [text for text, is_open in networks if not is_open]
    return (f"{becomes}, {_block(draft, closed)}" if closed else becomes), ""


def _turn_ip_block(draft: Draft, _name: str, value: Any) -> Outcome:
    networks = _networks(value)
    becomes = _block(draft, [text for text, passes in networks if not passes])
    passing = [text for text, passes in networks if passes]
    return becomes, _sentence(
        "" if draft.is_on("IP_CHECK") else "in force now, though IP_CHECK was off",
        f"cannot be excepted from what is blocked: {', '.join(passing)}" if passing else "",
    )


def _block(draft: Draft, networks: list[str]) -> str:
    before = draft.settings.get(("access", "ip_block"), ())
    return draft.put("access", "ip_block", value=(*before, *networks))


# who


def _turn_auth_check(_draft: Draft, _name: str, value: Any) -> Outcome:
    note = "" if _flag(value) else "it was off; now each caller needs a token: `ksrpc token create NAME`"
    return "access.anonymous = false", note


def _turn_tokens(draft: Draft, _name: str, value: Any) -> Outcome:
    table = _expect(value, dict)
    if not all(isinstance(token, str) and isinstance(user, str) for token, user in table.items()):
        raise ConfigError("this must be a dict of tokens and names")
    is_used = draft.is_on("AUTH_CHECK")
    published = sorted(user for token, user in table.items() if token in _PUBLISHED)
    draft.tokens.update((token, user) for token, user in table.items() if is_used or token not in _PUBLISHED)
    note = ""
    if published:
        verb = "replace it soon" if is_used else "not taken over"
        note = f"everybody knows the token of {', '.join(published)}: {verb}"
    count = len(draft.tokens)
    return (f"{count} token{'s' if count > 1 else ''}, for 30 days" if count else NOTHING), note


def _turn_credentials(_draft: Draft, _name: str, value: Any) -> Outcome:
    names = [str(name) for name in _expect(value, dict)]
    return NOTHING, f"passwords are not taken; make tokens: `ksrpc token create NAME` for {', '.join(names)}"


# how much


def _rows(value: Any) -> int:
    if not 0 <= _expect(value, int) <= _ROWS:
        raise ConfigError(f"{value} is no number of rows")
    return value  # type: ignore[no-any-return]


def _turn_quota_check(_draft: Draft, _name: str, value: Any) -> Outcome:
    return ("in force", "") if _flag(value) else (NOTHING, "it was off: no quota is taken over")


def _turn_quota_default(key: str) -> Turn:
    def turn(draft: Draft, _name: str, value: Any) -> Outcome:
        rows = _rows(value)
        if not draft.is_on("QUOTA_CHECK"):
            return NOTHING, "was not in force, as QUOTA_CHECK was off"
        return draft.put("quota", "default", key, value=rows), ""

    return turn


def _turn_quota(draft: Draft, _name: str, value: Any) -> Outcome:
    leaves = [(path, _rows(rows)) for path, rows in read_leaves(value, int)]
    if not draft.is_on("QUOTA_CHECK"):
        return NOTHING, "was not in force, as QUOTA_CHECK was off"
    opened = draft.settings.get(("access", "allow"), AccessSection().allow)
    told = [draft.put("quota", path, "rows_per_day", value=rows) for path, rows in leaves if has_share(path, opened)]
    closed = [path for path, _ in leaves if not has_share(path, opened)]
    return ", ".join(told) or NOTHING, f"not open, so without a quota: {', '.join(closed)}" if closed else ""


# the cache, the relay, the vendors


def _turn_cache(draft: Draft, _name: str, value: Any) -> Outcome:
    return draft.put("cache", "enabled", value=_flag(value)), "an answer is kept for who says cache_expire"


def _absent(what: str) -> Turn:
    return lambda _draft, _name, _value: (NOTHING, f"{_ABSENT} {what}")


def _kept(what: str) -> Turn:
    """Make a turn that keeps a secret for what is not there yet."""

    def turn(draft: Draft, name: str, value: Any) -> Outcome:
        if not _expect(value, str):
            return NOTHING, f"empty; {_ABSENT} {what}"
        draft.secrets[name] = value
        return f"secrets/{name}", f"{_ABSENT} {what}; kept for it"

    return turn


#: In the order in which they are turned: quotas need to know what is open.
SWITCHES: Mapping[str, Turn] = MappingProxyType({
    "ENABLE_SERVER": _turn_enabled,
    "ENABLE_RELAY": _absent("the relay"),
    "HOST": _turn_host,
    "PORT": _turn_port,
    "PATH": _turn_path,
    "METHODS_CHECK": _turn_methods_check,
    "METHODS_ALLOW": _turn_methods_allow,
    "METHODS_BLOCK": _turn_methods_block,
    "IMPORT_RULES": _turn_rules,
    "IP_CHECK": _turn_ip_check,
    "IP_ALLOW": _turn_ip_allow,
    "IP_BLOCK": _turn_ip_block,
    "AUTH_CHECK": _turn_auth_check,
    "AUTH_TOKENS": _turn_tokens,
    "USER_CREDENTIALS": _turn_credentials,
    "QUOTA_CHECK": _turn_quota_check,
    "QUOTA_MODULE": _turn_quota,
    "QUOTA_FUNC": _turn_quota,
    "QUOTA_MODULE_DEFAULT": _turn_quota_default("module_rows_per_day"),
    "QUOTA_FUNC_DEFAULT": _turn_quota_default("function_rows_per_day"),
    "CACHE_ENABLE": _turn_cache,
    "CACHE_PATH": _absent("another folder; the cache is in data_dir/cache"),
    "CACHE_TIMEOUT": _absent("times by function; a caller says cache_expire"),
    "CACHE_TYPE": _absent("another store; the cache is in data_dir/cache"),
    "REDIS_URL": _kept("a Redis store"),
    "JQ_USERNAME": _kept("a wrapper that logs in to jqdatasdk"),
    "JQ_PASSWORD": _kept("a wrapper that logs in to jqdatasdk"),
    "TUSHARE_TOKEN": _kept("a wrapper that logs in to tushare"),
    "EIKON_APP_KEY": _kept("a wrapper that logs in to eikon"),
    "RQ_USERNAME": _kept("a wrapper that logs in to rqdatac"),
    "RQ_PASSWORD": _kept("a wrapper that logs in to rqdatac"),
    "WIND_ENABLE": _absent("a wrapper that starts WindPy"),
})  # fmt: skip
