"""The judged object under its path, ready to be called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ksrpc.expose.argument import CallPlan
from ksrpc.model import Kind

__all__ = ["Target"]


@dataclass(frozen=True, slots=True)
class Target:
    """Hold what a path resolved to. The object is the one that was judged; call it and nothing else.

    Attributes:
        object: The function, class, module or value.
        path: The path as it was asked for.
        canonical: The path under which the identical object is verified to be kept; the path itself if none is.
        owner: The root package that the object belongs to.
        kind: What it is.
        is_async: Whether a call gives something to await (or, for a generator, to iterate asynchronously).
        arguments: Which table decodes a request for it.
        generation: The resolver's generation at the decision.
        plan: What gate C looks at before a call.
        is_waived: Whether its root is open without gates B and C.
    """

    object: Any
    path: str
    canonical: str
    owner: str
    kind: Kind
    is_async: bool
    arguments: Literal["data", "any"]
    generation: int
    plan: CallPlan
    is_waived: bool = False

    def call_check(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Let decoded arguments pass gate C or refuse them.

        Arguments that do not fit the signature are not refused here: they pass the strictest class, so that the
        library itself can raise its own TypeError.

        Returns:
            The arguments to call the object with: paths and addresses as they were judged, all others as they are.

        Raises:
            ForbiddenError: By rule C1 to C5; the text names the parameter.
        """
        return self.plan.check(args, kwargs)
