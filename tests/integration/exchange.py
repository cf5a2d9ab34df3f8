"""Plain HTTP for tests: what a caller without our client sends and sees."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from tests.helpers.server import GatewayProcess


class Reply(NamedTuple):
    """Hold one answer; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        """Give the content type without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0]

    def json(self) -> Any:
        """Read the body as JSON."""
        return json.loads(self.body)

    def problem(self) -> dict[str, Any]:
        """Read the body as a problem document whose status is the true one."""
        assert self.media_type == "application/problem+json", self
        fields: dict[str, Any] = json.loads(self.body)
        assert fields["status"] == self.status
        assert {"type", "title", "status", "detail", "code"} <= fields.keys()
        return fields


def ask(
    gateway: GatewayProcess,
    method: str,
    target: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """Send one request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    try:
        connection.request(method, target, body, dict(headers or {}))
        response = connection.getresponse()
        told = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, told, response.read())
    finally:
        connection.close()


def post(gateway: GatewayProcess, path: str, told: Any, **headers: str) -> Reply:
    """Call a function with a JSON body; header names are written with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = json.dumps(told).encode()
    return ask(gateway, "POST", f"/v1/call/{path}", body, {"Content-Type": "application/json", **named})
