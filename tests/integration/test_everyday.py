"""Everyday calls, and one call of every open function, equal the local call to the last bit."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest

import ksrpc
from ksrpc import wire
from ksrpc.client import RemoteGateway
from ksrpc.connections.base import Options
from tests.everyday import CALLS, Call, systematic
from tests.everyday.search import CONFIG, ROOTS, functions_left, load_found, search
from tests.helpers.server import GatewayProcess
from tests.integration.sameness import assert_same

#: They answer something else each time; type and shape are compared.
FICKLE = ("numpy.random.", ".now", ".today", ".utcnow")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """Serve every library that has a preset."""
    with GatewayProcess(tmp_path_factory.mktemp("everyday"), CONFIG) as running:
        yield running


@pytest.fixture(scope="module", params=["http", "websocket"])
def client(gateway: GatewayProcess, request: pytest.FixtureRequest) -> Iterator[RemoteGateway]:
    """Call over each transport, once each library is loaded."""
    url = gateway.url if request.param == "http" else gateway.ws_url
    for call in CALLS:
        if call.path.startswith("polars"):
            call.run()  # it starts threads here, once
    with ksrpc.connect(url) as client:
        for root in ROOTS:
            client.describe(root)
        yield client


@pytest.mark.parametrize("root", ROOTS)
def test_everyday(client: RemoteGateway, root: str) -> None:
    """Each call gives what the library gives here."""
    calls = [call for call in CALLS if call.path.partition(".")[0] == root]
    assert len(calls) > 1
    for call in calls:
        compare(call, client.connection.call(call.path, call.args, call.kwargs, Options()))


def test_three_hundred_calls() -> None:
    """As many as are promised, of every library."""
    assert len(CALLS) >= 300
    assert {call.path.partition(".")[0] for call in CALLS} == set(ROOTS)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.timeout(300)
def test_every_open_function_gives_what_a_local_call_gives(gateway: GatewayProcess) -> None:
    """Those that no everyday call reaches are called with generated arguments until one call answers."""
    families, functions, attempts = systematic(), functions_left(), load_found()
    silent = []
    with ksrpc.connect(gateway.ws_url) as client, warnings.catch_warnings(action="ignore"):
        for call in families:
            compare(call, client.connection.call(call.path, call.args, call.kwargs, Options()))
        for path, plan in functions.items():
            answer = search(client, path, plan, attempts.get(path, 0))
            if answer is None:
                silent.append(path)
            else:
                compare(answer[1], answer[2])
    assert silent == []


def compare(call: Call, got: Any) -> None:
    """Compare an answer with the local call's."""
    expected = call.run()
    if any(part in call.path for part in FICKLE):
        assert type(got) is type(expected)
        assert getattr(got, "shape", ()) == getattr(expected, "shape", ())
        return
    if isinstance(expected, tuple) and type(expected).__module__ == "datetime":  # its class stays there
        got, expected = tuple(got), tuple(expected)
    try:
        assert_same(got, expected)
    except AssertionError as exc:
        if wire.pack(got).join() != wire.pack(expected).join():  # NaN in a tuple of labels is not itself
            raise AssertionError(f"{call.path}{call.args}{call.kwargs}: {exc}") from None
