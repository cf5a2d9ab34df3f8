"""Time zones by kind and name. The only module that knows zoneinfo, pytz and dateutil.

Rule: a zone's name is checked against a pattern before any library sees it, because some of them open it as a file.

Source: docs/spec/wire.md "Times".
"""

from __future__ import annotations

import re
from datetime import UTC, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from ksrpc.errors import DecodeError
from ksrpc.wire import tag
from ksrpc.wire.decoder import Decoder
from ksrpc.wire.encoder import Encoder, register_base
from ksrpc.wire.registry import READERS, WRITERS, Refusal

__all__ = ["is_pytz"]

_NAME: Final = re.compile(r"[A-Za-z0-9_+-]{1,40}(/[A-Za-z0-9_+-]{1,40}){0,3}")
_DAY: Final = timedelta(days=1)
_MICROSECOND: Final = timedelta(microseconds=1)


def is_pytz(zone: tzinfo | None) -> bool:
    """Tell whether a datetime of this zone must be localized by it."""
    return zone is not None and type(zone).__module__.partition(".")[0] == "pytz"


def _write_fixed(encoder: Encoder, zone: timezone) -> Any:
    if zone is UTC:
        return [encoder.mark(tag.ZONE), "utc"]
    offset = zone.utcoffset(None)
    own = timezone(offset)
    name = None if str(own) == str(zone) and repr(own) == repr(zone) else str(zone)
    return [encoder.mark(tag.ZONE), "fixed", offset // _MICROSECOND, name]


def _write_zoneinfo(encoder: Encoder, zone: ZoneInfo) -> Any:
    return _named(encoder, "zoneinfo", zone.key)


def _write_other(encoder: Encoder, zone: tzinfo) -> Any:
    root = type(zone).__module__.partition(".")[0]
    if root == "pytz":
        key = getattr(zone, "zone", None)
        if key is None:  # pytz.FixedOffset
            offset = zone.utcoffset(None)
            return [encoder.mark(tag.ZONE), "pytz_fixed", (offset or timedelta()) // timedelta(minutes=1)]
        return _named(encoder, "pytz", key)
    if root == "dateutil" and encoder.table.trusted:
        return _named(encoder, "dateutil", _dateutil_key(zone))
    raise Refusal(f"a time zone of class {type(zone).__module__}.{type(zone).__qualname__} cannot travel")


def _named(encoder: Encoder, kind: str, key: str | None) -> list[Any]:
    if key is None or not _NAME.fullmatch(key):
        raise Refusal(f"a {kind} time zone without a usual name cannot travel")
    return [encoder.mark(tag.ZONE), kind, key]


def _dateutil_key(zone: tzinfo) -> str | None:
    if type(zone).__name__ == "tzutc":
        return "UTC"
    path = str(getattr(zone, "_filename", ""))
    key = path.rpartition("zoneinfo/")[2]
    return key if type(zone).__name__ == "tzfile" and _NAME.fullmatch(key) and _dateutil(key) == zone else None


def _read_zone(decoder: Decoder, kind: Any, *parts: Any) -> tzinfo:
    reader = _KINDS.get(decoder.expect(kind, str))
    if reader is None:
        raise DecodeError("a time zone of unknown kind")
    zone: tzinfo = reader(decoder, *parts)
    return zone


def _read_utc(_decoder: Decoder) -> tzinfo:
    return UTC


def _read_fixed(decoder: Decoder, offset: Any, name: Any) -> tzinfo:
    limit = _DAY // _MICROSECOND - 1
    delta = timedelta(microseconds=decoder.integer(offset, -limit, limit))
    return timezone(delta) if name is None else timezone(delta, decoder.expect(name, str))


def _key(decoder: Decoder, key: Any) -> str:
    if not _NAME.fullmatch(decoder.expect(key, str)):
        raise DecodeError("a time zone with a name that cannot be")
    return str(key)


def _read_zoneinfo(decoder: Decoder, key: Any) -> tzinfo:
    name = _key(decoder, key)
    try:
        return _load(name)
    except Exception as error:  # a directory, a missing file, a damaged file: each another class
        raise DecodeError("a time zone that is not known here") from error


#: Reading a zone's file costs more than its name on the wire.
_load: Final = lru_cache(maxsize=2048)(ZoneInfo)


def _read_pytz(decoder: Decoder, key: Any) -> tzinfo:
    pytz = _pytz()
    if pytz is None:
        return _read_zoneinfo(decoder, key)
    try:
        return pytz.timezone(_key(decoder, key))  # type: ignore[no-any-return]
    except KeyError as error:  # UnknownTimeZoneError
        raise DecodeError("a time zone that is not known here") from error


def _read_pytz_fixed(decoder: Decoder, minutes: Any) -> tzinfo:
    count, pytz = decoder.integer(minutes, -1439, 1439), _pytz()
    return timezone(timedelta(minutes=count)) if pytz is None else pytz.FixedOffset(count)


def _read_dateutil(decoder: Decoder, key: Any) -> tzinfo:
    name = _key(decoder, key)
    if not decoder.table.trusted:
        raise DecodeError(f"a dateutil time zone is not accepted in {decoder.table.name}")
    known = _read_zoneinfo(decoder, name)  # dateutil takes rules such as AAA3, of which there is no end, for names too
    return _dateutil(name) or known


def _pytz() -> Any:
    """Return the library; None where it is not installed: a zone of zoneinfo with the same name takes its place."""
    try:
        import pytz  # type: ignore[import-untyped]  # noqa: PLC0415
    except ImportError:
        return None
    return pytz


@lru_cache(maxsize=2048)
def _dateutil(key: str) -> tzinfo | None:
    try:
        from dateutil import tz  # type: ignore[import-untyped]  # noqa: PLC0415
    except ImportError:
        return None
    found: tzinfo | None = tz.UTC if key == "UTC" else tz.gettz(key)
    return found


_KINDS: Final[dict[str, Any]] = {
    "utc": _read_utc, "fixed": _read_fixed, "zoneinfo": _read_zoneinfo, "pytz": _read_pytz,
    "pytz_fixed": _read_pytz_fixed, "dateutil": _read_dateutil,
}  # fmt: skip

WRITERS.update({timezone: _write_fixed, ZoneInfo: _write_zoneinfo})
register_base(tzinfo, _write_other)
READERS[tag.ZONE] = _read_zone
