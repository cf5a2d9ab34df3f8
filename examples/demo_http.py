"""Call over HTTP. In another terminal: `ksrpc serve --try`; then `python examples/demo_http.py [URL]`.

The second half needs nothing of ksrpc: any language that sends and reads JSON can do the same.
"""

import json
import os
import sys
import urllib.request

from ksrpc import RpcClient
from ksrpc.connections.http import HttpxConnection

URL = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"
TOKEN = os.environ.get("KSRPC_TOKEN")


def with_ksrpc() -> None:
    """Use remote modules as if they were here."""
    conn = HttpxConnection(f"{URL}/api/file", token=TOKEN)
    conn.timeout = None
    math = RpcClient("math", conn, async_local=False)
    math.cache_get = True
    math.cache_expire = 86400
    print(math.pi())  # a module's variable: with parentheses
    print(math.pow(2, 3))

    demo = RpcClient("demo", conn, async_local=False)
    print(demo.sync_say_hi("AA"))
    print(demo.async_say_hi("BB"))
    print(demo.test())
    try:
        demo.div(1, 0)
    except ZeroDivisionError as error:  # the exception that was raised there
        print(f"ZeroDivisionError: {error}")


def without_ksrpc() -> None:
    """Send JSON and read JSON; `fmt=csv` would give a table as CSV."""
    headers = {"Content-Type": "application/json"}
    if TOKEN:
        headers["Authorization"] = f"Bearer {TOKEN}"
    body = json.dumps({"args": [2], "kwargs": {"b": 4}}).encode()
    request = urllib.request.Request(f"{URL}/api/post?func=demo.div&fmt=json", body, headers)
    with urllib.request.urlopen(request) as reply:
        print(json.load(reply))
    request = urllib.request.Request(f"{URL}/api/get?func=demo.test&fmt=csv", headers=headers)
    with urllib.request.urlopen(request) as reply:
        print(reply.read().decode())


if __name__ == "__main__":
    with_ksrpc()
    without_ksrpc()
