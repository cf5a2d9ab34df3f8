"""The rules of gates A, B and C by their ids, and the one way to refuse by one.

Source: docs/spec/policy.md, which lists the same ids with the same meaning (a test compares them).
"""

from __future__ import annotations

import re
from types import MappingProxyType

from ksrpc.errors import ForbiddenError

__all__ = ["RULES", "SECRET_NAME", "forbid"]

#: Names of variables whose values are for nobody.
SECRET_NAME = re.compile(r"token|passw|secret|cookie|credential|api_?key|private_?key", re.IGNORECASE)

#: Rule id → what it refuses. The gate is the id's first letter.
RULES = MappingProxyType(
    {
        "A1": "a path whose text is malformed, private or names an attribute of the machinery",
        "A2": "a path that a block pattern closes",
        "A3": "a name that is not on the list of its root's class",
        "A4": "a sub-module that no list names literally",
        "B1": "a module reached under another name than its own",
        "B2": "a step through anything but a module or an owned class",
        "B3": "the construction of a class whose instances are not data",
        "B4": "a Python function whose code lives elsewhere",
        "B5": "a C function of another module",
        "B6": "a class method of a foreign class",
        "B7": "a method of a class whose instances are not data",
        "B8": "a method bound to an instance",
        "B9": "a callable object of no listed type",
        "B10": "a partial with a foreign function or arguments that are not data",
        "B11": "a wrapper around something refused",
        "B12": "a value that is not data, or that tells about the server",
        "B13": "an object whose owner cannot be established",
        "B14": "an object that a block pattern leads to, under any name",
        "B15": "a name that an administrator's file does not offer",
        "C1": "an argument of a type that a caller cannot send",
        "C2": "an argument whose parameter names a capability, a place or an expression",
        "C3": "a text that looks like a path, an address or a variable",
        "C4": "a method's first argument that is not an instance of its class",
        "C5": "an argument beyond its bound",
    }
)


def forbid(rule: str, text: str) -> ForbiddenError:
    """Make the refusal of one rule; its text ends with gate and rule for whoever reads only the text."""
    return ForbiddenError(f"{text} [gate {rule[0]}, rule {rule}]", gate=rule[0], rule=rule)
