"""Who writes which type and who reads which tag; filled at import by this package, never from the wire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

__all__ = ["CLASSES", "READERS", "WRITERS", "Refusal", "register_class"]

#: Exact type → writer(encoder, value) → what goes into the head.
WRITERS: Final[dict[type, Callable[..., Any]]] = {}
#: Tag number → reader(decoder, *payload) → value. The signature is the arity.
READERS: Final[dict[int, Callable[..., Any]]] = {}
#: Name on the wire → class of this side that may leave, and that such values become; empty unless this process says so.
CLASSES: Final[dict[str, type]] = {}


def register_class(kind: type, *, type_name: str = "") -> None:
    """Let values of a class leave, and arrive as that class: a named tuple, a dataclass or an enum.

    Its `__init__` does not run, so what that checks is not checked.

    Args:
        kind: A class of this process.
        type_name: What senders call it, if they call it otherwise.
    """
    CLASSES[type_name or f"{kind.__module__}.{kind.__qualname__}"] = kind


class Refusal(Exception):  # noqa: N818  # never leaves this package: the encoder makes an EncodeError of it
    """Say why a value cannot travel; the steps to it are added on the way out, innermost first."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.steps: list[str] = []

    def at(self, step: str) -> Refusal:
        """Add one step of the path, such as `[3]`."""
        self.steps.append(step)
        return self
