"""uvicorn and nothing else: one answer, whatever is asked."""

from __future__ import annotations

import json
import logging
import socket
import sys
from collections.abc import Awaitable, Callable

from benchmarks.peer.kind import HOST


def serve() -> None:
    """Serve one answer, read as JSON from the standard input; print the port.

    Its settings are those of our own server.
    """
    import uvicorn

    answer = json.load(sys.stdin)
    body, headers = answer["body"].encode("latin-1"), [(n.encode(), t.encode()) for n, t in answer["headers"]]

    async def app(_scope: object, _receive: object, send: Callable[[dict[str, object]], Awaitable[None]]) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    listener = socket.create_server((HOST, 0), backlog=1024)
    print(listener.getsockname()[1], flush=True)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    settings = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        http="httptools",
        ws="none",
        proxy_headers=False,
        server_header=False,
        date_header=False,
        backlog=1024,
    )
    uvicorn.Server(settings).run(sockets=[listener])
