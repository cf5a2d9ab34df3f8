"""Show calls below the cell of a notebook, in one output that is written over and is empty in the end.

It uses what the kernel has loaded, and loads nothing itself.

Source: jupyter-client.readthedocs.io "Messaging in Jupyter", display_data and update_display_data.
"""

from __future__ import annotations

import html
import secrets
from collections.abc import Sequence

from ksrpc.client.display.event import ProgressEvent
from ksrpc.client.display.line import MOST_LINES, bar, cut, fraction, more, phrase
from ksrpc.client.display.screen import Screen
from ksrpc.client.progress import find_shell

_PATH_CELLS = 80


class Notebook(Screen):
    """Write into the output of the cell that runs."""

    def __init__(self) -> None:
        self._display_id = ""
        self._cell: object = None
        self._shown = ""

    def draw(self, events: Sequence[ProgressEvent], ended: Sequence[ProgressEvent] = ()) -> None:
        """Write the lines over those before; the first of a cell make a place."""
        lines = [_text(event) for event in events[:MOST_LINES]]
        rows = [_row(event) for event in events[:MOST_LINES]]
        if len(events) > MOST_LINES:
            lines.append(more(len(events) - MOST_LINES))
            rows.append(f"<div>{more(len(events) - MOST_LINES)}</div>")
        text = "\n".join(lines)
        if text != self._shown:
            self._publish(text, f'<div style="font-family: monospace">{"".join(rows)}</div>' if rows else "")

    def forget(self) -> None:
        """Leave the place to the parent."""
        self._cell, self._shown = None, ""

    def _publish(self, text: str, markup: str) -> None:
        shell = find_shell()
        if shell is None:
            return
        cell = shell.execution_count
        is_new = cell != self._cell and bool(text)
        if is_new:
            self._cell, self._display_id = cell, secrets.token_hex(16)
        shell.display_pub.publish(
            data={"text/plain": text, "text/html": markup},
            metadata={},
            transient={"display_id": self._display_id},
            update=not is_new,
        )
        self._shown = text


def _text(event: ProgressEvent) -> str:
    done = fraction(event)
    drawn = f"{bar(done)}  " if done is not None else ""
    return f"{cut(event.path, _PATH_CELLS)}  {drawn}{phrase(event)}"


def _row(event: ProgressEvent) -> str:
    done = fraction(event)
    drawn = f'<progress value="{done:.3f}" max="1"></progress> ' if done is not None else ""
    path = html.escape(cut(event.path, _PATH_CELLS))
    return f"<div>{path} {drawn}{html.escape(phrase(event))}</div>"
