"""What all tests of the transports have in common."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _no_leaks() -> Iterator[None]:
    """Let sockets that nobody closed be found in the test that leaked them: their ResourceWarning is an error."""
    yield
    gc.collect()
