"""Pyro5 with its default serializer, serpent; a proxy belongs to one thread."""

from __future__ import annotations

from contextlib import contextmanager
from importlib import import_module
from typing import Any

from benchmarks.peer.kind import ANSWERS, HOST, Connected, Kind

_NAMES = ("pow", "nap", "records", "tree")


def serve() -> None:
    """Serve an object, and print the port."""
    api: Any = import_module("Pyro5.api")

    class Library:
        """Have the answers as methods."""

    for name in _NAMES:
        setattr(Library, name, staticmethod(api.expose(_plain(name))))
    daemon = api.Daemon(host=HOST, port=0)
    daemon.register(api.expose(Library)(), "library")
    print(daemon.locationStr.rpartition(":")[2], flush=True)
    daemon.requestLoop()


def _plain(name: str) -> Any:
    def answer(*args: Any) -> object:
        return ANSWERS[name](*args)

    answer.__name__ = name
    return answer


@contextmanager
def connect(port: int) -> Connected:
    """Connect by a proxy, which belongs to the thread that calls first."""
    api: Any = import_module("Pyro5.api")
    proxy = api.Proxy(f"PYRO:library@{HOST}:{port}")

    def call(name: str) -> Any:
        def ask(*args: Any) -> Any:
            return getattr(proxy, name)(*args)  # here the proxy connects, not before its thread calls

        return ask

    try:
        yield {**{name: call(name) for name in _NAMES}, "own": proxy._pyroClaimOwnership}
    finally:
        proxy._pyroClaimOwnership()
        proxy._pyroRelease()


KIND = Kind("Pyro5", serve, connect, "Pyro5", "carries no DataFrame", is_shared=False)
