"""Step 4: the key of a call, under which its answer is kept: 32 bytes, equal for calls that say the same.

Rules: computed from the encoded arguments, building nothing; a call without a certain key has none, for a missed hit
costs a call and a false one costs trust; user, group and answer format are not in the key.

Source: docs/spec/key.md.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import sha256
from typing import Any, Final

from ksrpc.limits import MEMO_ENTRIES
from ksrpc.model import Descriptor, Parameter
from ksrpc.protocol import Buffer
from ksrpc.wire.canonical import encode_form, read_arguments

__all__ = ["KeyMaker", "make_key"]

#: First in every key; another text makes everything that was kept before unreachable.
SCHEMA: Final = b"ksrpc key 1"

_KINDS: Final = frozenset({"function", "coroutine", "class"})
#: Stands for a parameter that was not given and whose default is not known: no digest is like that.
_ABSENT: Final = b"\xc1" + bytes(32)
_MISSING: Final = b""
_SHORT_BYTES: Final = 512
_NO_NAMES: Final[frozenset[str]] = frozenset()


class KeyMaker:
    """Make keys; what a descriptor says about binding is prepared once, and keys of short arguments are remembered."""

    __slots__ = ("_binders", "_made")

    def __init__(self) -> None:
        self._binders: OrderedDict[tuple[int, str, frozenset[str]], _Binder] = OrderedDict()
        self._made: dict[tuple[_Binder, bytes], bytes | None] = {}

    def make_key(
        self,
        descriptor: Descriptor,
        arguments: Buffer,
        *,
        entitlement: str = "",
        ignored: frozenset[str] = _NO_NAMES,
    ) -> bytes | None:
        """Make the key of a call.

        Args:
            descriptor: What the path leads to. Give the same object each time, that is faster.
            arguments: The encoded arguments, whole.
            entitlement: Label of the account under which the library answers; answers of two are never shared.
            ignored: Names of parameters that do not change the answer.

        Returns:
            32 bytes; None if such calls are not kept, an argument has no canonical form, or they do not bind.

        Raises:
            DecodeError: The arguments are damaged.
            TooLargeError: They pass a bound.
            MissingExtraError: They are compressed by a codec that is not installed here.
        """
        if descriptor.kind not in _KINDS or not descriptor.is_keyed:
            return None
        place = (id(descriptor), entitlement, ignored)
        binder = self._binders.get(place)
        if binder is None:
            binder = self._remember(place, _Binder(descriptor, entitlement, ignored))
        if type(arguments) is not bytes or len(arguments) > _SHORT_BYTES:
            return _bind(binder, arguments)
        question = binder, arguments
        if question not in self._made:
            if len(self._made) >= MEMO_ENTRIES:
                self._made.clear()
            self._made[question] = _bind(binder, arguments)
        return self._made[question]

    def _remember(self, place: tuple[int, str, frozenset[str]], binder: _Binder) -> _Binder:
        if len(self._binders) >= MEMO_ENTRIES:
            self._binders.popitem(last=False)
        self._binders[place] = binder
        return binder


def _bind(binder: _Binder, arguments: Buffer) -> bytes | None:
    try:
        forms = read_arguments(arguments)
        return None if forms is None else binder.make_key(*forms)
    except RecursionError:
        return None


class _Binder:
    """Bind the arguments of one function as Python would.

    It holds the descriptor, so that its `id` is not used again as long as the binder is remembered.
    """

    __slots__ = ("_descriptor", "_extra", "_hidden", "_ignored", "_names", "_prefix", "_rest", "_template", "_width")

    def __init__(self, descriptor: Descriptor, entitlement: str, ignored: frozenset[str]) -> None:
        signature = _UNKNOWN if descriptor.signature is None else descriptor.signature
        self._descriptor = descriptor
        self._ignored = ignored
        self._template = list(map(_tell_default, signature))
        self._names = {p.name: slot for slot, p in enumerate(signature) if p.kind in _BY_NAME}
        self._width = sum(parameter.kind in _BY_PLACE for parameter in signature)
        self._rest = _find(signature, "VAR_POSITIONAL")
        self._extra = _find(signature, "VAR_KEYWORD")
        self._hidden = [slot for slot, parameter in enumerate(signature) if parameter.name in ignored]
        shape = [[parameter.name, parameter.kind] for parameter in signature]
        about = [entitlement, descriptor.owner, descriptor.version, descriptor.canonical, shape]
        self._prefix = sha256(SCHEMA + encode_form(about))

    def make_key(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes | None:
        """Return the key; None if the arguments do not bind."""
        parts = self._template.copy()
        if not (self._place(parts, args) and self._name(parts, kwargs, min(len(args), self._width))):
            return None
        if _MISSING in parts:
            return None
        for slot in self._hidden:
            parts[slot] = self._template[slot] or _ABSENT
        hasher = self._prefix.copy()
        hasher.update(b"".join(parts))
        return hasher.digest()

    def _place(self, parts: list[bytes], args: tuple[Any, ...]) -> bool:
        width = self._width
        if len(args) > width:
            if self._rest is None:
                return False
            parts[self._rest] = encode_form(args[width:])
            args = args[:width]
        for slot, form in enumerate(args):
            parts[slot] = encode_form(form)
        return True

    def _name(self, parts: list[bytes], kwargs: dict[str, Any], taken: int) -> bool:
        extra: dict[str, Any] = {}
        for name, form in kwargs.items():
            slot = self._names.get(name)
            if slot is None:
                extra[name] = form
            elif slot < taken:
                return False
            else:
                parts[slot] = encode_form(form)
        if not extra:
            return True
        if self._extra is None:
            return False
        parts[self._extra] = encode_form({name: extra[name] for name in extra if name not in self._ignored})
        return True


_BY_PLACE: Final = frozenset({"POSITIONAL_ONLY", "POSITIONAL_OR_KEYWORD"})
_BY_NAME: Final = frozenset({"POSITIONAL_OR_KEYWORD", "KEYWORD_ONLY"})
_EMPTY: Final = {"VAR_POSITIONAL": encode_form(()), "VAR_KEYWORD": encode_form({})}
#: Binds what nothing is known about as it was given.
_UNKNOWN: Final = (Parameter("*", "VAR_POSITIONAL"), Parameter("**", "VAR_KEYWORD"))


def _tell_default(parameter: Parameter) -> bytes:
    """Return what stands for a parameter that is not given."""
    empty = _EMPTY.get(parameter.kind)
    if empty is not None:
        return empty
    if not parameter.default:
        return _MISSING
    return parameter.default_key or _ABSENT


def _find(signature: tuple[Parameter, ...], kind: str) -> int | None:
    slots = [slot for slot, parameter in enumerate(signature) if parameter.kind == kind]
    return slots[0] if slots else None


_MAKER: Final = KeyMaker()
#: Make the key of a call; see `KeyMaker.make_key`.
make_key: Final = _MAKER.make_key
