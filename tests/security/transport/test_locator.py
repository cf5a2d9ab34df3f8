"""A served function that opens what callers name, and one that asks whom they name: over every road, from outside."""

from __future__ import annotations

import os
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import ksrpc
from ksrpc.errors import ForbiddenError, RefusedError
from tests.helpers.server import GatewayProcess
from tests.security.attack.road import ROADS, Road
from tests.security.transport.conftest import ADDRESS

LIBRARY = """
import os, urllib.request

SHELF = {shelf!r}

def here():
    return True

def read(path):
    with open(path) as file:
        return file.read()

def read_each(paths):
    return [read(path) for path in paths]

def swap(path, name, target):
    link = os.path.join(os.environ["HOME"], name)
    if os.path.lexists(link):
        os.unlink(link)
    os.symlink(target, link)
    return read(path)

def save(name, text):
    with open(name, "w") as file:
        file.write(text)
    return sorted(os.listdir(os.environ["HOME"]))

def fail(path):
    raise ValueError(f"cannot use {{path}}")

def fetch(url):
    with urllib.request.urlopen(url, timeout=20) as reply:
        return reply.read().decode()

class Reader:
    def read(self, path):
        return read(path)

    def tell(self):
        return "told"
"""
CONFIG = """
[server]
port = 0
[call]
enabled = true
processes = 1
traceback = true
[access]
anonymous = true
allow = ["library", "inlined", "several", "misspelt"]
[user.anonymous]
handles = true
[module.library]
path = "server/library.py"
data_roots = ["my prices"]
hosts = {hosts}
[module.library.parameters]
"*.path" = "path:read"
"read_each.paths" = "path:read"
"save.name" = "path:write"
"swap.name" = "text"
"swap.target" = "text"
"fetch.url" = "url"
[module.library.handles.Reader]
methods = ["read", "tell"]
[module.inlined]
path = "server/library.py"
executor = "inline"
data_roots = ["."]
parameters = {{ path = "path:read", name = "path:write" }}
[module.several]
path = "server/library.py"
data_roots = ["my prices", "server"]
parameters = {{ "read.path" = "path:read" }}
[module.misspelt]
path = "server/library.py"
parameters = {{ "read.pth" = "path:read" }}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, vendors: list[ThreadingHTTPServer]) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("locator")
    shelf = folder / "my prices"
    for place in (folder / "server", shelf / "day"):
        place.mkdir(parents=True, mode=0o755)
    (folder / "server" / "library.py").write_text(LIBRARY.format(shelf=str(shelf)))
    (shelf / "a.csv").write_text("1,2")
    (shelf / "day" / "b.csv").write_text("3,4")
    (shelf / "in").symlink_to("day")
    (shelf / "out").symlink_to(folder / "kept.txt")
    (folder / "kept.txt").write_text("kept")
    hosts = [f"{ADDRESS}:{vendors[0].server_port}"]
    with GatewayProcess(folder, CONFIG.format(hosts=hosts)) as process:
        with ksrpc.connect(process.url, timeout=60) as gateway:
            for module in ("library", "inlined", "several"):
                gateway.call(f"{module}.here")  # their processes are there before the first test
            with pytest.raises(RefusedError, match=r"\[module\.misspelt\.parameters\] 'read\.pth': .*only path"):
                gateway.call("misspelt.here")
        yield process


@pytest.fixture(params=list(ROADS))
def road(request: pytest.FixtureRequest, server: GatewayProcess) -> Iterator[Road]:
    opened = ROADS[request.param](server)
    yield opened
    opened.close()


def call(road: Road, function: str, /, *args: Any, **kwargs: Any) -> str:
    told = road.call(function, args, kwargs)
    assert told.answer == "result", told
    return told.text


def test_what_lies_in_the_folder_is_read(road: Road, server: GatewayProcess) -> None:
    for path in ("a.csv", "./a.csv", str(server.folder / "my prices" / "a.csv")):
        assert call(road, "library.read", path) == "'1,2'"
    assert call(road, "library.read", path="in/b.csv") == "'3,4'"
    assert call(road, "library.read_each", ["a.csv", "day/b.csv"]) == "['1,2', '3,4']"


@pytest.mark.parametrize(
    "path", ["../kept.txt", "out", "/etc/passwd", "~/a", "$HOME/a", "file:///etc/passwd", "a.csv\x00", "", 0, 3, True]
)
def test_nothing_else_is(road: Road, server: GatewayProcess, path: Any) -> None:
    for told in (road.call("library.read", (path,), {}), road.call("library.read_each", (["a.csv", path],), {})):
        assert told.answer in ("C1", "C3"), told
        assert "kept" not in told.text
        assert str(server.folder) not in told.text


def test_errors_do_not_tell_where_the_folder_is(road: Road, server: GatewayProcess) -> None:
    for function, path in (("read", "none.csv"), ("read", "day"), ("fail", "a.csv"), ("fail", "day/b.csv")):
        told = road.call(f"library.{function}", (path,), {})
        assert told.answer == "raised", told
        assert str(server.folder) not in told.text
        assert "prices" not in told.text


def test_what_is_written_goes_to_the_scratch_and_what_leads_out_of_it_is_seen(road: Road) -> None:
    assert "new.csv" in call(road, "library.save", "new.csv", "x")
    for target in ("/etc", "/"):
        call(road, "library.swap", "a.csv", "link", target)
        assert road.call("library.save", ("link/hostname", "x"), {}).answer == "C3"
    assert road.call("library.save", ("../new.csv", "x"), {}).answer == "C3"


def test_inline_there_is_no_scratch_and_the_gateway_s_own_data_stay_closed(road: Road, server: GatewayProcess) -> None:
    assert call(road, "inlined.read", "kept.txt") == "'kept'"
    assert (server.folder / "data").is_dir()
    for path in ("data/store.sqlite3", "data", "./data/../data/x", str(server.folder / "data" / "store.sqlite3")):
        assert road.call("inlined.read", (path,), {}).answer == "C3"
    assert road.call("inlined.save", ("new.csv", "x"), {}).answer == "C2"
    assert not os.path.exists("new.csv")


def test_several_folders_ask_for_whole_paths(road: Road, server: GatewayProcess) -> None:
    assert "write the whole path" in road.call("several.read", ("a.csv",), {}).text
    assert call(road, "several.read", str(server.folder / "my prices" / "a.csv")) == "'1,2'"


def test_a_misspelt_parameter_closes_its_module_and_says_so(road: Road) -> None:
    for function in ("read", "fail"):
        assert "[module.misspelt.parameters] 'read.pth'" in road.call(f"misspelt.{function}", ("a.csv",), {}).text


def test_objects_and_chains_are_given_resolved_paths_too(server: GatewayProcess) -> None:
    with ksrpc.connect(server.ws_url, timeout=60) as gateway:
        reader = gateway.call("library.Reader")
        assert reader.tell() == "told"
        assert reader.read("day/b.csv") == "3,4"
        with pytest.raises(ForbiddenError):
            reader.read("../kept.txt")
        with pytest.raises(RefusedError, match="pth"):
            gateway.call("misspelt.read", "a.csv")


@pytest.mark.skipif(not ADDRESS, reason="this machine has no address but the loopback's")
def test_listed_hosts_are_asked_and_no_others(road: Road, vendors: list[ThreadingHTTPServer]) -> None:
    port, other = (vendor.server_port for vendor in vendors)
    place = f"{ADDRESS}:{port}"
    assert call(road, "library.fetch", f"HTTP://{place}/a?b=c").startswith(f"'/a?b=c {place}")
    for url in (
        f"http://{ADDRESS}:{other}/",
        f"http://{ADDRESS}/",
        f"http://127.0.0.1:{port}/",
        f"http://[::ffff:127.0.0.1]:{port}/",
        f"http://user@{place}/",
        f"http://{place}@evil.test/",
        f"https://{ADDRESS}.evil.test:{port}/",
        f"ftp://{place}/",
        "file:///etc/passwd",
    ):
        assert road.call("library.fetch", (url,), {}).answer == "C3", url
    told = road.call("library.fetch", (f"http://{place}/lead?http://{ADDRESS}:{other}/",), {})
    assert told.answer == "raised", "what a redirect leads to is kept back by the proxy"
    assert "403" in told.text


def test_the_scratch_is_gone_with_its_process(server: GatewayProcess) -> None:
    assert not list(Path(server.folder).glob("**/new.csv"))
