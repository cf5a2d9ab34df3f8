"""Start a server from code: `python examples/run_app.py [--port 8000]`, then open http://127.0.0.1:8000/docs.

It serves this machine only, without tokens. `ksrpc init` writes a configuration for a team; `load_config` reads it.
"""

import argparse
import contextlib
import socket
import tempfile
from pathlib import Path

import uvicorn

from ksrpc.config import Config
from ksrpc.gateway import Gateway
from ksrpc.server import make_app
from ksrpc.store import TokenStore

SETTINGS = {
    "call": {"enabled": True},
    "access": {"anonymous": True, "allow": ["demo", "math"]},
}


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=8000)
    port = parser.parse_args().port
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", port)) as listener:
        tokens = TokenStore(Path(folder) / "store.sqlite3")
        app = make_app(Gateway(Config.model_validate(SETTINGS), tokens))
        print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        options = uvicorn.Config(app, lifespan="on", ws="websockets-sansio", log_level="warning")
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(options).run(sockets=[listener])
        tokens.close()


if __name__ == "__main__":
    main()
