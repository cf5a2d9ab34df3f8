"""Inputs to begin with, in `corpus.json`: `python -m tests.fuzz.corpus` adds those that are missing.

Source: the golden messages, and small values of every kind of table.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pandas as pd

from ksrpc.errors import BusyError, EncodeError
from ksrpc.protocol import FIN, FrameType, pack_head
from ksrpc.wire import CODECS, pack, pack_abort, pack_arguments, pack_error
from ksrpc.wire.codec import NUMBERS, Compressor, checksum
from ksrpc.wire.item import RecordKind, pack_end, pack_record
from ksrpc.wire.message import CHUNK
from tests.conformance.wire.golden import load, values
from tests.fuzz.container import lay, take_apart
from tests.unit.wire.tabular.case import frames, indexes, series

__all__ = ["load_corpus", "unpack"]

FILE = Path(__file__).with_name("corpus.json")
#: Larger seeds slow everything that is made of them.
_SEED_BYTES = 3000


def load_corpus() -> list[bytes]:
    """Return all inputs of the repository, in an order that is always the same."""
    return [b64decode(text) for _, text in sorted(_load().items())]


def unpack(folder: Path) -> None:
    """Write each input into a file of its own."""
    for name, text in _load().items():
        (folder / name).write_bytes(b64decode(text))


def _load() -> dict[str, str]:
    told: dict[str, str] = json.loads(FILE.read_text()) if FILE.exists() else {}
    return told


def _messages() -> list[bytes]:
    tables = [pack(value).join() for made in (frames(), series(), indexes()) for value in made.values()]
    chance = Random(1)
    packed = [lay(take_apart(data) or [], chance, is_plain=False) for data in tables[::7] if take_apart(data)]
    return [*load().values(), *(data for data in tables if len(data) < _SEED_BYTES), *packed]


def _requests() -> list[bytes]:
    found = []
    for value in (*values().values(), *series().values(), pd.DataFrame({"a": [1, 2], "b": ["x", None]})):
        try:
            found.append(pack_arguments((value,), {"name": [value, 1]}).join())
        except EncodeError:  # a value that only results may have
            continue
    return [data for data in found if len(data) < _SEED_BYTES]


def _records() -> list[bytes]:
    items = [pack(value) for value in (1, [1, 2], np.arange(3))]
    body = b"".join(b"".join(map(bytes, pack_record(RecordKind.ITEM, item))) for item in items)
    return [body + pack_end(), body + pack_end({"code": "busy"}, b"x"), body[:-4]]


def _callee_frames() -> list[bytes]:
    meta = {"path": "demo.f", "deadline_ms": 1000}
    return _joined(
        pack_head(FrameType.CALL, 1, meta, flags=FIN) + b"args",
        pack_head(FrameType.CALL, 2, meta),
        pack_head(FrameType.BODY, 2) + b"x" * 40,
        pack_head(FrameType.BODY, 2, flags=FIN, offset=40) + b"y",
        pack_head(FrameType.DESCRIBE, 3, {"path": "demo"}, flags=FIN),
        pack_head(FrameType.CREDIT, 0, offset=100),
        pack_head(FrameType.CREDIT, 1, offset=100),
        pack_head(FrameType.CANCEL, 2, {"reason": "x"}),
        pack_head(FrameType.PING, offset=1),
        pack_head(FrameType.ACK, offset=1),
        pack_head(FrameType.ATTACH, meta={"session": "x"}),
    )


def _caller_frames() -> list[bytes]:
    return _joined(
        pack_head(FrameType.QUEUED, 1, {"position": 1}),
        pack_head(FrameType.STARTED, 1),
        pack_head(FrameType.PROGRESS, 1, {"done": 1, "total": 2}),
        pack_head(FrameType.RESULT, 1, {"size": 60}) + b"z" * 30,
        pack_head(FrameType.RESULT, 1, flags=FIN, offset=30) + b"z" * 30,
        pack_head(FrameType.CREDIT, 2, offset=400),
        pack_head(FrameType.HANDOVER, 2, offset=10),
        pack_head(FrameType.RAISE, 2, {"code": "busy"}, flags=FIN),
        pack_head(FrameType.PONG, offset=1),
        pack_head(FrameType.GOAWAY, meta={"reason": "x"}),
    )


def _joined(*messages: bytes) -> list[bytes]:
    """Return all frames as one stream, and each alone."""
    framed = [len(message).to_bytes(4, "little") + message for message in messages]
    return [b"".join(framed), *framed]


def _chunks() -> list[bytes]:
    found = [pack_abort(BusyError("no worker"))]
    memory = np.arange(64, dtype="<f8").tobytes()
    for codec in CODECS:
        for shuffle in (0, 8):
            stored = Compressor(codec).compress(memory, shuffle) if codec != "none" else memory
            head = CHUNK.pack(NUMBERS[codec], 0, 0, shuffle, len(memory), len(stored), checksum(stored))
            found.append(head + stored)
    return found


def _errors() -> list[bytes]:
    made: list[BaseException] = [ValueError("no", 1), KeyError("k"), FileNotFoundError(2, "gone", "/tmp/x")]
    made[0].__cause__ = OSError("why")
    made[0].add_note("a note")
    return [pack_error(error).join() for error in made]


def _json() -> list[bytes]:
    told: list[Any] = [{"args": [1, "é", None, [1.5e300]], "kwargs": {"a": {"b": []}}}, {"args": 7, "kwargs": []}, {}]
    return [json.dumps(part).encode() for part in told]


def make() -> list[bytes]:
    """Return every input, its target in front."""
    kinds = [
        _messages(), _requests(), _requests()[::3], _records(), _callee_frames(), _caller_frames(), _json(), _chunks(),
        _errors(),
    ]  # fmt: skip
    return [bytes([number]) + data for number, inputs in enumerate(kinds) for data in inputs]


def dump() -> None:
    """Add what is missing. What is there stays: other versions of the libraries make other bytes."""
    known = _load()
    for data in make():
        known[f"{data[0]}-{sha256(data).hexdigest()[:12]}"] = b64encode(data).decode()
    FILE.write_text(json.dumps(dict(sorted(known.items())), indent=0) + "\n")


if __name__ == "__main__":
    dump()
