"""GET /metrics: what the gateway holds now, for Prometheus. Everything is counted when it is asked for, nothing before.

Source: docs/reference/http.md "Metrics"; https://prometheus.io/docs/instrumenting/exposition_formats/.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from ksrpc.errors import ForbiddenError, MissingExtraError
from ksrpc.server.exchange import HttpExchange
from ksrpc.server.problem import pack_method_problem

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from ksrpc.gateway import Gateway
    from ksrpc.server.resume import Sessions

__all__ = ["GAUGES", "Gauge", "Metrics"]

_SCOPES = frozenset({"metrics", "admin"})


class Gauge(NamedTuple):
    """Say what is counted."""

    name: str
    told: str


#: In the order in which they are told.
GAUGES = (
    Gauge("ksrpc_calls", "calls under way; a stream is one to its end"),
    Gauge("ksrpc_streams", "streams of which items may follow"),
    Gauge("ksrpc_handles", "objects that are kept for callers"),
    Gauge("ksrpc_sessions_connected", "sessions on a WebSocket that may go on on another one"),
    Gauge("ksrpc_sessions_waiting", "sessions whose connection broke, as long as they are kept"),
    Gauge("ksrpc_worker_processes", "worker processes"),
    Gauge("ksrpc_tasks", "asyncio tasks of the gateway"),
    Gauge("ksrpc_ready", "1 while calls are taken"),
    Gauge("ksrpc_configuration_broken", "1 while a broken configuration waits to be mended"),
    Gauge("ksrpc_audit_lost", "records of the audit for which there was no room, since the disk took none"),
)


class Metrics:
    """Count what a gateway holds, and tell it whoever may know."""

    def __init__(self, gateway: Gateway, sessions: Sessions) -> None:
        self._gateway = gateway
        self._sessions = sessions
        self._registry: CollectorRegistry | None = None

    async def serve(self, gateway: Gateway, exchange: HttpExchange) -> None:
        """Answer a request.

        Raises:
            KsrpcError: Whoever asks is not admitted, or is elsewhere and has no token for this.
            MissingExtraError: The gateway was installed without what it needs for this.
        """
        self._check(exchange)
        if exchange.method != "GET":
            await exchange.send_problem(pack_method_problem(exchange.method, "GET"))
            return
        if self._registry is None:  # its import takes a tenth of a second, which only a gateway that is watched pays
            self._registry = await asyncio.to_thread(self._make_registry)
        exposition = import_module("prometheus_client.exposition")
        text = exposition.generate_latest(self._registry)
        await exchange.send_body(200, exposition.CONTENT_TYPE_PLAIN_0_0_4, text)

    def _make_registry(self) -> CollectorRegistry:
        try:
            prometheus: Any = import_module("prometheus_client")
        except ImportError as error:
            raise MissingExtraError("the gateway lacks prometheus-client: pip install 'ksrpc[server]'") from error
        registry: CollectorRegistry = prometheus.CollectorRegistry(auto_describe=False)
        registry.register(self)
        prometheus.ProcessCollector(registry=registry)
        return registry

    def collect(self) -> Iterator[Any]:
        """Count."""
        family: Any = import_module("prometheus_client.core").GaugeMetricFamily
        gateway, sessions = self._gateway, self._sessions
        values = (
            gateway.calls_open,
            gateway.streams_open,
            len(gateway.objects.handles),
            sessions.connected,
            sessions.waiting,
            gateway.worker_count,
            len(asyncio.all_tasks()),
            int(gateway.is_ready),
            int(bool(gateway.fault)),
            gateway.audit.lost,
        )
        for gauge, value in zip(GAUGES, values, strict=True):
            yield family(gauge.name, gauge.told, value=value)

    def _check(self, exchange: HttpExchange) -> None:
        door, visitor = self._gateway.door, exchange.visitor
        door.admit(visitor)
        if "authorization" not in exchange.headers and door.is_near(visitor) and "origin" not in exchange.headers:
            return
        user = door.recognise(visitor)
        if not user.scopes & _SCOPES and not door.is_near(visitor):
            raise ForbiddenError(
                "metrics are told on the gateway's own machine, elsewhere to a token of the scope metrics or admin"
            )
