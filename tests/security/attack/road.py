"""Roads into a gateway: carry a call there and tell how it was answered, one connection for hundreds of them."""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote

from websockets.sync.client import ClientConnection, connect

from ksrpc import errors, wire
from ksrpc.protocol import FrameType, parse_frame
from tests.helpers.server import GatewayProcess
from tests.security.transport import hostile

_RULE = re.compile(r"\[gate [ABCD], rule ([ABCD]\d?)\]")
_IDLE_S = 10.0
_CODES = {cls.__name__: cls.code for cls in vars(errors).values() if isinstance(cls, type) and hasattr(cls, "code")}


class Told(NamedTuple):
    """Hold how a call was answered.

    Attributes:
        answer: The rule that refused it, else the code of the error, "result" if it ran.
        text: All that came.
    """

    answer: str
    text: str


class Road(Protocol):
    """Carry calls."""

    def send(self, path: str, body: bytes) -> Told:
        """Send arguments as bytes."""

    def call(self, path: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Told:
        """Send arguments as values."""

    def close(self) -> None:
        """Hang up."""


def _told(code: str, text: str) -> Told:
    found = _RULE.search(text)
    return Told(found[1] if found else code, text)


class HttpRoad:
    """Call by requests on one connection."""

    def __init__(self, gateway: GatewayProcess, token: str = "") -> None:
        self._link = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)
        self._headers = {"Content-Type": wire.MEDIA_TYPE, "Accept": wire.MEDIA_TYPE, **_bearer(token)}
        self._used_at = 0.0

    def send(self, path: str, body: bytes, **headers: str) -> Told:
        if time.monotonic() - self._used_at > _IDLE_S:
            self._link.close()  # the other side may have hung up by now; the next request opens it again
        self._used_at = time.monotonic()
        self._link.request("POST", f"/api/file?func={quote(path)}", body, self._headers | headers)
        reply = self._link.getresponse()
        data = reply.read()
        if reply.status == 200:
            return Told("result", repr(wire.parse(data, table=wire.RESULT_TABLE)))
        if reply.getheader("Content-Type", "").startswith(wire.MEDIA_TYPE):
            return Told("raised", repr(wire.parse_error(data)))
        if reply.status in (414, 431):
            return Told("not_found", "")
        fields = json.loads(data)
        return _told(fields["code"], fields["detail"])

    def call(self, path: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Told:
        return self.send(path, wire.pack_arguments(args, dict(kwargs)).join())

    def close(self) -> None:
        self._link.close()


class _Line:
    """Hold a WebSocket, and open it again when it was silent for so long that the other side may hang up."""

    def __init__(self, url: str, token: str, greeting: tuple[bytes, ...]) -> None:
        self._open = partial(connect, url, max_size=None, additional_headers=_bearer(token))
        self._greeting = greeting
        self._used_at = -_IDLE_S
        self._held = ExitStack()

    def get(self) -> ClientConnection:
        """Give the open socket."""
        if time.monotonic() - self._used_at > _IDLE_S:
            self.close()
            self._sock = self._held.enter_context(self._open())
            for data in self._greeting:
                self._sock.send(data)
        self._used_at = time.monotonic()
        return self._sock

    def close(self) -> None:
        """Hang up."""
        self._held.close()


class SocketRoad:
    """Call by frames on one WebSocket."""

    def __init__(self, gateway: GatewayProcess, token: str = "") -> None:
        self._line = _Line(f"{gateway.ws_url}/ws/bytes", token, (hostile.hello(),))
        self._number = 0

    def send(self, path: str, body: bytes) -> Told:
        self._number += 1
        sock = self._line.get()
        sock.send(hostile.call_of(path, body, number=self._number))
        came = b""
        while True:
            data = sock.recv(timeout=60)
            assert isinstance(data, bytes)
            told = parse_frame(data)
            if told.type == FrameType.RAISE:
                error = wire.parse_error(told.body) if told.meta["code"] == "raised" else told.meta.get("text", "")
                return _told(told.meta["code"], error if isinstance(error, str) else repr(error))
            if told.type == FrameType.RESULT:
                came += told.body
                if told.fin:
                    return Told("result", repr(wire.parse(came, table=wire.RESULT_TABLE)))

    def call(self, path: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Told:
        return self.send(path, wire.pack_arguments(args, dict(kwargs)).join())

    def close(self) -> None:
        self._line.close()


class JsonRoad:
    """Call by JSON texts on one WebSocket; what JSON cannot say is not for it."""

    def __init__(self, gateway: GatewayProcess, token: str = "") -> None:
        self._line = _Line(f"{gateway.ws_url}/ws/json", token, ())

    def send(self, path: str, body: bytes) -> Told:
        raise TypeError("bytes are no JSON")

    def call(self, path: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Told:
        sock = self._line.get()
        sock.send(json.dumps({"func": path, "args": args, "kwargs": kwargs}))
        told = json.loads(sock.recv(timeout=60))
        if told["status"] == 200:
            return Told("result", repr(told["data"]))
        return _told(_CODES.get(told["type"], "raised"), str(told["data"]))

    def close(self) -> None:
        self._line.close()


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


ROADS: dict[str, type[HttpRoad] | type[SocketRoad] | type[JsonRoad]] = {
    "http": HttpRoad,
    "websocket": SocketRoad,
    "json": JsonRoad,
}
