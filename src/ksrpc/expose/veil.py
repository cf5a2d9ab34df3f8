"""Take out of an exception's texts what its caller must not read: places here, and values under a secret's name.

Rules:
* What stood in the caller's own arguments is no news to them, and stays.
* A place is told as `<server>`, a secret as `<secret>`; one that was handed over also if the caller sent it.

Source: docs/spec/policy.md "What callers read of an exception"; THREATS H33.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ksrpc.expose.origin import SOURCE_PACKAGE
from ksrpc.expose.rule import SECRET_NAME
from ksrpc.vault import SECRET_CHARS, forms_of, handed

__all__ = ["Veil", "chain_of"]

_END = r"[^\s'\"<>|;,()\[\]{}]*"
_ITEMS = 1000
#: So many parts of a result are looked at.
_RESULT_ITEMS = 100_000
_LINKS = 64
#: What Linux has at its root, for where that cannot be listed.
_ROOTS = ("bin", "dev", "etc", "home", "lib", "mnt", "opt", "proc", "root", "run", "srv", "tmp", "usr", "var")


class Veil:
    """Know the places that texts of this process could name.

    Args:
        files: Bare name → the administrator's file that is served here under it.
        roots: Folders and files that the modules here may read besides.
    """

    __slots__ = ("_handed", "_places", "_served")

    def __init__(self, files: Mapping[str, Path] = MappingProxyType({}), roots: Iterable[str] = ()) -> None:
        self._served = [f"{SOURCE_PACKAGE}.{name}" for name in files]
        known = [path for file in files.values() for path in (file, file.parent)] + list(map(Path, roots))
        served = [form for path in known for form in _spellings(path)]
        general = [sys.prefix, sys.base_prefix, str(Path(__file__).parents[1]), os.path.expanduser("~")]
        self._handed = frozenset(form for text in handed() for form in forms_of(text))
        self._places = _any_of((place for place in (*served, *general) if place.count("/") > 1), after=_END)

    def over(self, error: BaseException, sent: Iterable[Any] = ()) -> Callable[[str], str]:
        """Return what covers the texts of one exception.

        Args:
            error: The exception; the files that it names are covered wherever they are.
            sent: The caller's arguments.
        """
        links = list(chain_of(error))
        own = _texts_of(sent)
        named = {name for link in links for name in _files_of(link) if os.path.isabs(name) and name != "/"}
        secrets = _any_of((_secrets_of(links, self._served) - own) | self._handed)
        places = [pattern for pattern in (_any_of(named, after=_END), self._places, _any_place()) if pattern]

        def name_place(match: re.Match[str]) -> str:
            return match[0] if match[0] in own else "<server>"

        def cover(text: str) -> str:
            if secrets is not None:
                text = secrets.sub("<secret>", text)
            for pattern in places if "/" in text else ():
                text = pattern.sub(name_place, text)
            return text

        return cover

    def finds(self, value: Any) -> bool:
        """Tell whether plain values hold a secret that was handed over, in any of their texts."""
        if not self._handed:
            return False
        texts = _texts_of((value,), _RESULT_ITEMS)
        return any(form in text for text in texts for form in self._handed)


def chain_of(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception, what it was raised from or during, and the members of groups; each once."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting and len(seen) < _LINKS:
        link = waiting.pop(0)
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        waiting += (link.__cause__, link.__context__)
        waiting += link.exceptions if isinstance(link, BaseExceptionGroup) else ()


def _spellings(path: Path) -> set[str]:
    return {str(path), os.path.abspath(path), os.path.realpath(path), path.resolve().as_uri()}


def _files_of(error: BaseException) -> Iterator[str]:
    for name in ("filename", "filename2", "path"):
        with contextlib.suppress(Exception):  # a class of the library may compute them
            yield os.fsdecode(getattr(error, name))


def _secrets_of(links: Iterable[BaseException], served: Iterable[str]) -> set[str]:
    """Collect what has a secret's name in the modules served here, and in those that an exception came through."""
    homes = [vars(sys.modules[name]) for name in served if name in sys.modules]
    for link in links:
        homes += [frame.f_globals for frame, _ in traceback.walk_tb(link.__traceback__)]
    found: list[Any] = []
    for home in {id(home): home for home in homes if not _is_ours(home)}.values():
        found += [value for name, value in list(home.items()) if SECRET_NAME.search(name)]
    return {text for text in _texts_of(found) if len(text) >= SECRET_CHARS}


def _is_ours(home: Mapping[str, Any]) -> bool:
    return str(home.get("__name__")).startswith("ksrpc.")


def _texts_of(values: Iterable[Any], most: int = _ITEMS) -> set[str]:
    """Collect the texts in values and in plain containers of them, as far as a bound."""
    found: set[str] = set()
    waiting = list(values)[:most]
    for _ in range(most):
        if not waiting:
            break
        value = waiting.pop()
        if type(value) is str:
            found.add(value)
        elif type(value) is bytes:
            found.add(value.decode("utf-8", "surrogateescape"))
        elif type(value) in (list, tuple, set, frozenset):
            waiting += list(value)[:most]
        elif type(value) is dict:
            waiting += [*list(value)[:most], *list(value.values())[:most]]
    return found


def _any_of(texts: Iterable[str], *, after: str = "") -> re.Pattern[str] | None:
    """Match any of some texts, as they are or as `repr` spells them, the longest first."""
    forms = sorted({form for text in texts for form in (text, repr(text)[1:-1])}, key=len, reverse=True)
    return re.compile(f"(?:{'|'.join(map(re.escape, forms))}){after}") if forms else None


@functools.cache
def _any_place() -> re.Pattern[str]:
    """Match absolute paths below the folders that this machine has at its root."""
    names: Iterable[str] = _ROOTS
    with contextlib.suppress(OSError):
        names = {*os.listdir("/"), *_ROOTS}
    inside = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    return re.compile(rf"(?:(?<![\w.\-/:\\])|file://)/(?:{inside})/{_END}")
