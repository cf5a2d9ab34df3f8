"""The loop on which awaited calls are tested is the one that was asked for."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

from ksrpc.connections.base import Connection, Options
from tests.helpers import awaited
from tests.helpers.awaited import Awaited
from tests.helpers.server import GatewayProcess, clean_environment
from tests.integration.conftest import connection_to

WANTED = os.environ.get("KSRPC_TEST_LOOP", "asyncio")
PROGRAM = f"""
import asyncio
from {awaited.LOOP} import run

async def tell():
    print(type(asyncio.get_running_loop()).__module__)

run(tell())
"""


async def ask(connection: Connection) -> str:
    """Call, and tell whose loop it was on."""
    assert await connection.acall("math.pow", (2, 3), {}, Options()) == 8.0
    return type(asyncio.get_running_loop()).__module__.partition(".")[0]


def test_awaited_calls_run_on_the_loop_that_is_named(gateway: GatewayProcess, transport: str) -> None:
    with connection_to(gateway, f"{transport} awaited") as connection:
        assert isinstance(connection, Awaited)
        assert connection.run(ask(connection)) == WANTED


def test_coroutines_run_on_the_loop_that_is_named(gateway: GatewayProcess, transport: str) -> None:
    with connection_to(gateway, transport) as connection:
        assert awaited.run(ask(connection)) == WANTED


def test_programs_run_on_the_loop_that_is_named() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip().partition(".")[0] == WANTED
