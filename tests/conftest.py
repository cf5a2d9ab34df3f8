"""Fixtures that more than one folder of tests uses."""

from __future__ import annotations

import gc
import itertools
from collections.abc import Iterator

import pytest

from tests.helpers.server import GatewayProcess

#: Each test has a folder of its own for a profile, which is not there unless the test makes one.
_NUMBERS = itertools.count()

#: Files that take longest come first, so that no worker begins one of them when the others are done.
_LONG = (
    "test_items",
    "test_progress",
    "test_readme",
    "test_handle",
    "test_source",
    "test_cli_client",
    "test_fidelity",
    "test_reload",
    "test_quota",
    "test_client_contract",
    "test_problem",
    "test_original",
    "test_notebook",
    "test_chaos",
    "test_cli_server",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long files first; the order within a file stays."""
    place = {name: number for number, name in enumerate(_LONG)}
    items.sort(key=lambda item: place.get(item.path.stem, len(_LONG)))


def pytest_collection_finish() -> None:
    """Spare each later collection of garbage, and tests ask for hundreds, the ten thousand tests themselves."""
    gc.collect()
    gc.freeze()


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
