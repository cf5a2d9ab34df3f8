"""Whether calls that last are shown, and where.

Source: docs/reference/client.md "Progress".
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeAlias

from ksrpc.connections.base import Connection
from ksrpc.errors import ConfigError
from ksrpc.transport.watch import State, Trails, Watch

if TYPE_CHECKING:
    from ksrpc.client.display.event import ProgressEvent
    from ksrpc.client.display.screen import Screen

#: A function is told; True and False go before $KSRPC_PROGRESS; None leaves it to that, and to who looks.
Progress: TypeAlias = "Callable[[ProgressEvent], object] | bool | None"

_VARIABLE = "KSRPC_PROGRESS"
_SWITCH = {"": None, "0": False, "1": True}
_LOCK = threading.Lock()
_DISPLAYS: dict[str, Watch] = {}


def follow(connection: Connection, progress: Progress = None) -> Connection:
    """Let the calls of a connection be seen as asked; whoever asks first decides.

    Raises:
        ConfigError: KSRPC_PROGRESS is neither 0 nor 1, or `progress` is nothing that shows.
    """
    if not connection.is_followed:
        connection.watch = find_watch(progress)
        connection.is_followed = True
    return connection


def find_watch(progress: Progress = None) -> Watch | None:
    """Return who looks at calls; None if nobody does.

    Raises:
        ConfigError: As `follow`.
    """
    if progress is not None and not isinstance(progress, bool):
        return _tell(progress)
    wanted = _wanted() if progress is None else progress
    place = None if wanted is False else _place(is_wanted=wanted is True)
    return None if place is None else _display(place)


@contextmanager
def working(text: str) -> Iterator[None]:
    """Show that something here takes a while, as a call is shown."""
    watch = None
    with suppress(ConfigError):  # it is no reason not to work
        watch = find_watch()
    with Trails(watch).opened(text, State.WORKING):
        yield


def find_shell() -> Any:
    """Return IPython's shell if this program is the kernel of a notebook, else None; loads nothing."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell if getattr(shell, "kernel", None) is not None else None


def _wanted() -> bool | None:
    text = os.environ.get(_VARIABLE, "").strip()
    if text not in _SWITCH:
        raise ConfigError(f"{_VARIABLE} is 0 (show nothing) or 1 (show in any case), not {text!r}")
    return _SWITCH[text]


def _place(*, is_wanted: bool) -> str | None:
    """Return where to show calls: nowhere if nobody looks, unless it is wanted."""
    if find_shell() is not None:
        return "notebook"
    if _is_terminal():
        return "terminal"
    return "log" if is_wanted else None


def _is_terminal() -> bool:
    """Tell whether lines can be drawn where standard error goes."""
    try:
        if not sys.stderr.isatty():
            return False
    except (AttributeError, ValueError):  # there is none, or it was closed
        return False
    if os.name == "nt":
        return "WT_SESSION" in os.environ
    return os.environ.get("TERM", "dumb") != "dumb"


def _display(place: str) -> Watch:
    """Return the one display of this process for a place."""
    with _LOCK:
        if place not in _DISPLAYS:
            from ksrpc.client.display.ticker import Ticker  # noqa: PLC0415 - nothing is loaded where nothing is shown

            _DISPLAYS[place] = Ticker(_screen(place))
        return _DISPLAYS[place]


def _screen(place: str) -> Screen:
    from ksrpc.client.display import notebook, plain, terminal  # noqa: PLC0415 - see above

    kinds: dict[str, Callable[[], Screen]] = {
        "notebook": notebook.Notebook,
        "terminal": terminal.Terminal,
        "log": plain.Log,
    }
    return kinds[place]()


def _tell(progress: object) -> Watch:
    if not callable(progress):
        raise ConfigError(f"progress is True, False, None or a function, not {type(progress).__name__}")
    from ksrpc.client.display.screen import Callback  # noqa: PLC0415 - see above
    from ksrpc.client.display.ticker import Ticker  # noqa: PLC0415

    return Ticker(Callback(progress))
