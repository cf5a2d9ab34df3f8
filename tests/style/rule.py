"""The rules of docs/contributing.md that no linter knows, each a function from a file to what it breaks."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

FORBIDDEN_NAMES = {"utils", "util", "common", "manager", "helper", "helpers", "misc"}
PICKLES = {"cloudpickle", "dill", "jsonpickle", "marshal", "pickle", "shelve", "_pickle", "cPickle"}
SRC_LINES = 400
TEST_LINES = 600

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    """Hold one text file of the project; `path` is relative to the project, with slashes."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """Parse it as Python."""
        return ast.parse(self.text, self.path)

    @property
    def in_src(self) -> bool:
        """Tell whether users install it."""
        return self.path.startswith("src/")


#: Yields "path:line" or "path::name" and what is wrong there.
Rule = Callable[[Source], Iterator[tuple[str, str]]]


def load_sources(*folders: str, suffixes: tuple[str, ...] = (".py",)) -> list[Source]:
    """Read the files of these folders; a path that is a file is read itself."""
    found = []
    for folder in folders:
        top = ROOT / folder
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and path.suffix in suffixes and "__pycache__" not in path.parts:
                found.append(Source(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")))
    return found


def too_long(source: Source) -> Iterator[tuple[str, str]]:
    """Keep files readable in one sitting."""
    lines, limit = source.text.count("\n"), SRC_LINES if source.in_src else TEST_LINES
    if lines > limit:
        yield source.path, f"{lines} lines, at most {limit}"


def empty_name(source: Source) -> Iterator[tuple[str, str]]:
    """Refuse module and folder names that could hold anything."""
    parts = source.path.removesuffix(".py").split("/")[1:] if source.in_src else []
    for part in parts:
        if part in FORBIDDEN_NAMES:
            yield source.path, f"the name {part!r} says nothing"


def asserting(source: Source) -> Iterator[tuple[str, str]]:
    """Refuse `assert` in src: it guards nothing under `python -O`."""
    for node in ast.walk(source.tree):
        if source.in_src and isinstance(node, ast.Assert):
            yield f"{source.path}:{node.lineno}", "assert"


def pickling(source: Source) -> Iterator[tuple[str, str]]:
    """Refuse what runs code out of data: the pickle family, eval and exec."""
    if not source.in_src:
        return
    for node in ast.walk(source.tree):
        for name in _imported(node):
            if name.split(".")[0] in PICKLES:
                yield f"{source.path}:{node.lineno}", f"imports {name}"  # type: ignore[attr-defined]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec"):
            yield f"{source.path}:{node.lineno}", f"calls {node.func.id}"


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and not node.level:
        return [node.module or ""]
    return []


def unfinished(source: Source) -> Iterator[tuple[str, str]]:
    """Refuse notes of work not done."""
    for number, line in enumerate(source.text.splitlines(), 1):
        if re.search(r"\b(TOD[O]|FIXM[E]|XX[X]|HAC[K])\b", line):
            yield f"{source.path}:{number}", line.strip()
    if source.in_src:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Raise) and "NotImplementedError" in ast.dump(node):
                yield f"{source.path}:{node.lineno}", "raises NotImplementedError"


def one_machine(source: Source) -> Iterator[tuple[str, str]]:
    """Refuse paths that exist on one machine only."""
    for number, line in enumerate(source.text.splitlines(), 1):
        if re.search(r"(?<![\w.])/(wor[k]|roo[t]|hom[e]|User[s])/|\.\./share[d]", line):
            yield f"{source.path}:{number}", line.strip()


def undocumented(source: Source) -> Iterator[tuple[str, str]]:
    """Ask for a docstring on every public module, class and function of src."""
    if not source.in_src:
        return
    if source.text.strip() and not ast.get_docstring(source.tree):
        yield source.path, "module without docstring"
    yield from _undocumented(source.path + "::", source.tree.body)


def _undocumented(prefix: str, body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for node in body:
        if not isinstance(node, Function | ast.ClassDef) or node.name.startswith("_") or _is_variant(node):
            continue
        if not ast.get_docstring(node):
            yield prefix + node.name, "no docstring"
        if isinstance(node, ast.ClassDef):
            yield from _undocumented(f"{prefix}{node.name}.", node.body)


def _is_variant(node: Function | ast.ClassDef) -> bool:
    """Tell whether this is documented elsewhere: an overload, an override, a property's setter."""
    names = [ast.unparse(decorator) for decorator in node.decorator_list]
    return any(name.split(".")[-1] in ("overload", "override", "setter", "deleter") for name in names)


def sleeping(source: Source) -> Iterator[tuple[str, str]]:
    """Refuse tests that wait by sleeping: slow, and wrong on a busy machine. `asyncio.sleep(0)` is none."""
    if not source.path.startswith("tests/"):
        return
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Call) or ast.unparse(node.func).split(".")[-1] != "sleep":
            continue
        if [ast.unparse(argument) for argument in node.args] != ["0"]:
            yield f"{source.path}:{node.lineno}", ast.unparse(node)


def taking_from_the_top(source: Source) -> Iterator[tuple[str, str]]:
    """Refuse public names taken from the package itself inside src: they lie higher than whoever asks."""
    rooms = {path.stem for path in (ROOT / "src" / "ksrpc").iterdir()}
    for node in ast.walk(source.tree):
        if source.in_src and isinstance(node, ast.ImportFrom) and node.module == "ksrpc":
            for name in {alias.name for alias in node.names} - rooms - {"__version__"}:
                yield f"{source.path}:{node.lineno}", f"takes {name} from ksrpc itself"


#: Rule by name, and the files it reads.
PYTHON = ("src", "tests", "benchmarks", "examples")
TEXTS = (*PYTHON, "docs", "README.md", "README.zh-CN.md", "CHANGELOG.md", "Makefile", "pyproject.toml", ".ci")
RULES: dict[str, tuple[Rule, tuple[str, ...]]] = {
    rule.__name__: (rule, folders)
    for rule, folders in (
        (too_long, ("src", "tests")),
        (empty_name, ("src",)),
        (asserting, ("src",)),
        (pickling, ("src",)),
        (unfinished, PYTHON),
        (one_machine, TEXTS),
        (taking_from_the_top, ("src",)),
        (undocumented, ("src",)),
        (sleeping, ("tests",)),
    )
}
