"""Remote modules as objects: what reading, setting and calling mean."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import ksrpc
from ksrpc.client import RemoteGateway, RpcClient, connect
from ksrpc.connections.base import Connection, Options
from ksrpc.connections.http import HttpxConnection
from ksrpc.connections.shell import Shell
from ksrpc.connections.websocket import WebSocketConnection
from ksrpc.errors import ConfigError


class Recorder(Connection):
    """Answer each call with what was asked."""

    def __init__(self) -> None:
        super().__init__("fake://gateway")
        self.count = 0

    def call(self, path: str, args: tuple[Any, ...], kwargs: dict[str, Any], options: Options) -> Any:
        self.count += 1
        return path, args, kwargs, options

    async def acall(self, path: str, args: tuple[Any, ...], kwargs: dict[str, Any], options: Options) -> Any:
        return self.call(path, args, kwargs, options)

    def describe(self, path: str) -> dict[str, Any]:
        return {"path": path}

    async def adescribe(self, path: str) -> dict[str, Any]:
        return self.describe(path)

    def ask(self, target: str) -> dict[str, Any]:
        return {"modules": [{"path": target}], "user": "zhang"}

    async def aask(self, target: str) -> dict[str, Any]:
        return self.ask(target)

    async def _aopen(self) -> Shell:
        raise AssertionError("it opens nothing itself")

    def close(self) -> None:
        self.count = -1


@pytest.fixture
def connection() -> Recorder:
    return Recorder()


@pytest.fixture
def client(connection: Recorder) -> RpcClient:
    return RpcClient("math", connection)


def test_reading_does_nothing_and_calling_calls(client: RpcClient, connection: Recorder) -> None:
    step = client.a.b
    assert connection.count == 0
    assert step(1, x=2) == ("math.a.b", (1,), {"x": 2}, Options())
    assert client() == ("math", (), {}, Options())


def test_a_proxy_is_kept_and_called_again(client: RpcClient) -> None:
    power = client.pow
    power.a.b.c  # noqa: B018 - reading must not change what was read from
    assert [power(n)[0] for n in range(3)] == ["math.pow"] * 3
    assert client.sqrt()[0] == "math.sqrt"


def test_children_keep_the_options_of_the_moment(client: RpcClient) -> None:
    before = client.pow
    client.cache_get = True
    client.cache_expire = 86400
    during = client.pow
    client.cache_get = None
    client.async_remote = False
    assert before()[3] == Options()
    assert during()[3] == Options(cache_get=True, cache_expire=86400)
    assert during.below()[3] == Options(cache_get=True, cache_expire=86400)
    assert client.pow()[3] == Options(cache_expire=86400, async_remote=False)


def test_options_are_read_on_the_root_and_names_below_it(client: RpcClient) -> None:
    client.cache_expire = 5
    assert (client.cache_get, client.cache_expire, client.async_local, client.async_remote) == (None, 5, False, True)
    assert client.sub.cache_get()[0] == "math.sub.cache_get"
    assert client.sub.async_remote()[0] == "math.sub.async_remote"


@pytest.mark.parametrize("name", ["cache_get", "cache_expire", "async_local", "async_remote"])
def test_a_collision_is_reached_by_item(client: RpcClient, name: str) -> None:
    assert client[name]()[0] == f"math.{name}"
    assert client.sub[name]()[0] == f"math.sub.{name}"


@pytest.mark.parametrize("name", ["_private", "__wrapped__", "__array__", "_repr_html_", "__len__", "_"])
def test_underscores_are_not_remote(client: RpcClient, connection: Recorder, name: str) -> None:
    for proxy in (client, client.sub):
        assert not hasattr(proxy, name)
        with pytest.raises(AttributeError, match="underscore"):
            proxy[name]
    assert connection.count == 0


@pytest.mark.parametrize("key", [0, None, slice(1), b"name", ("a",)])
def test_items_are_names(client: RpcClient, key: Any) -> None:
    with pytest.raises(TypeError, match="a remote name is a str"):
        client[key]


def test_setting_anything_else_is_an_error(client: RpcClient) -> None:
    with pytest.raises(AttributeError, match="only async_local, async_remote, cache_get, cache_expire can be set"):
        client.cache = True
    for name in ("x", "cache_get"):
        with pytest.raises(AttributeError, match=r"cannot be set on the remote 'math\.sub'"):
            setattr(client.sub, name, 1)
    for proxy in (client, client.sub):
        with pytest.raises(AttributeError, match="cannot be deleted"):
            del proxy.x


def test_a_proxy_is_no_sequence(client: RpcClient) -> None:
    with pytest.raises(TypeError, match="call it first"):
        list(client.names)
    with pytest.raises(TypeError):
        len(client.names)
    assert client.names


def test_threads_share_a_proxy(client: RpcClient) -> None:
    def work(number: int) -> list[Any]:
        return [client.f.g(number, step)[:2] for step in range(200)]

    with ThreadPoolExecutor(8) as threads:
        got = list(threads.map(work, range(8)))
    assert got == [[("math.f.g", (number, step)) for step in range(200)] for number in range(8)]


def test_its_text_names_path_and_place(client: RpcClient) -> None:
    assert repr(client.pow) == "<remote math.pow at fake://gateway>"


@pytest.mark.parametrize("module", ["", None, 5, b"math"])
def test_a_module_is_a_name(connection: Recorder, module: Any) -> None:
    with pytest.raises(ConfigError, match="dotted name"):
        RpcClient(module, connection)


def test_with_async_local_a_call_is_awaited(client: RpcClient) -> None:
    before = client.pow
    client.async_local = True
    assert asyncio.run(client.pow(2, y=3)) == ("math.pow", (2,), {"y": 3}, Options(async_local=True))
    assert before(1)[0] == "math.pow"  # it keeps the options of its moment


def test_the_gateway_object(connection: Recorder) -> None:
    with RemoteGateway(connection) as gateway:
        assert gateway.module("a", async_remote=False).f()[3] == Options(async_remote=False)
        assert gateway.call("a.f", 1, timeout_s=2, x=3) == ("a.f", (1,), {"x": 3}, Options(timeout_s=2))
        assert gateway.describe("a") == {"path": "a"}
    assert connection.count == -1


@pytest.mark.parametrize(
    ("url", "kind"),
    [("http://h:8000", HttpxConnection), ("https://h/api/file", HttpxConnection), ("ws://h", WebSocketConnection),
     ("wss://h/ws/bytes", WebSocketConnection)],
)  # fmt: skip
def test_connect_chooses_by_scheme(url: str, kind: type[Connection]) -> None:
    assert type(connect(url).connection) is kind


@pytest.mark.parametrize("url", ["", "h:8000", "ftp://h", "ws://h/ws/json", "http://u:p@h"])
def test_connect_refuses_what_is_no_gateway(url: str) -> None:
    with pytest.raises(ConfigError):
        connect(url)


def test_connect_by_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KSRPC_URL", "ws://h:1")
    monkeypatch.setenv("KSRPC_TOKEN", " ksr_token\n")
    made = connect()
    assert made.connection.url == "ws://h:1"
    assert made.connection._token == "ksr_token"


@pytest.mark.parametrize("token", ["ksr_a b", "ksr_\r\nX: y", "令牌", "ksr_\x00"])
def test_a_token_that_no_header_takes_is_not_shown(token: str) -> None:
    with pytest.raises(ConfigError, match=r"^the token holds characters that no token has$"):
        connect("http://h", token=token)


@pytest.mark.parametrize(
    ("timeout", "connect_s", "answer_s"), [(None, None, None), (5, 5, 5), ((1, 2), 1, 2), ((None, 9.0), None, 9.0)]
)
def test_timeouts(connection: Recorder, timeout: Any, connect_s: float | None, answer_s: float | None) -> None:
    connection.timeout = timeout
    assert (connection._connect_s, connection._answer_s(Options())) == (connect_s, answer_s)
    assert connection._answer_s(Options(timeout_s=0.5)) == 0.5


def test_the_package_offers_the_client() -> None:
    assert ksrpc.RpcClient is RpcClient
    assert ksrpc.connect is connect
    assert sorted(ksrpc.__all__) == dir(ksrpc)
    with pytest.raises(AttributeError):
        ksrpc.nothing  # noqa: B018
