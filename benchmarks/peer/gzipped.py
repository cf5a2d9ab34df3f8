"""Pickle in gzip over HTTP, a request and a connection each: how such gateways are usually made."""

from __future__ import annotations

import gzip
import http.client
import pickle
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from benchmarks.peer.kind import ANSWERS, HOST, Connected, Kind

#: The large frame takes half a minute.
_NAMES = [name for name in ANSWERS if name not in ("frame_large", "frame_of")]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Call what the path names with what the body holds."""
        args = pickle.loads(gzip.decompress(self.rfile.read(int(self.headers["Content-Length"]))))
        body = gzip.compress(pickle.dumps(ANSWERS[self.path.removeprefix("/")](*args)))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 128


def serve() -> None:
    """Serve each connection by a thread, and print the port."""
    with _Server((HOST, 0), _Handler) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()


@contextmanager
def connect(port: int) -> Connected:
    """Give ways that connect for each call."""

    def call(name: str) -> Any:
        def ask(*args: object) -> Any:
            connection = http.client.HTTPConnection(HOST, port)
            try:
                connection.request("POST", f"/{name}", gzip.compress(pickle.dumps(args)))
                return pickle.loads(gzip.decompress(connection.getresponse().read()))
            finally:
                connection.close()

        return ask

    yield {name: call(name) for name in _NAMES}


KIND = Kind("gzip(pickle) over HTTP", serve, connect, lacks="takes half a minute")
