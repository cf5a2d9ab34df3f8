"""The tag table: the spec and the code say the same, and every tag has a reader or is reserved."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import ksrpc.wire.columnar.arrow
import ksrpc.wire.columnar.polars
import ksrpc.wire.sparse
import ksrpc.wire.tabular  # noqa: F401  # each registers its readers
from ksrpc.wire import REQUEST_ANY_TABLE, REQUEST_TABLE, RESULT_TABLE
from ksrpc.wire.registry import READERS
from ksrpc.wire.tag import MARKS, TAGS, Mark

SPEC = Path(__file__).parents[3] / "docs" / "spec" / "wire.md"
ROWS = re.findall(r"^\| 0x([0-9A-F]{2}) \| (\w+) \| (\w+) \|", SPEC.read_text(encoding="utf-8"), re.MULTILINE)


def test_the_spec_has_the_tags_of_the_code() -> None:
    assert [(int(number, 16), name, scope) for number, name, scope in ROWS] == [tuple(mark) for mark in TAGS.values()]


def test_numbers_are_final() -> None:
    kept = {
        1: "tuple",
        4: "map",
        10: "ref",
        16: "bigint",
        28: "datetime",
        52: "exception",
        64: "array",
        80: "frame",
        85: "extension",
    }
    assert {number: TAGS[number].name for number in kept} == kept


@pytest.mark.parametrize("mark", TAGS.values(), ids=lambda mark: mark.name)
def test_every_tag_is_read_or_reserved(mark: Mark) -> None:
    assert (mark.number in READERS) is (mark.scope != "reserved")
    assert MARKS[mark.number].code == 1
    assert MARKS[mark.number].data == bytes([mark.number])


def test_the_tables_grow() -> None:
    assert REQUEST_TABLE.tags < REQUEST_ANY_TABLE.tags < RESULT_TABLE.tags
    assert {TAGS[number].scope for number in RESULT_TABLE.tags} == {"request", "any", "result"}
    assert not REQUEST_ANY_TABLE.trusted
    assert RESULT_TABLE.limits.message_bytes > REQUEST_TABLE.limits.message_bytes
