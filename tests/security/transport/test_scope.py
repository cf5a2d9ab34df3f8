"""What a token may be used for, from when, until when; and what replaces it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ksrpc.errors import AuthError
from tests.helpers.server import GatewayProcess
from tests.integration.conftest import connection_to, usable
from tests.integration.exchange import ask

CONFIG = """
[server]
port = 0
[call]
enabled = true
[access]
allow = ["demo", "math"]
trusted_proxies = ["loopback"]
ip_allow = ["loopback", "10.0.0.0/8"]
"""
ELSEWHERE = {"X-Forwarded-For": "10.0.0.9"}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with GatewayProcess(tmp_path_factory.mktemp("scope"), CONFIG) as process:
        yield process


def make(gateway: GatewayProcess, *options: str) -> str:
    """Make a token by the command."""
    done = gateway.run("token", "create", "zhang", "--print", *options)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def caller(gateway: GatewayProcess) -> str:
    return usable(gateway, make(gateway))


@pytest.fixture(scope="module")
def watcher(gateway: GatewayProcess, caller: str) -> str:
    return make(gateway, "--scope", "metrics")


def metrics(gateway: GatewayProcess, token: str) -> int:
    """Ask for the metrics from another machine."""
    return ask(gateway, "GET", "/metrics", None, {**ELSEWHERE, "Authorization": f"Bearer {token}"}).status


def test_a_token_for_metrics_sees_them_and_calls_nothing(gateway: GatewayProcess, transport: str, watcher: str) -> None:
    assert metrics(gateway, watcher) == 200
    with connection_to(gateway, transport, token=watcher) as there, pytest.raises(AuthError, match="may not call"):
        there.describe("math.pow")
    for method, target in (("GET", "/v1/me"), ("GET", "/v1/modules"), ("POST", "/v1/ticket"), ("GET", "/api/get")):
        headers = {"Authorization": f"Bearer {watcher}"}
        assert ask(gateway, method, target, None, headers).status == 401, target


def test_a_token_for_calls_does_not_see_metrics(gateway: GatewayProcess, transport: str, caller: str) -> None:
    assert metrics(gateway, caller) == 403
    with connection_to(gateway, transport, token=caller) as there:
        assert there.describe("math.pow")["kind"] == "function"


def test_a_token_for_both(gateway: GatewayProcess, transport: str) -> None:
    token = usable(gateway, make(gateway, "--scope", "metrics", "--scope", "call"))
    assert metrics(gateway, token) == 200
    with connection_to(gateway, transport, token=token) as there:
        assert there.describe("math.pow")["kind"] == "function"


def test_a_scope_that_is_none(gateway: GatewayProcess) -> None:
    done = gateway.run("token", "create", "zhang", "--scope", "root")
    assert done.returncode == 2
    assert "metrics" in done.stderr


def test_a_token_that_begins_in_the_future(gateway: GatewayProcess, caller: str) -> None:
    made = make(gateway, "--not-before", "2999-01-31")
    assert ask(gateway, "GET", "/v1/me", None, {"Authorization": f"Bearer {made}"}).status == 401
    assert "not yet" in gateway.run("token", "ls").stdout
    assert usable(gateway, make(gateway, "--not-before", "2020-01-31T09:00"))


def test_a_token_is_replaced_and_the_old_one_ends(gateway: GatewayProcess, transport: str) -> None:
    old = usable(gateway, make(gateway, "--days", "3"))
    done = gateway.run("token", "rotate", old[4:12], "--print")
    assert done.returncode == 0, done.stderr
    assert f"{old[4:12]} is valid until" in done.stderr
    new = usable(gateway, done.stdout.strip())
    for token in (old, new):
        with connection_to(gateway, transport, token=token) as there:
            assert there.describe("math.pow")["kind"] == "function"
    again = gateway.run("token", "rotate", new[4:12], "--grace", "0", "--print")
    usable(gateway, again.stdout.strip())
    with connection_to(gateway, transport, token=new) as there, pytest.raises(AuthError):
        there.describe("math.pow")


def test_there_is_nothing_to_replace(gateway: GatewayProcess) -> None:
    done = gateway.run("token", "rotate", "nosuchid")
    assert done.returncode == 1
    assert "ksrpc token ls" in done.stderr
