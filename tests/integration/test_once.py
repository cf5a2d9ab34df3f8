"""A call that its client names by a key runs once, however often its request is sent; whoever cannot tell says so."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ksrpc.connections.base import Connection, Options
from ksrpc.connections.http import HttpxConnection
from ksrpc.errors import LostError
from tests.helpers.awaited import Awaited
from tests.helpers.cutter import Cut, cutting
from tests.helpers.server import GatewayProcess
from tests.integration.conftest import usable

MODULE = """
import os, time

def charge(ledger, size=0):
    with open(ledger, "ab", 0) as file:
        file.write(b"x")
    return {"number": os.path.getsize(ledger), "rest": "y" * size}

def wait_for(ledger, gate):
    charge(ledger)
    while not os.path.exists(gate):
        time.sleep(0.01)
    return os.path.getsize(ledger)

def fail(ledger):
    raise ValueError(charge(ledger)["number"])

def count(ledger):
    for number in range(3):
        yield charge(ledger)["number"]
"""
CONFIG = """
[server]
port = 0
[call]
enabled = true
place = "open"
processes = 2
[access]
allow = ["till", "demo"]
[user.narrow]
allow = ["demo"]
[module.till]
path = "till.py"
arguments = "any"
"""


class Till(GatewayProcess):
    """Have a token for everybody."""

    token = ""
    other = ""


@pytest.fixture(scope="module")
def till(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Till]:
    folder = tmp_path_factory.mktemp("till")
    (folder / "till.py").write_text(MODULE)
    with Till(folder, CONFIG) as process:
        process.token = usable_for_till(process, process.create_token("zhang"))
        process.other = usable_for_till(process, process.create_token("wang"))
        retried = {"X-Ksrpc-Retry": "0"}.items()
        while ask(process, "demo.echo", '"first"', value=1, headers=retried).status == 409:
            continue  # until it is old enough to know that it has forgotten nothing
        yield process


def usable_for_till(process: GatewayProcess, made: str) -> str:
    with HttpxConnection(process.url, token=made) as there:
        for _ in range(1000):
            try:
                there.call("demo.echo", (1,), {}, Options())
            except PermissionError:
                continue
            return made
    raise TimeoutError(usable.__doc__)


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger"


class Told(NamedTuple):
    status: int
    body: Any


def ask(till: Till, path: str, key: str | None, *, token: str = "", headers: Any = (), **kwargs: Any) -> Told:
    """Make one call in JSON over a connection of its own."""
    with closing(http.client.HTTPConnection("127.0.0.1", till.port, timeout=60)) as connection:
        send(connection, till, path, key, token=token, headers=headers, **kwargs)
        return read(connection)


def send(
    connection: http.client.HTTPConnection,
    till: Till,
    path: str,
    key: str | None,
    *,
    token: str = "",
    headers: Any = (),
    **kwargs: Any,
) -> None:
    lines = {"Authorization": f"Bearer {token or till.token}", "Content-Type": "application/json", **dict(headers)}
    if key is not None:
        lines["Idempotency-Key"] = key
    body = json.dumps({"kwargs": {name: str(v) if isinstance(v, Path) else v for name, v in kwargs.items()}})
    connection.request("POST", f"/v1/call/{path}?fmt=json", body, lines)


def read(connection: http.client.HTTPConnection) -> Told:
    response = connection.getresponse()
    return Told(response.status, json.loads(response.read()))


def runs(ledger: Path) -> int:
    return ledger.stat().st_size if ledger.exists() else 0


def test_the_same_request_runs_once(till: Till, ledger: Path) -> None:
    answers = [ask(till, "till.charge", '"a-1"', ledger=ledger) for _ in range(3)]
    assert answers == [Told(200, {"number": 1, "rest": ""})] * 3
    assert ask(till, "till.charge", '"a-2"', ledger=ledger).body["number"] == 2
    assert ask(till, "till.charge", None, ledger=ledger).body["number"] == 3
    assert runs(ledger) == 3


def test_a_key_is_one_users_own(till: Till, ledger: Path) -> None:
    mine = ask(till, "till.charge", '"b"', ledger=ledger)
    other = ask(till, "till.charge", '"b"', ledger=ledger, token=till.other)
    assert (mine.body["number"], other.body["number"]) == (1, 2)


def test_another_call_by_the_same_key_is_refused(till: Till, ledger: Path) -> None:
    ask(till, "till.charge", '"c"', ledger=ledger)
    for told in (ask(till, "till.charge", '"c"', ledger=ledger, size=5), ask(till, "till.fail", '"c"', ledger=ledger)):
        assert told.status == 422
        assert "Idempotency-Key is that of another call" in told.body["detail"]
    assert runs(ledger) == 1


def test_the_request_that_comes_while_the_first_one_runs_waits_for_its_answer(
    till: Till, ledger: Path, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    with (
        closing(http.client.HTTPConnection("127.0.0.1", till.port, timeout=60)) as first,
        closing(http.client.HTTPConnection("127.0.0.1", till.port, timeout=60)) as second,
    ):
        for connection in (first, second):
            send(connection, till, "till.wait_for", '"d"', ledger=ledger, gate=gate)
        late = ask(till, "till.wait_for", '"d"', ledger=ledger, gate=gate, headers={"X-Ksrpc-Timeout": "0.2"}.items())
        assert late.status == 504
        assert late.body["maybe_ran"] is True
        gate.touch()
        assert read(first) == read(second) == Told(200, 1)


def test_what_the_library_raised_is_raised_again(till: Till, ledger: Path) -> None:
    first, second = (ask(till, "till.fail", '"e"', ledger=ledger) for _ in range(2))
    assert first == second
    assert (first.status, first.body["detail"]) == (500, "1")
    assert runs(ledger) == 1


def test_what_was_refused_is_not_remembered(till: Till, ledger: Path) -> None:
    assert ask(till, "till.nothing", '"f"').status == 404
    assert ask(till, "till.charge", '"f"', ledger=ledger).body["number"] == 1


def test_a_large_answer_is_not_kept_and_says_so(till: Till, ledger: Path) -> None:
    assert ask(till, "till.charge", '"g"', ledger=ledger, size=1_000_000).status == 200
    told = ask(till, "till.charge", '"g"', ledger=ledger, size=1_000_000)
    assert told.status == 409
    assert (told.body["code"], told.body["maybe_ran"]) == ("lost", True)
    assert "too large to be kept" in told.body["detail"]
    assert runs(ledger) == 1


def test_items_are_given_once(till: Till, ledger: Path) -> None:
    assert ask(till, "till.count", '"h"', ledger=ledger) == Told(200, [1, 2, 3])
    told = ask(till, "till.count", '"h"', ledger=ledger)
    assert (told.status, "items went to another request" in told.body["detail"]) == (409, True)
    assert runs(ledger) == 3


@pytest.mark.parametrize("key", ["", "k" * 257], ids=["empty", "long"])
def test_keys_that_cannot_be(till: Till, ledger: Path, key: str) -> None:
    assert ask(till, "till.charge", key, ledger=ledger).status == 400
    assert runs(ledger) == 0


@pytest.mark.parametrize(("sent", "status"), [("never", 400), ("-1", 400), ("inf", 400)])
def test_ages_that_cannot_be(till: Till, ledger: Path, sent: str, status: int) -> None:
    told = ask(till, "till.charge", '"i"', ledger=ledger, headers={"X-Ksrpc-Retry": sent}.items())
    assert told.status == status


def test_a_second_request_whose_first_one_the_server_may_have_forgotten_does_not_run(till: Till, ledger: Path) -> None:
    """Here: it would have come before this server began."""
    told = ask(till, "till.charge", '"j"', ledger=ledger, headers={"X-Ksrpc-Retry": "86400"}.items())
    assert (told.status, told.body["maybe_ran"]) == (409, True)
    assert "does not remember that long" in told.body["detail"]
    assert runs(ledger) == 0


def test_who_has_lost_the_right_is_not_told_the_answer(till: Till, ledger: Path) -> None:
    made = usable_for_till(till, till.create_token("narrow2"))
    ask(till, "till.charge", '"k"', ledger=ledger, token=made)
    text = (till.folder / "ksrpc.toml").read_text()
    (till.folder / "ksrpc.toml").write_text(text.replace("[user.narrow]", "[user.narrow2]"))
    till.await_log("the configuration was read anew")
    told = ask(till, "till.charge", '"k"', ledger=ledger, token=made)
    assert (told.status, told.body["maybe_ran"]) == (409, True)
    assert "number" not in told.body


def test_a_client_that_comes_back_is_told_the_answer(till: Till, ledger: Path, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with closing(http.client.HTTPConnection("127.0.0.1", till.port, timeout=60)) as first:
        send(first, till, "till.wait_for", '"l"', ledger=ledger, gate=gate)
        while not runs(ledger):
            ask(till, "demo.echo", None, value=1)
    with closing(http.client.HTTPConnection("127.0.0.1", till.port, timeout=60)) as second:
        send(second, till, "till.wait_for", '"l"', ledger=ledger, gate=gate)
        ask(till, "demo.echo", None, value=1)
        gate.touch()
        assert read(second) == Told(200, 1)


def test_a_client_that_does_not_come_back_takes_its_call_with_it(till: Till, ledger: Path, tmp_path: Path) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", till.port, timeout=60)) as first:
        send(first, till, "till.wait_for", '"m"', ledger=ledger, gate=tmp_path / "never")
        while not runs(ledger):
            ask(till, "demo.echo", None, value=1)
        before = till.worker_pids
    while set(before) <= set(till.worker_pids):
        ask(till, "demo.echo", None, value=1)
    told = ask(till, "till.wait_for", '"m"', ledger=ledger, gate=tmp_path / "never")
    assert (told.status, told.body["code"], told.body["maybe_ran"]) == (499, "cancelled", True)
    assert runs(ledger) == 1


# the Python client


def connect(till: Till, port: int, manner: str) -> Connection:
    made = HttpxConnection(f"http://127.0.0.1:{port}", token=till.token, timeout=20)
    return Awaited(made) if manner == "awaited" else made


def close(connection: Connection) -> None:
    connection.stop() if isinstance(connection, Awaited) else connection.close()


@pytest.mark.parametrize("manner", ["blocking", "awaited"])
@pytest.mark.parametrize(
    "cut", [Cut(up=10), Cut(up=300), Cut(down=0), Cut(down=30), Cut(down=320)], ids=lambda cut: f"{cut.up}-{cut.down}"
)
def test_the_client_survives_the_loss_of_a_connection(till: Till, ledger: Path, manner: str, cut: Cut) -> None:
    """Cut inside its request, before its answer, and inside that."""
    with cutting(till.port, cut) as network:
        connection = connect(till, network.port, manner)
        try:
            answer = connection.call("till.charge", (str(ledger), 1000), {}, Options())
        finally:
            close(connection)
        assert network.accepted == 2
    assert answer == {"number": 1, "rest": "y" * 1000}
    assert runs(ledger) == 1


@pytest.mark.parametrize("manner", ["blocking", "awaited"])
def test_both_connections_are_lost(till: Till, ledger: Path, manner: str) -> None:
    with cutting(till.port, Cut(down=30), Cut(down=30)) as network:
        connection = connect(till, network.port, manner)
        with pytest.raises(LostError) as caught:
            connection.call("till.charge", (str(ledger),), {}, Options())
        close(connection)
    assert caught.value.maybe_ran is True
    assert runs(ledger) == 1


@pytest.mark.parametrize("manner", ["blocking", "awaited"])
def test_a_large_answer_that_is_lost_is_told_truthfully(till: Till, ledger: Path, manner: str) -> None:
    with cutting(till.port, Cut(down=100_000)) as network:
        connection = connect(till, network.port, manner)
        with pytest.raises(LostError, match="too large to be kept") as caught:
            connection.call("till.charge", (str(ledger), 1_000_000), {}, Options())
        close(connection)
    assert caught.value.maybe_ran is True
    assert runs(ledger) == 1


@pytest.mark.parametrize("manner", ["blocking", "awaited"])
def test_large_arguments_that_are_cut_off_are_sent_again(till: Till, manner: str) -> None:
    blob = b"z" * 3_000_000
    with cutting(till.port, Cut(up=1_500_000)) as network:
        connection = connect(till, network.port, manner)
        assert connection.call("demo.echo", (blob,), {}, Options()) == blob
        close(connection)
        assert network.accepted == 2


@pytest.mark.parametrize("manner", ["blocking", "awaited"])
def test_every_call_of_many_threads_runs_once_while_connections_die(till: Till, ledger: Path, manner: str) -> None:
    calls, over = 200, threading.Event()
    with cutting(till.port) as network:
        connection = connect(till, network.port, manner)

        def cut() -> None:
            while not over.wait(0.1):
                network.cut()

        cutter = threading.Thread(target=cut)
        cutter.start()
        with ThreadPoolExecutor(4) as threads:
            futures = [
                threads.submit(connection.call, "till.charge", (str(ledger),), {}, Options()) for _ in range(calls)
            ]
            errors = [future.exception() for future in futures]
        over.set()
        cutter.join()
        close(connection)
    lost = [error for error in errors if error is not None]
    assert all(isinstance(error, LostError) for error in lost), lost
    certain = sum(isinstance(error, LostError) and not error.maybe_ran for error in lost)
    answered = calls - len(lost)
    assert answered <= runs(ledger) <= calls - certain
    assert len(lost) < calls / 2
