"""Try in a process of its own what keeps worker processes in their place, and say which module has which.

Source: docs/explanation/security.md "The place of a call".
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from ksrpc.cli.doctor.finding import Case, Finding, Findings, fail, ok, warn
from ksrpc.config import Config
from ksrpc.gateway.child import make_environment
from ksrpc.gateway.place import plan_place, read_secrets
from ksrpc.vault import SECRET_CHARS
from ksrpc.worker.place.kernel import weaknesses

_LOOK_S = 8.0
_NEWEST = "Linux 6.12 or later keeps them in completely; else serve as a user of its own who owns nothing else"
_WORDS = {
    "read": "reading files",
    "write": "writing files",
    "start": "starting programs",
    "fork": "starting processes",
    "connect": "connecting",
    "signal": "signals",
}


def check_place(case: Case) -> Findings:
    """See what the kernel keeps worker processes from."""
    levels = _levels(case.settings)
    yield ok("place", "; ".join(f"{level}: {', '.join(roots)}" for level, roots in levels.items()) or "of nothing")
    if set(levels) <= {"open"}:
        return
    told = _try()
    if told is None:
        yield fail("place", "a process in a place of its own does not start", _NEWEST)
        return
    yield judge(told["version"], told["stopped"])
    bounded = [name for name, section in case.settings.module.items() if section.hosts is not None]
    if bounded:
        yield judge_hosts(bounded, is_apart=told["apart"])


def check_secrets(case: Case) -> Findings:
    """See whether the secrets that modules are promised can be read, in the environment of whoever asks."""
    modules = {name: section.secrets for name, section in case.settings.module.items() if section.secrets}
    for name, wanted in modules.items():
        found = read_secrets(wanted)
        for variable in wanted:
            if variable not in found:
                text = f"{variable}, which module.{name}.secrets names, is not set here or cannot be read"
                yield warn("secrets", text, f"start the server with {variable}=… or {variable}_FILE=… (its file)")
            elif len(found[variable]) < SECRET_CHARS:
                text = f"{variable} has under {SECRET_CHARS} characters: too short to be found in what leaves a module"
                yield warn("secrets", text, "use a longer one")
        if found.keys() >= set(wanted):
            yield ok("secrets", f"{name}: {', '.join(wanted)} can be read")


def judge(version: int, stopped: dict[str, bool]) -> Finding:
    """Tell what the trial found, and what a kernel of this version leaves open."""
    held, free = ([_WORDS[name] for name in stopped if stopped[name] is wanted] for wanted in (True, False))
    text = f"Landlock {version}" if version else "no Landlock in this kernel"
    text += f", tried: stopped were {', '.join(held) or 'none'}"
    if weak := weaknesses(version):
        cure = _NEWEST if version else f"boot with landlock in lsm=; {_NEWEST}"
        return warn("place", f"{text}; {'; '.join(weak)}", cure)
    if free:
        return fail("place", f"{text}; not stopped were {', '.join(free)}", _NEWEST)
    return ok("place", text)


def judge_hosts(modules: list[str], *, is_apart: bool) -> Finding:
    """Tell how well modules with a list of hosts are kept to it."""
    names = ", ".join(modules)
    if is_apart:
        return ok("place", f"hosts are bounded, in a network of their own, for {names}")
    return warn(
        "place",
        f"hosts are bounded for {names}, but native code reaches the proxy's port on other machines",
        "allow user namespaces (sysctl user.max_user_namespaces, a container's seccomp profile)",
    )


def _levels(settings: Config) -> dict[str, list[str]]:
    """Return the modules that have workers, by the level of their place."""
    rules = settings.all_rules
    found = defaultdict(list)
    for root in dict.fromkeys(pattern.partition(".")[0] for pattern in (*rules.allow, *rules.unsafe)):
        section = settings.module.get(root)
        if root == "*" or (section is not None and section.executor == "inline"):
            continue
        found[plan_place(settings, root, is_unsafe=rules.is_unsafe(root)).level].append(root)
    return {level: found[level] for level in ("strict", "network", "open") if level in found}


def _try() -> dict[str, Any] | None:
    scratch = Path(tempfile.mkdtemp(prefix="ksrpc-doctor-"))
    outside = scratch / "outside"
    try:
        outside.touch()
        (scratch / "cwd").mkdir()
        done = subprocess.run(  # noqa: S603 - a fixed program; the file is ours
            [sys.executable, "-P", "-s", "-m", "ksrpc.worker.place", str(outside)],
            env=make_environment(scratch),
            cwd=scratch / "cwd",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LOOK_S,
            check=True,
        )
        told: dict[str, Any] = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return told
