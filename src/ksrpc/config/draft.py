"""What the original program's config.py becomes, while it is put together.

Source: docs/howto/import-the-original-configuration.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ksrpc.config.key import Location, join_key
from ksrpc.config.literal import Assigned
from ksrpc.config.permission import Permission
from ksrpc.config.setting import write_value

#: What a switch becomes that becomes nothing.
NOTHING = "—"
_SHOWN_CHARS = 60


@dataclass(frozen=True, slots=True)
class Line:
    """Say what became of one switch, at one line of the file."""

    switch: str
    becomes: str
    note: str
    line: int


@dataclass(slots=True)
class Conversion:
    """Hold what a file becomes.

    Attributes:
        settings: Key → value.
        lines: The report, in the file's order.
        tokens: Old token → user.
        secrets: Name → what others must not read.
    """

    settings: dict[Location, Any] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    tokens: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)


#: What a root needs beside `access.allow`, for some of these patterns; a sentence for each.
Advice = Callable[[Sequence[str]], list[str]]


class Draft(Conversion):
    """Collect a conversion, switch by switch.

    Args:
        assigned: What the file assigns.
        advise: Says what opened patterns need beside being opened.
    """

    def __init__(self, assigned: Mapping[str, Assigned], advise: Advice) -> None:
        super().__init__()
        self._assigned = assigned
        self._advise = advise

    def has(self, switch: str) -> bool:
        """Tell whether the file has a switch."""
        return switch in self._assigned

    def is_on(self, switch: str) -> bool:
        """Tell whether a switch is on; the original's checks are off where the file does not have them."""
        return self.has(switch) and self._assigned[switch].value == 1

    def put(self, *location: str, value: Any) -> str:
        """Set a key, and return what the report says of it."""
        self.settings[location] = value
        text = f"{join_key(location)} = {write_value(value)}"
        return text if len(text) <= _SHOWN_CHARS else f"{join_key(location)} ({len(value)})"

    def extend(self, permission: Permission) -> tuple[str, list[str]]:
        """Add patterns, and return what the report says of them."""
        told = []
        for key in ("allow", "block"):
            patterns = getattr(permission, key)
            if patterns:
                before = self.settings.get(("access", key), ())
                told.append(self.put("access", key, value=tuple(dict.fromkeys((*before, *patterns)))))
        return ", ".join(told) or NOTHING, [*permission.notes, *self._advise(permission.allow)]
