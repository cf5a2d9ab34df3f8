"""What the tests of the stores share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.helpers import cache


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Close the stores that a test opened: from Python 3.13 on one that is forgotten warns."""
    yield
    cache.close_all()
