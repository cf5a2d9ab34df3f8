"""What a server says of a name, made fit for `dir`, `help` and `inspect`.

Everything in it is the server's word: names are checked, texts are cleaned, defaults and annotations are parsed as
literals. Nothing is run, and nothing is left that a tool could evaluate into a call.

Source: docs/reference/client.md "Discovery"; THREATS H33, H34.
"""

from __future__ import annotations

import ast
import inspect
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from keyword import iskeyword
from typing import Any, Final

from ksrpc.errors import DecodeError
from ksrpc.limits import PATH_PART_CHARS

__all__ = [
    "Description",
    "Docstring",
    "Signature",
    "check_name",
    "parse_description",
    "parse_doc",
    "parse_members",
    "parse_signature",
]

_KINDS: Final = ("module", "value", "function", "coroutine", "generator", "async_generator", "class")
_MEMBERS: Final = 10_000
_PARAMETERS: Final = 256
_DOC_CHARS: Final = 65_536
_TEXT_CHARS: Final = 200
#: Control characters but tab and new line, marks that turn the direction of writing, lone surrogates.
_STEERING: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
#: What an annotation may be made of: there is no call among it, so that whoever evaluates it runs nothing.
_ANNOTATION_NODES: Final = (
    ast.Expression, ast.Name, ast.Attribute, ast.Subscript, ast.Tuple, ast.List, ast.Constant, ast.BinOp, ast.BitOr,
    ast.UnaryOp, ast.USub, ast.Load,
)  # fmt: skip
_ENTITIES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})
#: A text inside an annotation; tools evaluate these too.
_QUOTED: Final = re.compile(r"[\w .:/%+-]*")


class _Written:
    """Stand for a default that is not known here: it shows as the server wrote it."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


class _Annotation(str):
    """Be an annotation's text, shown without quotes as in a signature of the library itself."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


@dataclass(frozen=True)
class Description:
    """Hold what the server says of one path, checked.

    Attributes:
        kind: As `ksrpc.model.Kind`.
        members: Names below it that may be called or read.
        signature: None where the server knows none.
        doc: The docstring, "" if there is none.
    """

    path: str
    kind: str
    signature: inspect.Signature | None = None
    doc: str = ""
    members: tuple[str, ...] = ()
    version: str = ""
    generation: int = 0

    @property
    def name(self) -> str:
        """Return the last part of the path."""
        return self.path.rpartition(".")[2]

    @cached_property
    def head(self) -> str:
        """Return path and signature, as one would write them: `math.pow(x, y, /)`."""
        if self.kind in ("module", "value"):
            return self.path
        return f"{self.path}{'(…)' if self.signature is None else self.signature}"

    @property
    def summary(self) -> str:
        """Return the docstring's first line."""
        return self.doc.strip().partition("\n")[0].strip()

    def to_html(self) -> str:
        """Show head and docstring; nothing in the texts is markup."""
        doc = f"<pre>{_escape(self.doc)}</pre>" if self.doc else ""
        return f"<code><b>{_escape(self.head)}</b></code> <small>{self.kind}</small>{doc}"


class Docstring:
    """Give a class its own docstring, and each of its objects the one that is told of it."""

    def __init__(self, own: str | None, tell: Callable[[Any], str | None]) -> None:
        self._own = own
        self._tell = tell

    def __get__(self, thing: object | None, owner: type) -> str | None:
        return self._own if thing is None else self._tell(thing)


class Signature:
    """Give each object of a class the signature that is told of it; without one `inspect` asks its `__call__`."""

    def __init__(self, tell: Callable[[Any], inspect.Signature | None]) -> None:
        self._tell = tell

    def __get__(self, thing: object | None, owner: type) -> inspect.Signature:
        found = None if thing is None else self._tell(thing)
        if found is None:
            raise AttributeError("__signature__")
        return found


def parse_description(path: str, fields: object) -> Description:
    """Read what the server answered to a question about a path.

    Raises:
        DecodeError: It is no description.
    """
    if not isinstance(fields, Mapping) or fields.get("kind") not in _KINDS:
        raise DecodeError(f"what the server says of {path} is no description")
    generation = fields.get("generation")
    return Description(
        path=path,
        kind=fields["kind"],
        signature=parse_signature(fields),
        doc=parse_doc(fields.get("doc")),
        members=parse_members(fields.get("members")),
        version=_clean(fields.get("version"), _TEXT_CHARS).strip(),
        generation=generation if type(generation) is int else 0,
    )


def check_name(name: object) -> bool:
    """Tell whether a name of the server may become an attribute here."""
    return (
        type(name) is str
        and len(name) <= PATH_PART_CHARS
        and name.isidentifier()
        and not name.startswith("_")
        and not iskeyword(name)
        and unicodedata.is_normalized("NFKC", name)
    )


def parse_members(told: object) -> tuple[str, ...]:
    """Return the names that may become attributes, sorted; a mapping gives its keys."""
    if not isinstance(told, list | tuple | Mapping):
        return ()
    return tuple(sorted({name for name, _ in zip(told, range(_MEMBERS), strict=False) if check_name(name)}))


def parse_doc(told: object) -> str:
    """Return a docstring without what could steer a terminal."""
    return _clean(told, _DOC_CHARS)


def parse_signature(fields: Mapping[str, Any]) -> inspect.Signature | None:
    """Rebuild a signature; None if the server knows none, or if it is none that Python could have."""
    told = fields.get("signature")
    if fields.get("kind") in ("module", "value"):
        return inspect.Signature()  # called without arguments, it gives its name or value
    if not isinstance(told, list | tuple) or len(told) > _PARAMETERS:
        return None
    try:
        parameters = [_parse_parameter(entry) for entry in told]
        return inspect.Signature(parameters, return_annotation=_parse_annotation(fields.get("returns")))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _parse_parameter(entry: Mapping[str, Any]) -> inspect.Parameter:
    kind = {kind.name: kind for kind in _kinds()}[entry["kind"]]
    default = _parse_default(entry["default"])
    return inspect.Parameter(entry["name"], kind, default=default, annotation=_parse_annotation(entry["annotation"]))


def _kinds() -> Iterable[Any]:
    kind = inspect.Parameter
    return kind.POSITIONAL_ONLY, kind.POSITIONAL_OR_KEYWORD, kind.VAR_POSITIONAL, kind.KEYWORD_ONLY, kind.VAR_KEYWORD


def _parse_default(told: object) -> Any:
    text = _clean(told, _TEXT_CHARS)
    if not text:
        return inspect.Parameter.empty
    if text == "...":  # the server's word for a default that it does not tell
        return _Written(text)
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return _Written(text)


def _parse_annotation(told: object) -> Any:
    text = _clean(told, _TEXT_CHARS)
    if not text:
        return inspect.Parameter.empty
    try:
        nodes = list(ast.walk(ast.parse(text, mode="eval")))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return _Written(text)
    return _Annotation(text) if all(map(_is_plain, nodes)) else _Written(text)


def _is_plain(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
        return isinstance(node.value, str) and _QUOTED.fullmatch(node.value) is not None
    return isinstance(node, _ANNOTATION_NODES)


def _escape(text: str) -> str:
    return text.translate(_ENTITIES)


def _clean(told: object, most_chars: int) -> str:
    return _STEERING.sub("", told[:most_chars]) if type(told) is str else ""
