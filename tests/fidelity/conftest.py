"""Every test of values that travel between environments leaves nothing open."""

from __future__ import annotations

from tests.helpers.leak import leaves_nothing

__all__ = ["leaves_nothing"]
