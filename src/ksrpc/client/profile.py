"""The profile of `ksrpc login`: which gateway, and the token for each, in a file that only its owner reads.

A token is given out for the origin it was kept for, and for no other.

Source: docs/reference/client.md "Profile"; the XDG Base Directory specification 0.8.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import stat
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ksrpc.errors import ConfigError
from ksrpc.transport.dial import parse_url

_SCHEMES: Final = ("http", "https", "ws", "wss")
_FILE_BYTES: Final = 1 << 20
#: What others may do with the file, who may do nothing.
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_HEAD: Final = "# Written by `ksrpc login`. The tokens are secrets: keep this file to yourself.\n"


@dataclass(slots=True)
class Profile:
    """Hold the gateways that this user has logged in to.

    Attributes:
        current: URL of the one that is meant where none is named; empty if there is none.
        tokens: URL → token; an empty one for a gateway that asks for none.
    """

    current: str = ""
    tokens: dict[str, str] = field(default_factory=dict)

    def token_for(self, url: str) -> str | None:
        """Return the token kept for the URL's origin: same host, same port, and TLS or not as then."""
        wanted = origin_of(url)
        return next((token for known, token in self.tokens.items() if origin_of(known) == wanted), None)

    def add(self, url: str, token: str) -> None:
        """Keep a token, make its gateway the current one, and forget what was kept for the same origin."""
        self.remove(url)
        self.tokens[url] = token
        self.current = url

    def remove(self, url: str) -> bool:
        """Forget the token of the URL's origin; return whether there was one."""
        wanted = origin_of(url)
        gone = [known for known in self.tokens if origin_of(known) == wanted]
        for known in gone:
            del self.tokens[known]
        if self.current in gone:
            self.current = ""
        return bool(gone)


def origin_of(url: str) -> tuple[str, int, bool]:
    """Return host (or the path of a Unix socket), port and whether TLS is spoken.

    Raises:
        ConfigError: It is not the URL of a gateway.
    """
    address = parse_url(url, _SCHEMES)
    return address.socket_path or address.host, address.port, address.is_tls


def find_profile() -> Path | None:
    """Return where the profile is, or would be; None where this user has no home."""
    variable, default = ("APPDATA", "AppData/Roaming") if os.name == "nt" else ("XDG_CONFIG_HOME", ".config")
    given = Path(os.environ.get(variable, ""))
    if given.is_absolute():
        return given / "ksrpc" / "profile.toml"
    try:
        return Path.home() / default / "ksrpc" / "profile.toml"
    except RuntimeError:
        return None


def load_profile() -> Profile:
    """Read the profile; an empty one if there is none.

    Raises:
        ConfigError: Others can read it, or it cannot be read; the text holds the cure.
    """
    path = find_profile()
    if path is None:
        return Profile()
    try:
        with path.open("rb") as file:
            _check_private(path, os.fstat(file.fileno()))
            fields = tomllib.loads(file.read(_FILE_BYTES).decode())
        return _parse(fields)
    except (FileNotFoundError, NotADirectoryError):
        return Profile()
    except OSError as exc:
        raise ConfigError(f"{path} cannot be read: {exc.strerror}") from exc
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        if isinstance(exc, ConfigError):
            raise
        # from None: the text of the cause may quote what stands in the file
        raise ConfigError(f"{path} is not a profile; remove it and run `ksrpc login URL` again") from None


def dump_profile(profile: Profile) -> Path:
    """Write the profile, whole or not at all, readable by its owner alone.

    Raises:
        ConfigError: It cannot be written.
    """
    path = find_profile()
    if path is None:
        raise ConfigError("there is no home folder to keep a profile in; set XDG_CONFIG_HOME")
    lines = [_HEAD, f"current = {json.dumps(profile.current)}\n\n[token]\n"]
    lines += [f"{json.dumps(url)} = {json.dumps(token)}\n" for url, token in profile.tokens.items()]
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write("".join(lines))
        part.replace(path)
    except OSError as exc:
        with contextlib.suppress(OSError):
            part.unlink()
        raise ConfigError(f"{path} cannot be written: {exc.strerror}") from exc
    return path


def _check_private(path: Path, found: os.stat_result) -> None:
    if os.name == "posix" and found.st_mode & _OTHERS:
        raise ConfigError(f"others can read the tokens in {path}: chmod 600 {path}")
    if os.name == "posix" and found.st_uid not in (os.getuid(), 0):
        raise ConfigError(f"{path} belongs to somebody else; remove it and run `ksrpc login URL`")


def _parse(fields: dict[str, Any]) -> Profile:
    current, tokens = fields["current"], dict(fields["token"].items())
    if not {str}.issuperset(map(type, (current, *tokens.values()))):
        raise TypeError("a token is a text")
    for url in tokens:
        origin_of(url)
    return Profile(current, tokens)
