"""What the resolver imports, remembers and describes."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from ksrpc.errors import ForbiddenError, NotFoundError, RefusedError
from ksrpc.expose import ModuleSource, Resolver, Surface
from ksrpc.limits import MEMO_ENTRIES
from ksrpc.model import Rules
from tests.unit.expose.conftest import Builder

MARK = "import pathlib\np = pathlib.Path({mark!r})\np.write_text((p.read_text() if p.exists() else '') + 'x')\n"


def test_surface_imports_nothing(build: Builder, tmp_path: Path) -> None:
    """Gate A never imports what it is asked about."""
    mark = tmp_path / "mark"
    build({"stall.py": MARK.format(mark=str(mark))})
    surface = Surface(Rules(allow=("stall",)))
    surface.check("stall.anything")
    assert not mark.exists()
    assert "stall" not in sys.modules


@pytest.mark.parametrize("path", ["stall", "stall.f", "stall.sub.f", "other.stall", "math.stall"])
def test_closed_module_is_never_imported(build: Builder, tmp_path: Path, path: str) -> None:
    """A module that no rule opens leaves no trace, and the answer is that of an unknown one."""
    mark = tmp_path / "mark"
    build({"stall/__init__.py": MARK.format(mark=str(mark)), "stall/sub.py": "def f(): return 1\n"})
    with pytest.raises(RefusedError) as caught:
        Resolver(Rules(allow=("math",))).resolve(path)
    assert not mark.exists()
    if not path.startswith("math"):
        assert str(caught.value) == NotFoundError.TEXT


def test_not_installed_and_not_allowed_are_alike() -> None:
    """An open root that is not installed answers as a closed one."""
    texts = set()
    for path in ("not_there", "not_there.f", "not_there.sub.f", "closed_root.f"):
        with pytest.raises(NotFoundError) as caught:
            Resolver(Rules(allow=("not_there",))).resolve(path)
        texts.add(str(caught.value))
    assert texts == {NotFoundError.TEXT}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("raise ValueError('at /srv/secret/place.py')", "ValueError"),
        ("import not_there_at_all", "ModuleNotFoundError"),
        ("raise SystemExit(3)", "SystemExit"),
        ("def (", "SyntaxError"),
    ],
)
def test_failing_import(build: Builder, tmp_path: Path, text: str, expected: str) -> None:
    """It is refused with the error's name and no path of the server, and tried once a minute only."""
    mark = tmp_path / "mark"
    build({"stall.py": f"{MARK.format(mark=str(mark))}{text}\n" if "def (" not in text else text})
    resolver = Resolver(Rules(allow=("stall",)))
    for _ in range(3):
        with pytest.raises(RefusedError, match=f"module stall failed to import: {expected}") as caught:
            resolver.resolve("stall.f")
        assert "/srv" not in str(caught.value)
        assert str(tmp_path) not in str(caught.value)
    assert not mark.exists() or mark.read_text() == "x"


def test_memory_is_bounded_and_misses_are_not_kept(build: Builder) -> None:
    """Many paths do not grow the memory beyond its bound."""
    names = "\n".join(f"def f{number}(): return {number}" for number in range(MEMO_ENTRIES + 10))
    build({"stall.py": names})
    resolver = Resolver(Rules(allow=("stall",)))
    first = resolver.resolve("stall.f0")
    for number in range(1, MEMO_ENTRIES + 10):
        resolver.resolve(f"stall.f{number}")
    assert resolver.resolve("stall.f0") is not first
    with pytest.raises(NotFoundError):
        resolver.resolve("stall.later")
    vars(sys.modules["stall"])["later"] = sys.modules["stall"].f1
    assert resolver.resolve("stall.later").object() == 1


def test_many_threads(build: Builder) -> None:
    """Resolving from many threads at once gives each the right object."""
    build({"stall.py": "\n".join(f"def f{number}(): return {number}" for number in range(50))})
    resolver = Resolver(Rules(allow=("stall",)))
    wrong: list[int] = []

    def ask() -> None:
        wrong.extend(n for n in range(50) if resolver.resolve(f"stall.f{n}").object() != n)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_source_file_is_loaded_by_its_place(tmp_path: Path) -> None:
    """A file of the administrator shadows nothing and is no top-level module; its class decides the table."""
    (tmp_path / "shelf.py").write_text(
        "import os\nfrom os.path import join\nVERSION = 1\nclass A: pass\nclass D(dict):\n    MARK = 'm'\n"
        "def daily(x, y=1, z='z', w: 'Literal[\"w\"]' = None): return x * 2\n",
        "utf-8",
    )
    sources = {"shelf": ModuleSource(tmp_path / "shelf.py")}
    resolver = Resolver(Rules(allow=("shelf",)), sources=sources, generation=7)
    target = resolver.resolve("shelf.daily")
    assert (target.object(2), target.owner, target.arguments, target.generation) == (4, "shelf", "data", 7)
    assert "shelf" not in sys.modules
    assert sys.modules["ksrpc_server.shelf"].VERSION == 1
    assert str(tmp_path) not in sys.path
    assert resolver.describe("shelf").members == ("D", "daily")
    shown = [p.default for p in resolver.describe("shelf.daily").signature or ()]
    assert (shown, resolver.describe("shelf.daily").signature[3].annotation) == (["", "1", "...", "None"], "...")  # type: ignore[index]
    for path in ("shelf.os", "shelf.os.system", "shelf.join", "shelf.A", "shelf.VERSION", "shelf.D.MARK"):
        with pytest.raises(ForbiddenError):
            resolver.resolve(path)
    wide = Resolver(Rules(allow=("shelf",)), sources={"shelf": ModuleSource(tmp_path / "shelf.py", "any")})
    assert wide.resolve("shelf.daily").arguments == "any"


def test_source_file_with_a_list_offers_what_it_lists(tmp_path: Path) -> None:
    """Data is open if `__all__` names it; what `__all__` leaves out is closed, functions too."""
    (tmp_path / "listed.py").write_text(
        "__all__ = ['LOTS', 'f', 'D', 'SECRET_LOTS']\nLOTS = [1]\nMORE = 2\nSECRET_LOTS = 3\n"
        "def f(): return 1\ndef g(): return 2\nclass D(dict):\n    MARK = 'm'\n",
        "utf-8",
    )
    resolver = Resolver(Rules(allow=("listed",)), sources={"listed": ModuleSource(tmp_path / "listed.py")})
    assert resolver.resolve("listed.LOTS").object == [1]
    assert resolver.describe("listed").members == ("D", "LOTS", "f")
    for path, rule in {"MORE": "B15", "g": "B15", "D.MARK": "B15", "SECRET_LOTS": "B12"}.items():
        with pytest.raises(ForbiddenError) as refused:
            resolver.resolve(f"listed.{path}")
        assert refused.value.rule == rule
    with pytest.raises(ForbiddenError, match="`__all__`"):
        resolver.resolve("listed.MORE")


@pytest.mark.parametrize("listed", ["'f'", "None", "{'f': 1}", "[1, None]", "()"])
def test_a_list_that_is_none_offers_nothing(tmp_path: Path, listed: str) -> None:
    (tmp_path / "odd.py").write_text(f"__all__ = {listed}\nX = 1\ndef f(): return 1\n", "utf-8")
    resolver = Resolver(Rules(allow=("odd",)), sources={"odd": ModuleSource(tmp_path / "odd.py")})
    assert resolver.describe("odd").members == ()
    for path in ("odd.f", "odd.X"):
        with pytest.raises(ForbiddenError):
            resolver.resolve(path)


def test_source_file_that_fails_or_is_missing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither leaves a half-loaded module behind."""
    (tmp_path / "broken.py").write_text("x = 1\nraise RuntimeError('my own')\n", "utf-8")
    rules = Rules(allow=("broken", "gone"))
    sources = {name: ModuleSource(tmp_path / f"{name}.py") for name in ("broken", "gone")}
    resolver = Resolver(rules, sources=sources)
    with pytest.raises(RefusedError, match="broken failed to import: RuntimeError; `ksrpc serve") as refused:
        resolver.resolve("broken.x")
    assert "my own" not in str(refused.value)
    assert "my own" in capfd.readouterr().err
    assert "ksrpc_server.broken" not in sys.modules
    with pytest.raises(NotFoundError):
        resolver.resolve("gone.x")


def test_source_shadows_demo(tmp_path: Path) -> None:
    """An administrator's `demo` takes the place of the built-in one."""
    (tmp_path / "demo.py").write_text("def mine(): return 'mine'\n", "utf-8")
    try:
        resolver = Resolver(Rules(allow=("demo",)), sources={"demo": ModuleSource(tmp_path / "demo.py")})
        assert resolver.resolve("demo.mine").object() == "mine"
    finally:
        del sys.modules["ksrpc_server.demo"]


def test_unsafe_root() -> None:
    """Everything below an unsafe root is as in Python; this program and private names stay closed."""
    resolver = Resolver(Rules(allow=("os", "sys", "xml"), unsafe=("os", "sys", "xml")))
    assert isinstance(resolver.resolve("os.getcwd").object(), str)
    resolver.resolve("os.getcwd").call_check(("/etc",), {"path": "x"})
    assert resolver.resolve("sys.version").kind == "value"
    assert resolver.resolve("xml.dom.minidom.parseString").kind == "function"
    assert resolver.resolve("xml.dom").kind == "module"
    assert resolver.resolve("os.DirEntry").kind == "class"
    for path in ("os.__dict__", "sys._getframe", "os.sys.modules.x"):
        with pytest.raises(RefusedError):
            resolver.resolve(path)


def test_unsafe_root_does_not_lead_into_this_program(build: Builder) -> None:
    """Not even by an attribute."""
    code = (
        "import sys\nimport ksrpc.errors\nimport ksrpc\nfrom ksrpc.model import Rules\n"
        "from ksrpc.expose.rule import forbid\nrules = Rules()\ntable = sys.modules\n"
    )
    build({"stall.py": code})
    resolver = Resolver(Rules(allow=("stall",), unsafe=("stall",)))
    for name in (
        "ksrpc",
        "ksrpc.errors",
        "Rules",
        "forbid",
        "rules",
        "rules.allow",
        "table",
        "table.get",
        "sys.modules",
    ):
        with pytest.raises(ForbiddenError, match="A1"):
            resolver.resolve(f"stall.{name}")


def test_describe_function(build: Builder) -> None:
    """Signature, docs and texts that are safe to show."""
    build(
        {
            "stall.py": '''
__version__ = "1.2"
class Odd:
    def __repr__(self): raise RuntimeError("ran")
def f(a, /, b: int = 1, *c, d="x", token="s3", home="/srv/x", odd=Odd(), big="y" * 99,
      t=(1, "a"), **e) -> dict[str, int]:
    """Do it.

        With depth.
    """
async def g(x: "pandas.DataFrame", y: list = None) -> None: ...
'''
        }
    )
    resolver = Resolver(Rules(allow=("stall",)), generation=3)
    found = resolver.describe("stall.f")
    assert found is resolver.describe("stall.f")
    defaults = {p.name: p.default for p in found.signature or ()}
    assert defaults == {
        "a": "", "b": "1", "c": "", "d": "'x'", "token": "...", "home": "...", "odd": "...", "big": "...",
        "t": "(1, 'a')", "e": "",
    }  # fmt: skip
    assert [p.kind for p in found.signature or ()][:3] == ["POSITIONAL_ONLY", "POSITIONAL_OR_KEYWORD", "VAR_POSITIONAL"]
    assert found.doc == "Do it.\n\nWith depth."
    assert (found.version, found.generation, found.kind, found.owner) == ("1.2", 3, "function", "stall")
    other = resolver.describe("stall.g")
    assert (other.kind, other.returns) == ("coroutine", "None")
    assert [p.annotation for p in other.signature or ()] == ["pandas.DataFrame", "list"]


def test_describe_module_lists_what_resolves() -> None:
    """Members are judged one by one; a preset's unlisted names are not there."""
    resolver = Resolver(Rules(allow=("math", "os.path", "pandas", "numpy", "demo"), block=("math.sin",)))
    members = resolver.describe("math").members
    assert {"pow", "pi", "cos"} <= set(members)
    assert not {"factorial", "comb", "sin", "__doc__"} & set(members)
    assert set(resolver.describe("os.path").members) <= {n for n in dir(sys.modules["os.path"]) if n[0] != "_"}
    assert "util" in resolver.describe("pandas").members
    assert "read_pickle" not in resolver.describe("pandas").members
    assert "linalg" in resolver.describe("numpy").members
    assert {"sync_say_hi", "test"} <= set(resolver.describe("demo").members)
    assert resolver.describe("math.pi").signature is None


def test_describe_obeys_the_gates() -> None:
    """What may not be called is not described."""
    resolver = Resolver(Rules(allow=("numpy",)))
    with pytest.raises(ForbiddenError):
        resolver.describe("numpy.load")
    with pytest.raises(NotFoundError):
        resolver.describe("os")
