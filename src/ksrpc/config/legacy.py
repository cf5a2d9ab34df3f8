"""Turn the original program's config.py, read and never executed, into settings.

Rules:
* Nothing becomes more open than it was, and what stood open to everybody does not stay so.
* Every switch of the file has its line in the report; a value that cannot be read is an error.
* No secret is in a setting or in the report.

Source: docs/howto/import-the-original-configuration.md.
"""

from __future__ import annotations

from collections.abc import Container, Mapping

from ksrpc.config.draft import NOTHING, Advice, Conversion, Draft, Line
from ksrpc.config.literal import Assigned, read_assigned
from ksrpc.config.switch import SWITCHES
from ksrpc.errors import ConfigError


def convert(source: bytes, file: str, advise: Advice = lambda _: []) -> Conversion:
    """Convert the text of a config.py, of either generation.

    Args:
        source: The file's bytes.
        file: Its name, for errors.
        advise: Says what opened patterns need beside being opened.

    Raises:
        ConfigError: It is no Python, or has a switch whose value cannot be read or cannot be; the text names the lines.
    """
    assigned = read_assigned(source, file)
    draft, errors = Draft(assigned, advise), list[str]()
    for name, turn in SWITCHES.items():
        if name not in assigned:
            continue
        found = assigned[name]
        try:
            if found.reason:
                raise ConfigError(found.reason)
            becomes, note = turn(draft, name, found.value)
            draft.lines.append(Line(name, becomes, note, found.line))
        except ConfigError as exc:
            errors.append(f"{file}:{found.line}: {name}: {exc}")
    if errors:
        raise ConfigError("\n".join(errors))
    draft.lines += _strangers(assigned, SWITCHES.keys())
    draft.lines.sort(key=lambda line: line.line)
    return draft


def _strangers(assigned: Mapping[str, Assigned], known: Container[str]) -> list[Line]:
    lines = [
        Line(name, NOTHING, "not a switch of the original", found.line)
        for name, found in assigned.items()
        if name.isupper() and name not in known and not name.startswith("_")
    ]
    if "*" in assigned:
        lines.append(Line("import *", NOTHING, "what it brings in is not read", assigned["*"].line))
    return lines
