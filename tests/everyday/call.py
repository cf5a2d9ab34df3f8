"""One call as a user writes it, and the local function that it stands for."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """Hold what is called, with what."""

    path: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def run(self) -> Any:
        """Call the library itself."""
        return find(self.path)(*self.args, **self.kwargs)


def call(path: str, *args: Any, **kwargs: Any) -> Call:
    """Write a call down."""
    return Call(path, args, kwargs)


def find(path: str) -> Any:
    """Return what stands at a path, as `import` and dots find it."""
    parts = path.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for name in parts[count:]:
            found = getattr(found, name)
        return found
    raise ModuleNotFoundError(path)
