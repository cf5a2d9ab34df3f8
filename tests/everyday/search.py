"""Find arguments that an open function answers, beside those that users write.

`python -m tests.everyday.search` writes down at which attempt each function answered, so that the test need not search.
"""

from __future__ import annotations

import json
import tempfile
import warnings
from pathlib import Path
from random import Random
from typing import Any

import ksrpc
from ksrpc.client import RemoteGateway
from ksrpc.connections.base import Options
from ksrpc.expose import load_presets
from tests.effects.campaign import open_functions
from tests.effects.value import Plan, make_arguments
from tests.everyday import CALLS, systematic
from tests.everyday.call import Call
from tests.helpers.server import GatewayProcess

#: All of requests asks the network, and is closed; vendors are open by default.
ROOTS = sorted(root for root, preset in load_presets().items() if preset.names)
CONFIG = f"""
[server]
port = 0
[call]
enabled = true
processes = 1
timeout_s = 60
[cache]
enabled = false
[access]
anonymous = true
allow = {ROOTS}
"""
_FOUND = Path(__file__).with_name("found.json")
_ATTEMPTS = 400


def functions_left() -> dict[str, Plan]:
    """List the open functions that no written call reaches."""
    reached = {call.path for call in (*CALLS, *systematic())}
    return {path: plan for path, plan in sorted(open_functions(ROOTS).items()) if path not in reached}


def load_found() -> dict[str, int]:
    """Read at which attempt each function answered."""
    found: dict[str, int] = json.loads(_FOUND.read_text("utf-8"))
    return found


def search(client: RemoteGateway, path: str, plan: Plan, start: int = 0) -> tuple[int, Call, Any] | None:
    """Call a function with made arguments until it answers; give the attempt, the call and the answer."""
    for attempt in (start, *range(_ATTEMPTS)):
        args, kwargs = make_arguments(plan, Random(f"{path} {attempt}"))
        try:
            return attempt, Call(path, args, kwargs), client.connection.call(path, args, kwargs, Options())
        except Exception:  # a refusal, or an error of the library, of any class
            continue
    return None


def main() -> None:
    """Write the attempts down."""
    warnings.simplefilter("ignore")
    found = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        GatewayProcess(Path(folder), CONFIG) as gateway,
        ksrpc.connect(gateway.ws_url) as client,
    ):
        for path, plan in functions_left().items():
            answer = search(client, path, plan)
            print(path, "no answer" if answer is None else answer[0])
            if answer is not None:
                found[path] = answer[0]
    _FOUND.write_text(json.dumps(found, indent=0) + "\n", "utf-8")


if __name__ == "__main__":
    main()
