"""`ksrpc doctor`: run all checks side by side, each for a few seconds at most, and print what they found.

Source: docs/reference/cli.md "ksrpc doctor".
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from ksrpc.cli.amendment import check_rules
from ksrpc.cli.doctor import file, machine, network, place, trial
from ksrpc.cli.doctor.finding import Case, Finding, Findings, fail, ok, warn
from ksrpc.cli.doctor.report import show_findings
from ksrpc.cli.option import config_option
from ksrpc.cli.table import json_option
from ksrpc.client.progress import working
from ksrpc.config import find_config, load_config
from ksrpc.errors import KsrpcError

_PATIENCE_S = 9.0
_CHECKS: tuple[Callable[[Case], Findings], ...] = (
    file.check_modes,
    file.check_data,
    file.check_stores,
    file.check_tokens,
    network.check_port,
    network.check_reach,
    network.check_names,
    trial.check_modules,
    trial.check_worker,
    place.check_place,
    place.check_secrets,
    machine.check_memory_limit,
    machine.check_dangers,
    machine.check_clock,
)
#: Those that need no configuration.
_GENERAL = (machine.check_memory, machine.check_files, machine.check_versions)


@click.command()
@json_option
@config_option
def doctor(config: str | None, *, is_json: bool) -> None:
    """Look for what will go wrong, and say what cures it.

    Looks at configuration, files, stores, tokens, port, names, modules, a worker process and the machine. Changes
    nothing. Exit status 1 if anything fails.
    """
    with working("looking"):
        findings = _examine(find_config(config))
    show_findings(findings, is_json=is_json)


def _examine(path: Path) -> list[Finding]:
    found, case = _read(path)
    checks: list[Callable[[], Findings]] = list(_GENERAL)
    if case is not None:
        checks = [*(partial(check, case) for check in _CHECKS), *checks]
    return [found, *_run(checks)]


def _read(path: Path) -> tuple[Finding, Case | None]:
    try:
        settings = load_config(path)
        check_rules(settings)
    except KsrpcError as exc:
        cure = "mend it; a running server goes on with what it had" if path.exists() else "ksrpc init"
        return fail("configuration", str(exc), cure), None
    return ok("configuration", f"{path} can be used"), Case(path, settings)


def _run(checks: list[Callable[[], Findings]]) -> list[Finding]:
    """Run checks side by side; one that takes too long is left alone: a dead file system must not hold the rest."""
    end = time.monotonic() + _PATIENCE_S
    slots: list[list[Finding]] = [[] for _ in checks]
    threads = [
        threading.Thread(target=_run_one, args=(check, slot), daemon=True)
        for check, slot in zip(checks, slots, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread, slot in zip(threads, slots, strict=True):
        thread.join(max(0.0, end - time.monotonic()))
        if thread.is_alive():
            slot.append(warn("patience", f"a check did not end within {_PATIENCE_S:g} s", "try again"))
    return [finding for slot in slots for finding in slot]


def _run_one(check: Callable[[], Findings], slot: list[Finding]) -> None:
    try:
        slot.extend(check())
    except Exception as exc:  # one check that fails must not hide what the others found
        slot.append(fail("check", f"{type(exc).__name__}: {exc}", "look at what it names, then try again"))
