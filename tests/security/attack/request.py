"""Attacks below and before the call: requests as no honest client writes them, byte for byte."""

from __future__ import annotations

from typing import NamedTuple

SMUGGLED = b"GET /v1/call/bank.count?x=smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
_CALL = b"POST /v1/call/bank.count HTTP/1.1\r\n"
SHAKE = (
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


class Request(NamedTuple):
    """Describe one request that runs nothing.

    Attributes:
        name: Its own among all attacks.
        kind: One of `CLASSES`.
        rows: Rows of the threat model.
        statuses: What it may be answered with; 0 = hung up on without a word.
        data: All of it.
    """

    name: str
    kind: str
    rows: str
    statuses: tuple[int, ...]
    data: bytes


def _shape(name: str, head: bytes, *statuses: int, start: bytes = _CALL) -> Request:
    body = b"\r\n\r\n0\r\n\r\n" + SMUGGLED
    return Request(name, "smuggling", "", statuses or (400,), start + head + body)


def _page(name: str, *lines: bytes) -> list[Request]:
    """Write what a page of another site makes a browser send, as a call and as a WebSocket."""
    head = b"\r\n".join((b"Host: localhost", *lines)) + b"\r\n"
    return [
        Request(f"{name}-call", "browser", "H13", (400, 403, 421), _CALL + head + b"Content-Length: 0\r\n\r\n"),
        *(
            Request(f"{name}-{kind}", "browser", "H13", (400, 403, 421), start + head + SHAKE + b"\r\n")
            for kind, start in (("websocket", b"GET /ws/bytes HTTP/1.1\r\n"), ("json", b"GET /ws/json HTTP/1.1\r\n"))
        ),
    ]


def _login(name: str, line: bytes) -> list[Request]:
    """Write a credential that is none, before a call and before a WebSocket."""
    head = b"Host: localhost\r\n" + line + b"\r\n"
    return [
        Request(f"{name}-call", "auth", "H31", (400, 401), _CALL + head + b"Content-Length: 0\r\n\r\n"),
        Request(f"{name}-websocket", "auth", "H31", (400, 401), b"GET /ws/bytes HTTP/1.1\r\n" + head + SHAKE + b"\r\n"),
    ]


SMUGGLING = [
    _shape("length-and-chunks", b"Host: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked"),
    _shape("chunks-and-length", b"Host: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 5"),
    _shape("two-lengths", b"Host: localhost\r\nContent-Length: 5\r\nContent-Length: 6"),
    _shape("length-in-a-list", b"Host: localhost\r\nContent-Length: 5, 6"),
    _shape("negative-length", b"Host: localhost\r\nContent-Length: -1"),
    _shape("signed-length", b"Host: localhost\r\nContent-Length: +5"),
    _shape("length-in-hexadecimal", b"Host: localhost\r\nContent-Length: 0x10"),
    _shape("length-with-underscore", b"Host: localhost\r\nContent-Length: 1_0"),
    _shape("length-that-is-empty", b"Host: localhost\r\nContent-Length: "),
    _shape("chunks-then-identity", b"Host: localhost\r\nTransfer-Encoding: chunked, identity"),
    _shape("coding-nobody-knows", b"Host: localhost\r\nTransfer-Encoding: xchunked", 400, 501),
    _shape("chunks-with-space", b"Host: localhost\r\nTransfer-Encoding : chunked"),
    _shape("chunks-behind-a-tab", b"Host: localhost\r\nTransfer-Encoding\t: chunked"),
    _shape("chunks-behind-a-form-feed", b"Host: localhost\r\nTransfer-Encoding: \x0bchunked", 400, 501),
    _shape("folded-line", b"Host: localhost\r\nTransfer-Encoding:\r\n chunked"),
    _shape("folded-header", b"Host: localhost\r\nX-A: b\r\n Content-Length: 5"),
    _shape("name-with-space", b"Host: localhost\r\nBad Name: x"),
    _shape("name-that-is-empty", b"Host: localhost\r\n: x"),
    _shape("name-with-nul", b"Host: localhost\r\nX\x00: y"),
    _shape("value-with-nul", b"Host: localhost\r\nX: a\x00b"),
    _shape("value-with-bare-return", b"Host: localhost\r\nX: a\rContent-Length: 5"),
    _shape("line-without-colon", b"Host: localhost\r\nnonsense"),
    _shape("two-hosts", b"Host: localhost\r\nHost: evil.example", 400, 403, 421),
    _shape("version-nobody-knows", b"Host: localhost", 400, 505, start=b"POST /v1/call/bank.count HTTP/3.7\r\n"),
    _shape("line-of-three-words-more", b"Host: localhost", start=b"POST /v1/call/bank.count HTTP/1.1 HTTP/1.1\r\n"),
    _shape("method-that-is-none", b"Host: localhost", 400, 405, 404, start=b"P(ST /v1/call/bank.count HTTP/1.1\r\n"),
    _shape("tunnel", b"Host: localhost", 400, 404, 405, start=b"CONNECT 169.254.169.254:80 HTTP/1.1\r\n"),
    _shape("trace", b"Host: localhost", 400, 404, 405, 501, start=b"TRACE /v1/call/bank.count HTTP/1.1\r\n"),
    _shape("greeting-of-http2", b"", 400, 505, start=b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    _shape(
        "bare-line-feeds", b"Host: localhost\nContent-Length: 0\nX: y", start=b"POST /v1/call/bank.count HTTP/1.1\n"
    ),
    _shape("line-feed-in-a-value", b"Host: localhost\r\nX: a\nContent-Length: 5"),
    _shape("version-of-1991", b"", 400, 0, start=b"GET /v1/call/bank.count\r\n"),
    _shape(
        "address-of-another-host",
        b"Host: localhost",
        *(400, 403, 404, 421),
        start=b"GET http://evil.example/v1/call/bank.count HTTP/1.1\r\n",
    ),
    _shape(
        "upgrade-to-http2", b"Host: evil.example\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings", 400, 403, 421
    ),
    _shape("tls-on-a-plain-port", b"", 400, 0, start=b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32)),
]
CHUNKS = {
    "chunk-of-negative-size": b"-1\r\nx\r\n0\r\n\r\n",
    "chunk-of-no-size": b"zz\r\nx\r\n0\r\n\r\n",
    "chunk-of-exabytes": b"ffffffffffffffffff\r\nx",
    "chunk-longer-than-said": b"1\r\nxyz\r\n0\r\n\r\n",
    "chunk-in-hexadecimal-notation": b"0x1\r\nx\r\n0\r\n\r\n",
    "chunk-with-an-extension-of-kilobytes": b"1;" + b"x" * 70_000 + b"\r\nzz\r\n",
    "chunk-with-bare-line-feed": b"1\nx\n0\n\n",
    "chunk-with-underscore": b"1_0\r\n" + b"x" * 16 + b"\r\n0\r\n\r\n",
}
BROWSER = [
    *_page("fetch", b"Origin: https://evil.example"),
    *_page("sandboxed-page", b"Origin: null"),
    *_page("look-alike-host", b"Origin: http://localhost.evil.example"),
    *_page("image", b"Sec-Fetch-Site: cross-site", b"Sec-Fetch-Mode: no-cors", b"Sec-Fetch-Dest: image"),
    *_page("form", b"Origin: https://evil.example", b"Content-Type: application/x-www-form-urlencoded"),
    *_page("extension", b"Origin: chrome-extension://abcdefgh"),
]
REBINDING = [
    Request(f"rebinding-{name}", "browser", "H13", (400, 403, 421), _CALL + b"Host: " + host + b"\r\n\r\n")
    for name, host in {
        "name": b"evil.example",
        "name-with-port": b"evil.example:8000",
        "name-below-localhost": b"localhost.evil.example",
        "userinfo": b"localhost@evil.example",
        "list": b"localhost, evil.example",
    }.items()
]
AUTH = [
    *_login("bearer-of-nothing", b"Authorization: Bearer "),
    *_login("bearer-nobody-made", b"Authorization: Bearer ksr_00000000_" + b"0" * 49),
    *_login("bearer-that-is-sql", b"Authorization: Bearer ' OR 1=1 --"),
    *_login("bearer-that-is-no-ascii", b"Authorization: Bearer \xe9\xe9\xff"),
    *_login("bearer-of-kilobytes", b"Authorization: Bearer " + b"k" * 7000),
    *_login("basic", b"Authorization: Basic YWRtaW46YWRtaW4="),
    *_login("digest", b'Authorization: Digest username="admin"'),
    *_login("two-credentials", b"Authorization: Bearer a\r\nAuthorization: Bearer b"),
    *_login("token-as-a-bearer-list", b"Authorization: Bearer a, Bearer b"),
]
FORWARDED = [
    Request(f"forwarded-{name}", "auth", "H12", (400, 403), _CALL + b"Host: localhost\r\n" + line + b"\r\n\r\n")
    for name, line in {
        "for": b"X-Forwarded-For: 127.0.0.1",
        "standard": b"Forwarded: for=127.0.0.1",
        "real-address": b"X-Real-IP: 127.0.0.1",
        "via": b"Via: 1.1 proxy",
    }.items()
]
REQUESTS: list[Request] = [
    *SMUGGLING,
    *(
        Request(
            name,
            "smuggling",
            "",
            (400, 413),
            _CALL
            + b"Host: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
            + body
            + SMUGGLED,
        )
        for name, body in CHUNKS.items()
    ),
    *BROWSER,
    *REBINDING,
    *AUTH,
    *FORWARDED,
]
