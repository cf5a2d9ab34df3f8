"""Look for names of libraries that no preset tells of; run as a program by an interpreter with other libraries.

python classify.py ROOT…    prints {root: {"version", "count", "unclassified"}} as JSON
"""

from __future__ import annotations

import importlib
import json
import sys
import warnings
from types import ModuleType

from ksrpc.expose import load_presets


def callables(module: str) -> set[str]:
    """List what a module offers that can be called, by the names that it shows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        home = importlib.import_module(module)
        found = {name: getattr(home, name, None) for name in dir(home) if not name.startswith("_")}
    return {f"{module}.{name}" for name, item in found.items() if callable(item) and not isinstance(item, ModuleType)}


def unclassified(root: str) -> tuple[int, list[str]]:
    """Count what a package's listed modules offer, and list what its preset does not tell of."""
    preset = load_presets()[root]
    known = {*preset.names, *preset.closed, *preset.aliases, *preset.modules}
    found: set[str] = set().union(*map(callables, preset.modules))
    return len(found), sorted(found - known)


def main(roots: list[str]) -> None:
    """Print what was found."""
    told = {}
    for root in roots:
        count, left = unclassified(root)
        told[root] = {"version": importlib.import_module(root).__version__, "count": count, "unclassified": left}
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1:])
