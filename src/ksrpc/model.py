"""Frozen values that the floors above hand to each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

#: What a path leads to. "coroutine" is called like "function" but awaited on the worker's loop; the generators give
#: many values.
Kind = Literal["module", "value", "function", "coroutine", "generator", "async_generator", "class"]
#: Name of whoever calls without a token.
ANONYMOUS = "anonymous"
#: What a parameter may be classed as, without options; `expose` has a check for each.
PARAMETER_CLASSES = (
    "normal", "strict", "text", "plain", "number", "none", "zone", "dtype", "count", "shape", "small", "choice",
    "path:read", "path:write", "url",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Parameter:
    """Describe one parameter of a function, as texts that are safe to show.

    Attributes:
        default_key: The default in canonical form, for the key of a call that leaves it out; empty where there is none
            that is certain. It stays inside the server.
    """

    name: str
    kind: str  # the name of inspect.Parameter's kind: POSITIONAL_ONLY, POSITIONAL_OR_KEYWORD, …
    default: str = ""  # rendered if short data, "..." if not, "" if none
    annotation: str = ""
    default_key: bytes = b""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """Say what a dotted path resolves to, without its value.

    Attributes:
        path: The path as it was asked for.
        canonical: The path whose object is verified to be the identical one; equal to `path` if there is none.
        owner: The root package that the object truly belongs to.
        kind: What it is.
        signature: Its parameters; None where Python does not know them.
        returns: The return annotation's text.
        doc: Its docstring.
        members: For modules and classes: public names that may be called or read.
        version: The owner's version, "" if unknown.
        generation: Counts the worker's restarts and reloads; a decision of another generation is void.
        is_keyed: Whether the path alone tells what is called; not where it leads to a method of some instance.
    """

    path: str
    canonical: str
    owner: str
    kind: Kind
    signature: tuple[Parameter, ...] | None = None
    returns: str = ""
    doc: str = ""
    members: tuple[str, ...] = ()
    version: str = ""
    generation: int = 0
    is_keyed: bool = True


@dataclass(frozen=True, slots=True)
class Rules:
    """Say who may call what: patterns on the requested dotted path (gate A2).

    A pattern is a dotted path; it opens itself and all below it, never its root or its siblings. `"*"` opens everything
    and needs `unsafe`.

    Attributes:
        allow: Patterns that open.
        block: Patterns that close; they win.
        unsafe: Roots for which gates A3 to C do not hold (their owner said so).
        services: Roots that the administrator declared a service although a preset knows them otherwise.
        files: Roots that are files of the administrator, whatever else has their name.
        handles: Paths of classes whose instances may be held on the server.
        trade: Roots whose functions that act on the account may be called; `"*"` stands for all.
    """

    allow: tuple[str, ...] = ()
    block: tuple[str, ...] = ()
    unsafe: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    handles: tuple[str, ...] = ()
    trade: tuple[str, ...] = ()

    def is_unsafe(self, path: str) -> bool:
        """Tell whether the path's root is one without gates for whoever these rules are for."""
        return bool(self.unsafe) and (path.partition(".")[0] in self.unsafe or "*" in self.unsafe)


@dataclass(frozen=True, slots=True)
class HandleClass:
    """Say what may be done with an instance of a class that a worker keeps for a caller.

    Attributes:
        path: Dotted path of the class.
        methods: Names that may be called.
        attributes: Names that may be read.
        context: Whether `with` may enter and leave it.
    """

    path: str
    methods: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    context: bool = False


@dataclass(frozen=True, slots=True)
class Reach:
    """Say what arguments of one module may name outside of it, and which of its parameters do.

    Attributes:
        roots: Folders and files that may be read.
        closed: What may not, although it lies in a root.
        scratch: Folder that may be written; empty if there is none.
        hosts: What may be asked, as in `module.NAME.hosts`.
        classes: "function.parameter", or "parameter" for all functions → its class.
    """

    roots: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    scratch: str = ""
    hosts: tuple[str, ...] = ()
    classes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class User:
    """Name who calls, and the rules that hold for them. `token_id` is public; the secret is never kept."""

    name: str
    rules: Rules
    token_id: str = ""
    scopes: frozenset[str] = field(default_factory=frozenset)
    generation: int = 0
