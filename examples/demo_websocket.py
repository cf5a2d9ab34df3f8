"""Call over one WebSocket. In another terminal: `ksrpc serve --try`; then `python examples/demo_websocket.py [URL]`.

The second half speaks JSON, as a program in any other language would.
"""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor

from websockets.sync.client import connect

from ksrpc import RpcClient
from ksrpc.connections.websocket import WebSocketConnection

URL = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"
TOKEN = os.environ.get("KSRPC_TOKEN")
SOCKET_URL = "ws" + URL.removeprefix("http")


def with_ksrpc() -> None:
    """Use remote modules as if they were here; threads share the connection."""
    with WebSocketConnection(f"{SOCKET_URL}/ws/bytes", token=TOKEN) as conn:
        math = RpcClient("math", conn)
        print(math.pi())
        print(math.pow(2, 3))
        demo = RpcClient("demo", conn)
        with ThreadPoolExecutor() as threads:
            first = threads.submit(demo.sync_say_hi, "AA")
            second = threads.submit(demo.async_say_hi, "BB")
            print(first.result())
            print(second.result())
        print(demo.test())


def without_ksrpc() -> None:
    """Send frames with an `id` and match the answers by it: they come when they are ready."""
    headers = {"Authorization": f"Bearer {TOKEN}"} if TOKEN else {}
    with connect(f"{SOCKET_URL}/ws/json", additional_headers=headers) as socket:
        socket.send(json.dumps({"id": 1, "func": "demo.async_sleep", "args": [0.5]}))
        socket.send(json.dumps({"id": 2, "func": "demo.div", "kwargs": {"a": 1, "b": 0}}))
        socket.send(json.dumps({"id": 3, "func": "demo.test", "fmt": "csv"}))
        for _ in range(3):
            answer = json.loads(socket.recv())
            print(answer["id"], answer["status"], answer["type"], answer["data"])


if __name__ == "__main__":
    with_ksrpc()
    without_ksrpc()
