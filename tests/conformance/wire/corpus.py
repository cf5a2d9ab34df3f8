"""Messages that different versions of pandas, numpy and Python wrote, for all of them to read, now and later.

`python -m tests.conformance.wire.corpus` adds what the environment that runs it writes: cases of `tests/fidelity` whose
bytes nobody has written yet. Messages are never taken away: whatever was once sent is read for ever.
"""

from __future__ import annotations

import json
import platform
from importlib.metadata import version
from pathlib import Path

from ksrpc.wire import pack
from tests.fidelity.cases import here

FILE = Path(__file__).with_name("corpus.json")
#: A message of more bytes is left out: the suite sends it live.
BYTES = 1500

Corpus = dict[str, dict[str, list[str]]]


def writer() -> str:
    """Name this environment by what its bytes may depend on."""
    pandas, numpy = (".".join(version(name).split(".")[:2]) for name in ("pandas", "numpy"))
    return f"pandas {pandas}, numpy {numpy}, Python {'.'.join(platform.python_version_tuple()[:2])}"


def load() -> Corpus:
    """Return name → message in hexadecimal digits → who wrote it."""
    return dict(json.loads(FILE.read_text(encoding="utf-8"))) if FILE.exists() else {}


def add(corpus: Corpus, own: str, *, most_bytes: int = BYTES) -> None:
    """Add what this environment writes."""
    for name, case in here().items():
        data = b"" if case.row.scope in ("never", "sent") else pack(case.make()).join()
        if 0 < len(data) <= most_bytes:
            writers = corpus.setdefault(name, {}).setdefault(data.hex(), [])
            writers += [] if own in writers else [own]


def dump() -> None:
    """Write the file."""
    corpus = load()
    add(corpus, writer())
    FILE.write_text(json.dumps(corpus, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    dump()
