"""Everyday calls, and one call of every open function, equal the local call to the last bit."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest

import ksrpc
from ksrpc.client import RemoteGateway
from ksrpc.connections.base import Options
from ksrpc.errors import ForbiddenError
from ksrpc.expose import load_presets
from tests.everyday import CALLS, CLOSED, systematic
from tests.everyday.compare import compare
from tests.everyday.search import CONFIG, ROOTS, functions_left, load_found, search
from tests.helpers.server import GatewayProcess

#: It is open, and says to everybody that it is not implemented.
UNDONE = ["pandas.MultiIndex.fillna"]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """Serve every library that has a preset."""
    with GatewayProcess(tmp_path_factory.mktemp("everyday"), CONFIG) as running:
        with ksrpc.connect(running.ws_url) as client:
            for root in ROOTS:
                client.describe(root)
        yield running


@pytest.fixture(scope="module", params=["http", "websocket"])
def client(gateway: GatewayProcess, request: pytest.FixtureRequest) -> Iterator[RemoteGateway]:
    """Call over each transport, once each library is loaded."""
    url = gateway.url if request.param == "http" else gateway.ws_url
    for call in CALLS:
        if call.path.startswith("polars"):
            call.run()  # it starts threads here, once
    with ksrpc.connect(url) as client:
        client.describe("math.pow")
        yield client


@pytest.mark.parametrize("root", ROOTS)
def test_everyday(client: RemoteGateway, root: str) -> None:
    """Each call gives what the library gives here."""
    calls = [call for call in CALLS if call.path.partition(".")[0] == root]
    assert len(calls) > 1
    for call in calls:
        compare(call, client.connection.call(call.path, call.args, call.kwargs, Options()))


@pytest.mark.parametrize("path", CLOSED)
def test_closed_calls_say_why(gateway: GatewayProcess, path: str) -> None:
    """What people would call, too, is refused with the reason of its list."""
    with ksrpc.connect(gateway.ws_url) as client, pytest.raises(ForbiddenError) as refusal:
        client.connection.call(path, (1,), {}, Options())
    assert load_presets()[path.partition(".")[0]].closed[path].reason in str(refusal.value)


def test_many_hundred_calls() -> None:
    """As many as are promised, and more, of every library."""
    assert len(CALLS) >= 600
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
    assert silent == UNDONE
