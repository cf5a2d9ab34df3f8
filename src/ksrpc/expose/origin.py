"""Bring modules into the process: installed ones by name, an administrator's files by their place.

Rules:
* Nothing is imported here that gate A has not admitted; whoever calls has asked it.
* A file of the administrator is loaded as `ksrpc_server.<name>` and never through `sys.path`, so that it can neither
  shadow an installed module for other code nor be shadowed (THREATS H18).
* A failing import is remembered for a minute: a broken package must not be imported anew by each call.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Literal

from ksrpc.errors import KsrpcError, NotFoundError, RefusedError
from ksrpc.wire.cover import error_text

__all__ = ["BUILTIN", "SOURCE_PACKAGE", "ImportDesk", "ModuleSource", "edition_of", "load_source"]

#: Name under which the administrator's own files live in `sys.modules`.
SOURCE_PACKAGE = "ksrpc_server"
_REMEMBER_S = 60.0
_REMEMBER_ENTRIES = 1024
_PATH_TEXT = re.compile(r"(?:[A-Za-z]:)?[/\\][^\s'\"(),;]+")
_lock = threading.RLock()
_loaded: dict[str, ModuleSource] = {}


@dataclass(frozen=True, slots=True)
class ModuleSource:
    """Say where a module of the administrator lies, and which values its functions take.

    Attributes:
        path: The file.
        arguments: "data" for the request table with gate C; "any" for the result table without it, for modules
            whose author takes every value.
        edition: State of the file that is to be loaded (`edition_of`); empty for whatever is there.
    """

    path: Path
    arguments: Literal["data", "any"] = "data"
    edition: str = ""


#: Modules that come with ksrpc and are served like an administrator's file.
BUILTIN: dict[str, ModuleSource] = {
    "demo": ModuleSource(Path(__file__).resolve().parent.parent / "vendors" / "demo.py", "any"),
}


def edition_of(path: Path) -> str:
    """Name the state of a file; empty if there is none."""
    try:
        found = path.stat()
    except OSError:
        return ""
    return f"{found.st_mtime_ns}-{found.st_size}"


def load_source(name: str, source: ModuleSource) -> ModuleType:
    """Load a file as `ksrpc_server.<name>`, once per process, file and edition.

    Raises:
        RefusedError: The file is not of the edition asked for: processes of one module never serve two.
        Exception: Whatever the file raises.
    """
    full = f"{SOURCE_PACKAGE}.{name}"
    with _lock:
        known = sys.modules.get(full)
        if known is not None and _loaded.get(full) == source:
            return known
        if source.edition and edition_of(source.path) not in ("", source.edition):
            raise RefusedError(f"the file of {name} was changed; `ksrpc config reload` takes the new one into service")
        spec = importlib.util.spec_from_file_location(full, source.path)
        if spec is None or spec.loader is None:
            raise ImportError("not a Python source file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[full] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[full]
            raise
        _loaded[full] = source
        return module


class ImportDesk:
    """Import modules and remember failures for a while.

    Args:
        sources: Bare name → the administrator's file of that name.
    """

    __slots__ = ("_failed", "_sources")

    def __init__(self, sources: dict[str, ModuleSource]) -> None:
        self._sources = sources
        self._failed: dict[str, tuple[float, str]] = {}

    def fetch(self, name: str) -> ModuleType:
        """Import one module by its full dotted name, and wait for another thread that is about to.

        Raises:
            NotFoundError: If there is no such module.
            RefusedError: If the module exists and fails to import; the text names the error without server paths.
        """
        failed = self._failed.get(name)
        if failed is not None:
            if time.monotonic() < failed[0]:
                raise _refusal(failed[1])
            self._failed.pop(name, None)
        try:
            return self._import(name)
        except (KeyboardInterrupt, KsrpcError):
            raise
        except BaseException as error:  # a library may raise SystemExit or a native panic while it is imported
            text = "" if self._is_absence(error, name) else self._failure_text(name, error)
        self._remember(name, text)
        raise _refusal(text)

    def _import(self, name: str) -> ModuleType:
        source = self._sources.get(name)
        return importlib.import_module(name) if source is None else load_source(name, source)

    def _is_absence(self, error: BaseException, name: str) -> bool:
        """Tell whether the very module is missing, not something that it needs."""
        if isinstance(error, FileNotFoundError):
            source = self._sources.get(name)
            return source is not None and error.filename == str(source.path)
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        return missing is not None and (name == missing or name.startswith(f"{missing}."))

    def _failure_text(self, name: str, error: BaseException) -> str:
        """Say what a caller may know; of the administrator's file, the rest is for this process's output."""
        text = f"module {name} failed to import: {type(error).__name__}"
        if name in self._sources:
            traceback.print_exception(error)
            return f"{text}; `ksrpc serve --worker-output` shows why"
        return f"{text}: {_PATH_TEXT.sub('<server>', error_text(error))[:300]}"

    def _remember(self, name: str, text: str) -> None:
        if len(self._failed) >= _REMEMBER_ENTRIES:
            self._failed.clear()
        self._failed[name] = (time.monotonic() + _REMEMBER_S, text)


def _refusal(text: str) -> RefusedError:
    return RefusedError(text) if text else NotFoundError()
