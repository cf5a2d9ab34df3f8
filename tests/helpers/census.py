"""Count what each preset says of the public names of its package, and find names of which it says nothing.

`python -m tests.helpers.census` renews docs/reference/presets.md, `--check` only compares it, and `--unclassified`
prints the names of the installed packages that no preset mentions.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from ksrpc.expose.datatype import is_data_class
from ksrpc.expose.preset import Entry, Preset, load_presets

__all__ = ["KINDS", "PAGE", "callables_of", "find", "kind_of", "render", "unclassified"]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "presets.md"
KINDS = ("free", "argument-checked", "denied")


def kind_of(entry: Entry | None) -> str:
    """Name the kind of a listed name: without rules beyond the defaults, with some, or closed."""
    if entry is None:
        return "denied"
    return "argument-checked" if entry.parameters or entry.bounds else "free"


def find(path: str) -> Any:
    """Return what an installed package keeps under a path, whoever owns it; None if there is nothing."""
    parts = path.split(".")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        item: Any = importlib.import_module(parts[0])
        for index, part in enumerate(parts[1:], 2):
            if isinstance(item, ModuleType) and not hasattr(item, part):
                try:
                    importlib.import_module(".".join(parts[:index]))
                except ImportError:
                    return None
            item = getattr(item, part, None)
    return item


def callables_of(preset: Preset) -> set[str]:
    """Walk the installed package: its listed modules, and each class of data that is open itself or by a method."""
    found = {path for module in preset.modules for path in _members(module)}
    own = preset.names.keys() - preset.aliases.keys()
    places = own | {path.rpartition(".")[0] for path in preset.names}
    return found.union(*(_members(path) for path in places if _is_class_of_data(find(path))))


def _is_class_of_data(item: Any) -> bool:
    return isinstance(item, type) and is_data_class(item)


def _members(path: str) -> Iterator[str]:
    holder = find(path)
    for name in dir(holder):
        if name.startswith("_"):
            continue
        if isinstance(holder, type) and inspect.isdatadescriptor(inspect.getattr_static(holder, name)):
            continue
        value = find(f"{path}.{name}")
        if callable(value) and not isinstance(value, ModuleType):
            yield f"{path}.{name}"


def unclassified(preset: Preset) -> list[str]:
    """List the public callables that the preset does not mention."""
    return sorted(callables_of(preset) - preset.names.keys() - preset.closed.keys() - preset.aliases.keys())


def render(presets: Iterable[Preset]) -> str:
    """Write the page, from the presets alone."""
    text = _HEAD
    presets = list(presets)
    for preset in presets:
        if preset.kind == "vendor":
            continue
        text += f"| **{preset.root}** | {_cells(_count(preset, ''))} |\n"
        for place in sorted({path.rpartition(".")[0] for path in (*preset.names, *preset.closed)} - {preset.root}):
            text += f"| `{place}` | {_cells(_count(preset, place))} |\n"
    text += _MIDDLE
    for preset in presets:
        text += f"\n### {preset.root}\n\n| why | where | names |\n|---|---|---|\n"
        text += "".join(f"| {reason} | {where} | {names} |\n" for reason, where, names in _closed_rows(preset))
    return text


def _count(preset: Preset, place: str) -> Counter[str]:
    """Count a place's names by kind, "" for the whole package; a value that is no function counts as free."""
    kinds = [(path, kind_of(entry)) for path, entry in preset.names.items()]
    kinds += [(path, kind_of(None)) for path in preset.closed]
    return Counter(kind for path, kind in kinds if place in ("", path.rpartition(".")[0]))


def _cells(counts: Counter[str]) -> str:
    return " | ".join(str(counts[kind]) for kind in KINDS)


def _closed_rows(preset: Preset) -> Iterator[tuple[str, str, str]]:
    places: dict[tuple[str, str], list[str]] = {}
    for path, closed in preset.closed.items():
        place, _, name = path.rpartition(".")
        why = f"{closed.list}: {closed.reason}" if closed.list else closed.reason
        places.setdefault((why, place), []).append(name)
    rows: dict[tuple[str, str], list[str]] = {}
    for (reason, place), names in places.items():
        rows.setdefault((reason, " ".join(sorted(names))), []).append(place)
    for (reason, listed), where in rows.items():
        yield reason, " ".join(f"`{place}`" for place in where), f"`{listed}`"


_HEAD = """# Presets

What the [presets](../spec/policy.md#presets) say of each package. Written by `python -m tests.helpers.census`; tests
prove that no public name of the installed packages is missing here, and that a free name gives what a local call gives.

* **free**: takes any data, under the rules of [gate C](../spec/policy.md#gate-c) alone. Constants are counted here.
* **argument-checked**: some parameters have a class of their own, or the call a bound.
* **denied**: reviewed and closed; whoever calls it is told why.

Names of other versions than the installed ones are counted, too. What is in no list is closed as well.
Vendors are not counted: of them everything is open that is not among the closed names below.

| | free | argument-checked | denied |
|---|---|---|---|
"""
_MIDDLE = """
## What is denied, and why
"""


def main() -> int:
    """Do what the one argument says; return 1 if something is not as it should be."""
    presets = list(load_presets().values())
    if sys.argv[1:] == ["--unclassified"]:
        installed = [one for one in presets if one.kind != "vendor" and importlib.util.find_spec(one.root)]
        lost = [path for preset in installed for path in unclassified(preset)]
        print(*lost, sep="\n", end="")
        return int(bool(lost))
    page = render(presets)
    if sys.argv[1:] == ["--check"]:
        return int(PAGE.read_text(encoding="utf-8") != page)
    PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
