"""Start a worker process as the gateway does and make a call; see whether what is allowed is installed.

Source: docs/reference/cli.md "ksrpc doctor".
"""

from __future__ import annotations

import ast
import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ksrpc import wire
from ksrpc.cli.amount import show_bytes
from ksrpc.cli.doctor.finding import Case, Finding, Findings, fail, ok, warn
from ksrpc.config import Config
from ksrpc.config.schema import AccessSection
from ksrpc.errors import KsrpcError
from ksrpc.expose.origin import BUILTIN
from ksrpc.gateway import Arguments, Call
from ksrpc.gateway.child import make_environment
from ksrpc.gateway.describe import Registry
from ksrpc.gateway.run import Executors
from ksrpc.model import User

_TRIAL_S = 8.0
_LOOK_S = 5.0
_PATH = "demo.sync_say_hi"
_FIND = """
import importlib.util, json, sys
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        found[name] = False
print(json.dumps(found))
"""


def check_worker(case: Case) -> Findings:
    """Start a worker process, call it, and say what that took."""
    try:
        start_s, call_s, size = asyncio.run(_try_call(case.settings))
    except TimeoutError:
        yield fail("worker", f"no answer within {_TRIAL_S:g} s", "the machine may be overloaded; look at its load")
    except KsrpcError as exc:
        yield fail("worker", str(exc), "`ksrpc serve --try --worker-output` shows what it prints")
    else:
        yield ok("worker", f"started in {start_s:.2f} s, {show_bytes(size)}; a call took {call_s * 1000:.1f} ms")


def check_modules(case: Case) -> Findings:
    """See whether each root that is open to anybody is there; nothing is imported."""
    settings = case.settings
    rules = settings.all_rules
    roots = list(dict.fromkeys(pattern.partition(".")[0] for pattern in rules.allow if pattern != "*"))
    if not settings.call.enabled:
        yield warn("modules", "the call service is off", "call.enabled = true")
    if not roots:
        yield warn("modules", "nothing is open to callers", 'access.allow = ["demo"]')
        return
    files = {name: path for name in roots if (path := _file_of(settings, name)) is not None}
    present = [name for name in roots if name in BUILTIN]
    wanted = [name for name in roots if name not in files and name not in BUILTIN]
    found = _find_installed(wanted)
    present += [name for name in wanted if found.get(name)]
    if present:
        yield ok("modules", f"{', '.join(present)} can be served")
    for name in wanted:
        if not found.get(name):
            cure = f"{sys.executable} -m pip install {name}, or take it out of access.allow"
            yield warn("modules", f"{name} is allowed and not installed", cure)
    for name, path in files.items():
        yield _check_file(name, path)


def _check_file(name: str, path: Path) -> Finding:
    try:
        ast.parse(path.read_bytes(), path.name)
    except (OSError, SyntaxError, ValueError) as exc:
        return fail("modules", f"{name}: {path} cannot be read as Python: {exc}", "mend the file")
    return ok("modules", f"{name} is the file {path}")


def _file_of(settings: Config, name: str) -> Path | None:
    """Return the administrator's file that is served under a name, if there is one."""
    section = settings.module.get(name)
    return None if section is None else section.path


def _find_installed(names: list[str]) -> dict[str, bool]:
    """Ask an interpreter that sees what a worker sees which modules it would find."""
    if not names:
        return {}
    scratch = Path(tempfile.mkdtemp(prefix="ksrpc-doctor-"))
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program; the names are data
            [sys.executable, "-P", "-s", "-c", _FIND, *names],
            env=make_environment(scratch),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LOOK_S,
            check=False,
        )
        found: dict[str, bool] = json.loads(done.stdout or b"{}")
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return {}
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return found


async def _try_call(settings: Config) -> tuple[float, float, int]:
    """Return seconds until the first answer, seconds of the second, and bytes of memory."""
    plain = Config(
        server=settings.server,
        call=settings.call.model_copy(update={"processes": 1, "timeout_s": _TRIAL_S}),
        access=AccessSection(allow=("demo",)),
    )
    executors = Executors(plain)
    registry = Registry(executors, timeout_s=_TRIAL_S)
    try:
        async with asyncio.timeout(_TRIAL_S):
            begun = time.monotonic()
            await _call(executors, registry, plain)
            started = time.monotonic()
            await _call(executors, registry, plain)
            size = sum(map(_resident_bytes, executors.pids))
            return started - begun, time.monotonic() - started, size
    finally:
        await executors.stop()


async def _call(executors: Executors, registry: Registry, settings: Config) -> None:
    packed = wire.pack_arguments(("doctor",), {}).join()
    deadline = asyncio.get_running_loop().time() + _TRIAL_S
    call = Call(User("doctor", settings.rules_for("doctor")), _PATH, Arguments(packed), deadline)
    call.descriptor = await registry.describe(call)
    await executors.run(call)


def _resident_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0
    sizes = [int(line.split()[1]) for line in lines if line.startswith("VmRSS:")]
    return sum(sizes) * 1024
