"""Which limits hold for whom, and when a day ends where."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ksrpc.config import Config
from ksrpc.gateway.limit import day_before, has_limits, limits_for, limits_of, window_at

#: The original's QUOTA_MODULE and QUOTA_FUNC: a module's limit and a function's.
QUOTA = {
    "default": {"rows_per_day": 100_000, "module_rows_per_day": 5000, "function_rows_per_day": 800},
    "demo": {"rows_per_day": 1000},
    "demo.test": {"rows_per_day": 500},
    "numpy.linalg": {"rows_per_day": 70},
    "math": {},
}
USER = {"big": {"quota": {"rows_per_day": 9}}, "plain": {"allow": ["demo"]}, "none": {"quota": {"rows_per_day": 0}}}


def config(quota: dict[str, Any] | None = None, user: dict[str, Any] | None = None) -> Config:
    return Config.model_validate(
        {
            "access": {"allow": ["demo", "math", "numpy"]},
            "quota": QUOTA if quota is None else quota,
            "user": USER if user is None else user,
        }
    )


@pytest.mark.parametrize(
    ("user", "path", "expected"),
    [
        ("li", "demo.test", {"*": 100_000, "demo": 1000, "demo.test": 500}),
        ("li", "demo.echo", {"*": 100_000, "demo": 1000, "demo.echo": 800}),
        ("li", "demo", {"*": 100_000, "demo": 1000}),
        ("li", "demonstration.test", {"*": 100_000, "demonstration": 5000, "demonstration.test": 800}),
        ("li", "math.pow", {"*": 100_000, "math": 5000, "math.pow": 800}),
        ("li", "numpy.linalg.norm", {"*": 100_000, "numpy": 5000, "numpy.linalg": 70, "numpy.linalg.norm": 800}),
        ("li", "numpy.linalg", {"*": 100_000, "numpy": 5000, "numpy.linalg": 70}),
        ("big", "demo.test", {"*": 9, "demo": 1000, "demo.test": 500}),
        ("plain", "demo.test", {"*": 100_000, "demo": 1000, "demo.test": 500}),
        ("none", "demo.test", {"*": 0, "demo": 1000, "demo.test": 500}),
    ],
)
def test_all_limits_of_a_call(user: str, path: str, expected: dict[str, int]) -> None:
    assert dict(limits_for(config(), user, path)) == expected


def test_what_is_limited_is_so_under_its_other_names() -> None:
    found = dict(limits_for(config(), "li", "numpy.norm", canonical="numpy.linalg.norm"))
    assert found == {"*": 100_000, "numpy": 5000, "numpy.linalg": 70, "numpy.linalg.norm": 800}
    assert dict(limits_for(config(), "li", "demo.alias", canonical="demo.test"))["demo.test"] == 500


@pytest.mark.parametrize(
    ("quota", "user", "expected"),
    [
        ({}, {}, False),
        ({}, {"li": {"allow": ["demo"]}}, False),
        ({"demo": {}}, {}, False),
        ({"demo": {"rows_per_day": 0}}, {}, True),
        ({"default": {"rows_per_day": 5}}, {}, True),
        ({"default": {"module_rows_per_day": 5}}, {}, True),
        ({"default": {"function_rows_per_day": 5}}, {}, True),
        ({}, {"li": {"quota": {"rows_per_day": 5}}}, True),
    ],
)
def test_whether_there_is_any_limit(quota: dict[str, Any], user: dict[str, Any], expected: bool) -> None:
    assert has_limits(config(quota, user)) is expected


def test_without_limits_there_are_none() -> None:
    assert limits_for(config({}, {}), "li", "demo.test") == ()
    assert limits_for(config({"demo": {"rows_per_day": 5}}, {}), "li", "math.pow") == ()


def test_a_user_is_told_of_what_is_written_down_and_what_was_used() -> None:
    assert dict(limits_of(config(), "li", [])) == {"*": 100_000, "demo": 1000, "demo.test": 500, "numpy.linalg": 70}
    told = dict(limits_of(config(), "big", ["*", "math", "math.pow", "demo"]))
    assert told == {"*": 9, "demo": 1000, "demo.test": 500, "math": 5000, "math.pow": 800, "numpy.linalg": 70}
    assert limits_of(config({"demo": {"rows_per_day": 5}}, {}), "li", ["*", "math"]) == (("demo", 5),)


def at(text: str, zone: str = "UTC", fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


def test_a_day_is_that_of_the_servers_zone() -> None:
    assert window_at(at("2026-11-22T15:59:59"), "Asia/Shanghai") == ("2026-11-22", at("2026-11-22T16:00"))
    assert window_at(at("2026-11-22T16:00"), "Asia/Shanghai") == ("2026-11-23", at("2026-11-23T16:00"))
    assert window_at(at("2026-11-22T16:00"), "UTC").name == "2026-11-22"


@pytest.mark.parametrize(
    ("zone", "first"),
    [
        ("Asia/Shanghai", "2026-11-20"),
        ("America/New_York", "2026-03-06"),  # a day of 23 hours
        ("America/New_York", "2026-10-30"),  # of 25
        ("America/Havana", "2026-03-06"),  # midnight is skipped
        ("America/Havana", "2026-10-30"),  # midnight comes twice
        ("Asia/Beirut", "2023-03-24"),
        ("America/Sao_Paulo", "2018-11-02"),
        ("Pacific/Apia", "2011-12-28"),  # a whole date is skipped
        ("Australia/Lord_Howe", "2026-10-02"),
        ("Asia/Kathmandu", "2026-01-01"),
    ],
)
def test_windows_follow_one_another_without_gap_or_overlap(zone: str, first: str) -> None:
    now, end = at(f"{first}T12:00", zone), at(f"{first}T12:00", zone) + 6 * 86_400
    seen = []
    while now < end:
        window = window_at(now, zone)
        seen.append(window.name)
        assert window_at(window.ends_at - 0.001, zone).name == window.name
        assert window_at(window.ends_at, zone).name > window.name
        assert datetime.fromtimestamp(now, ZoneInfo(zone)).date().isoformat() == window.name
        now = window.ends_at
    assert len(seen) == len(set(seen)) >= 6
    for hour in range(24 * 6):
        moment = at(f"{first}T12:00", zone) + hour * 3600
        assert window_at(moment, zone).name == datetime.fromtimestamp(moment, ZoneInfo(zone)).date().isoformat()
        assert (
            timedelta()
            < datetime.fromtimestamp(window_at(moment, zone).ends_at, UTC) - datetime.fromtimestamp(moment, UTC)
            <= timedelta(hours=25)
        )


def test_windows_some_days_ago() -> None:
    assert day_before("2026-03-01", 1) == "2026-02-28"
    assert day_before("2026-11-22", 62) == "2026-09-21"
