"""Gate A: decide on the text of a path, before anything is imported or asked of a worker.

Rules:
* A2 comes first, and its refusal is the one constant text: whoever may not use a root learns nothing about it.
* A pattern opens itself and all below it, never its root or a sibling; a block pattern wins over every allow pattern.
* Every root has exactly one class, and the class decides which of its names exist (A3).

Source: docs/spec/policy.md "Gate A".
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Collection, Iterable, Set
from typing import Literal

from ksrpc.errors import ConfigError, NotFoundError
from ksrpc.expose.origin import BUILTIN
from ksrpc.expose.preset import Closed, Preset, load_presets
from ksrpc.expose.rule import forbid
from ksrpc.limits import PATH_PART_CHARS, PATH_PARTS
from ksrpc.model import Rules

__all__ = ["CLOSED_PARTS", "OWN_ROOTS", "RootClass", "Surface"]

RootClass = Literal["vendor", "toolkit", "stdlib", "unsafe"]

_PATH_CHARS = PATH_PARTS * (PATH_PART_CHARS + 1)
_PART = rf"[A-Za-z][A-Za-z0-9_]{{0,{PATH_PART_CHARS - 1}}}"
_ASCII_PATH = re.compile(rf"{_PART}(?:\.{_PART}){{0,{PATH_PARTS - 1}}}")
#: Attributes that lead from an object into the machinery behind it.
_MACHINERY = frozenset({
    "format", "format_map", "mro", "register", "cache_clear", "cache_info", "cache_parameters", "f_back",
    "f_builtins", "f_code", "f_globals", "f_lasti", "f_lineno", "f_locals", "f_trace", "f_trace_lines",
    "f_trace_opcodes",
})  # fmt: skip
_MACHINERY_PREFIX = ("gi_", "cr_", "ag_", "tb_", "co_", "func_")
#: Roots that stay closed even for `unsafe`: this program itself and the program it was started as.
OWN_ROOTS = frozenset({"ksrpc", "ksrpc_server", "ksrpc_render", "__main__", "__mp_main__"})
#: Powerful libraries without a preset: closed unless the administrator declares them a service.
_TOOLKITS = frozenset({
    "numpy", "pandas", "polars", "pyarrow", "scipy", "sklearn", "requests", "statsmodels", "sympy", "numba",
    "numexpr", "bottleneck", "cython", "Cython", "cffi", "torch", "tensorflow", "jax", "matplotlib", "dask",
    "duckdb", "sqlalchemy", "psycopg", "redis", "httpx", "aiohttp", "urllib3", "boto3", "joblib",
    "cloudpickle", "dill", "pip", "setuptools", "pkg_resources", "pytest", "IPython", "jinja2", "lxml",
    "fsspec", "h5py", "tables", "xarray", "msgpack", "msgspec", "websockets", "uvicorn", "pydantic",
    "click", "rich",
})  # fmt: skip
#: Parts of a vendor package that are no part of what it offers.
CLOSED_PARTS = frozenset({
    "tests", "test", "testing", "conftest", "setup", "distutils", "f2py", "compat", "core", "externals",
    "cli", "main", "utils",
})  # fmt: skip
#: Names of functions that act on an account, in packages that nobody reviewed.
_TRADES = re.compile(r"(?:t?order|buy|sell|t?cancel|transfer)(?:_|$)|trade$")
#: Names of functions that may act on the session or on what the vendor keeps.
_ACTS = re.compile(r"(?:t?logon|t?logout|login|logout|auth|upload|wupf|delete|remove|set|stop|close|quit)(?:_|$)")


class Surface:
    """Hold one set of rules, ready to be asked about paths.

    Args:
        rules: The rules.
        served: Roots that are files in this process; this program's own worker serves one that no caller reaches.

    Raises:
        ConfigError: If a pattern is no dotted path, or `"*"` stands in `allow` without any `unsafe`.
    """

    __slots__ = (
        "_allow", "_block", "_files", "_handles", "_literal", "_presets", "_served", "_services", "_trade", "_unsafe",
    )  # fmt: skip

    def __init__(self, rules: Rules, *, served: Collection[str] = ()) -> None:
        if "*" in rules.allow and not rules.unsafe:
            raise ConfigError('allow = ["*"] opens everything and needs unsafe beside it')
        self._presets = load_presets()
        self._served = served
        self._files = frozenset([*served, *rules.files])
        self._literal = _parse_patterns(rules.allow, "allow")
        self._allow = self._with_aliases(self._literal)
        self._block = self._with_aliases(_parse_patterns(rules.block, "block"))
        self._handles = _parse_patterns(rules.handles, "handles")
        self._unsafe = _parse_patterns(rules.unsafe, "unsafe")
        self._services = _parse_patterns(rules.services, "services")
        self._trade = frozenset(rules.trade)

    def check(self, path: str) -> None:
        """Admit a path or refuse it.

        Raises:
            NotFoundError: If nothing above or at the path is open; always the same text.
            ForbiddenError: If it is, and rule A1, A2 or A3 refuses the path.
        """
        parts = self.check_member(path)
        if len(parts) > 1:
            self._check_name(path, parts)

    def check_member(self, path: str) -> list[str]:
        """Admit a path by its text and the patterns alone: the name of a class's member that the administrator lists.

        Returns:
            Its parts.

        Raises:
            NotFoundError: As `check`.
            ForbiddenError: By rule A1 or A2.
        """
        parts = path[: _PATH_CHARS + 1].split(".") if type(path) is str else [""]
        opened = self._opened_at(parts)
        blocked = _first_prefix(parts, self._block) if self._block else 0
        if not opened or 0 < blocked <= opened:
            raise NotFoundError
        _check_text(path, parts)
        if blocked:
            raise forbid("A2", f"{path} is blocked")
        return parts

    def class_of(self, root: str) -> RootClass:
        """Tell the class of a root package."""
        if root in self._unsafe or "*" in self._unsafe:
            return "unsafe"
        if root in self._files:
            return "vendor"
        if root in sys.stdlib_module_names:
            return "stdlib"
        preset = self._presets.get(root)
        is_toolkit = root in _TOOLKITS or (preset is not None and preset.kind != "vendor")
        return "toolkit" if is_toolkit and root not in self._services else "vendor"

    def preset_of(self, root: str) -> Preset | None:
        """Return the list that decides about a root, if its class has one."""
        return self._presets.get(root) if self.class_of(root) in ("toolkit", "stdlib") else None

    def may_import(self, module: str) -> bool:
        """Tell whether some list names this module literally (A4); roots were admitted by A2."""
        root = module.partition(".")[0]
        if module == root or self.class_of(root) == "unsafe":
            return True
        preset = self.preset_of(root)
        if preset is not None:
            return module in preset.modules
        return any(name == module or name.startswith(f"{module}.") for name in self._literal)

    def names_literally(self, path: str) -> bool:
        """Tell whether an allow pattern is this very path."""
        return path in self._literal

    @property
    def blocked(self) -> frozenset[str]:
        """The block patterns, for the check by identity (B14)."""
        return self._block

    def _opened_at(self, parts: list[str]) -> int:
        if parts[0] in OWN_ROOTS and parts[0] not in self._served:
            return 0
        opened = _first_prefix(parts, self._allow)
        if opened or "*" not in self._allow:
            return opened
        return 1 if parts[0].isidentifier() and not parts[0].startswith("_") else 0

    def _check_name(self, path: str, parts: list[str]) -> None:
        root = parts[0]
        kind = self.class_of(root)
        if kind == "unsafe" or path in self._handles:
            return
        if kind == "vendor":
            self._check_vendor_name(path, parts)
            return
        preset = self._presets.get(root)
        if preset is None or path not in preset.paths:
            above = ".".join(parts[: _first_prefix(parts, preset.closed.keys())]) if preset is not None else ""
            if preset is None or not above:
                raise forbid("A3", f"{path} is not on the list of what {root} offers here")
            whose = "" if above == path else f", as {above} is"
            raise forbid("A3", f"{path} is closed{whose}: {preset.closed[above].reason}")

    def trades(self, path: str) -> bool:
        """Tell whether a path acts on an account, by what a vendor's list says or by its name."""
        parts = path.split(".")
        return _is_trade(self._closed_of(path, parts), parts)

    def _check_vendor_name(self, path: str, parts: list[str]) -> None:
        if not CLOSED_PARTS.isdisjoint(parts[1:-1]):
            raise forbid("A3", f"{path} leads through a part that no package offers")
        if parts[0] in BUILTIN:
            return
        closed = self._closed_of(path, parts)
        trades = _is_trade(closed, parts)
        if closed is not None and not trades:
            raise forbid("A3", f"{path} is closed: {closed.reason}")
        if trades and parts[0] not in self._files and self._trade.isdisjoint((parts[0], "*")):
            raise forbid("A3", f"{path} acts on the account: only users whose section says trade = true may call it")
        if path in self._literal or closed is not None:
            return
        if parts[-1] in CLOSED_PARTS or _ACTS.match(parts[-1]) or trades:
            raise forbid("A3", f"{path} may act instead of answer: only a pattern that names it opens it")

    def _closed_of(self, path: str, parts: list[str]) -> Closed | None:
        """Return what the list of a reviewed vendor says of a path, or of what it leads through."""
        preset = self._presets.get(parts[0])
        if preset is None or preset.kind != "vendor" or parts[0] in self._files:
            return None
        count = _first_prefix(parts, preset.closed.keys())
        return preset.closed[".".join(parts[:count])] if count else None

    @property
    def reserved(self) -> frozenset[str]:
        """Closed names of reviewed vendors, for the check by identity: none is open under another name."""
        vendors = (preset for preset in self._presets.values() if preset.kind == "vendor")
        return frozenset(
            path for preset in vendors if preset.root not in self._files | self._unsafe for path in preset.closed
        )

    def _with_aliases(self, patterns: frozenset[str]) -> frozenset[str]:
        """Add every other name of what is named, so that an alias is neither a way round nor a gap."""
        more = set(patterns)
        for preset in self._presets.values():
            for other, kept in preset.aliases.items():
                same = {name for name, target in preset.aliases.items() if target == kept} | {kept}
                if other in patterns or kept in patterns:
                    more |= same
        return frozenset(more)


def _is_trade(closed: Closed | None, parts: list[str]) -> bool:
    return _TRADES.match(parts[-1]) is not None if closed is None else closed.list == "trade"


def _first_prefix(parts: list[str], patterns: Set[str]) -> int:
    """Return how many parts the shortest prefix has that is a pattern, 0 if none is."""
    prefix = parts[0]
    for count, part in enumerate([*parts[1:PATH_PARTS], ""], 1):
        if prefix in patterns:
            return count
        prefix = f"{prefix}.{part}"
    return 0


def _check_text(path: str, parts: list[str]) -> None:
    if not _ASCII_PATH.fullmatch(path) and not _is_unicode_path(path, parts):
        raise forbid("A1", "a path is up to 8 public names of up to 80 characters, joined by dots")
    is_machinery = not _MACHINERY.isdisjoint(parts) or any(p.startswith(_MACHINERY_PREFIX) for p in parts[2:])
    if is_machinery:
        raise forbid("A1", f"{path} leads into the machinery of an object")


def _is_unicode_path(path: str, parts: list[str]) -> bool:
    return len(path) <= _PATH_CHARS and len(parts) <= PATH_PARTS and all(map(_is_public_name, parts))


def _is_public_name(part: str) -> bool:
    return (
        len(part) <= PATH_PART_CHARS
        and part.isidentifier()
        and not part.startswith("_")
        and unicodedata.is_normalized("NFKC", part)
        and not any(unicodedata.category(character) == "Cf" for character in part)
    )


def _parse_patterns(patterns: Iterable[str], key: str) -> frozenset[str]:
    for pattern in patterns:
        if pattern != "*" and not (_ASCII_PATH.fullmatch(pattern) or _is_unicode_path(pattern, pattern.split("."))):
            raise ConfigError(f"{key}: {pattern!r} is not a dotted path of public names")
    return frozenset(patterns)
