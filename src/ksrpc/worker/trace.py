"""Show where an exception came through without showing the code: modules, functions, line numbers.

No frame shows its source line or its file, whoever wrote it: a module that is served may be a package like any other.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable
from types import TracebackType

from ksrpc.expose import SOURCE_PACKAGE
from ksrpc.wire import error_text

__all__ = ["trace_text"]

_CAUSE = "The above exception was the direct cause of the following exception:"
_CONTEXT = "During handling of the above exception, another exception occurred:"
_LINKS = 16
_FRAMES = 50


def trace_text(error: BaseException, cover: Callable[[str], str] | None) -> str:
    """Write the traceback of an exception and of those that it was raised from or during.

    Args:
        error: The exception.
        cover: Takes out of its texts what must not be told; None if all may be.
    """
    parts: list[str] = []
    link: BaseException | None = error
    while link is not None and len(parts) < 2 * _LINKS:
        parts.insert(0, _one_text(link, cover))
        before = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
        if before is not None:
            parts.insert(0, _CAUSE if before is link.__cause__ else _CONTEXT)
        link = before
    return "\n\n".join(parts) + "\n"


def _one_text(error: BaseException, cover: Callable[[str], str] | None) -> str:
    lines = _frame_lines(error.__traceback__)
    if len(lines) > _FRAMES:
        lines = [*lines[: _FRAMES // 2], f"  … {len(lines) - _FRAMES} more …", *lines[-_FRAMES // 2 :]]
    text = ""
    with contextlib.suppress(Exception):  # a broken __str__ of the library's must not hide the error itself
        text = str(error) if cover is None else cover(error_text(error))
    cls = type(error)
    name = cls.__qualname__ if cls.__module__ == "builtins" else f"{_shown(cls.__module__)}.{cls.__qualname__}"
    return "\n".join(["Traceback (most recent call last):", *lines, f"{name}: {text}" if text else name])


def _frame_lines(trace: TracebackType | None) -> list[str]:
    """Name each frame below this program's own."""
    lines = []
    for frame, line in traceback.walk_tb(trace):
        module = str(frame.f_globals.get("__name__", "?"))
        if module.partition(".")[0] != "ksrpc":
            lines.append(f'  File "<server module {_shown(module)}>", line {line}, in {frame.f_code.co_qualname}')
    return lines


def _shown(module: str) -> str:
    return str(module).removeprefix(f"{SOURCE_PACKAGE}.")
