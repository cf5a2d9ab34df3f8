"""Who may come in: addresses, forwarding headers, host names, browsers, tokens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ksrpc.config import Config
from ksrpc.errors import AddressError, AuthError, KsrpcError
from ksrpc.gateway.identify import Doorkeeper, Visitor
from ksrpc.store import TokenStore


@pytest.fixture
def tokens(tmp_path: Path) -> Iterator[TokenStore]:
    store = TokenStore(tmp_path / "store.sqlite3")
    yield store
    store.close()


def _door(tokens: TokenStore, *, host: str = "127.0.0.1", hosts: tuple[str, ...] = (), **access: Any) -> Doorkeeper:
    return Doorkeeper(Config.model_validate({"server": {"host": host, "hosts": hosts}, "access": access}), tokens)


def _admits(door: Doorkeeper, peer: str, **headers: str) -> bool:
    try:
        door.admit(Visitor(peer, {name.replace("_", "-"): text for name, text in headers.items()}))
    except AddressError:
        return False
    return True


@pytest.mark.parametrize(
    ("peer", "admitted"),
    [
        ("127.0.0.1", True),
        ("127.255.255.254", True),
        ("::1", True),
        ("10.0.0.1", True),
        ("172.16.0.1", True),
        ("172.31.255.255", True),
        ("172.32.0.1", False),
        ("192.168.255.1", True),
        ("192.169.0.1", False),
        ("fd00::1", True),
        ("fe80::1", False),
        ("100.64.0.1", False),
        ("169.254.1.1", False),
        ("8.8.8.8", False),
        ("2001:db8::1", False),
        ("0.0.0.0", False),
        ("::ffff:10.0.0.1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:8.8.8.8", False),
        ("::10.0.0.1", False),
        ("100.127.255.255", False),
        ("2002:7f00:1::", False),
        ("2002:a00:1::", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::10.0.0.1", False),
        ("::ffff:0:10.0.0.1", False),
        ("::", False),
        ("::2", False),
        ("fc00::", True),
        ("fe00::1", False),
        ("ff02::1", False),
        ("128.0.0.1", False),
        ("11.0.0.1", False),
        ("192.0.2.1", False),
        ("198.18.0.1", False),
        ("255.255.255.255", False),
        ("127.1", False),
        ("0177.0.0.1", False),
        ("2130706433", False),
        ("", False),
        ("testclient", False),
    ],
)
def test_the_default_addresses(tokens: TokenStore, peer: str, admitted: bool) -> None:
    assert _admits(_door(tokens), peer) is admitted


@pytest.mark.parametrize(
    ("peer", "admitted"),
    [("10.1.2.3", True), ("10.1.9.9", False), ("::ffff:10.1.9.9", False), ("10.2.0.1", False), ("127.0.0.1", False)],
)
def test_lists_of_networks(tokens: TokenStore, peer: str, admitted: bool) -> None:
    door = _door(tokens, ip_allow=["10.1.0.0/16"], ip_block=["10.1.9.0/24"])
    assert _admits(door, peer) is admitted


def test_block_wins_over_any(tokens: TokenStore) -> None:
    door = _door(tokens, ip_allow=["any"], ip_block=["private"])
    assert _admits(door, "8.8.8.8")
    assert _admits(door, "2001:db8::1")
    assert not _admits(door, "192.168.0.1")


FORWARDED = ("forwarded", "x_forwarded_for", "x_forwarded_host", "x_forwarded_proto", "x_real_ip", "via")


@pytest.mark.parametrize("header", FORWARDED)
def test_forwarding_headers_of_strangers_are_refused(tokens: TokenStore, header: str) -> None:
    assert not _admits(_door(tokens), "127.0.0.1", **{header: "127.0.0.1"})
    door = _door(tokens, trusted_proxies=["10.0.0.0/8"])
    assert not _admits(door, "192.168.0.1", **{header: "127.0.0.1"})


@pytest.mark.parametrize("header", [name for name in FORWARDED if name != "x_forwarded_for"])
def test_a_proxy_that_hides_its_guest_does_not_lend_its_own_address(tokens: TokenStore, header: str) -> None:
    door = _door(tokens, trusted_proxies=["loopback"], anonymous=True)
    assert not _admits(door, "127.0.0.1", **{header: "8.8.8.8"})


@pytest.mark.parametrize(
    ("hops", "admitted"),
    [
        ("192.168.0.9", True),
        ("8.8.8.8", False),
        ("192.168.0.9, 8.8.8.8", False),  # the left part is what the guest claims
        ("8.8.8.8, 192.168.0.9", True),
        ("8.8.8.8, 192.168.0.9, 10.0.0.2", True),  # a chain of trusted proxies
        ("10.0.0.3", True),
        ("::ffff:8.8.8.8", False),
        ("unknown", False),
        ("192.168.0.9:1234", False),
        (" , ", False),
        ("", False),
    ],
)
def test_the_last_hop_that_is_no_proxy_counts(tokens: TokenStore, hops: str, admitted: bool) -> None:
    door = _door(tokens, trusted_proxies=["10.0.0.0/8"])
    assert _admits(door, "10.0.0.1", x_forwarded_for=hops) is admitted


def test_a_guest_of_the_network_behind_a_local_proxy_is_not_anonymous(tokens: TokenStore) -> None:
    door = _door(tokens, trusted_proxies=["loopback"], anonymous=True)
    assert door.identify(Visitor("127.0.0.1", {})).name == "anonymous"
    with pytest.raises(AddressError, match="anonymous calls are taken from this machine only"):
        door.identify(Visitor("127.0.0.1", {"x-forwarded-for": "192.168.0.9"}))


@pytest.mark.parametrize(
    ("host", "admitted"),
    [
        ("", True),
        ("localhost", True),
        ("LocalHost:8000", True),
        ("127.0.0.1", True),
        ("192.168.0.5:8000", True),
        ("[::1]", True),
        ("[::1]:8000", True),
        ("gw.example.com", True),
        ("GW.Example.COM:8000", True),
        ("evil.example.com", False),
        ("gw.example.com.evil.com", False),
        ("localhost.evil.com:80", False),
        ("127.0.0.1.evil.com", False),
        ("[evil.com]:80", False),
        ("user@127.0.0.1", False),
        ("2130706433", False),
    ],
)
def test_host_names(tokens: TokenStore, host: str, admitted: bool) -> None:
    assert _admits(_door(tokens, hosts=("gw.Example.com",)), "127.0.0.1", host=host) is admitted


@pytest.mark.parametrize(
    ("headers", "admitted"),
    [
        ({}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"user-agent": "Mozilla/5.0 (Macintosh)"}, False),  # a browser that is too old to say where it comes from
        ({"user-agent": "Mozilla/5.0 (X11)", "sec-fetch-site": "none"}, True),
        ({"user-agent": "curl/8.0"}, True),
        ({"user-agent": "Java/17", "accept": "text/html, image/gif, image/jpeg, */*; q=.2"}, True),
        ({"origin": "http://evil.com"}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://evil.com", "x-ksrpc": "1"}, True),  # no page sends that without being asked first
        ({"origin": "http://evil.com", "x-ksrpc": "0"}, False),
    ],
)
def test_pages_do_not_call_in_the_name_of_who_sits_here(
    tokens: TokenStore, headers: dict[str, str], admitted: bool
) -> None:
    door = _door(tokens, anonymous=True)
    if admitted:
        assert door.identify(Visitor("127.0.0.1", headers)).name == "anonymous"
    else:
        with pytest.raises(AddressError, match="need a token"):
            door.identify(Visitor("127.0.0.1", headers))


def test_tokens(tokens: TokenStore) -> None:
    door, token = _door(tokens), tokens.create("li")
    user = door.identify(Visitor("192.168.0.1", {"authorization": f"Bearer {token}"}))
    assert (user.name, user.rules.allow) == ("li", ("demo",))
    assert door.identify(Visitor("127.0.0.1", {"authorization": f"bearer  {token} "})) is user
    assert door.still_valid(user)
    tokens.revoke(user.token_id)
    assert not door.still_valid(user)


def test_a_visitor_who_comes_again_is_known_until_the_token_is_revoked(tokens: TokenStore) -> None:
    door = _door(tokens)
    visitor = Visitor("127.0.0.1", {"authorization": f"Bearer {tokens.create('li')}"})
    user = door.identify(visitor)
    assert door.identify(visitor) is user
    tokens.revoke(user.token_id)
    with pytest.raises(AuthError, match="unknown or expired"):
        door.identify(visitor)
    with pytest.raises(AddressError):
        _door(tokens, ip_block=("127.0.0.1",)).identify(visitor)  # another configuration decides anew


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "Basic bGk6eA==", "ksr_x", "Bearer \xff", "Bearer " + "x" * 9999]
)
def test_wrong_authorization(tokens: TokenStore, header: str) -> None:
    door = _door(tokens, anonymous=True)  # a wrong token is not taken for none
    with pytest.raises(AuthError):
        door.identify(Visitor("127.0.0.1", {"authorization": header}))


def test_no_token(tokens: TokenStore) -> None:
    with pytest.raises(AuthError, match="a token is needed"):
        _door(tokens).identify(Visitor("127.0.0.1", {}))


def test_a_token_for_something_else(tokens: TokenStore) -> None:
    token = tokens.create("li", scopes=frozenset({"admin"}))
    with pytest.raises(AuthError, match="may not call"):
        _door(tokens).identify(Visitor("127.0.0.1", {"authorization": f"Bearer {token}"}))


def test_the_address_is_decided_before_the_token(tokens: TokenStore) -> None:
    with pytest.raises(AddressError):
        _door(tokens).identify(Visitor("8.8.8.8", {"authorization": f"Bearer {tokens.create('li')}"}))


def test_a_user_named_anonymous_is_not_the_anonymous_one(tokens: TokenStore) -> None:
    door = _door(tokens, anonymous=True)
    user = door.identify(Visitor("127.0.0.1", {"authorization": f"Bearer {tokens.create('anonymous')}"}))
    tokens.revoke(user.token_id)
    assert not door.still_valid(user)


def test_a_unix_socket_has_no_address(tokens: TokenStore) -> None:
    visitor = Visitor("", {"host": "anything"}, is_unix=True)
    assert _door(tokens, anonymous=True).identify(visitor).name == "anonymous"


@pytest.mark.parametrize(
    ("visitor", "is_near"),
    [
        (Visitor("127.0.0.1", {}), True),
        (Visitor("::1", {}), True),
        (Visitor("::ffff:127.0.0.1", {}), True),
        (Visitor("", {}, is_unix=True), True),
        (Visitor("10.0.0.9", {}), False),
        (Visitor("127.0.0.1", {"x-forwarded-for": "10.0.0.9"}), False),
        (Visitor("127.0.0.1", {"x-forwarded-for": "127.0.0.1"}), True),
        (Visitor("", {"x-forwarded-for": "10.0.0.9"}, is_unix=True), False),
    ],
)
def test_who_is_on_this_machine(tokens: TokenStore, visitor: Visitor, is_near: bool) -> None:
    door = _door(tokens, trusted_proxies=["loopback"], anonymous=True)
    door.admit(visitor)
    assert door.is_near(visitor) is is_near


def test_refusals_are_refusals(tokens: TokenStore) -> None:
    with pytest.raises(KsrpcError) as caught:
        _door(tokens).admit(Visitor("8.8.8.8", {}))
    assert (caught.value.status, caught.value.maybe_ran) == (403, False)
