"""What both sides speak, out of an Accept header."""

from __future__ import annotations

import pytest

from ksrpc.errors import NotAcceptableError
from ksrpc.wire import (
    FEATURES,
    INFLATED,
    MEDIA_TYPE,
    VERSION,
    Agreement,
    accept_text,
    negotiate,
    share_codecs,
    share_features,
)


def test_names() -> None:
    assert MEDIA_TYPE == f"application/vnd.ksrpc.v{VERSION}" == "application/vnd.ksrpc.v1"


@pytest.mark.parametrize(
    "accept", [None, "", "  ", MEDIA_TYPE, "APPLICATION/VND.KSRPC.V1", f"text/html, {MEDIA_TYPE};q=0.5"]
)
def test_nothing_said_is_the_least(accept: str | None) -> None:
    assert negotiate(accept) == Agreement(version=1, codecs=("none",), features=frozenset())


@pytest.mark.parametrize(
    ("codecs", "agreed"),
    [
        ("zstd,lz4", ("zstd", "lz4", "none")),
        ("lz4", ("lz4", "none")),
        ("none,lz4", ("none", "lz4")),
        ("gzip, br", ("none",)),
        ("lz4 ,LZ4,zstd", ("lz4", "zstd", "none")),
        ("", ("none",)),
    ],
)
def test_codecs_come_in_the_order_of_the_other_side(codecs: str, agreed: tuple[str, ...]) -> None:
    got = negotiate(f'{MEDIA_TYPE};codecs="{codecs}";features="arrow, Polars,cudf", application/json;q=.3')
    assert got == Agreement(1, agreed, frozenset({"arrow", "polars"}))


def test_features_of_a_greeting() -> None:
    assert share_features(["scipy", "cudf", 1, None, "arrow"]) == {"scipy", "arrow"}
    for told in (None, "arrow", {"arrow": True}, 1, [["arrow"]]):
        assert share_features(told) == frozenset()


def test_codecs_of_a_greeting() -> None:
    assert share_codecs(["lz4", "brotli", 1, None, "zstd", "lz4", "none"]) == ("lz4", "zstd")
    for told in (None, "zstd", {"zstd": True}, 1, [["zstd"]], [], ["x"] * 20 + ["zstd"]):
        assert share_codecs(told) == ()


def test_what_this_side_accepts_is_understood_by_it() -> None:
    got = negotiate(accept_text())
    assert got is not None
    assert got.features == FEATURES
    assert got.codecs == (*INFLATED, "none")


def test_bare_parameters() -> None:
    got = negotiate(f"{MEDIA_TYPE} ; codecs=zstd ; q=1.0")
    assert got is not None
    assert got.codecs == ("zstd", "none")


@pytest.mark.parametrize(
    "accept",
    [
        "application/json",
        "*/*",
        "text/csv;q=1",
        f"{MEDIA_TYPE};q=0",
        f"{MEDIA_TYPE};q=0.000",
        "application/vnd.ksrpc",
        "vnd.ksrpc.v1",
    ],
)
def test_other_formats_only(accept: str) -> None:
    assert negotiate(accept) is None


def test_a_newer_version_beside_ours() -> None:
    got = negotiate(f'application/vnd.ksrpc.v2;codecs="zstd", {MEDIA_TYPE};codecs="lz4"')
    assert got is not None
    assert got.codecs == ("lz4", "none")


@pytest.mark.parametrize(
    "accept", ["application/vnd.ksrpc.v2", "application/json, application/vnd.ksrpc.v2;q=.5, application/vnd.ksrpc.v3"]
)
def test_only_newer_versions(accept: str) -> None:
    with pytest.raises(NotAcceptableError, match=r"the other side speaks v2.*, this one v1"):
        negotiate(accept)


@pytest.mark.parametrize("accept", ["x" * 5000, '"' * 4000 + "x" * 200])
def test_a_header_that_is_too_long(accept: str) -> None:
    with pytest.raises(NotAcceptableError):
        negotiate(accept)


@pytest.mark.parametrize("accept", ['"', ';;;,,,"', f'{MEDIA_TYPE};codecs="zstd', "\x00", f"{MEDIA_TYPE};;=,"])
def test_a_damaged_header_is_no_crash(accept: str) -> None:
    got = negotiate(accept)
    assert got is None or got.version == 1
