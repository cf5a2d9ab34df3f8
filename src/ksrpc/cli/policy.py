"""`ksrpc policy`: who may call what, explained gate by gate.

Source: docs/reference/cli.md "ksrpc policy test"; docs/spec/policy.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from typing import Any

import click

from ksrpc import wire
from ksrpc.cli.argument import parse_words
from ksrpc.cli.doctor.finding import Finding, Findings, fail, ok, warn
from ksrpc.cli.doctor.report import show_findings
from ksrpc.cli.learning import policy_learn
from ksrpc.cli.option import config_option, says_errors
from ksrpc.cli.table import json_option
from ksrpc.cli.token import open_tokens
from ksrpc.client.progress import working
from ksrpc.config import Config, find_config, load_config
from ksrpc.config.schema import ModuleSection
from ksrpc.errors import ForbiddenError, KsrpcError, RefusedError
from ksrpc.expose import Surface
from ksrpc.gateway.call import Arguments, Call
from ksrpc.gateway.place import plan_place
from ksrpc.gateway.run import Executors
from ksrpc.model import ANONYMOUS, User
from ksrpc.store.token import is_valid

_PATIENCE_S = 60.0
#: Rule → what would change the decision. What is not here is closed for good.
_CURES = {
    "A2": "take the pattern out of block (ksrpc user set, access.block)",
    "A3": "a package's own reviewed list decides; what is missing can be offered by a module of your own",
    "A4": "open the sub-module by its full name in allow",
    "B3": "list the class under [module.NAME.handles.CLASS] to keep its instances on the server",
    "B15": "add the name to the file's __all__",
    "C1": 'for a module of your own: arguments = "any" lets richer types in',
    "C2": "leave it out, class the parameter in [module.NAME.parameters], or let a function of your own set it",
    "C3": "class the parameter in [module.NAME.parameters], or let a module of your own check such texts",
    "C5": "ask for less in one call",
}


@click.group()
def policy() -> None:
    """Explain who may call what, and propose it from what was called."""


policy.add_command(policy_learn)


@policy.command("test")
@click.argument("user")
@click.argument("path")
@click.argument("words", metavar="[ARG]...", nargs=-1)
@json_option
@config_option
@says_errors
def policy_test(user: str, path: str, words: tuple[str, ...], config: str | None, *, is_json: bool) -> None:
    """Say whether USER may call PATH, gate by gate, and what would change it. Nothing is called.

    USER is a name, or "anonymous" for callers without a token. The configuration that is asked is the file's, and the
    code that decides is the gateway's: gates B and C are passed in a worker process that is started for it. With
    arguments, told as for `ksrpc call`, these are judged too. Exit status 1 if a gate says no.
    """
    settings = load_config(find_config(config))
    args, kwargs = parse_words(words)
    arguments = wire.pack_arguments(args, kwargs).join() if words else None
    with working("asking"):
        findings = asyncio.run(_examine(settings, user, path, arguments))
    show_findings(findings, is_json=is_json)


async def _examine(settings: Config, user: str, path: str, arguments: bytes | None) -> list[Finding]:
    """Take a call through the gates until one says no."""
    rules = settings.rules_for(user)
    findings = [*_check_user(settings, user)]
    try:
        Surface(rules).check(path)
    except RefusedError as exc:
        return [*findings, _refused("gate A", exc, settings, user, path)]
    root = path.partition(".")[0]
    is_unsafe = rules.is_unsafe(root)
    findings.append(ok("gate A", f"{path} is open to {user}: {_opening(settings, user, path)}"))
    findings += _check_place(settings, root, is_unsafe=is_unsafe)
    async with _running(settings, root) as executors:
        call = Call(User(user, rules), path, Arguments(), asyncio.get_running_loop().time() + _PATIENCE_S)
        try:
            told = wire.parse(await executors.describe(call))
            findings.append(ok("gate B", _describe(told, is_unsafe=is_unsafe)))
        except KsrpcError as exc:
            return [*findings, _refused("gate B", exc, settings, user, path)]
        if arguments is None:
            cure = f"ksrpc policy test {user} {path} ARG…"
            return [*findings, warn("gate C", "no arguments were given to be judged", cure)]
        call.arguments, call.extra = Arguments(arguments), {"trial": True}
        try:
            await executors.run(call)
        except KsrpcError as exc:
            return [*findings, _refused("gate C", exc, settings, user, path)]
        return [*findings, ok("gate C", "the arguments pass")]


def _check_user(settings: Config, user: str) -> Findings:
    if not settings.call.enabled:
        yield fail("service", "no call is taken: call.enabled is false", "set call.enabled = true in ksrpc.toml")
    if user == ANONYMOUS:
        if settings.access.anonymous:
            yield ok("user", "callers on this machine need no token")
        else:
            yield fail("user", "callers without a token are not let in", "set access.anonymous, or give out a token")
        return
    with closing(open_tokens(settings)) as tokens:
        own = [record for record in tokens.records() if record.user == user and is_valid(record)]
    callers = [record for record in own if "call" in record.scopes]
    if callers:
        yield ok("user", f"{user} has {len(callers)} valid token{'s' if len(callers) > 1 else ''}")
    else:
        what = "none that may call" if own else "no valid token"
        yield warn("user", f"{user} has {what}: nobody can come in by this name", f"ksrpc token create {user}")


def _check_place(settings: Config, root: str, *, is_unsafe: bool) -> Iterator[Finding]:
    section = settings.module.get(root, ModuleSection())
    if section.executor == "inline":
        yield warn("gate D", f"{root} runs in the gateway itself, which bounds nothing", 'executor = "process"')
        return
    plan = plan_place(settings, root, is_unsafe=is_unsafe)
    told = {
        "strict": "reads the libraries, writes to its scratch, no network, no programs",
        "network": "reads the libraries, writes to its scratch, no programs; "
        + (f"asks only {', '.join(plan.hosts)}" if plan.hosts is not None else f"TCP ports {_numbers(plan.ports)}"),
        "open": "whatever the user of the gateway may",
    }[plan.level]
    make = warn if plan.level == "open" else ok
    yield make("gate D", f"{plan.level}: {told}", "" if make is ok else f"[module.{root}] place")


def _numbers(ports: tuple[int, ...]) -> str:
    return ", ".join(map(str, ports)) or "none"


def _opening(settings: Config, user: str, path: str) -> str:
    """Name the pattern that opens a path, and where it stands."""
    section = settings.user.get(user)
    is_own = section is not None and section.allow is not None
    patterns = section.allow if section is not None and section.allow is not None else settings.access.allow
    where = f"user.{user}.allow" if is_own else "access.allow"
    parts = path.split(".")
    above = {".".join(parts[:count]) for count in range(1, len(parts) + 1)} | {"*"}
    found = next((pattern for pattern in patterns if pattern in above), None)
    return f"{found!r} in {where}" if found else f"by another name in {where}, or as unsafe"


def _describe(told: dict[str, Any], *, is_unsafe: bool) -> str:
    kind = told["kind"]
    return (
        f"{kind}; no gate looks at it: the root is unsafe for this user" if is_unsafe else f"{kind}, owned by its root"
    )


def _refused(gate: str, exc: KsrpcError, settings: Config, user: str, path: str) -> Finding:
    if isinstance(exc, ForbiddenError):
        return fail(f"gate {exc.gate or gate[-1]}", str(exc), _CURES.get(exc.rule, "see docs/spec/policy.md"))
    if gate == "gate A":
        root = path.partition(".")[0]
        blocked = any(root == pattern for pattern in (*settings.access.block, *_own_block(settings, user)))
        cure = "take it out of block" if blocked else f"ksrpc user set {user} --allow …, or access.allow in ksrpc.toml"
        text = f"nothing at or above {path} is open to {user}; callers are told that there is no such module"
        return fail(gate, text, cure)
    return fail(gate, str(exc), "look at the name; `ksrpc describe` lists what a module has")


def _own_block(settings: Config, user: str) -> tuple[str, ...]:
    section = settings.user.get(user)
    return section.block if section is not None else ()


@asynccontextmanager
async def _running(settings: Config, root: str) -> AsyncIterator[Executors]:
    """Have worker processes as the gateway has them, also for what it would run in itself."""
    section = settings.module.get(root, ModuleSection()).model_copy(update={"executor": "process", "processes": 1})
    executors = Executors(settings.model_copy(update={"module": {**settings.module, root: section}}))
    try:
        yield executors
    finally:
        await executors.stop()
