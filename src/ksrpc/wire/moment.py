"""Dates and times of the standard library, exact to the microsecond, the fold and the zone object.

Source: docs/spec/wire.md "Times".
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any, Final

from ksrpc.errors import DecodeError
from ksrpc.wire import tag
from ksrpc.wire.decoder import Decoder
from ksrpc.wire.encoder import Encoder
from ksrpc.wire.registry import READERS, WRITERS
from ksrpc.wire.zone import is_pytz

__all__ = ["expect_zone"]

_MICROSECOND: Final = timedelta(microseconds=1)
_DAY: Final = 86_400_000_000  # microseconds


def _write_date(encoder: Encoder, value: date) -> Any:
    return [encoder.mark(tag.DATE), value.isoformat()]


def _write_time(encoder: Encoder, value: time) -> Any:
    zone = None if value.tzinfo is None else encoder.node(value.tzinfo)
    return [encoder.mark(tag.TIME), value.replace(tzinfo=None).isoformat(), value.fold, zone]


def _write_datetime(encoder: Encoder, value: datetime) -> Any:
    zone = None if value.tzinfo is None else encoder.node(value.tzinfo)
    made = [encoder.mark(tag.DATETIME), value.replace(tzinfo=None).isoformat(), value.fold, zone]
    if is_pytz(value.tzinfo):
        made.append((value.utcoffset() or timedelta()) // _MICROSECOND)
    return made


def _write_timedelta(encoder: Encoder, value: timedelta) -> Any:
    return [encoder.mark(tag.TIMEDELTA), value.days, value.seconds, value.microseconds]


def expect_zone(zone: Any) -> tzinfo | None:
    """Check that a part is a decoded time zone or nothing."""
    if zone is not None and not isinstance(zone, tzinfo):
        raise DecodeError("a time zone of the wrong type")
    return zone


def _canonical(value: Any, text: str) -> Any:
    if value.isoformat() != text:
        raise DecodeError("a date or time that is not in its canonical form")
    return value


def _read_date(decoder: Decoder, text: Any) -> date:
    value: date = _canonical(date.fromisoformat(decoder.expect(text, str)), text)
    return value


def _read_time(decoder: Decoder, text: Any, fold: Any, zone: Any) -> time:
    value: time = _canonical(time.fromisoformat(decoder.expect(text, str)), text)
    return value.replace(fold=decoder.integer(fold, 0, 1), tzinfo=expect_zone(zone))


def _read_datetime(decoder: Decoder, text: Any, fold: Any, zone: Any, offset: Any = None) -> datetime:
    value: datetime = _canonical(datetime.fromisoformat(decoder.expect(text, str)), text)
    if value.tzinfo is not None:
        raise DecodeError("a time with two zones")
    expect_zone(zone)
    if offset is not None and zone is not None:
        utc = value - timedelta(microseconds=decoder.integer(offset, -_DAY, _DAY))
        local: datetime = zone.fromutc(utc.replace(tzinfo=zone))
        return local
    return value.replace(fold=decoder.integer(fold, 0, 1), tzinfo=zone)


def _read_timedelta(decoder: Decoder, days: Any, seconds: Any, microseconds: Any) -> timedelta:
    return timedelta(
        decoder.integer(days, -999_999_999, 999_999_999),
        decoder.integer(seconds, 0, 86_399),
        decoder.integer(microseconds, 0, 999_999),
    )


WRITERS.update({date: _write_date, time: _write_time, datetime: _write_datetime, timedelta: _write_timedelta})
READERS.update({
    tag.DATE: _read_date, tag.TIME: _read_time, tag.DATETIME: _read_datetime, tag.TIMEDELTA: _read_timedelta,
})  # fmt: skip
