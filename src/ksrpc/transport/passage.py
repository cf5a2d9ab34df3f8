"""The WebSocket below a conversation, sans I/O: its handshake, the messages that come, the bytes that go.

Source: docs/spec/protocol.md "Carriers".
"""

from __future__ import annotations

from collections.abc import Iterator

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from ksrpc import __version__
from ksrpc.errors import ConnectError, KsrpcError, LostError
from ksrpc.limits import CLIENT_SESSION
from ksrpc.protocol import Buffer
from ksrpc.transport.inlet import Inlet
from ksrpc.transport.problem import parse_problem

_MAX_MESSAGE = CLIENT_SESSION.frame_bytes + CLIENT_SESSION.meta_bytes + 64


class Passage:
    """Hold the state of one WebSocket.

    Attributes:
        inlet: What was received and not yet taken.
    """

    def __init__(self, url: str, token: str | None) -> None:
        self._token = token
        self._parts: list[Buffer] = []
        self.inlet = Inlet(_MAX_MESSAGE)
        self._protocol = ClientProtocol(parse_uri(url), max_size=_MAX_MESSAGE)
        self._protocol.reader = self.inlet
        self._protocol.parser = self._protocol.parse()
        next(self._protocol.parser)
        self.send = self._protocol.send_binary

    def request(self) -> bytes:
        """Return the handshake's request."""
        request = self._protocol.connect()
        request.headers["User-Agent"] = f"ksrpc/{__version__}"
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        self._protocol.send_request(request)
        return self.pull()

    def shake(self, data: memoryview) -> bool:
        """Take what the server answers to it (nothing: it hung up); return whether the handshake is over.

        Raises:
            ConnectError: There is no ksrpc WebSocket.
            KsrpcError: The server refuses; the class says why.
        """
        protocol = self._protocol
        if len(data):
            protocol.receive_data(data)  # type: ignore[arg-type]  # our inlet takes it
        else:
            protocol.receive_eof()
        failure = protocol.handshake_exc
        if protocol.state is State.CONNECTING and failure is None and len(data):
            return False
        if isinstance(failure, InvalidStatus):
            raise _refusal(parse_problem(failure.response.status_code, bytes(failure.response.body or b"")))
        if failure is not None or protocol.state is not State.OPEN:
            reason = failure if isinstance(failure, InvalidHandshake) else "no answer"
            raise ConnectError(f"this is not a ksrpc WebSocket: {reason}")
        return True

    @property
    def is_open(self) -> bool:
        """Tell whether messages may be sent."""
        return self._protocol.state is State.OPEN

    @property
    def is_plain(self) -> bool:
        """Tell whether whole messages may be taken from the inlet, past the parser."""
        return not self._parts and self._protocol.state is State.OPEN

    def messages(self) -> Iterator[Buffer]:
        """Let the parser read on, and give the messages that it finds.

        Raises:
            LostError: The connection was closed; the text says by whom and why.
        """
        self._protocol.receive_data(b"")  # our inlet has it
        for frame in self._protocol.events_received():
            if isinstance(frame, Frame) and (message := self._assemble(frame)) is not None:
                yield message
        if self._protocol.state is not State.OPEN:
            close = self._protocol.close_rcvd
            reason = f"{close.code} {close.reason}" if close is not None else "without a reason"
            raise LostError(f"the server closed the connection: {reason}")

    def pull(self) -> bytes:
        """Return the bytes that are to be sent now."""
        return b"".join(self._protocol.data_to_send())

    def part(self) -> bytes:
        """Return the bytes of a good-bye."""
        if self.is_open:
            self._protocol.send_close(1000)
        return self.pull()

    def _assemble(self, frame: Frame) -> Buffer | None:
        """Return a whole message; proxies may cut messages into fragments."""
        if frame.opcode not in (Opcode.BINARY, Opcode.CONT):
            return None
        if frame.fin and not self._parts:
            return frame.data
        self._parts.append(bytes(frame.data))
        if not frame.fin:
            return None
        whole, self._parts = b"".join(self._parts), []
        return whole


def _refusal(error: KsrpcError) -> KsrpcError:
    """Say of a failed handshake what it is: nothing was called yet."""
    return ConnectError(str(error)) if isinstance(error, LostError) else error
