"""Watch a worker process from within. It is served as a module, so that the process is as the gateway starts it."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from typing import Any

from ksrpc.worker.place import guard

__all__ = ["seen", "watch"]

#: Events that tell of nothing outside the interpreter, and would be most of all.
_CALM = frozenset((
    "array.__new__", "builtins.id", "code.__new__", "function.__new__", "marshal.loads", "object.__delattr__",
    "object.__getattr__", "object.__setattr__", "sys._getframe", "sys._getframemodulename", "sys.unraisablehook",
    "time.sleep",
))  # fmt: skip
_TEXT_CHARS = 300
_CANARY = "canary"
_events: dict[str, None] = {}
_told: set[str] = set()


def watch(lazy: list[str]) -> int:
    """Import what libraries import late, then begin to write down what Python tells of itself.

    What the guard refuses is written down, too: it raises before others hear of it.
    """
    for name in lazy:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    check = guard._check

    def listen(event: str, args: tuple[Any, ...], is_strict: bool, is_bounded: bool) -> None:
        _note(event, args)
        check(event, args, is_strict, is_bounded)

    guard._check = listen
    sys.meta_path.insert(0, _Listener())  # what `importlib.import_module` imports raises no event
    sys.addaudithook(lambda event, args: None if event in _CALM else _note(event, args))
    return os.getpid()


class _Listener:
    """Hear of every module that is looked for, and find none."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        """Write the name down."""
        _note("import", (name,))


def seen() -> list[str]:
    """Tell what came since the last time, each thing once in the life of this process."""
    fresh = [text for text in _events if text not in _told]
    _told.update(fresh)
    _events.clear()
    return fresh


def _note(event: str, args: tuple[Any, ...]) -> None:
    if event == "exec":
        what = getattr(args[0], "co_filename", "?")
        told = what if what.startswith("/") else f"{what} for {_caller()}"
    elif event == "compile":
        told = f"{args[1]!s} for {_caller()}" + (" of the caller's text" if _CANARY in _path(args[0]) else "")
    elif event == "import":
        told = f"{args[0]}"
    elif event == "open":
        told = f"{_path(args[0])} {args[1] if isinstance(args[1], str) else args[2]}"
    else:
        plain = " ".join(_path(arg) for arg in args[:2] if isinstance(arg, (str, bytes, int, os.PathLike)))
        told = f"{plain} for {_caller()}"
    _events[f"{event} {told}"[:_TEXT_CHARS]] = None


def _path(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _caller() -> str:
    """Name the function whose code asks for code to be made."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_code.co_filename in (__file__, "<string>"):
        frame = frame.f_back
    return f"{frame.f_globals.get('__name__')}.{frame.f_code.co_name}"
