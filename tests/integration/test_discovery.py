"""Remote names are looked at as local ones are: `dir`, `help`, signatures, completion; against real programs."""

from __future__ import annotations

import inspect
import json
import os
import pydoc
import rlcompleter
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager, start_new_kernel

import ksrpc
from ksrpc.client import discovery
from ksrpc.connections.base import Connection
from tests.helpers.awaited import Awaited
from tests.helpers.server import GatewayProcess, clean_environment
from tests.integration.conftest import connection_to, usable


@pytest.fixture
def remote(libraries: GatewayProcess, way: str) -> Iterator[ksrpc.RemoteGateway]:
    """Look names up on a connection that ends with the test: one in the background may need a second socket."""
    with connection_to(libraries, way) as opened:
        yield ksrpc.RemoteGateway(opened)
    if isinstance(opened, Awaited):
        opened.stop()


def known(gateway: ksrpc.RemoteGateway, path: str) -> Any:
    """Name something when it can be looked at in time: a worker that has to start takes longer than anybody waits."""
    end = time.monotonic() + 60
    while discovery.look_up(gateway.connection, path) is None:
        gateway.describe(path)
        assert time.monotonic() < end
    return ksrpc.RpcClient(path, gateway.connection)


def test_dir_is_what_the_caller_may_call(remote: ksrpc.RemoteGateway) -> None:
    for path in ("math", "numpy.linalg", "os.path", "datetime.date"):
        known(remote, path)
    names = dir(remote.module("math"))
    assert {"pow", "pi", "hypot"} <= set(names)
    assert not [name for name in names if name.startswith("_") and not name.endswith("__")]
    assert "norm" in dir(remote.module("numpy").linalg)
    assert "join" in dir(remote.module("os").path)
    assert "fromisoformat" in dir(remote.module("datetime").date)


def test_dir_depends_on_who_asks(guarded: GatewayProcess, token: str) -> None:
    narrow = usable(guarded, guarded.create_token("narrow"))
    with connection_to(guarded, "http", token=token) as mine, connection_to(guarded, "http", token=narrow) as theirs:
        known(ksrpc.RemoteGateway(theirs), "math.pow")
        assert "sqrt" in dir(known(ksrpc.RemoteGateway(mine), "math"))
        assert "sqrt" not in dir(ksrpc.RpcClient("math", theirs))
        assert str(inspect.signature(ksrpc.RpcClient("math", theirs).pow)) == "(x, y, /)"


def test_help_and_signature_are_those_of_the_library(remote: ksrpc.RemoteGateway) -> None:
    demo = remote.module("demo")
    known(remote, "numpy.zeros")
    known(remote, "demo.frame")
    assert str(inspect.signature(demo.frame)) == "(rows: int, columns: int = 10) -> pd.DataFrame"
    assert demo.frame.__doc__ == "Return a float64 table of the given size, for trials of speed."
    page = pydoc.render_doc(demo.frame, renderer=pydoc.plaintext)  # type: ignore[attr-defined]
    assert "frame = <remote demo.frame(rows: int, columns: int = 10) -> pd.DataFrame at " in page
    assert "Return a float64 table" in page
    assert str(inspect.signature(remote.module("numpy").zeros)).startswith("(shape, dtype=None, order='C'")


def test_the_plain_prompt_completes(remote: ksrpc.RemoteGateway) -> None:
    names = {"np": known(remote, "numpy")}
    for path in ("numpy.linspace", "numpy.linalg", "numpy.linalg.norm"):
        known(remote, path)
    completer = rlcompleter.Completer(names)
    assert completer.complete("np.linsp", 0) == "np.linspace("
    assert completer.complete("np.linalg.nor", 0) == "np.linalg.norm("
    began = time.monotonic()
    completer.complete("np.", 0)  # asks for the signature of each of some hundred names
    assert time.monotonic() - began < 30


def test_every_member_can_be_asked_for_at_once(libraries: GatewayProcess, connection: Connection) -> None:
    told = connection.ask("/v1/describe/demo?members=true")
    assert set(told["described"]) == set(told["members"])
    assert told["described"]["div"]["signature"][0]["name"] == "a"
    assert "described" not in connection.ask("/v1/describe/demo")


def test_without_a_gateway_looking_is_quick_and_silent(tmp_path: Path, way: str) -> None:
    with GatewayProcess(tmp_path) as gateway, connection_to(gateway, way) as opened:
        math = ksrpc.RpcClient("math", opened)
        gateway.stop()
        began = time.monotonic()
        assert "cache_get" in dir(math)
        assert str(inspect.signature(math.pow)).startswith("(*args")
        assert "math.pow at " in pydoc.render_doc(math.pow)
        assert time.monotonic() - began < 20
    stop = getattr(opened, "stop", None)
    if stop is not None:
        stop()


def run(program: str, *arguments: str, folder: Path) -> dict[str, Any]:
    """Run a program that prints JSON as its last line."""
    env = {**clean_environment(), "IPYTHONDIR": str(folder), "HOME": str(folder), "TERM": "dumb"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *arguments],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


IPYTHON = """
    import json, sys, time
    from IPython.core.completer import provisionalcompleter
    from IPython.testing.globalipapp import start_ipython
    from IPython.utils.capture import capture_output

    shell = start_ipython()
    shell.user_ns["url"] = sys.argv[1]
    shell.Completer.use_jedi = sys.argv[2] == "jedi"
    shell.run_cell("import ksrpc; gw = ksrpc.connect(url); np = gw.module('numpy'); demo = gw.module('demo')")
    gw = shell.user_ns["gw"]
    shell.run_cell("agw = ksrpc.aconnect(url); anp = agw.module('numpy')")
    shell.run_cell("ksrpc.install('math', gw, force=True); import math")

    def complete(line):
        end, found = time.monotonic() + 30, []
        while not found and time.monotonic() < end:  # the first answers may come late
            gw.describe("numpy.linalg.norm"), gw.describe("demo.frame"), gw.describe("math.hypot")
            with provisionalcompleter():
                found = sorted(found.text.lstrip(".") for found in shell.Completer.completions(line, len(line)))
        return found

    lines = ["np.linsp", "np.linalg.nor", "anp.linalg.nor", "demo.di", "math.hyp", "from math import hyp"]
    lines += ["demo.frame(row"]
    told = {line: complete(line) for line in lines}
    for line in ("demo.frame?", "anp.linalg.norm?", "math.hypot?", "demo.frame"):
        with capture_output() as shown:
            shell.run_cell(line)
        told[line] = shown.stdout + shown.stderr
    print(json.dumps(told))
"""


@pytest.mark.parametrize("engine", ["jedi", "plain"])
def test_ipython_completes_and_inspects(engine: str, libraries: GatewayProcess, tmp_path: Path) -> None:
    told = run(IPYTHON, libraries.url, engine, folder=tmp_path)
    assert told["np.linsp"] == ["linspace"]
    assert told["np.linalg.nor"] == ["norm"]
    assert told["anp.linalg.nor"] == ["norm"]
    assert told["demo.di"] == ["div"]
    assert told["math.hyp"] == ["hypot"]
    assert told["from math import hyp"] == ["hypot"]
    assert "rows=" in told["demo.frame(row"]
    assert "demo.frame(rows: int, columns: int = 10)" in told["demo.frame?"]
    assert "Return a float64 table" in told["demo.frame?"]
    assert "Matrix or vector norm." in told["anp.linalg.norm?"]
    assert "never awaited" not in told["anp.linalg.norm?"]
    assert "Multidimensional Euclidean distance" in told["math.hypot?"]
    assert "Return a float64 table" in told["demo.frame"]


@pytest.fixture(scope="module")
def kernel(libraries: GatewayProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlockingKernelClient]:
    """Start a Jupyter kernel in which `gw` is awaited."""
    folder = tmp_path_factory.mktemp("kernel")
    env = {**clean_environment(), "IPYTHONDIR": str(folder), "HOME": str(folder)}
    manager: KernelManager
    manager, client = start_new_kernel(startup_timeout=90, kernel_name="python3", env=env, cwd=str(folder))
    try:
        made = f"import ksrpc; gw = await ksrpc.aconnect({libraries.ws_url!r}); np = gw.module('numpy')\n"
        made += "[await gw.describe(path) for path in ('numpy', 'numpy.linalg', 'numpy.linalg.norm')]"
        reply = client.execute_interactive(made, timeout=60, output_hook=lambda message: None)
        assert reply["content"]["status"] == "ok", reply
        yield client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


#: The kernel is a program that goes on, and looks names up on a connection of its own.
kernel_goes_on = pytest.mark.leaves("sessions_connected", "tasks")


def ask(client: Any, message: str) -> dict[str, Any]:
    """Return the content of the shell's answer."""
    while True:
        reply: dict[str, Any] = client.get_shell_msg(timeout=60)
        if reply["parent_header"].get("msg_id") == message:
            content: dict[str, Any] = reply["content"]
            return content


@kernel_goes_on
def test_jupyter_completes_awaited_names(kernel: Any) -> None:
    for code, name in (("np.linsp", "linspace"), ("np.linalg.nor", "norm"), ("x = await np.linalg.nor", "norm")):
        found = ask(kernel, kernel.complete(code))
        end = time.monotonic() + 30
        while not found["matches"] and time.monotonic() < end:
            found = ask(kernel, kernel.complete(code))
        assert [match.rpartition(".")[2] for match in found["matches"]] == [name], code


@kernel_goes_on
def test_jupyter_inspects_awaited_names(kernel: Any) -> None:
    found = ask(kernel, kernel.inspect("np.linalg.norm"))
    end = time.monotonic() + 30
    while "Matrix or" not in found["data"]["text/plain"] and time.monotonic() < end:
        found = ask(kernel, kernel.inspect("np.linalg.norm"))
    assert found["found"]
    assert "norm(x, ord=None, axis=None, keepdims=False)" in found["data"]["text/plain"]
    assert "Matrix or vector norm." in found["data"]["text/plain"]


@kernel_goes_on
def test_jupyter_shows_a_name_with_its_documentation(kernel: Any) -> None:
    shown: list[dict[str, Any]] = []
    kernel.execute_interactive(
        "np.linalg.norm", timeout=60, output_hook=lambda message: shown.append(message["content"])
    )
    [bundle] = [content["data"] for content in shown if "data" in content]
    assert "Matrix or vector norm." in bundle["text/html"]
    assert "norm(x, ord=None" in bundle["text/plain"]


@kernel_goes_on
def test_completion_leaves_no_warning_of_an_unawaited_call(kernel: Any) -> None:
    shown: list[str] = []
    ask(kernel, kernel.inspect("np.linalg"))
    kernel.execute_interactive(
        "import gc; gc.collect()", timeout=60, output_hook=lambda message: shown.append(json.dumps(message["content"]))
    )
    assert "never awaited" not in "".join(shown)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_the_child_of_a_fork_looks_for_itself(libraries: GatewayProcess, tmp_path: Path) -> None:
    program = """
        import json, os, sys
        import ksrpc
        gw = ksrpc.connect(sys.argv[1])
        math = gw.module("math")
        gw.describe("math"), gw.describe("math.sqrt")
        dir(math)
        read, write = os.pipe()
        pid = os.fork()
        if not pid:
            sees = "square root" in math.sqrt.__doc__ and "pow" in dir(math)
            os.write(write, b"yes" if sees else b"no")
            os._exit(0)
        os.waitpid(pid, 0)
        print(json.dumps({"child": os.read(read, 3).decode()}))
    """
    assert run(program, libraries.url, folder=tmp_path) == {"child": "yes"}
