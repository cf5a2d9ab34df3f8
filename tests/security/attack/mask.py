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
        number = int(self.path.partition("number_")[2].partition("&")[0] or 0)
        self._answer(200 if number % 2 == 0 else 500, wire.MEDIA_TYPE, ANSWERS[number // 2])

    def _answer(self, status: int, media_type: str, body: bytes) -> None:
        self.send_response(status)
        for name, value in (
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
            number = int(str(told.meta["path"]).partition("number_")[2])
            sock.send(_reply(told.call, number))


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
