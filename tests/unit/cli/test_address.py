"""What clients write to reach the gateway is an address that they can reach."""

from __future__ import annotations

import ipaddress
import socket

import pytest

from ksrpc.cli.address import client_urls, is_loopback, reachable_hosts
from ksrpc.config import Config
from ksrpc.config.schema import ServerSection


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_all_addresses_are_those_of_this_machine(host: str) -> None:
    found = reachable_hosts(host)
    assert found
    for address in found:
        version = ipaddress.ip_address(address).version
        assert version == 4 or host == "::"  # which takes both
        if socket.has_ipv6 or version == 4:
            family = socket.AF_INET if version == 4 else socket.AF_INET6
            with socket.socket(family) as sock:
                sock.bind((address, 0))  # only an own address can be bound


def test_one_address_is_itself() -> None:
    assert reachable_hosts("192.168.1.5") == ["192.168.1.5"]
    assert client_urls(Config(server=ServerSection(host="::1", port=81))) == ["http://[::1]:81"]


def test_the_public_address_comes_first() -> None:
    server = ServerSection(host="10.0.0.1", port=0, plaintext=True, public_url="https://gateway.example")
    assert client_urls(Config(server=server), port=5) == ["https://gateway.example", "http://10.0.0.1:5"]


@pytest.mark.parametrize(
    ("host", "is_local"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("gateway.example", False)],
)
def test_loopback(host: str, is_local: bool) -> None:
    assert is_loopback(host) is is_local
