"""Change ksrpc.toml as a careful person would: comments and layout stay, and nothing is replaced that cannot be read.

The new text is checked as the server would, written beside the file, and then takes its place in one step.

Source: docs/reference/cli.md "ksrpc user".
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import stat
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Comment, Item, Null, Table, Whitespace

from ksrpc.config import Config
from ksrpc.config.file import parse_config
from ksrpc.errors import ConfigError
from ksrpc.expose import Surface


class Amendment:
    """Hold the text of a configuration while it is changed."""

    def __init__(self, text: str) -> None:
        self._document = tomlkit.parse(text)
        self._added: dict[str, Table] = {}

    def has_user(self, name: str) -> bool:
        """Tell whether there is a section of a user."""
        return name in self._users()

    def user(self, name: str) -> Any:
        """Return the section of a user, to be changed; where there is none, it is made at the end of the file."""
        if self.has_user(name):
            return self._users()[name]
        return self._added.setdefault(name, tomlkit.table())

    def remove_user(self, name: str) -> None:
        """Remove the section of a user; comments that stand after it belong to what follows, and stay."""
        text = self.pack()
        self._document = tomlkit.parse(_cut_user(text, name))

    def open(self, patterns: Sequence[str]) -> None:
        """Add patterns to `access.allow`."""
        if not patterns:
            return
        access = self._access()
        if "allow" in access:
            extend(access["allow"], patterns)
        else:
            access["allow"] = [*Config().access.allow, *patterns]

    def allow(self, patterns: Sequence[str]) -> None:
        """Put patterns in the place of those of `access.allow`."""
        array: Any = self._access().setdefault("allow", tomlkit.array())
        before = len(array.as_string())
        array.clear()
        extend(array, patterns, before=before)

    def pack(self) -> str:
        """Return the new text."""
        text = tomlkit.dumps(self._document)
        for name, section in self._added.items():
            alone: Any = tomlkit.document()
            alone["user"] = tomlkit.table(is_super_table=True)
            alone["user"][name] = section
            text = f"{text.rstrip()}\n\n{tomlkit.dumps(alone)}"
        return text.rstrip() + "\n"

    def _access(self) -> Any:
        return self._document.setdefault("access", tomlkit.table())

    def _users(self) -> Any:
        return self._document.get("user", {})


@contextlib.contextmanager
def amending(path: Path) -> Iterator[Amendment]:
    """Change a file: what the block makes of it takes its place, if it can be.

    Raises:
        ConfigError: It cannot be read or written, somebody else changed it meanwhile, or what it would say cannot be;
            then the file is as it was.
    """
    place = path.resolve()  # a link stays one
    with _locked(place) as before:
        try:
            amendment = Amendment(place.read_text(encoding="utf-8"))
        except (TOMLKitError, UnicodeDecodeError) as exc:
            raise ConfigError(f"{path}: {exc}") from exc
        yield amendment
        _replace(path, place, amendment.pack(), before)


def extend(array: Any, items: Sequence[str], *, before: int | None = None) -> None:
    """Add what is missing to an array, in its layout; a comment behind it stays in its column while there is room.

    Args:
        before: Width of the array that the comment stands behind; its present one by default.
    """
    before = len(array.as_string()) if before is None else before
    for entry in items:
        if entry not in array:
            array.append(entry)
    room = len(array.trivia.comment_ws) + before - len(array.as_string())
    array.trivia.comment_ws = " " * max(1, room) if array.trivia.comment else ""


def check_rules(settings: Config) -> None:
    """Check what only the gates know: whether the patterns of all rules can be.

    Raises:
        ConfigError: One cannot.
    """
    for rules in (settings.all_rules, *map(settings.rules_for, settings.user)):
        Surface(rules)


def _cut_user(text: str, name: str) -> str:
    """Return a text without the section of a user.

    What stands behind the section in tomlkit's eyes is part of it. So its header is marked, its keys are taken out, and
    the marked lines are left out of the text; where the section is written in another form, tomlkit removes it.
    """
    document: Any = tomlkit.parse(text)
    marks = list(_empty(document["user"][name]))
    lines = tomlkit.dumps(document).splitlines(keepends=True)
    cut = "".join(line for line in lines if not any(mark in line for mark in marks))
    plain: Any = tomlkit.parse(text)
    del plain["user"][name]
    removed = tomlkit.dumps(plain)
    return cut if _users_apart(cut) == _users_apart(removed) else removed


def _empty(section: Any) -> Iterator[str]:
    """Take out the keys of a section and of those within; yield what marks their headers."""
    if not isinstance(section, Table):
        return
    mark = secrets.token_hex(16)
    yield mark
    section.trivia.comment = f"# {mark}"
    body = section.value.body
    for at in range(_end_of(body)):
        entry = body[at][1]
        if isinstance(entry, Table):
            yield from _empty(entry)
        else:
            body[at] = (None, Null())


def _end_of(body: list[tuple[Any, Item]]) -> int:
    """Return where a table ends: the comments after the first blank line behind its last key are of what follows."""
    last = max((at for at, (key, _) in enumerate(body) if key is not None), default=-1)
    for at in range(last + 1, len(body)):
        if isinstance(body[at][1], Whitespace) and any(isinstance(entry, Comment) for _, entry in body[at:]):
            return at
    return len(body)


def _users_apart(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a text says, and what it says of users; a table of none is none."""
    try:
        whole = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {}, {}
    return whole, whole.pop("user", {})


@contextlib.contextmanager
def _locked(place: Path) -> Iterator[os.stat_result]:
    """Let one command at a time change the file; yield its state."""
    while True:
        try:
            fd = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as exc:
            raise ConfigError(f"{place} cannot be read: {exc.strerror}; `ksrpc init` writes it") from exc
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            before = os.fstat(fd)
            if before.st_nlink:  # else another command has replaced it while this one waited
                yield before
                return
        finally:
            os.close(fd)


def _replace(path: Path, place: Path, text: str, before: os.stat_result) -> None:
    fresh = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
    check_rules(parse_config(text, path, os.environ).config)
    try:
        _write(fresh, text, before)
        found = place.stat()
        if (found.st_ino, found.st_mtime_ns) != (before.st_ino, before.st_mtime_ns):
            raise ConfigError(f"{path} was changed by somebody else meanwhile; try again")
        fresh.replace(place)
    except OSError as exc:
        raise ConfigError(f"{path} cannot be written: {exc.strerror}") from exc
    finally:
        fresh.unlink(missing_ok=True)


def _write(fresh: Path, text: str, before: os.stat_result) -> None:
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(fd, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        with contextlib.suppress(PermissionError):  # only root can give files away
            os.fchown(fd, before.st_uid, before.st_gid)
        os.fchmod(fd, stat.S_IMODE(before.st_mode))
        os.fsync(fd)
