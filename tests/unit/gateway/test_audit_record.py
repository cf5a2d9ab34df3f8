"""One record of the audit is one line of ASCII, whatever stands in it."""

from __future__ import annotations

import json

import pytest

from ksrpc.gateway.audit import pack_record

TEXTS = ["lisi", "a\nb", "a\r\u2028b", "\x1b[31m", "李四", "\u202e", "\udc80", "\udce9x", '"}{', "\\", "\x00"]


@pytest.mark.parametrize("text", TEXTS)
def test_a_record_is_one_line(text: str) -> None:
    line = pack_record({"at": 1.5, "user": text, "count": 2})
    assert line.isascii()
    assert line.endswith(b"}")
    assert not any(byte < 32 for byte in line)
    assert json.loads(line) == {"at": 1.5, "user": text, "count": 2}
