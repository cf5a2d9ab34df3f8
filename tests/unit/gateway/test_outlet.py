"""The proxy by which a worker process with a list of hosts gets out: whom it answers, and where it connects."""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ksrpc.gateway.outlet import Outlet
from ksrpc.host import Address, Hosts

AUTH = "Proxy-Authorization: Basic " + base64.b64encode(b"ksrpc:word").decode()


class Near(Hosts):
    """A list that takes this machine for a public one."""

    def reach(self, address: Address, port: int) -> bool:
        return str(address) == "127.0.0.1" or super().reach(address, port)


@asynccontextmanager
async def serving(hosts: Hosts) -> AsyncIterator[int]:
    outlet = Outlet(hosts, "word")
    listener = socket.create_server(("127.0.0.1", 0))
    await outlet.open(listener)
    try:
        yield listener.getsockname()[1]
    finally:
        outlet.close()
        await asyncio.sleep(0)


@asynccontextmanager
async def vendor() -> AsyncIterator[tuple[int, bytearray]]:
    seen = bytearray()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.extend(await reader.read(65_536))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        writer.close()

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], seen


async def ask(port: int, text: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(text.replace("\n", "\r\n").encode())
    try:
        return (await asyncio.wait_for(reader.read(), 20)).decode()
    except ConnectionResetError:
        return ""
    finally:
        writer.close()


def run(body: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(body())


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Resolve names as a test says."""
    table: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def resolve(host: Any, port: Any, *rest: Any, **named: Any) -> Any:
        found = table.get(host, [host])
        return [entry for address in found for entry in real(address, port, *rest, **named)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return table


def test_a_request_is_sent_on_without_what_is_the_proxy_s(names: dict[str, list[str]]) -> None:
    async def body() -> None:
        async with vendor() as (far, seen), serving(Near([f"vendor.example.com:{far}"])) as port:
            names["vendor.example.com"] = ["127.0.0.1"]
            told = await ask(port, f"GET http://vendor.example.com:{far}/a?b HTTP/1.1\nHost: other\n{AUTH}\nX: y\n\n")
            assert told.endswith("hi")
            lines = seen.decode().split("\r\n")
            assert lines[0] == "GET /a?b HTTP/1.1"
            assert {line.lower() for line in lines[1:] if line} == {
                f"host: vendor.example.com:{far}", "x: y", "connection: close",
            }  # fmt: skip

    run(body)


def test_a_tunnel_passes_what_came_with_its_head(names: dict[str, list[str]]) -> None:
    async def body() -> None:
        async with vendor() as (far, seen), serving(Near([f"vendor.example.com:{far}"])) as port:
            names["vendor.example.com"] = ["127.0.0.1"]
            told = await ask(port, f"CONNECT vendor.example.com:{far} HTTP/1.1\nHost: x\n{AUTH}\n\nearly")
            assert told.startswith("HTTP/1.1 200")
            assert told.endswith("hi")
            assert seen == b"early"

    run(body)


@pytest.mark.parametrize(
    "addresses", [["10.0.0.1"], ["169.254.169.254"], ["93.184.216.34", "10.0.0.1"], ["::1"], ["192.168.0.1"]]
)
def test_a_listed_name_that_stands_for_a_closed_address_is_refused(
    names: dict[str, list[str]], addresses: list[str]
) -> None:
    async def body() -> None:
        async with serving(Hosts(["vendor.example.com"])) as port:
            names["vendor.example.com"] = addresses
            told = await ask(port, f"CONNECT vendor.example.com:443 HTTP/1.1\nHost: x\n{AUTH}\n\n")
            assert told.startswith("HTTP/1.1 403")
            assert "closed to modules" in told

    run(body)


def test_the_address_that_was_looked_at_is_the_one_that_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async def body() -> None:
        asked: list[str] = []

        async def resolve(host: str, port: int, **_: Any) -> list[Any]:
            asked.append(host)
            return [
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1" if len(asked) == 1 else "127.0.0.2", port))
            ]

        async with vendor() as (far, _), serving(Near([f"vendor.example.com:{far}"])) as port:
            loop = asyncio.get_running_loop()
            opened: list[str] = []
            connect = loop.create_connection

            async def note(factory: Any, host: Any = None, *rest: Any, **named: Any) -> Any:
                opened.append(host)
                return await connect(factory, host, *rest, **named)

            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            monkeypatch.setattr(loop, "getaddrinfo", resolve)
            monkeypatch.setattr(loop, "create_connection", note)
            writer.write(f"CONNECT vendor.example.com:{far} HTTP/1.1\r\nHost: x\r\n{AUTH}\r\n\r\nx".encode())
            assert (await reader.read()).endswith(b"hi")
            writer.close()
            assert opened == ["127.0.0.1"]
            assert asked[0] == "vendor.example.com"
            assert "vendor.example.com" not in asked[1:], "the name is resolved once"

    run(body)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("CONNECT vendor.example.com:443 HTTP/1.1\nHost: x\n\n", 407),
        ("CONNECT vendor.example.com:443 HTTP/1.1\nHost: x\nProxy-Authorization: Basic eDp5\n\n", 407),
        (f"CONNECT vendor.example.com HTTP/1.1\nHost: x\n{AUTH}\n\n", 400),
        (f"CONNECT user@vendor.example.com:443 HTTP/1.1\nHost: x\n{AUTH}\n\n", 400),
        (f"GET / HTTP/1.1\nHost: vendor.example.com\n{AUTH}\n\n", 400),
        (f"GET ftp://vendor.example.com/ HTTP/1.1\nHost: x\n{AUTH}\n\n", 400),
        (f"GET https://vendor.example.com/ HTTP/1.1\nHost: x\n{AUTH}\n\n", 400),
        (f"GET http://evil.example.org/ HTTP/1.1\nHost: vendor.example.com\n{AUTH}\n\n", 403),
        (f"GET http://user:x@vendor.example.com/ HTTP/1.1\nHost: x\n{AUTH}\n\n", 400),
        ("nonsense\n\n", 400),
        ("GET / HTTP/1.1\n" + "A: b\n" * 20_000, 400),
    ],
)
def test_what_is_refused(head: str, status: int) -> None:
    async def body() -> None:
        async with serving(Hosts(["vendor.example.com"])) as port:
            assert (await ask(port, head)).startswith(f"HTTP/1.1 {status} ")

    run(body)


def test_no_more_than_it_can_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ksrpc.gateway.outlet._CONNECTIONS", 2)

    async def body() -> None:
        async with serving(Hosts(["vendor.example.com"])) as port:
            wish = f"GET / HTTP/1.1\nHost: x\n{AUTH}\n\n"
            held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
            assert "" in [await ask(port, wish) for _ in range(20)]
            for _, writer in held:
                writer.close()
            told = [await ask(port, wish) for _ in range(20)]
            assert told[-1].startswith("HTTP/1.1 400")

    run(body)
