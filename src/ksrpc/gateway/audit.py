"""Who called what, from where, and what came of it: a call is "decided" before it runs and "settled" after.

What happens on the event loop is one append to a queue; a thread makes the lines, writes them and has them on the disk
within a second. Refusals are told once a minute for each user, path and reason, with how many there were. Texts of
callers are JSON strings with everything but printable ASCII escaped: no line can be forged by a name.

Source: docs/explanation/audit.md.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
from collections import deque
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from ksrpc.config import Config
from ksrpc.config.schema import AuditSection
from ksrpc.errors import KsrpcError
from ksrpc.gateway.call import Answer, Arguments, Call, Track
from ksrpc.gateway.preview import preview
from ksrpc.limits import AUDIT
from ksrpc.store.journal import Journal
from ksrpc.store.token import TokenRecord

__all__ = ["FOLDER", "Audit", "pack_record"]

#: In the data folder.
FOLDER = "audit"
_MIB = 1 << 20
_log = logging.getLogger("ksrpc")


class _Refusal(NamedTuple):
    user: str
    token: str
    place: str
    path: str
    reason: str


_ENCODER = msgspec.json.Encoder()
#: What stands for those of which there are too many to tell them one by one.
_OTHERS = _Refusal("…", "", "…", "…", "refused")


class Audit:
    """Take notes, and write them down.

    Attributes:
        lost: How many records there was no room for, since the disk took none.
    """

    def __init__(self, config: Config) -> None:
        self.lost = 0
        self._queue: deque[dict[str, Any]] = deque()
        self._lines: list[bytes] = []
        self._counting = threading.Lock()
        self._refused: dict[_Refusal, int] = {}
        self._told_at = time.monotonic()
        self._number = 0
        self._tokens: dict[str, TokenRecord] | None = None
        self._section: AuditSection | None = None
        self._journal: Journal | None = None
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_failing = False
        self.adjust(config)

    def adjust(self, config: Config) -> None:
        """Go by another configuration."""
        if self._section is not None:
            self.note("reloaded")
        if config.audit == self._section:
            return
        self.close()
        self._section = config.audit
        self._shows_arguments = config.audit.arguments == "preview"
        self._tells_digest = config.audit.arguments != "none"
        if config.audit.enabled:
            self._journal = Journal(
                config.server.data_dir / FOLDER,
                file_bytes=config.audit.file_mb * _MIB,
                keep_days=config.audit.keep_days,
            )
            self._over = threading.Event()
            self._thread = threading.Thread(target=self._work, args=(self._over,), name="ksrpc-audit", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Write down what there is."""
        if self._thread is not None:
            self._over.set()
            self._thread.join()
            self._thread = None
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    # calls

    def decide(self, call: Call) -> None:
        """Take note that a call may be made, before it runs; once for each call."""
        if self._journal is None or call.track is not None:
            return
        self._number += 1
        call.track = Track(self._number, time.perf_counter())
        told = {
            "event": "decided", "call": self._number, "user": call.user.name, "token": call.user.token_id,
            "from": call.place, "path": call.path,
        }  # fmt: skip
        if self._shows_arguments:
            told["asked"] = _copy(call.arguments)
        if self._tells_digest:
            told["arguments"] = _digest(call.arguments)
        self._put(told)

    def settle(self, call: Call, answer: Answer) -> None:
        """Take note of an answer; of a stream, when it has ended."""
        track = call.track
        if track is None or track.is_settled:
            return
        track.is_settled = True
        told: dict[str, Any] = {"event": "settled", "call": track.number, "outcome": "ok", "ms": track.age_ms()}
        if answer.flow is None:
            told["bytes"] = answer.size
        if track.rows is not None:
            told["rows"] = track.rows
        if (cache := answer.labels.get("cache")) is not None:
            told["cache"] = cache
        self._put(told)

    def fail(self, call: Call, error: BaseException) -> None:
        """Take note that a call had no value, or was refused."""
        if call.track is None:
            if isinstance(error, KsrpcError):
                self.refuse(call, error)
        elif not call.track.is_settled:
            call.track.is_settled = True
            self._put({"event": "settled", "call": call.track.number, "outcome": _outcome(error),
                       "ms": call.track.age_ms()})  # fmt: skip

    def refuse(self, call: Call, error: KsrpcError) -> None:
        """Take note that a call was not let through."""
        self._refuse(_Refusal(call.user.name, call.user.token_id, call.place, call.path, _outcome(error)))

    def refuse_visitor(self, place: str, error: KsrpcError) -> None:
        """Take note that somebody was not let in at all."""
        self._refuse(_Refusal("", "", place, "", _outcome(error)))

    # other events

    def note(self, event: str, **told: Any) -> None:
        """Take note of something else."""
        if self._journal is not None:
            self._put({"event": event, **told})

    def follow_tokens(self, records: Iterable[TokenRecord]) -> None:
        """Take note of tokens that were made or revoked since the last time."""
        known, self._tokens = self._tokens, {record.id: record for record in records}
        if known is None:
            return
        for record in self._tokens.values():
            former = known.get(record.id)
            if former is None:
                self.note("token created", token=record.id, user=record.user, scopes=sorted(record.scopes))
            elif record.revoked_at is not None and former.revoked_at is None:
                self.note("token revoked", token=record.id, user=record.user)

    # writing

    def _refuse(self, refusal: _Refusal) -> None:
        if self._journal is None:
            return
        with self._counting:
            if refusal not in self._refused and len(self._refused) >= AUDIT.reasons:
                refusal = _OTHERS
            is_first = refusal not in self._refused
            self._refused[refusal] = 0 if is_first else self._refused[refusal] + 1
        if is_first:
            self._put(_refused(refusal, 1))

    def _put(self, told: dict[str, Any]) -> None:
        if len(self._queue) + len(self._lines) >= AUDIT.waiting:
            self.lost += 1
            return
        self._queue.append({"at": round(time.time(), 6), **told})

    def _work(self, over: threading.Event) -> None:
        while not over.wait(AUDIT.write_s):
            self._write(is_last=False)
        self._write(is_last=True)

    def _write(self, *, is_last: bool) -> None:
        now = time.monotonic()
        if is_last or now - self._told_at >= AUDIT.refused_s:
            self._told_at = now
            with self._counting:
                refused, self._refused = self._refused, {}
            for refusal, count in refused.items():
                if count:
                    self._put(_refused(refusal, count))
        while self._queue:
            record = self._queue.popleft()
            if "asked" in record:
                record["asked"] = preview(record["path"], record["asked"])
            self._lines.append(pack_record(record))
        if self._journal is None or not self._lines:
            return
        try:
            self._journal.append(self._lines)
        except OSError as exc:
            if not self._is_failing:
                _log.error("the audit cannot be written: %s; calls go on, records wait", exc.strerror)
            self._is_failing = True
        else:
            self._is_failing = False
            self._lines = []


def pack_record(record: dict[str, Any]) -> bytes:
    """Write a record as one line of ASCII; other letters, which are rare, by their numbers."""
    try:
        line = _ENCODER.encode(record)
    except UnicodeEncodeError:  # half a surrogate pair
        line = b"\xff"
    return line if line.isascii() else json.dumps(record, separators=(",", ":")).encode("ascii")


def _refused(refusal: _Refusal, count: int) -> dict[str, Any]:
    told = {"event": "refused", "user": refusal.user, "token": refusal.token, "from": refusal.place,
            "path": refusal.path[: AUDIT.path_chars], "outcome": refusal.reason, "count": count}  # fmt: skip
    return {name: value for name, value in told.items() if value != ""}


def _digest(arguments: Arguments) -> str:
    """Tell arguments apart without telling them: how many bytes there are, and the hash of the first ones."""
    whole = arguments.whole
    more = "" if arguments.rest is None else "+"
    return f"{len(whole)}{more} {hashlib.sha256(memoryview(whole)[: AUDIT.digest_bytes]).hexdigest()[:16]}"


def _copy(arguments: Arguments) -> bytes:
    """Keep short arguments until they are looked at, on another thread: their memory may be used again."""
    is_short = arguments.rest is None and len(arguments.whole) <= AUDIT.preview_bytes
    return bytes(arguments.whole) if is_short else b""


def _outcome(error: BaseException) -> str:
    """Name what came in the place of a value: the code of an error and its rule; never its text."""
    if not isinstance(error, KsrpcError):
        return "raised" if isinstance(error, Exception) else "cancelled"
    rule = getattr(error, "rule", "")
    return f"{error.code} {rule}" if rule else error.code
