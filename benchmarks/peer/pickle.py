"""Pickle over `multiprocessing.connection`: what the standard library has, and what no stranger may be let near."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from multiprocessing.connection import Client, Connection, Listener
from typing import Any

from benchmarks.peer.kind import ANSWERS, HOST, Connected, Kind


def serve() -> None:
    """Serve each connection by a thread, and print the port."""
    with Listener((HOST, 0), backlog=128) as listener:
        print(listener.address[1], flush=True)
        while True:
            threading.Thread(target=_answer, args=(listener.accept(),), daemon=True).start()


def _answer(connection: Connection[Any, Any]) -> None:
    with connection, suppress(EOFError):
        while True:
            name, args = connection.recv()
            connection.send(ANSWERS[name](*args))


@contextmanager
def connect(port: int) -> Connected:
    """Connect; one call at a time."""
    with Client((HOST, port)) as connection:

        def call(name: str) -> Any:
            def ask(*args: object) -> object:
                connection.send((name, args))
                return connection.recv()

            return ask

        yield {name: call(name) for name in ANSWERS}


KIND = Kind("pickle (multiprocessing)", serve, connect, is_shared=False)
