"""Run all cases in one process of some environment: `python tests/fidelity/run_cases.py COMMAND FILE …`.

    call FILE URL         codec, then HTTP and WebSocket to a gateway: name → way → what is wrong
    write FILE            name → message in hexadecimal digits → who wrote it
    read FILE MESSAGES…   such files: name → whose message → what is wrong, or "lacks" → what is missing

The answer is JSON in FILE. No test library is needed here: the environments have none.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from ksrpc.wire import parse
from tests.conformance.wire.corpus import Corpus, add, writer
from tests.fidelity.case import Case, lacking
from tests.fidelity.cases import CASES, here
from tests.fidelity.outcome import as_argument, as_result, difference, through_codec


def call(url: str) -> dict[str, dict[str, str]]:
    """Run every case through the codec and to a gateway and back, on both transports."""
    import ksrpc
    from ksrpc.connections.http import HttpxConnection
    from ksrpc.connections.websocket import WebSocketConnection

    cases = here()
    found = {name: {"lacks": lacking(case.needs)} for name, case in CASES.items() if name not in cases}
    found |= {name: {"codec": through_codec(case)} for name, case in cases.items()}
    ways: dict[str, Any] = {
        "http": HttpxConnection(f"{url}/api/file"),
        "websocket": WebSocketConnection(f"ws{url.removeprefix('http')}/ws/bytes"),
    }
    for way, connection in ways.items():
        with connection:
            gateway = ksrpc.RemoteGateway(connection)
            lacks = gateway.call("there.lacks")
            for name, case in cases.items():
                if name in lacks:
                    found[name]["lacks"] = lacks[name]
                else:
                    found[name][f"{way} result"] = as_result(case, gateway.call)
                    found[name][f"{way} argument"] = as_argument(case, gateway.call, looked_at=way == "http")
    return found


def write() -> Corpus:
    """Write every case that travels, as the corpus has them."""
    made: Corpus = {}
    add(made, writer(), most_bytes=1 << 30)
    return made


def read(*corpora: str) -> dict[str, dict[str, str]]:
    """Read messages and compare them with the cases of this environment."""
    cases = here()
    found: dict[str, dict[str, str]] = {}
    for corpus in corpora:
        for name, messages in json.loads(Path(corpus).read_text(encoding="utf-8")).items():
            told = found.setdefault(name, {})
            if name not in cases:
                told["lacks"] = lacking(CASES[name].needs)
                continue
            for text, writers in messages.items():
                told[f"{Path(corpus).name}, {writers[0]}"] = _read(cases[name], bytes.fromhex(text))
    return found


def _read(case: Case, data: bytes) -> str:
    try:
        return difference(case, parse(data), case.as_result())
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def main() -> None:
    """Do what the command line says."""
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", "`(cum)?product` is deprecated")  # what pandas 1.5 calls, of numpy 1.26
    commands: dict[str, Any] = {"call": call, "write": write, "read": read}
    command, answer, *rest = sys.argv[1:]
    Path(answer).write_text(json.dumps(commands[command](*rest)), encoding="utf-8")


if __name__ == "__main__":
    main()
