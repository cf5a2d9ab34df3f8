"""Source, bytecode, constants, variables and place of a served file: none of it in any answer on any route.

Paths to ask for are made by walking the real objects of the file, every name of `dir` three levels down.
"""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import json
import random
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import Any, Self
from urllib.parse import quote

import pytest
from websockets.sync.client import connect

from ksrpc import wire
from ksrpc.connections.base import Options
from ksrpc.connections.websocket import WebSocketConnection
from ksrpc.errors import KsrpcError
from ksrpc.expose import ModuleSource, Resolver
from ksrpc.model import Rules
from tests.helpers.process import is_running
from tests.helpers.server import GatewayProcess
from tests.integration.exchange import ask
from tests.security.transport import vault

CONFIG = """
[server]
port = 0
[call]
enabled = true
processes = 2
timeout_s = 30
traceback = {traceback}
[access]
anonymous = true
allow = ["vault", "inner", "wide", "broken", "math", "numpy", "pandas", "operator", "json", "inspect", "linecache",
         "importlib", "gc", "types", "functools", "pkgutil", "sys", "io", "builtins", "marshal", "dis", "os"]
[module.vault]
path = "{place}/vault.py"
[module.inner]
path = "{place}/vault.py"
executor = "inline"
[module.wide]
path = "{place}/vault.py"
arguments = "any"
[module.broken]
path = "{place}/broken.py"
"""
BROKEN = 'TOKEN = "c4n4rybird-token"\nraise RuntimeError(f"c4n4rybird {TOKEN} {__file__}")\n'


class Probe:
    """Ask one gateway by every route; each answer comes back as all the bytes in which something could hide."""

    def __init__(self, gateway: GatewayProcess) -> None:
        self._open = contextlib.ExitStack()
        self._http = self._open.enter_context(
            contextlib.closing(http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60))
        )
        self._text = self._open.enter_context(connect(f"{gateway.ws_url}/ws/json", max_size=None))
        self._binary = self._open.enter_context(WebSocketConnection(f"{gateway.ws_url}/ws/bytes"))
        self.routes: dict[str, Callable[..., bytes]] = {
            "/v1/call": self._modern,
            "/api/file": self._file,
            "/api/get": self._get,
            "/api/post": self._post,
            "/ws/json": self._frame,
            "/ws/bytes": self._call,
            "/v1/describe": self._describe,
            "/ws/bytes describe": self._describe_there,
        }

    def __enter__(self) -> Self:
        return self

    def rest(self) -> None:
        """Leave no connection that the server ends after a while; the next request has another one."""
        self._http.close()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._open.close()

    def _ask(self, method: str, target: str, body: bytes | None = None, media_type: str = "application/json") -> bytes:
        headers = {"Content-Type": media_type, "Accept": f"{media_type}, */*;q=0.5"}
        try:
            self._http.request(method, target, body, headers)
            reply = self._http.getresponse()
        except (ConnectionError, http.client.HTTPException):  # the server ends connections that were idle for a while
            self._http.close()
            self._http.request(method, target, body, headers)
            reply = self._http.getresponse()
        return repr(reply.getheaders()).encode() + reply.read()

    def _modern(self, path: str, *args: Any) -> bytes:
        return self._ask("POST", f"/v1/call/{quote(path)}", json.dumps({"args": args}).encode())

    def _file(self, path: str, *args: Any) -> bytes:
        packed = wire.pack_arguments(args, {}).join()
        return self._ask("POST", f"/api/file?func={quote(path)}", packed, wire.MEDIA_TYPE)

    def _get(self, path: str, *_: Any) -> bytes:
        return self._ask("GET", f"/api/get?func={quote(path)}")

    def _post(self, path: str, *args: Any) -> bytes:
        return self._ask("POST", f"/api/post?func={quote(path)}", json.dumps({"args": args}).encode())

    def _frame(self, path: str, *args: Any) -> bytes:
        self._text.send(json.dumps({"func": path, "args": args}))
        return str(self._text.recv(timeout=60)).encode()

    def _call(self, path: str, *args: Any) -> bytes:
        return shown(lambda: self._binary.call(path, args, {}, Options()))

    def _describe(self, path: str, *_: Any) -> bytes:
        return self._ask("GET", f"/v1/describe/{quote(path)}")

    def _describe_there(self, path: str, *_: Any) -> bytes:
        return shown(lambda: self._binary.describe(path))


def shown(ask: Callable[[], object]) -> bytes:
    """Write down everything that an answer holds: its value, or all of its exception."""
    try:
        return repr(ask()).encode()
    except Exception as error:
        links: list[BaseException] = []
        link: BaseException | None = error
        while link is not None:
            links.append(link)
            link = link.__cause__
        return repr([(type(e), e.args, str(e), vars(e), getattr(e, "filename", None)) for e in links]).encode()


def write(folder: Path) -> Path:
    """Write the file and its helper where it is to be served from; return the file."""
    place = folder / f"{vault.PLACE} of mine"
    place.mkdir()
    (place / "vault.py").write_text(vault.VAULT, "utf-8")
    (place / "vault_helper.py").write_text(vault.HELPER, "utf-8")
    (place / "broken.py").write_text(BROKEN, "utf-8")
    return place / "vault.py"


@pytest.fixture(scope="module", params=["", "1"], ids=["plain", "optimised"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """Serve the vault, once as it is, and once under `python -O` with tracebacks shown."""
    folder = tmp_path_factory.mktemp("served")
    config = CONFIG.format(place=write(folder).parent.name, traceback="true" if request.param else "false")
    env = {"PYTHONOPTIMIZE": "1"} if request.param else {}
    with GatewayProcess(folder, config, env={**env, "KSRPC_CANARY": vault.MARK, "MY_KEY": vault.MARK}) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def probe(served: GatewayProcess) -> Iterator[Probe]:
    with Probe(served) as made:
        for route in made.routes.values():
            route("vault.quotes")  # connected before the first test, so that none is told to have left it open
        yield made


@pytest.fixture(autouse=True)
def _lives(request: pytest.FixtureRequest) -> Iterator[None]:
    """Expect that the gateway serves after every attack as before."""
    yield
    if "served" in request.fixturenames:
        gateway = request.getfixturevalue("served")
        assert is_running(gateway.pid)
        assert ask(gateway, "POST", "/v1/call/vault.quotes", b'{"args": ["abc", 3]}').json() == 9
    if "probe" in request.fixturenames:
        request.getfixturevalue("probe").rest()


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """Load the vault here, to see what is in it."""
    spec = importlib.util.spec_from_file_location("vault", write(tmp_path_factory.mktemp("original")))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.modules.pop("vault_helper", None)


def codes(code: CodeType) -> Iterator[bytes]:
    """Yield the bytecode of everything in the file that is longer than what any program has."""
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield from codes(part)
    if len(code.co_code) >= 32:
        yield code.co_code


MARKS = re.compile(
    b"|".join(map(re.escape, (*vault.MARKS, *codes(compile(vault.VAULT, "vault.py", "exec"))))), re.IGNORECASE
)
PLACES = re.compile(b"|".join(map(re.escape, vault.PLACES)), re.IGNORECASE)


def check(answer: bytes, *where: object, knows_place: bool = False) -> None:
    """Expect nothing of the vault in an answer; its place may stand in it only for who sent it."""
    found = MARKS.search(answer) or (None if knows_place else PLACES.search(answer))
    assert found is None, (*where, answer[max(0, found.start() - 200) : found.end() + 200])


def names_of(item: object) -> list[str]:
    """List what a name could follow an object by, the attributes of its type included."""
    found = {"func_globals", "func_code", "f_locals", "gi_frame"}
    for source in (item, type(item)):
        with contextlib.suppress(Exception):
            found |= set(dir(source))
    return sorted(name for name in found if vault.MARK not in name)  # a column of a table is a name, too


def step(item: object, name: str) -> object:
    """Follow a name as Python would, to know what the attacker hopes for."""
    try:
        return getattr(item, name)
    except Exception:
        return None


def walk(module: ModuleType, *, chance: random.Random, third: int) -> Iterator[str]:
    """Yield paths: every name of the module, every name of every kind of thing in it, some of a third level."""
    deeper: list[str] = []
    seen: set[tuple[type, str]] = set()
    for first in names_of(module):
        yield f"vault.{first}"
        item = step(module, first)
        for second in names_of(item):
            below = step(item, second)
            is_new = (type(item), second) not in seen or isinstance(item, type)
            seen.add((type(item), second))
            if is_new:
                yield f"vault.{first}.{second}"
                deeper += [f"vault.{first}.{second}.{name}" for name in names_of(below)]
    yield from chance.sample(sorted(set(deeper)), min(third, len(set(deeper))))


def test_what_resolves_holds_nothing_and_tells_nothing(original: ModuleType) -> None:
    """Ask gate B for all paths, in this process."""
    resolver = Resolver(Rules(allow=("vault",)), sources={"vault": ModuleSource(Path(str(original.__file__)))})
    opened = set()
    count = 0
    for path in walk(original, chance=random.Random(1), third=100_000):
        count += 1
        try:
            target = resolver.resolve(path)
            told = resolver.describe(path)
        except KsrpcError as error:
            check(str(error).encode(), path)
            continue
        opened.add(path)
        assert target.kind != "value", path
        entries = told.signature or ()
        check(repr([(e.name, e.default, e.annotation) for e in entries]).encode() + told.doc.encode(), path)
        for name in told.members:
            resolver.resolve(f"{path}.{name}")  # what is named may be called
    assert count > 10_000
    below = {path for path in opened if path.count(".") > 1}
    assert {path.split(".")[1] for path in below} <= {"Rows", "Level", "Model"}, "methods only"
    assert {"vault.quotes", "vault.wrapped", "vault.cached", "vault.closed", "vault.Rows.build"} <= opened
    assert not {f"vault.{name}" for name in ("PUBLIC_TEXT", "WEIGHTS", "TABLE", "FRAME", "HERE", "Model")} & opened
    assert not {path for path in opened if "__" in path or "._" in path}


def test_no_path_on_any_route_leads_to_the_source(probe: Probe, original: ModuleType) -> None:
    paths = list(walk(original, chance=random.Random(2), third=150))
    for number, (name, route) in enumerate(probe.routes.items()):
        whole = {path for path in paths if path.count(".") == 1}
        some = random.Random(number).sample(paths, 250)
        for path in sorted(whole.union(some)):
            check(route(path), name, path)


@pytest.mark.parametrize("root", ["vault", "inner"])
def test_no_failure_and_no_result_tells_it(probe: Probe, original: ModuleType, root: str) -> None:
    names = [name for name in vars(original) if name.startswith(("fail_", "give_"))]
    assert len(names) > 55
    for name, route in probe.routes.items():
        for function in names:
            answer = route(f"{root}.{function}")
            check(answer, name, function)
            if function == "fail_local" and "describe" not in name:
                assert b"division by zero" in answer


@pytest.mark.parametrize(
    "args", [(), (1,), ("__code__",), (None, None), ({"a": [1]},), ("x" * 3000,), ([1] * 30, 2, 3, 4)], ids=repr
)
def test_no_arguments_bring_it_out(probe: Probe, original: ModuleType, args: tuple[Any, ...]) -> None:
    open_names = [name for name in vars(original) if callable(vars(original)[name]) and not name.startswith("_")]
    routes = {name: route for name, route in probe.routes.items() if name in ("/v1/call", "/ws/bytes")}
    for name, route in routes.items():
        for function in [*open_names, "Rows.build", "Rows.update", "Rows.fromkeys", "Rows.Inner", "Model.build"]:
            check(route(f"vault.{function}", *args), name, function, args)


def test_descriptions_show_how_to_call_and_no_more(served: GatewayProcess) -> None:
    told = ask(served, "GET", "/v1/describe/vault.quotes").json()
    shown = {entry["name"]: (entry["default"], entry["annotation"]) for entry in told["signature"]}
    assert told["doc"] == "Return a number."
    assert shown["days"] == ("2", "")
    assert shown["rate"] == ("0.5", "")
    assert shown["empty"] == ("''", "")
    assert shown["flag"] == ("None", "")
    for name in ("code", "label", "names", "token", "where"):
        assert shown[name] == ("...", ""), name
    assert shown["typed"] == ("None", "...")
    assert told["returns"] == "..."
    assert ask(served, "GET", "/v1/describe/vault").json()["doc"].startswith("A file of functions")


def test_the_pages_list_functions_and_no_data(served: GatewayProcess) -> None:
    reply = ask(served, "GET", "/v1/modules")
    check(reply.body, "/v1/modules")
    members = {entry["path"]: entry.get("members", []) for entry in reply.json()["modules"]}
    assert "quotes" in members["vault"]
    assert not {"PUBLIC_TEXT", "WEIGHTS", "HERE", "np", "os"} & set(members["vault"])
    for page in ("/docs", "/docs/page.js", "/v1/describe/vault", "/openapi.json", "/nothing"):
        check(ask(served, "GET", page).body, page)


def test_a_file_that_does_not_load_tells_the_class_of_the_error(served: GatewayProcess, probe: Probe) -> None:
    for name, route in probe.routes.items():
        answer = route("broken.f")
        check(answer, name)
        assert b"RuntimeError" in answer
    check(ask(served, "GET", "/v1/modules").body)


def test_a_traceback_names_functions_and_lines_where_it_is_shown(served: GatewayProcess) -> None:
    with WebSocketConnection(f"{served.ws_url}/ws/bytes") as connection:
        for root in ("vault", "inner"):
            with pytest.raises(KeyError) as raised:
                connection.call(f"{root}.fail_helper", (), {}, Options())
            told = str(getattr(raised.value, "remote_traceback", ""))
            if "traceback = true" not in (served.folder / "ksrpc.toml").read_text():
                assert told == ""
                continue
            assert re.search(rf'File "<server module {root}>", line \d+, in fail_helper\n', told)
            assert 'File "<server module vault_helper>", line 8, in _lookup\n' in told
            assert "_lookup(" not in told
            assert told.endswith("KeyError: '<secret>'\n")


def test_what_the_caller_sent_comes_back_as_it_was(served: GatewayProcess) -> None:
    with WebSocketConnection(f"{served.ws_url}/ws/bytes") as connection:
        with pytest.raises(TypeError, match="unexpected keyword argument 'nothing'"):
            connection.call("vault.quotes", (), {"nothing": 1}, Options())
        with pytest.raises(ValueError, match="/etc/passwd") as raised:
            connection.call("wide.fail_with", ("/etc/passwd", "/etc/hosts.allow"), {}, Options())
        assert raised.value.args == ("/etc/passwd", "<server> /etc/hosts.allow")
        with pytest.raises(ValueError, match="/etc/passwd") as raised:
            connection.call("wide.fail_with", (), {"value": "/etc/passwd", "more": f"/etc/{vault.NAME}'"}, Options())
        assert raised.value.args == ("/etc/passwd", "<server> <server>'")


FOREIGN = """
inspect.getsource inspect.getsourcelines inspect.getfile inspect.getmodule linecache.getlines linecache.getline
linecache.cache importlib.import_module importlib.resources.read_text importlib.util.find_spec gc.get_objects
gc.get_referrers types.FunctionType types.ModuleType functools.reduce functools.partial functools.singledispatch
pkgutil.get_data pkgutil.resolve_name sys.modules sys.modules.get sys.modules.copy sys._getframe sys.path
sys.exc_info io.open io.FileIO builtins.open builtins.eval builtins.vars builtins.__import__ marshal.dumps dis.dis
operator.attrgetter operator.methodcaller operator.itemgetter json.load json.tool.main os.open os.listdir os.environ
os.path.exists os.path.realpath numpy.fromfile numpy.loadtxt numpy.genfromtxt numpy.load numpy.memmap numpy.source
numpy.info numpy.DataSource numpy.f2py.compile pandas.read_csv pandas.read_table pandas.read_json pandas.eval
pandas.read_fwf pandas.read_pickle pandas.io.common.get_handle math.pow.__self__ math.__loader__.get_data
ksrpc.expose.Resolver ksrpc_server.vault ksrpc_server.vault.quotes ksrpc_server.vault._API_KEY __main__.vault
ksrpc_render.render vault_helper vault_helper.refuse vault.vault_helper.SHARED_TOKEN vault.sys.modules vault.GETTER
"""


@pytest.mark.parametrize("name", ["/v1/call", "/api/post", "/ws/json", "/ws/bytes"])
def test_no_other_root_reads_it(served: GatewayProcess, probe: Probe, name: str) -> None:
    place = served.folder / f"{vault.PLACE} of mine" / "vault.py"
    texts = (str(place), "ksrpc_server.vault", "vault", "__code__", f"file://{place}", "ksrpc_server.vault:_API_KEY")
    for path in FOREIGN.split():
        for text in texts:
            check(probe.routes[name](path, text), path, text, knows_place=True)
        check(probe.routes[name](path, "ksrpc_server.vault", "vault.py"), path, knows_place=True)
