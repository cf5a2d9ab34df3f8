"""Which shell a thread gets, before and after a fork."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from ksrpc.connections.shell import Shells


class Shell:
    """Be usable, and let something happen each time that is asked."""

    def __init__(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.meanwhile = meanwhile
        self.is_closed = False

    @property
    def is_usable(self) -> bool:
        """Tell so."""
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        return not self.is_closed

    def close(self) -> None:
        """Take note."""
        self.is_closed = True


def test_threads_share_one_until_it_is_lost() -> None:
    shells: Shells[Shell, Shell] = Shells()  # type: ignore[type-var]
    first = shells.get(Shell)
    assert shells.get(Shell) is first
    first.close()
    assert shells.get(Shell) is not first


@pytest.mark.parametrize("moment", ["the process is asked for", "the shell is asked"])
def test_no_thread_of_a_child_gets_the_parents(monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    """Another thread of the child may open a shell between any two looks of this one."""
    shells: Shells[Shell, Shell] = Shells()  # type: ignore[type-var]
    parents = shells.get(Shell)
    child = os.getpid() + 1
    others: list[Shell] = []

    def other_thread() -> None:
        if not others:
            others.append(parents)  # once
            others[0] = shells.get(Shell)

    def getpid() -> int:
        if moment == "the process is asked for":
            other_thread()
        return child

    monkeypatch.setattr("ksrpc.connections.shell.os.getpid", getpid)
    if moment == "the shell is asked":
        parents.meanwhile = other_thread
    got = shells.get(Shell)
    assert got is not parents
    assert shells.get(Shell) is got


def test_a_child_closes_nothing_of_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    shells: Shells[Shell, Shell] = Shells()  # type: ignore[type-var]
    parents = shells.get(Shell)
    pid = os.getpid() + 1
    monkeypatch.setattr("ksrpc.connections.shell.os.getpid", lambda: pid)
    shells.close()
    assert not parents.is_closed
