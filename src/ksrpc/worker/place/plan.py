"""What the gateway tells a worker of its place, before anything else.

Source: docs/spec/protocol.md "Boot".
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Literal, TypeAlias

Level: TypeAlias = Literal["strict", "network", "open"]


@dataclass(frozen=True, slots=True)
class Plan:
    """Say what one worker process may reach.

    Attributes:
        level: "strict" = no network; "network" = TCP to `ports`; "open" = whatever the user of the gateway may.
        module: The package whose folder is to be readable; empty where `read` says it all.
        read: Files and folders that may be read, besides what Python and the system's libraries need.
        closed: What may not be read, although it lies in a folder that may.
        ports: TCP ports that may be connected to.
        hosts: What may be asked, and by the gateway's proxy alone; None for no such bound.
        secret: What the process shows to that proxy.
    """

    level: Level = "open"
    module: str = ""
    read: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    hosts: tuple[str, ...] | None = None
    secret: str = field(default="", repr=False)

    def pack(self) -> bytes:
        """Return it as the text that `parse_plan` takes."""
        return json.dumps(asdict(self)).encode()


def parse_plan(packed: bytes) -> Plan:
    """Read what the gateway sent."""
    told = json.loads(packed)
    hosts = None if told["hosts"] is None else tuple(told["hosts"])
    return Plan(
        told["level"], told["module"], tuple(told["read"]), tuple(told["closed"]), tuple(told["ports"]), hosts,
        told["secret"],
    )  # fmt: skip
