"""Fixtures that more than one folder of tests uses."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tests.helpers.server import GatewayProcess

#: Each test has a folder of its own for a profile, which is not there unless the test makes one.
_NUMBERS = itertools.count()


@pytest.fixture(autouse=True)
def _no_foreign_settings(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the developer's own address, token and profile of a gateway out of every test."""
    for name in ("KSRPC_URL", "KSRPC_TOKEN", "KSRPC_PROGRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.getbasetemp() / f"no profile {next(_NUMBERS)}"))


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """Share one open gateway (`demo` and `math`, anonymous) among tests that change nothing on it."""
    with GatewayProcess(tmp_path_factory.mktemp("gateway")) as process:
        yield process


@pytest.fixture(scope="session", params=["http", "websocket"])
def transport(request: pytest.FixtureRequest) -> str:
    """Run one test body over every transport."""
    return str(request.param)
