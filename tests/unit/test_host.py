"""Which hosts the entries of `module.NAME.hosts` admit."""

from __future__ import annotations

import ipaddress

import pytest

from ksrpc.host import Hosts, parse_host


def reach(hosts: Hosts, address: str, port: int = 443) -> bool:
    return hosts.reach(ipaddress.ip_address(address), port)


@pytest.mark.parametrize(
    ("entry", "host", "port"),
    [
        ("api.example.com", "api.example.com", 443),
        ("api.example.com", "API.Example.com.", 80),
        ("API.example.com", "api.example.com", 443),
        ("api.example.com:8443", "api.example.com", 8443),
        ("*.example.com", "a.example.com", 443),
        ("*.example.com", "a.b.example.com", 443),
        ("10.1.2.3", "10.1.2.3", 80),
        ("10.0.0.0/8:9000", "10.255.0.1", 9000),
        ("8.8.8.8:53", "8.8.8.8", 53),
        ("2001:db8::/32", "2001:db8::7", 443),
        ("[fd00::1]:9000", "[fd00::1]", 9000),
        ("10.1.2.3", "::ffff:10.1.2.3", 443),
    ],
)
def test_what_an_entry_admits(entry: str, host: str, port: int) -> None:
    assert Hosts([entry]).admit(host, port)


@pytest.mark.parametrize(
    ("entry", "host", "port"),
    [
        ("api.example.com", "api.example.com", 8080),
        ("api.example.com:8443", "api.example.com", 443),
        ("api.example.com", "evil.api.example.com", 443),
        ("api.example.com", "api.example.com.evil.org", 443),
        ("*.example.com", "example.com", 443),
        ("*.example.com", "evilexample.com", 443),
        ("10.0.0.0/8", "11.0.0.1", 443),
        ("10.0.0.0/8", "127.0.0.1", 443),
        ("api.example.com", "8.8.8.8", 443),
        ("api.example.com", "", 443),
        ("api.example.com", "api.example.com\x00.evil.org", 443),
    ],
)
def test_what_it_does_not(entry: str, host: str, port: int) -> None:
    assert not Hosts([entry]).admit(host, port)


def test_a_name_stands_for_public_addresses_and_for_those_listed_beside_it() -> None:
    hosts = Hosts(["vendor.example.com", "10.1.0.0/16"])
    for address in ("93.184.216.34", "2606:2800:220:1::1", "10.1.9.9"):
        assert reach(hosts, address)
    for address in ("10.2.0.1", "192.168.1.1", "100.64.0.1", "fd00::1"):
        assert not reach(hosts, address)
    assert not reach(hosts, "10.1.9.9", 9000)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "::", "169.254.169.254", "fe80::1", "224.0.0.1", "ff02::1",
     "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::"],
)  # fmt: skip
def test_this_machine_and_its_neighbourhood_stay_closed(address: str) -> None:
    assert not reach(Hosts(["*.example.com", "10.0.0.0/8", "fc00::/7"]), address)


@pytest.mark.parametrize(
    "entry",
    ["", "*", "*.", "*.com", "a b.example.com", "-a.example.com", "exa mple", "http://a.example.com", "a.example.com/x",
     "a.example.com:0", "a.example.com:70000", "a.example.com:x", "127.0.0.1", "127.0.0.0/8", "0.0.0.0/0",
     "169.254.0.0/16",
     "::1", "10.0.0.1/8", "1.2.3", "0x7f.1", "a" * 300, "user@a.example.com"],
)  # fmt: skip
def test_what_is_no_entry(entry: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_host(entry)
