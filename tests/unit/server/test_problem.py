"""Errors as problem documents: what programs read of them beside the text."""

from __future__ import annotations

import pytest

from ksrpc.errors import BusyError, QuotaError
from ksrpc.server.problem import pack_problem


def headers(error: QuotaError | BusyError) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in pack_problem(error).headers}


def test_a_quota_is_told_as_the_draft_has_it() -> None:
    error = QuotaError("used up", scope="demo", limit_rows=10, used_rows=7, resets_in_s=99.2, retry_after_s=0.2)
    assert headers(error) == {
        "ratelimit-policy": '"demo";q=10;qu="rows";w=86400',
        "ratelimit": '"demo";r=3;t=100',
        "retry-after": "1",
    }
    fields = pack_problem(error).fields
    assert fields["violated-policies"] == ["demo"]
    assert (fields["scope"], fields["limit_rows"], fields["used_rows"]) == ("demo", 10, 7)


def test_what_is_over_the_limit_leaves_nothing() -> None:
    assert (
        '"demo";r=0;t=5' in headers(QuotaError("", scope="demo", limit_rows=10, used_rows=70, resets_in_s=5)).values()
    )


def test_where_no_time_helps_none_is_told() -> None:
    error = QuotaError("nothing", scope="*", resets_in_s=5)
    assert "retry-after" not in headers(error)
    assert "retry_after_s" not in pack_problem(error).fields


@pytest.mark.parametrize("scope", ["模块.函数", 'a"b', "a\\b", "a\r\nset-cookie: x"])
def test_no_name_breaks_a_header(scope: str) -> None:
    told = headers(QuotaError("", scope=scope, resets_in_s=5))["ratelimit"]
    assert told.isascii()
    assert told.isprintable()
    assert told.count('"') == 2
    assert "\\" not in told


def test_what_is_busy_may_be_tried_again_soon() -> None:
    assert headers(BusyError("full")) == {"retry-after": "1"}
