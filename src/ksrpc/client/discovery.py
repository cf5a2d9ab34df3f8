"""What the server says of names, remembered for a while; asked so that nobody waits long for it.

`dir`, `help` and completion come at any moment, also while there is no gateway: they get what is known, or nothing,
within `PATIENCE_S`. It is the connection's blocking side that asks, from a thread of its own, so that nothing depends
on a loop that is waiting for the very completion.

Source: docs/reference/client.md "Discovery".
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
from typing import Any, Final, NamedTuple

from ksrpc.client.description import Description, parse_description
from ksrpc.connections.base import Connection
from ksrpc.errors import DeadlineError, DecodeError, KsrpcError, RefusedError

__all__ = ["PATIENCE_S", "explain", "fetch", "forget", "learn", "look_up", "recall"]

#: How long who asks for a name's description waits [s].
PATIENCE_S: Final = 2.0
#: How long a description is good, and how long a failure is [s].
_FRESH_S: Final = 60.0
_FAILED_S: Final = 5.0
_ENTRIES: Final = 4096
#: So many names of a module are asked for one by one; with the next, all of them are.
_SINGLY: Final = 3
#: Questions of one connection that are open at the same time.
_ASKERS: Final = 16


class _Entry(NamedTuple):
    """Hold a description, or why there is none."""

    found: Description | None
    failure: Exception | None
    until: float


#: What the silence of a gateway is that answers.
_HEARD: Final = _Entry(None, None, 0.0)


class _Question:
    """Be a question under way."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.answered = threading.Event()


class _Notebook:
    """Keep what one connection learned. Every step is one operation on a dict: threads need no lock."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        self._questions: dict[str, _Question] = {}
        self._generations: dict[str, int] = {}
        self._counts: dict[str, int] = {}
        self._silence = _HEARD
        self._pid = os.getpid()

    def recall(self, path: str) -> _Entry | None:
        """Return what is known and still good."""
        entry = self._entries.get(path)
        return entry if entry is not None and time.monotonic() < entry.until else None

    def keep(self, found: Description) -> None:
        """Remember a description; one of another generation ends what was known of its root."""
        root = found.path.partition(".")[0]
        if self._generations.setdefault(root, found.generation) != found.generation:
            self._generations[root] = found.generation
            self.forget(root)
        self._put(found.path, _Entry(found, None, time.monotonic() + _FRESH_S))
        self._silence = _HEARD

    def forget(self, path: str) -> None:
        """Drop what is known of a path and of all below it."""
        for known in [known for known in list(self._entries) if f"{known}.".startswith(f"{path}.")]:
            self._entries.pop(known, None)

    def ask(self, connection: Connection, path: str) -> _Entry:
        """Ask the server, or wait with those who asked already; while it is silent nobody waits again."""
        if self._pid != os.getpid():  # the threads that asked are those of the parent
            self._pid, self._questions = os.getpid(), {}
        if time.monotonic() < self._silence.until:
            return self._silence
        question = self._questions.get(path)
        if question is None and len(self._questions) >= _ASKERS:
            return self._silence
        if question is None:
            question = self._questions[path] = _Question()
            threading.Thread(target=self._ask, args=(connection, path, question), daemon=True).start()
        if not question.answered.wait(max(0.0, question.began + PATIENCE_S - time.monotonic())):
            self._be_silent(DeadlineError(f"the gateway said nothing within {PATIENCE_S:g} s"))
        return self.recall(path) or self._silence

    def _ask(self, connection: Connection, path: str, question: _Question) -> None:
        try:
            self._learn(connection, path.rpartition(".")[0])
            if self.recall(path) is None:
                self.keep(parse_description(path, connection.describe(path)))
        except RefusedError as exc:
            self._put(path, _Entry(None, exc, time.monotonic() + _FAILED_S))
        except Exception as exc:  # who completes a name wants no error of anybody's
            self._be_silent(exc)
        finally:
            self._questions.pop(path, None)
            question.answered.set()

    def _learn(self, connection: Connection, module: str) -> None:
        """Ask for all of a module when several of its names were asked for, as some completers do with each."""
        if len(self._counts) >= _ENTRIES:
            self._counts.clear()
        count = self._counts[module] = self._counts.get(module, 0) + 1
        if not module or count <= _SINGLY:
            return
        self._counts.pop(module, None)
        with contextlib.suppress(KsrpcError):
            for found in learn(connection, module).values():
                self.keep(found)

    def _be_silent(self, failure: Exception) -> None:
        self._silence = _Entry(None, failure, time.monotonic() + _FAILED_S)

    def _put(self, path: str, entry: _Entry) -> None:
        self._entries[path] = entry
        for oldest in list(self._entries)[:1] if len(self._entries) > _ENTRIES else ():
            self._entries.pop(oldest, None)


#: They hold nothing of their connection, so that its sockets close with the last reference to it.
_notebooks: weakref.WeakKeyDictionary[Connection, _Notebook] = weakref.WeakKeyDictionary()


def recall(connection: Connection, path: str) -> Description | None:
    """Return the description of a path if it is known already; no I/O."""
    notebook = _notebooks.get(connection)
    entry = None if notebook is None else notebook.recall(path)
    return None if entry is None else entry.found


def look_up(connection: Connection, path: str) -> Description | None:
    """Return the description of a path; None if there is none within `PATIENCE_S`. Never raises."""
    return _look_up(connection, path).found


def explain(connection: Connection, path: str) -> str:
    """Return why there is no description of a path."""
    return str(_look_up(connection, path).failure or "it has no description now")


def fetch(connection: Connection, path: str) -> Description:
    """Return the description of a path, waiting for it as long as the connection waits for any answer.

    Raises:
        KsrpcError: As the connection or the server has it.
    """
    notebook = _notebook(connection)
    entry = notebook.recall(path)
    if entry is not None and entry.found is not None:
        return entry.found
    found = parse_description(path, connection.describe(path))
    notebook.keep(found)
    return found


def forget(connection: Connection, path: str) -> None:
    """Ask again, when next asked, for a path and for all below it."""
    _notebook(connection).forget(path)


def learn(connection: Connection, path: str) -> dict[str, Description]:
    """Ask for the descriptions of all that is in a module at once.

    Returns:
        Name → description.

    Raises:
        KsrpcError: As `fetch`.
    """
    told: Any = connection.ask(f"/v1/describe/{path}?members=true").get("described")
    if not isinstance(told, dict):
        raise DecodeError(f"what the server says of {path} is no description")
    return {name: parse_description(f"{path}.{name}", fields) for name, fields in told.items()}


def _look_up(connection: Connection, path: str) -> _Entry:
    notebook = _notebook(connection)
    return notebook.recall(path) or notebook.ask(connection, path)


def _notebook(connection: Connection) -> _Notebook:
    notebook = _notebooks.get(connection)
    return _notebooks.setdefault(connection, _Notebook()) if notebook is None else notebook
