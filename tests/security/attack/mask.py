"""A server that only looks like one: it speaks the protocol by hand and answers whatever an attacker would.

An answer is chosen by the call's number, the same over HTTP and WebSocket.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from ksrpc import wire
from ksrpc.protocol import FrameType, parse_frame
from tests.security.transport.hostile import FIN, RESULT, frame, message

#: What the server names: code that leaves a mark or is felt when it is imported, made or called.
NAMES = (
    "evil_canary.Boom",
    "evil_canary",
    "os.system",
    "builtins.eval",
    "builtins.SystemExit",
    "subprocess.Popen",
    "functools.partial",
    "os\nimport evil_canary",
    "..evil_canary",
    "",
)
COMMAND = "touch evil_ran"


def _tag(number: int, *parts: Any) -> list[Any]:
    return [msgspec.msgpack.Ext(1, bytes([number])), *parts]


def values() -> Iterator[Any]:
    """Yield answers as trees: each kind of thing that has a class, of each name."""
    for name in NAMES:
        yield _tag(0x30, name, ["a", "__class__", "_fields"], [COMMAND, 1, 2])
        yield _tag(0x31, name, {"__class__": name, "__init__": COMMAND, "a": COMMAND})
        yield _tag(0x32, name, "system", COMMAND, None)
        yield _tag(0x32, name, None, 7, name)
        yield _tag(0x33, name, COMMAND)
        yield _tag(0x33, name, {"__reduce__": [name, [COMMAND]]})
        yield _tag(0x34, name, [COMMAND], COMMAND, [], None, {"base": name, "name": name}, "")
        yield _tag(0x35, name, {"a": COMMAND})
        yield _tag(0x06, name, "a", 1)
        yield _tag(0x09, {name: COMMAND, "__class__": name, "__reduce__": name})
        yield _tag(0x1E, name, name)
        yield _tag(0x40, name, [1], b"x" * 8)
        yield _tag(0x5D, name)
        yield _tag(0x78, name, COMMAND)
        yield _tag(0x79, name, [COMMAND])
        yield {"__class__": name, "__module__": name, "py/object": name}


ANSWERS = [message(msgspec.msgpack.encode(value)) for value in values()]
ANSWERS += [b"\x80\x04cos\nsystem\n(V" + COMMAND.encode() + b"\ntR.", b"", b"\0" * 40, message(b"\xdd\xff\xff\xff\xff")]
#: Answers beside a value: objects that are kept, streams, words about a call under way, another address.
EXTRAS = [(kind, name) for kind in ("handle", "stream", "progress", "redirect") for name in NAMES]
HANDLE = "0123456789abcdef" * 2
#: What is said of a module that `ksrpc.install` shows.
DESCRIPTION: dict[str, Any] = {
    "kind": "module",
    "doc": "\x1b]52;c;ZXZpbA==\x07<script>alert(1)</script>",
    "version": "1\nimport evil_canary",
    "generation": 1,
    "members": [
        "__path__",
        "__class__",
        "__getattr__",
        "__loader__",
        "a\nimport evil_canary",
        "import",
        "os.system",
        *NAMES,
    ],
    "signature": [
        {
            "name": "a=__import__('evil_canary')",
            "kind": "KEYWORD_ONLY",
            "default": "__import__('evil_canary')",
            "annotation": "__import__('evil_canary')",
        }
    ],
}


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer(200, wire.MEDIA_TYPE, message(msgspec.msgpack.encode(DESCRIPTION)))

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        extra = self.path.partition("extra_")[2].partition("?")[0]
        if extra:
            self._answer_extra(*EXTRAS[int(extra)])
            return
        number = int(self.path.partition("number_")[2].partition("&")[0] or 0)
        self._answer(200 if number % 2 == 0 else 500, wire.MEDIA_TYPE, ANSWERS[number // 2])

    def _answer_extra(self, kind: str, name: str) -> None:
        body = message(msgspec.msgpack.encode(described(name)))
        told = name.replace("\n", " ")
        if kind == "redirect":
            self._answer(302, "text/plain", b"", ("Location", f"http://127.0.0.1:9/{told}"), ("Refresh", f"0;{told}"))
        elif kind == "handle":
            self._answer(200, "application/vnd.ksrpc.v1.handle", body, ("X-Ksrpc-Handle", HANDLE))
        elif kind == "stream":
            self._answer(200, "application/vnd.ksrpc.v1.stream", body)
        else:
            more = (("Link", f"<{told}>; rel=preload"), ("Set-Cookie", f"a={told}"), ("Content-Encoding", told))
            self._answer(200, wire.MEDIA_TYPE, ANSWERS[0], *more)

    def _answer(self, status: int, media_type: str, body: bytes, *more: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (
            *more,
            ("Content-Type", media_type),
            ("Content-Length", str(len(body))),
            ("X-Ksrpc-Class", NAMES[0]),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def _serve_socket(sock: ServerConnection) -> None:
    for data in sock:
        assert isinstance(data, bytes)
        told = parse_frame(data)
        if told.type == FrameType.HELLO:
            sock.send(
                frame(
                    2, meta={"versions": [1], "ksrpc": "9", "features": [*NAMES], "heartbeat_s": 15.0, "timeout_s": 60}
                )
            )
        elif told.type == FrameType.CALL:
            word, _, number = str(told.meta["path"]).partition(".")[2].partition("_")
            if word == "number":
                sock.send(_reply(told.call, int(number)))
            else:
                for piece in _extra(told.call, *EXTRAS[int(number)]):
                    sock.send(piece)


def described(name: str) -> dict[str, Any]:
    """Tell of an object that is kept."""
    return {"class": name, "doc": name, "members": [name, "__class__", "__reduce__"], "context": True, "module": name}


def _extra(call: int, kind: str, name: str) -> Iterator[bytes]:
    body = message(msgspec.msgpack.encode(described(name)))
    if kind == "progress":
        for number in (6, 7, 8):
            yield frame(number, call, {"position": name, "text": name, "class": name, "done": COMMAND, "total": name})
    if kind == "redirect":
        yield frame(17, meta={"url": name, "location": f"http://127.0.0.1:9/{name}", "reason": name})
    labels = {"kind": kind, "handle": HANDLE, "class": name} if kind in ("handle", "stream") else {"class": name}
    yield frame(RESULT, call, labels, body, flags=FIN)


def _reply(call: int, number: int) -> bytes:
    body = ANSWERS[number // 2]
    if number % 2 == 0:
        return frame(RESULT, call, {}, body, flags=FIN)
    return frame(10, call, {"code": "raised", "text": NAMES[number % len(NAMES)], "maybe_ran": True}, body, flags=FIN)


@contextmanager
def masks() -> Iterator[tuple[str, str]]:
    """Run both; give their addresses."""
    plain = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)

    def talk(sock: ServerConnection) -> None:
        try:
            _serve_socket(sock)
        except ConnectionClosed:
            return

    with plain, serve(talk, "127.0.0.1", 0) as sockets:
        threads = [threading.Thread(target=server.serve_forever, daemon=True) for server in (plain, sockets)]
        for thread in threads:
            thread.start()
        try:
            yield f"http://127.0.0.1:{plain.server_port}", f"ws://127.0.0.1:{sockets.socket.getsockname()[1]}"
        finally:
            plain.shutdown()
            sockets.shutdown()
            for thread in threads:
                thread.join()
