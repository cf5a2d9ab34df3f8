"""Show on a terminal that a call is under way, and for how long; nothing where nobody looks.

Source: docs/reference/cli.md "ksrpc call".
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator

#: Calls that are over sooner show nothing [s].
_PATIENCE_S = 0.3


@contextlib.contextmanager
def waiting(text: str) -> Iterator[None]:
    """Show a text, a turning mark and the seconds on standard error, if that is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    over = threading.Event()
    shower = threading.Thread(target=_show, args=(text, over), daemon=True)
    shower.start()
    try:
        yield
    finally:
        over.set()
        shower.join()


def _show(text: str, over: threading.Event) -> None:
    if over.wait(_PATIENCE_S):
        return
    try:
        from rich.console import Console  # noqa: PLC0415 - a fast call pays nothing for it
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415
    except ModuleNotFoundError:
        return

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        progress.add_task(text)
        over.wait()
