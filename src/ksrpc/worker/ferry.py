"""Carry items from a kept iterator to the gateway: many at a time while they come fast, each at once while not.

The main thread reads the iterator, since a library may insist on it. While it waits inside the library it holds no
lock, and a second thread sends what is there.

Source: docs/spec/protocol.md "Streams".
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

from ksrpc.wire import Message
from ksrpc.worker.host import Outcome
from ksrpc.worker.source import EARLY_S, Batch, Source

Send = Callable[[int, Message], None]


class Ferry:
    """Answer one pull after the other.

    Args:
        send: Sends items of a call before it ends; called while the main thread is inside the library.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._batch: Batch | None = None
        self._call = 0
        self._news = threading.Condition()
        self._thread: threading.Thread | None = None

    def pull(self, call: int, source: Source) -> Outcome:
        """Read what comes within the time of a pull, at least one item; no bytes at all mean the end."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._send_early, name="ksrpc-ferry", daemon=True)
            self._thread.start()
        end = time.monotonic() + source.next_span_s()
        batch = Batch()
        with self._news:
            self._call, self._batch = call, batch
            try:
                self._fill(batch, source, end)
            finally:
                self._batch = None
            if batch.is_empty and not batch.sent_bytes and (failure := source.failure()) is not None:
                outcome: Outcome = failure
                return outcome
            return Outcome(batch.take())

    def _fill(self, batch: Batch, source: Source, end: float) -> None:
        news = self._news
        while True:
            news.release()
            try:
                message = source.read()
            finally:
                news.acquire()
            if message is None:
                return
            if not batch.add(message):
                source.put_back(message)
                return
            if batch.is_full or time.monotonic() >= end:
                return
            if batch.count == 1:
                news.notify()

    def _send_early(self) -> None:
        """Wait for items that are there and not sent; give the main thread a moment to bring more."""
        while True:
            with self._news:
                while self._batch is None or self._batch.is_empty:
                    self._news.wait()
                batch = self._batch
            time.sleep(EARLY_S)
            with self._news:
                if batch is self._batch and not batch.is_empty:
                    try:
                        self._send(self._call, batch.take())
                    except (EOFError, OSError):  # the gateway is gone; the main thread finds out by itself
                        return


async def apull(call: int, source: Source, send: Send) -> Outcome:
    """Do what `Ferry.pull` does on a running loop, which needs no second thread."""
    loop = asyncio.get_running_loop()
    batch = Batch()
    end = loop.time() + source.next_span_s()
    timer: asyncio.TimerHandle | None = None

    def send_early() -> None:
        nonlocal timer
        timer = None
        if not batch.is_empty:
            send(call, batch.take())

    try:
        while (message := await source.aread()) is not None:
            if not batch.add(message):
                source.put_back(message)
                break
            if batch.is_full or loop.time() >= end:
                break
            timer = timer or loop.call_later(EARLY_S, send_early)
    finally:
        if timer is not None:
            timer.cancel()
    if batch.is_empty and not batch.sent_bytes and (failure := source.failure()) is not None:
        outcome: Outcome = failure
        return outcome
    return Outcome(batch.take())
