"""Requests that no honest client writes: refused, hung up on, and nothing runs, neither theirs nor a smuggled one."""

from __future__ import annotations

import contextlib
import socket

import pytest

from tests.helpers.server import GatewayProcess
from tests.integration.exchange import ask
from tests.security.attack.request import REQUESTS, Request
from tests.security.transport.conftest import Fortress


def exchange(gateway: GatewayProcess, data: bytes) -> bytes:
    """Send bytes and read until the server hangs up; nothing more is going to come from here."""
    came = b""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as sock:
        with contextlib.suppress(OSError):
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while piece := sock.recv(65536):
                came += piece
    return came


def number_of_calls(gateway: GatewayProcess) -> int:
    """Count how often the function was called, this time included."""
    return int(ask(gateway, "POST", "/v1/call/bank.count").body)


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: request.name)
def test_request(city: Fortress, request_: Request) -> None:
    before = number_of_calls(city.gateway)
    came = exchange(city.gateway, request_.data)
    status = int(came[9:12]) if came.startswith(b"HTTP/1.1 ") else 0
    assert status in request_.statuses, came
    assert came.count(b"HTTP/1.1 ") <= 1, "it was taken for two"
    assert b"Traceback" not in came
    assert b"Access-Control-Allow" not in came
    assert number_of_calls(city.gateway) == before + 1
