"""Measure all storms, large: `python -m tests.storm [SOCKETS] [--only NAME]`; wants an idle machine.

Prints for each the 99th percentile of another user's calls beside that of calm, how many of its sockets the gateway
hung up on, and the gateway's memory afterwards. Attackers take the machine's processors, too.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from tests.integration.conftest import usable
from tests.storm.attack import STORMS
from tests.storm.measure import Neighbour, gateway_with_room, memory_mib, ratio, storming


def main() -> None:
    """Run them one after the other."""
    parser = argparse.ArgumentParser(prog="python -m tests.storm")
    parser.add_argument("sockets", type=int, nargs="?", default=10_000)
    parser.add_argument("--only", action="append", choices=sorted(STORMS))
    parser.add_argument("--hold-s", type=float, default=45.0, help="how long slow ones are watched")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, gateway_with_room(Path(folder)) as gateway:
        token = usable(gateway, gateway.create_token("mallory"))
        neighbour = Neighbour(gateway, usable(gateway, gateway.create_token("zhang")))
        neighbour.measure()
        calm, base = neighbour.measure(), memory_mib(gateway)
        print(f"{'calm':16}{'':7}  median {calm.median_ms:6.2f} ms  p99 {calm.worst_ms:7.2f} ms  {base:6.1f} MiB")
        for name in options.only or STORMS:
            count = options.sockets if name == "idle" else min(500, options.sockets)
            with storming(gateway, name, token, count) as storm:
                timing, most = neighbour.measure(), memory_mib(gateway)
                until = time.monotonic() + (options.hold_s if name.startswith(("idle", "drip")) else 2)
                while time.monotonic() < until:
                    neighbour.call()
                    most = max(most, memory_mib(gateway))
                storm.end()
            neighbour.measure()
            after = memory_mib(gateway)
            print(
                f"{name:16}{storm.opened:7}  median {timing.median_ms:6.2f} ms  p99 {timing.worst_ms:7.2f} ms "
                f"{ratio(timing, calm):5.2f} x calm, {storm.closed} closed, most {most:6.1f}, after {after:6.1f} MiB"
            )
        neighbour.close()


if __name__ == "__main__":
    main()
