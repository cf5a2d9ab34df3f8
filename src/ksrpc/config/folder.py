"""The folder of the administrator's own modules: each NAME.py in it is served as NAME.

Rules:
* A module of one's own goes before one that comes with ksrpc, and that before an installed package.
* The name of an installed package, or of one of the standard library, is taken only with `shadow = true`: a file must
  not change what a name means by being there.
* Nothing is imported to find that out.

Source: docs/howto/serve-your-own-module.md "A folder of modules".
"""

from __future__ import annotations

import keyword
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from typing import NamedTuple

from ksrpc.config.guard import check_code
from ksrpc.config.key import join_key
from ksrpc.config.schema import ModuleSection
from ksrpc.errors import ConfigError

_OWN = frozenset({"ksrpc", "ksrpc_server", "ksrpc_render"})
_VENDORS = Path(__file__).resolve().parents[1] / "vendors"


class Folder(NamedTuple):
    """Hold what is in the folder.

    Attributes:
        files: Name → file, of those that can be served.
        odd: What is wrong with others that look as if they were meant to be.
    """

    files: dict[str, Path]
    odd: list[str]


def read_folder(path: Path) -> Folder:
    """List the modules in a folder; none where there is no folder.

    Raises:
        ConfigError: It is no folder, or somebody else can write into it or into a file of it.
    """
    found = Folder({}, [])
    if not path.exists():
        return found
    try:
        check_code(path)
        for file in sorted(path.iterdir()):
            _sort(file, found)
    except OSError as exc:
        raise ConfigError(f"server.modules_dir: {path} cannot be read: {exc.strerror}") from exc
    return found


def _sort(file: Path, found: Folder) -> None:
    name = file.stem
    if (file / "__init__.py").exists():
        found.odd.append(f"{file} is not served: a module is one file NAME.py, not a package")
    elif file.suffix != ".py" or file.name == "__init__.py":
        return
    elif not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
        found.odd.append(f"{file} is not served: {name!r} is no name that callers could use")
    elif file.is_file():
        check_code(file)
        found.files[name] = file
    else:
        found.odd.append(f"{file} is not served: it is not a file")


def why_refused(name: str, section: ModuleSection) -> str:
    """Say why a file may not be served under a name; empty if it may.

    Args:
        name: The name.
        section: Its settings, which have a path.
    """
    if name in _OWN:
        return "this name is ksrpc's own"
    if section.shadow or (_VENDORS / f"{name}.py").is_file():
        return ""
    if name in sys.stdlib_module_names:
        owner = "a module of the standard library"
    elif is_installed(name, (section.path.parent if section.path else Path(),)):
        owner = "an installed package"
    else:
        return ""
    key = join_key(("module", name))
    return f"{owner} has this name: choose another one, or write shadow = true under [{key}] to serve your file for it"


def is_installed(name: str, own: tuple[Path, ...]) -> bool:
    """Tell whether an import would find a top-level module of this name elsewhere than in these folders.

    The current folder does not count either: it is on Python's path by the way the program was started.
    """
    left_out = {Path().resolve(), *(folder.resolve() for folder in own)}
    places = [place for place in sys.path if Path(place).resolve() not in left_out]
    others = [finder for finder in sys.meta_path if finder is not PathFinder]
    return PathFinder.find_spec(name, places) is not None or any(finder.find_spec(name, None) for finder in others)
