"""`ksrpc.install`: programs import what only the gateway has, and see no difference."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import textwrap
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ksrpc
from ksrpc.errors import ConfigError
from tests.helpers.awaited import LOOP
from tests.helpers.server import ROOT, GatewayProcess, clean_environment

CONFIG = """
[server]
port = 0
[call]
enabled = true
[access]
anonymous = true
allow = ["demo", "quotes", "datetime", "math", "colorsys"]
[user.anonymous]
handles = true
[module.quotes.handles.Account]
methods = ["total"]
"""

PACKAGE = {
    "__init__.py": '''
        """Quotes of a market."""

        import asyncio

        from quotes import daily, tick

        __version__ = "4.2"
        MARKETS = {"SH": [1, 2], "SZ": [3]}
        LIMIT = 7
        CALLS = 0


        def bars(code, start="2024-01-01", *fields, adjust: "str | None" = None, **more) -> dict:
            """Return the bars of a code.

            They are made up.
            """
            if code == "bad":
                raise KeyError(code)
            return {"code": code, "start": start, "fields": fields, "adjust": adjust, **more}


        async def later(value):
            """Return a value after a moment."""
            await asyncio.sleep(0)
            return value


        def ticks(n):
            """Give ticks."""
            yield from range(n)


        async def live(n):
            """Give ticks as they come."""
            for number in range(n):
                yield number


        class Account:
            """An account with cash."""

            def __init__(self, cash: float = 1.0) -> None:
                self.cash = cash

            def total(self) -> float:
                """Return the cash."""
                return self.cash
    ''',
    "daily.py": '''
        """Daily quotes."""

        NAMES = ("open", "close")


        def last(code):
            """Return the last one."""
            return f"last {code}"
    ''',
    "tick/__init__.py": '''
        """Ticks."""

        from quotes.tick import deep
    ''',
    "tick/deep.py": '''
        def bottom():
            """Return what is at the bottom."""
            return "deep"
    ''',
}


def make_python(folder: Path) -> Path:
    """Make an environment that has the package `quotes` beside all that is here: workers look at no PYTHONPATH."""
    for name, text in PACKAGE.items():
        file = folder / "packages" / "quotes" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
    venv.create(folder / "venv", symlinks=True)
    [library] = (folder / "venv").glob("lib/python*/site-packages")
    places = [sysconfig.get_path("purelib"), str(ROOT / "src"), str(folder / "packages")]
    (library / "packages.pth").write_text("\n".join(places))
    return folder / "venv" / "bin" / "python"


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """Serve a package that nobody else has."""
    folder = tmp_path_factory.mktemp("market")
    with GatewayProcess(folder, CONFIG, python=[str(make_python(folder))]) as process:
        yield process


@pytest.fixture(params=["http", "websocket"])
def url(request: pytest.FixtureRequest, market: GatewayProcess) -> str:
    """Give the gateway's address for either transport."""
    return market.url if request.param == "http" else market.ws_url


def run(program: str, url: str, folder: Path, **env: str) -> Any:
    """Run a program in which `told` is a list; return what it put there."""
    start = "import json, sys; import ksrpc; url = sys.argv[1]; told = []\n"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", start + textwrap.dedent(program) + "\nprint(json.dumps(told))", url],
        cwd=folder,
        env={**clean_environment(), "KSRPC_URL": url, **env},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_program_imports_what_is_not_here(url: str, tmp_path: Path) -> None:
    program = """
        ksrpc.install("quotes", ksrpc.connect(url))
        import quotes as q
        from quotes import bars, MARKETS, daily
        import quotes.tick.deep
        from quotes.daily import last as latest
        import types

        told += [isinstance(q, types.ModuleType), q.__name__, q.__doc__, q.__version__, q.__all__]
        told += [bars("600000", adjust="pre", extra=1), MARKETS, q.LIMIT, latest("x"), daily.NAMES]
        told += [q.tick.deep.bottom(), daily is q.daily, q.bars is bars, "quotes.tick" in sys.modules]
        told += [sorted(name for name in dir(q) if not name.startswith("_"))]
    """
    names = ["Account", "CALLS", "LIMIT", "MARKETS", "bars", "daily", "later", "live", "tick", "ticks"]
    assert run(program, url, tmp_path) == [
        True, "quotes", "Quotes of a market.", "4.2", names,
        {"code": "600000", "start": "2024-01-01", "fields": [], "adjust": "pre", "extra": 1},
        {"SH": [1, 2], "SZ": [3]}, 7, "last x", ["open", "close"],
        "deep", True, True, True, names,
    ]  # fmt: skip


def test_the_gateway_of_the_environment_serves_several_packages(url: str, tmp_path: Path) -> None:
    program = """
        ksrpc.install("quotes", "demo")
        from demo import *
        from quotes import *
        told += [sync_say_hi("A"), LIMIT, bars("x")["code"], sorted(MARKETS), daily.last("y")]
    """
    assert run(program, url, tmp_path) == ["Hi A, from a sync function", 7, "x", ["SH", "SZ"], "last y"]


def test_a_function_is_a_function(url: str, tmp_path: Path) -> None:
    program = """
        import inspect, pickle, pydoc, types
        ksrpc.install("quotes", ksrpc.connect(url))
        import quotes
        f = quotes.bars
        told += [isinstance(f, types.FunctionType), f.__name__, f.__qualname__, f.__module__, f.__doc__]
        told += [str(inspect.signature(f)), pickle.loads(pickle.dumps(f)) is f, inspect.getmodule(f) is quotes]
        for thing in (f, quotes, quotes.Account):
            try:
                inspect.getsource(thing)
            except (OSError, TypeError) as error:
                told.append("none")
        told.append("bars(code, start='2024-01-01', *fields, adjust: str | None = None, **more) -> dict" in
                    pydoc.render_doc(quotes, renderer=pydoc.plaintext))
        try:
            f("bad")
        except KeyError as error:
            told.append(error.args[0])
        try:
            f()
        except TypeError as error:
            told.append("code" in str(error))
    """
    assert run(program, url, tmp_path) == [
        True, "bars", "bars", "quotes", "Return the bars of a code.\n\nThey are made up.",
        "(code, start='2024-01-01', *fields, adjust: str | None = None, **more) -> dict", True, True,
        "none", "none", "none", True, "bad", True,
    ]  # fmt: skip


def test_coroutines_and_generators_stay_what_they_are(url: str, tmp_path: Path) -> None:
    program = f"""
        import inspect
        from {LOOP} import run
        ksrpc.install("quotes", ksrpc.connect(url))
        import quotes

        async def main():
            return await quotes.later(5), [item async for item in quotes.live(4)]

        told += [list(quotes.ticks(3)), run(main())]
        told += [inspect.iscoroutinefunction(quotes.later), inspect.isasyncgenfunction(quotes.live)]
    """
    assert run(program, url, tmp_path) == [[0, 1, 2], [5, [0, 1, 2, 3]], True, True]


@pytest.mark.parametrize("how", ["ksrpc.aconnect(url)", "ksrpc.connect(url), async_local=True"])
def test_calls_may_be_awaited(how: str, url: str, tmp_path: Path) -> None:
    program = f"""
        import asyncio
        from {LOOP} import run
        ksrpc.install("quotes", {how})

        async def main():
            import quotes  # while the loop runs, as in a notebook
            both = await asyncio.gather(quotes.bars("a"), quotes.later(2))
            return both[0]["code"], both[1], quotes.LIMIT, [item async for item in quotes.live(2)]

        told.append(run(main()))
    """
    assert run(program, url, tmp_path) == [["a", 2, 7, [0, 1]]]


def test_a_class_makes_what_the_server_answers(url: str, tmp_path: Path) -> None:
    program = """
        import inspect
        ksrpc.install("quotes", ksrpc.connect(url))
        ksrpc.install("datetime", ksrpc.connect(url), force=True)
        import quotes, datetime
        account = quotes.Account(cash=12.5)
        told += [inspect.isclass(quotes.Account), quotes.Account.__doc__, str(inspect.signature(quotes.Account))]
        told += [str(inspect.signature(account.total)), account.total.__doc__, account.__doc__]
        told += [account.total(), isinstance(account, quotes.Account), isinstance(3, quotes.Account)]
        day = datetime.date(2024, 1, 2)
        told += [str(day), isinstance(day, datetime.date), str(datetime.date.fromisoformat("2024-03-04"))]
        told += ["fromisoformat" in dir(datetime.date)]
        try:
            class Mine(quotes.Account): pass
        except TypeError as error:
            told.append(str(error))
    """
    assert run(program, url, tmp_path) == [
        True, "An account with cash.", "(cash: float = 1.0) -> None",
        "() -> float", "Return the cash.", "An account with cash.", 12.5, True, False,
        "2024-01-02", True, "2024-03-04", True,
        "quotes.Account lives on the server: nothing can be derived from it here",
    ]  # fmt: skip


def test_names_can_be_replaced_here(market: GatewayProcess, tmp_path: Path) -> None:
    program = """
        import importlib
        ksrpc.install("quotes", ksrpc.connect(url))
        import quotes
        kept, inner = quotes.bars, quotes.tick
        quotes.bars = lambda *args: ("mine", kept(*args)["code"])
        quotes.LIMIT = 8
        told += [quotes.bars("x"), quotes.LIMIT]
        again = importlib.reload(quotes)
        told += [again is quotes, quotes.LIMIT, quotes.bars("x")["code"], quotes.tick is inner]
    """
    assert run(program, market.url, tmp_path) == [["mine", "x"], 8, True, 7, "x", True]


def test_threads_import_at_once(market: GatewayProcess, tmp_path: Path) -> None:
    program = """
        import threading
        ksrpc.install("quotes", ksrpc.connect(url))
        start, seen = threading.Barrier(16), []

        def work():
            start.wait()
            import quotes.tick.deep
            from quotes import bars
            seen.append((id(bars), id(quotes.tick.deep.bottom), quotes.LIMIT, bars("x")["code"]))

        threads = [threading.Thread(target=work) for _ in range(16)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        told += [len(seen), len(set(seen))]
    """
    assert run(program, market.url, tmp_path) == [16, 1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.leaves("sessions_waiting")  # a child that ends by `os._exit` closes nothing
def test_a_forked_child_goes_on(url: str, tmp_path: Path) -> None:
    program = """
        import os
        ksrpc.install("quotes", ksrpc.connect(url))
        import quotes
        quotes.bars("x")
        read, write = os.pipe()
        pid = os.fork()
        if not pid:
            os.write(write, f"{quotes.bars('y')['code']} {quotes.daily.last('z')}".encode())
            os._exit(0)
        os.waitpid(pid, 0)
        told += [os.read(read, 99).decode(), quotes.bars("w")["code"]]
    """
    assert run(program, url, tmp_path) == ["y last z", "w"]


def test_what_is_not_there_is_told_with_the_cure(market: GatewayProcess, tmp_path: Path) -> None:
    program = """
        import importlib
        ksrpc.install("akshare", "quotes", ksrpc.connect(url))
        for text in ("import akshare", "import quotes.nothing", "from quotes import nothing", "import quotes.bars",
                     "from quotes import _hidden", "import quotes; quotes.nothing", "import quotes.daily.last"):
            try:
                exec(text)
            except (ImportError, AttributeError) as error:
                told.append([type(error).__name__, getattr(error, "name", None), str(error)])
        told.append([importlib.util.find_spec("nowhere_at_all"), "akshare" in sys.modules])
    """
    missing, sub, name, function, hidden, attribute, deep, rest = run(program, market.url, tmp_path)
    assert missing[:2] == ["ModuleNotFoundError", "akshare"]
    assert f"No module named 'akshare' at the gateway {market.url}" in missing[2]
    assert "`ksrpc ls`" in missing[2]
    assert sub[:2] == ["ModuleNotFoundError", "quotes.nothing"]
    assert name[0] == "ImportError"
    assert "cannot import name 'nothing' from 'quotes'" in name[2]
    assert function[:2] == ["ModuleNotFoundError", "quotes.bars"]
    assert "quotes.bars is a function and no module" in function[2]
    assert hidden[0] == "ImportError"
    assert attribute[0] == "AttributeError"
    assert "'quotes' has no attribute 'nothing'" in attribute[2]
    assert deep[:2] == ["ModuleNotFoundError", "quotes.daily.last"]
    assert rest == [None, False]


def test_a_gateway_that_is_down_is_named(tmp_path: Path) -> None:
    with GatewayProcess(tmp_path / "gateway") as gateway:
        url = gateway.url
    program = """
        ksrpc.install("quotes", ksrpc.connect(url))
        try:
            import quotes
        except ImportError as error:
            told += [type(error).__name__, error.name, str(error), type(error.__cause__).__name__]
    """
    kind, name, text, cause = run(program, url, tmp_path)
    assert (kind, name, cause) == ("ImportError", "quotes", "ConnectError")
    assert url in text
    assert "ksrpc.install" in text


def test_a_package_that_is_here_wins_or_loses_by_choice(market: GatewayProcess, tmp_path: Path) -> None:
    (tmp_path / "quotes").mkdir()
    (tmp_path / "quotes" / "__init__.py").write_text("LIMIT = 'local'\n")
    program = """
        from ksrpc.errors import ConfigError
        gw = ksrpc.connect(url)
        try:
            ksrpc.install("quotes", gw)
        except ConfigError as error:
            told.append(str(error))
        ksrpc.install("quotes", gw, prefer="local")
        import quotes
        told.append(quotes.LIMIT)
        try:
            import quotes.daily
        except ModuleNotFoundError as error:
            told.append(str(error))
        try:
            ksrpc.install("quotes", gw, prefer="remote")
        except ConfigError as error:
            told.append(str(error))
        local = quotes
        ksrpc.install("quotes", gw, force=True)
        import quotes
        told += [quotes.LIMIT, local.LIMIT]
        ksrpc.uninstall("quotes")
        import quotes
        told += [quotes is local]
        del sys.modules["quotes"]
        ksrpc.install("quotes", gw, prefer="remote")
        import quotes
        told += [quotes.LIMIT]
        ksrpc.install("quotes", "akshare", gw, prefer="local")
        import quotes
        told += [quotes.LIMIT]
    """
    here, local, daily, imported, *rest = run(
        program, market.url, tmp_path, PYTHONPATH=f"{clean_environment()['PYTHONPATH']}{os.pathsep}{tmp_path}"
    )
    assert 'prefer="remote"' in here
    assert 'prefer="local"' in here
    assert str(tmp_path) in here
    assert local == "local"
    assert daily == "No module named 'quotes.daily'"
    assert "imported here already" in imported
    assert "force=True" in imported
    assert rest == [7, "local", True, 7, "local"]


def test_uninstall_ends_it(market: GatewayProcess, tmp_path: Path) -> None:
    program = """
        before = list(sys.meta_path)
        ksrpc.install("quotes", "demo", ksrpc.connect(url))
        import quotes.tick, demo
        kept = quotes.bars
        ksrpc.uninstall("quotes")
        told += [[name for name in sys.modules if name.startswith("quotes")], kept("x")["code"], demo.div(1, 2)]
        try:
            import quotes
        except ModuleNotFoundError as error:
            told.append(str(error))
        ksrpc.uninstall()
        ksrpc.uninstall("never_installed")
        told += ["demo" in sys.modules, sys.meta_path == before]
    """
    assert run(program, market.url, tmp_path) == [[], "x", 0.5, "No module named 'quotes'", False, True]


@pytest.mark.parametrize(
    ("arguments", "options", "text"),
    [
        ((), {}, "say which packages"),
        (("gw",), {}, "say which packages"),
        (("akshare", "gw"), {"prefer": "mine"}, "prefer="),
        (("akshare", "gw", "gw"), {}, "one gateway"),
        (("akshare", "gw"), {"gateway": "gw"}, "one gateway"),
        (("akshare", 7), {}, "what ksrpc.connect gives"),
        (("akshare.stock", "gw"), {}, "install 'akshare' itself"),
        (("not a name", "gw"), {}, "no name of a package"),
        (("__main__", "gw"), {}, "no name of a package"),
        (("", "gw"), {}, "no name of a package"),
        (("json", "gw"), {}, 'gw.module("json")'),
        (("pytest", "gw"), {}, "imported here already"),
        (("numpy", "gw"), {"force": True}, 'gw.module("numpy")'),
        (("ksrpc", "gw"), {"force": True}, "ksrpc itself"),
        (("akshare",), {}, "ksrpc login"),
    ],
)
def test_what_cannot_be_installed_is_told(
    arguments: tuple[Any, ...], options: dict[str, Any], text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("KSRPC_URL", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    gateway = ksrpc.connect("http://127.0.0.1:9")
    before = list(sys.meta_path)
    given = [gateway if argument == "gw" else argument for argument in arguments]
    chosen: dict[str, Any] = {key: gateway if value == "gw" else value for key, value in options.items()}
    with pytest.raises(ConfigError) as caught:
        ksrpc.install(*given, **chosen)
    assert text in str(caught.value)
    assert sys.meta_path == before
