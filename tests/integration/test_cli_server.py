"""Users, the cache and `ksrpc doctor` from outside, beside a running gateway and without one."""

from __future__ import annotations

import json
import re
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import ksrpc
from ksrpc.connections.http import HttpxConnection
from ksrpc.errors import AuthError, ForbiddenError, NotFoundError
from ksrpc.worker.place.kernel import landlock_version
from tests.helpers import vendor
from tests.helpers.server import GatewayProcess, clean_environment
from tests.helpers.terminal import Shown, run_on_terminal
from tests.integration.conftest import usable
from tests.integration.exchange import ask
from tests.integration.test_cli import TOKEN, assert_one_line, ksrpc_in

CLOSED = """\
# of the team
[server]
port = 0
[call]
enabled = true
[access]
allow = ["demo", "math"]  # for all
"""


def on_terminal(folder: Path, *arguments: str, typed: str = "", columns: int = 80) -> Shown:
    """Run `python -m ksrpc …` on a terminal; `typed` answers a question."""
    command = [sys.executable, "-m", "ksrpc", *arguments]
    answers = [("[y/N]", typed)] if typed else []
    return run_on_terminal(command, cwd=folder, env=clean_environment(), typed=answers, columns=columns)


def widest(screen: str, folder: Path) -> int:
    """Return the width of the widest line, where a folder's name is not as long as those of tests are."""
    return max(len(line.replace(str(folder), "/etc/ksrpc")) for line in screen.splitlines())


def read(done: subprocess.CompletedProcess[str]) -> Any:
    """Read what a command printed as JSON."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def settle(attempt: Any, *, within_s: float = 20.0) -> None:
    """Repeat until it holds: the server follows what the command line did."""
    end = time.monotonic() + within_s
    while not attempt():
        assert time.monotonic() < end, "the server did not follow"


# users


def test_a_user_comes_in_is_changed_and_goes_while_the_server_runs(tmp_path: Path) -> None:
    with GatewayProcess(tmp_path, CLOSED) as gateway:
        added = gateway.run("user", "add", "li.si", "--allow", "math", "--rows-per-day", "2e6", "--days", "9")
        assert added.returncode == 0, added.stderr
        made = (tmp_path / "data" / "li.si.token").read_text().strip()
        assert made not in added.stdout + added.stderr
        with HttpxConnection(gateway.url, token=usable(gateway, made)) as there:
            math, demo = ksrpc.RpcClient("math", there), ksrpc.RpcClient("demo", there)

            def may_greet() -> bool:
                try:
                    return bool(demo.sync_say_hi("A"))
                except (NotFoundError, ForbiddenError):
                    return False

            def is_out() -> bool:
                try:
                    math.pow(2, 3)
                except AuthError:
                    return True
                return False

            settle(lambda: not may_greet())
            assert math.pow(2, 3) == 8.0
            assert gateway.run("user", "set", "li.si", "--allow", "math,demo").returncode == 0
            settle(may_greet)
            removed = gateway.run("user", "rm", "li.si", "--yes")
            assert removed.returncode == 0, removed.stderr
            settle(is_out)
    assert (tmp_path / "ksrpc.toml").read_text() == CLOSED
    assert list((tmp_path / "data").glob("*.token")) == []


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """Make a folder with a configuration and no server."""
    (tmp_path / "ksrpc.toml").write_text(CLOSED)
    return tmp_path


def test_adding_writes_the_section_and_keeps_the_comments(closed: Path) -> None:
    done = ksrpc_in(closed, "user", "add", "li", "--allow", "math", "--block", "math.tau", "--rows-per-day", "2_000")
    assert done.returncode == 0, done.stderr
    text = (closed / "ksrpc.toml").read_text()
    assert text.startswith(CLOSED)
    expected = {"allow": ["math"], "block": ["math.tau"], "quota": {"rows_per_day": 2000}}
    assert tomllib.loads(text)["user"] == {"li": expected}


def test_the_text_for_the_new_user_can_be_pasted(tmp_path: Path) -> None:
    with GatewayProcess(tmp_path, CLOSED.replace("port = 0", f"port = {free_port()}")) as gateway:
        done = gateway.run("user", "add", "li")
        made = usable(gateway, (tmp_path / "data" / "li.token").read_text().strip())
        env = {**clean_environment(), "KSRPC_TOKEN": made, "HOME": str(tmp_path)}
        curl = re.search(r"^ +(curl .*)$", done.stdout, re.MULTILINE)
        assert curl
        told = subprocess.run(["sh", "-c", curl[1]], env=env, capture_output=True, text=True, timeout=30, check=True)
        assert told.stdout.startswith("date,code,open")
        python = re.search(r"notebook\n((?:    .*\n)+)", done.stdout)
        assert python
        code = "\n".join(line.strip() for line in python[1].splitlines())
        code = code.replace('gw.module("demo").test()', 'print(len(gw.module("demo").test()))')
        told = subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=30, check=True
        )
        assert told.stdout == "5\n"
        login = f"ksrpc login {gateway.url}"
        assert login in done.stdout
        assert f'request("{gateway.url}/v1/call/demo.test")' in done.stdout
        logged = subprocess.run(
            [sys.executable, "-m", *login.split()],
            env=env, input=made, capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert logged.returncode == 0, logged.stderr


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as sock:
        return int(sock.getsockname()[1])


def test_on_a_terminal_the_token_is_shown_once_and_kept_nowhere(closed: Path) -> None:
    shown = on_terminal(closed, "user", "add", "li")
    (made,) = TOKEN.findall(shown.text)
    assert shown.status == 0
    assert all(made.encode() not in path.read_bytes() for path in closed.rglob("*") if path.is_file())
    assert made not in on_terminal(closed, "user", "show", "li").text


def test_printing_gives_the_token_alone(closed: Path) -> None:
    done = ksrpc_in(closed, "user", "add", "li", "--print")
    assert TOKEN.fullmatch(done.stdout.strip())
    assert "curl" in done.stderr


def test_what_access_does_not_open_is_told_and_opened_on_demand(closed: Path) -> None:
    arguments = ("user", "add", "li", "--allow", "math,os.path,json")
    assert_one_line(ksrpc_in(closed, *arguments), "os.path, json are not in access.allow", "--open")
    assert (closed / "ksrpc.toml").read_text() == CLOSED
    assert not list(closed.glob("data/*.token"))
    done = ksrpc_in(closed, *arguments, "--open")
    assert done.returncode == 0, done.stderr
    assert 'allow = ["demo", "math", "os.path", "json"] # for all' in (closed / "ksrpc.toml").read_text()


def test_a_root_without_gates_is_one_users_alone(closed: Path) -> None:
    done = ksrpc_in(closed, "user", "add", "ops", "--unsafe", "os")
    assert "UNSAFE" in done.stdout
    written = tomllib.loads((closed / "ksrpc.toml").read_text())
    assert written["user"]["ops"] == {"allow": ["demo", "math", "os"], "unsafe": ["os"]}
    assert written["access"]["allow"] == ["demo", "math"]


@pytest.mark.parametrize("name", ["../evil", "a/b", "", "-x y", "a\nb", "x" * 300, "anonymous"])
def test_a_name_that_cannot_be_changes_nothing(closed: Path, name: str) -> None:
    done = ksrpc_in(closed, "user", "add", "--", name)
    assert_one_line(done, "anonymous" if name == "anonymous" else "user name")
    assert (closed / "ksrpc.toml").read_text() == CLOSED


def test_a_name_that_is_there_is_told_what_to_do(closed: Path) -> None:
    ksrpc_in(closed, "user", "add", "li")
    ksrpc_in(closed, "token", "create", "wang")
    assert_one_line(ksrpc_in(closed, "user", "add", "li"), "ksrpc user set li", "ksrpc token create li")
    assert_one_line(ksrpc_in(closed, "user", "add", "wang"), "ksrpc user set wang")
    assert_one_line(ksrpc_in(closed, "user", "show", "nobody"), "ksrpc user ls")
    assert_one_line(ksrpc_in(closed, "user", "rm", "nobody", "--yes"), "ksrpc user ls")
    assert_one_line(ksrpc_in(closed, "user", "set", "nobody", "--allow", "math"), "ksrpc user add")
    assert ksrpc_in(closed, "user", "set", "wang").returncode == 2
    assert ksrpc_in(closed, "user", "set", "wang", "--rows-per-day", "1.5").returncode == 2


def test_removing_asks_first(closed: Path) -> None:
    ksrpc_in(closed, "user", "add", "li")
    assert_one_line(ksrpc_in(closed, "user", "rm", "li"), "--yes")
    assert on_terminal(closed, "user", "rm", "li", typed="n\n").status == 1
    assert "[user.li]" in (closed / "ksrpc.toml").read_text()
    assert on_terminal(closed, "user", "rm", "li", typed="y\n").status == 0
    assert (closed / "ksrpc.toml").read_text() == CLOSED
    assert [entry["state"] for entry in read(ksrpc_in(closed, "token", "ls", "--json"))] == ["revoked"]


def test_lists_say_the_same_to_people_and_programs(closed: Path) -> None:
    name = "a.quite.long.user.name@example.com"
    ksrpc_in(closed, "user", "add", name, "--allow", "demo.test,demo.echo,demo.frame,demo.blob,math.pow,math.tau")
    ksrpc_in(closed, "token", "create", name, "--days", "0.000001")

    def states() -> list[str]:
        return [entry["state"] for entry in read(ksrpc_in(closed, "token", "ls", "--json"))]

    settle(lambda: states() == ["valid", "expired"])
    users = read(ksrpc_in(closed, "user", "ls", "--json"))
    assert [user["user"] for user in users] == [name]
    assert read(ksrpc_in(closed, "user", "show", name, "--json")) == users[0]
    tokens = users[0]["tokens"]
    assert read(ksrpc_in(closed, "token", "ls", "--json")) == tokens
    for words in ("user ls", "token ls", f"user show {name}"):
        piped = ksrpc_in(closed, *words.split()).stdout
        assert name in piped
        assert "\x1b" not in piped
        assert not re.search(r" +$", piped, re.MULTILINE)
        shown = on_terminal(closed, *words.split(), columns=80).screen
        assert widest(shown, closed) <= 80
        if words != "user ls":
            assert all(entry["id"] in piped and entry["id"] in shown for entry in tokens)
    assert "demo.test demo.echo demo.frame demo.blob math.pow math.tau" in ksrpc_in(closed, "user", "ls").stdout


# the cache


@pytest.fixture(scope="module")
def vendored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """Serve a library that counts its calls."""
    config = f"""
[server]
port = 0
[call]
enabled = true
[access]
anonymous = true
allow = ["vendor", "demo"]
[module.vendor]
path = "{vendor.__file__}"
arguments = "any"
place = "open"
"""
    with GatewayProcess(tmp_path_factory.mktemp("vendored"), config) as gateway:
        yield gateway


def ask_vendor(gateway: GatewayProcess, function: str, ledger: str, **arguments: object) -> str:
    """Call a function and ask for its answer to be kept; return what is said of the cache."""
    named = "".join(f"&{name}={value}" for name, value in arguments.items())
    reply = ask(gateway, "GET", f"/v1/call/vendor.{function}?cache_expire=3600&fmt=json&ledger={ledger}{named}")
    assert reply.status == 200, reply.body
    return {name.lower(): value for name, value in reply.headers.items()}["cache-status"]


def test_the_cache_is_looked_at_and_purged_while_the_server_runs(vendored: GatewayProcess, tmp_path: Path) -> None:
    ledger, run = str(tmp_path / "ledger"), vendored.run
    assert "stored" in ask_vendor(vendored, "serial", ledger)
    assert "hit" in ask_vendor(vendored, "serial", ledger)
    assert "stored" in ask_vendor(vendored, "bars", ledger, rows=9000)
    settle(lambda: len(read(run("cache", "ls", "vendor", "--json"))) == 2)
    small, large = read(run("cache", "ls", "--json"))
    assert (small["path"], large["path"]) == ("vendor.serial", "vendor.bars")
    assert small["expires_at"] - small["stored_at"] == pytest.approx(3600, abs=1)
    assert small["file"] is None
    assert (vendored.folder / "data" / "cache" / "blobs" / large["file"]).stat().st_size == large["size"]
    listed = run("cache", "ls", "vendor.ser*")
    assert small["key"][:12] in listed.stdout
    assert large["key"][:12] not in listed.stdout
    assert large["key"] in run("cache", "ls", "--long").stdout
    assert read(run("cache", "show", large["key"][:5], "--json")) == [large]
    assert read(run("cache", "show", "vendor.serial", "--json")) == [small]
    assert f"blobs/{large['file']}" in run("cache", "show", "vendor.bars").stdout
    stats = read(run("cache", "stats", "--json"))
    assert (stats["entries"], stats["bytes"]) == (2, small["size"] + large["size"])
    assert [(m["module"], m["functions"], m["entries"]) for m in stats["modules"]] == [("vendor", 2, 2)]
    assert stats["max_bytes"] == 10_240 << 20
    assert run("cache", "check").returncode == 0

    assert_one_line(run("cache", "purge"), "--yes", "2 answers")
    assert run("cache", "purge", "nosuch", "--yes").stdout == "removed 0 answers, 0 B\n"
    assert run("cache", "purge", "--expired").stdout == "removed 0 answers, 0 B\n"
    assert "hit" in ask_vendor(vendored, "serial", ledger)
    assert run("cache", "purge", "vendor.serial", "--yes").stdout.startswith("removed 1 answer, ")
    settle(lambda: "stored" in ask_vendor(vendored, "serial", ledger))
    assert len(Path(ledger).read_text().splitlines()) == 3, "the library was asked once more, for that answer alone"
    assert "hit" in ask_vendor(vendored, "bars", ledger, rows=9000)
    done = on_terminal(vendored.folder, "cache", "purge", "vendor", typed="y\n")
    assert "removed 2 answers" in done.screen
    assert list((vendored.folder / "data" / "cache" / "blobs").iterdir()) == []
    assert read(run("cache", "ls", "--json")) == []


def test_tables_fit_a_terminal_and_a_pipe(vendored: GatewayProcess, tmp_path: Path) -> None:
    ask_vendor(vendored, "serial", str(tmp_path / "ledger"))
    settle(lambda: bool(read(vendored.run("cache", "ls", "--json"))))
    for command in ("ls", "stats", "show vendor.serial", "check"):
        words = ("cache", *command.split())
        shown, piped = on_terminal(vendored.folder, *words).screen, vendored.run(*words).stdout
        assert widest(shown, vendored.folder) <= 80, shown
        assert "\x1b" not in piped
        assert "█" not in piped
        assert piped
    assert "█" in on_terminal(vendored.folder, "cache", "stats").screen


def test_a_damaged_answer_is_found_and_removed(tmp_path: Path) -> None:
    config = "[server]\nport = 0\n[call]\nenabled = true\n[access]\nanonymous = true\n"
    with GatewayProcess(tmp_path, config) as gateway:
        assert ask(gateway, "GET", "/v1/call/demo.test?cache_expire=3600").status == 200
        assert ask(gateway, "GET", "/v1/call/demo.sync_say_hi?name=A&cache_expire=3600").status == 200
        settle(lambda: bool(read(gateway.run("cache", "ls", "--json"))))
    database = tmp_path / "data" / "cache" / "index.sqlite3"
    with closing(sqlite3.connect(database)) as db, db:
        db.execute("UPDATE entry SET value = zeroblob(size) WHERE path = 'demo.test'")
    done = ksrpc_in(tmp_path, "cache", "check")
    assert done.returncode == 1
    assert "damaged, removed: 1" in done.stdout
    again = ksrpc_in(tmp_path, "cache", "check", "--json")
    assert read(again)["damaged"] == 0


def test_where_nothing_was_kept_nothing_is_made(closed: Path) -> None:
    for command in ("ls", "stats", "purge --yes", "check"):
        assert ksrpc_in(closed, "cache", *command.split()).returncode == 0, command
    assert_one_line(ksrpc_in(closed, "cache", "show", "demo"), "ksrpc cache ls")
    assert read(ksrpc_in(closed, "cache", "ls", "--json")) == []
    assert [path.name for path in closed.iterdir()] == ["ksrpc.toml"]


# the doctor


def examine(folder: Path, *arguments: str) -> tuple[dict[str, list[dict[str, str]]], bool]:
    """Run the doctor; return what it found, by subject, and whether all is well."""
    begun = time.monotonic()
    done = ksrpc_in(folder, "doctor", "--json", *arguments)
    assert time.monotonic() - begun < 20, "quick on an idle machine, and never endless"
    told = json.loads(done.stdout)
    assert done.returncode == (0 if told["ok"] else 1)
    found: dict[str, list[dict[str, str]]] = {}
    for check in told["checks"]:
        found.setdefault(check["subject"], []).append(check)
    return found, told["ok"]


def marks(found: dict[str, list[dict[str, str]]], subject: str) -> set[str]:
    return {check["mark"] for check in found[subject]}


def test_after_init_all_is_well(tmp_path: Path) -> None:
    port = free_port()
    on_terminal(tmp_path, "init", "--enable", "--allow", "demo,math")
    path = tmp_path / "ksrpc.toml"
    path.write_text(path.read_text().replace("port = 8000", f"port = {port}"))
    before = {place: place.stat().st_mtime_ns for place in tmp_path.rglob("*") if "sqlite3-" not in place.name}
    found, is_well = examine(tmp_path)
    assert is_well
    levels, tried = found.pop("place")
    assert levels["text"] == "strict: demo, math"
    stopped = "reading files, writing files, starting programs, starting processes, connecting, signals"
    assert (tried["mark"] == "ok" and stopped in tried["text"]) or landlock_version() < 6
    assert {check["mark"] for checks in found.values() for check in checks} == {"ok"}
    assert re.fullmatch(r"started in \d+\.\d\d s, \d+ MiB; a call took [\d.]+ ms", found["worker"][0]["text"])
    assert f"{port} is free" in found["port"][0]["text"]
    assert ksrpc.__version__ in found["versions"][0]["text"]
    after = {place: place.stat().st_mtime_ns for place in tmp_path.rglob("*") if "sqlite3-" not in place.name}
    assert set(after) == set(before), "it changes nothing"
    text = ksrpc_in(tmp_path, "doctor").stdout
    assert text.splitlines()[-1].endswith("ok, 0 warnings, 0 failures")


def test_a_running_gateway_is_recognised_and_another_program_too(tmp_path: Path) -> None:
    with GatewayProcess(tmp_path, CLOSED) as gateway:
        (tmp_path / "ksrpc.toml").write_text(CLOSED.replace("port = 0", f"port = {gateway.port}"))
        found, _ = examine(tmp_path)
        assert found["port"] == [
            {"mark": "ok", "subject": "port", "text": f"a ksrpc answers on 127.0.0.1:{gateway.port}", "cure": ""}
        ]
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        (tmp_path / "ksrpc.toml").write_text(CLOSED.replace("port = 0", f"port = {silent.getsockname()[1]}"))
        found, is_well = examine(tmp_path)
        assert not is_well
        assert "another program" in found["port"][0]["text"]
        assert "server.port" in found["port"][0]["cure"]


def test_everything_that_is_wrong_has_its_cure(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def f(:\n")
    config = """
[server]
host = "0.0.0.0"
plaintext = true
public_url = "http://gateway.example"
hosts = ["nosuch.invalid"]
[call]
enabled = true
traceback = true
memory_mb = 100000000
[cache]
min_free_mb = 1000000000
[access]
allow = ["demo", "ksrpc_not_installed", "broken"]
[user.ops]
allow = ["os"]
unsafe = ["os"]
[module.broken]
path = "broken.py"
"""
    (tmp_path / "ksrpc.toml").write_text(config.replace("[call]", f"port = {free_port()}\n[call]", 1))
    (tmp_path / "data").mkdir(mode=0o755)
    (tmp_path / "data").chmod(0o755)
    ksrpc_in(tmp_path, "token", "create", "li", "--days", "3")
    secret = (tmp_path / "data" / "li.token").read_text().strip()
    (tmp_path / "data" / "li.token").chmod(0o644)
    found, is_well = examine(tmp_path)
    assert not is_well
    every = [check for checks in found.values() for check in checks]
    told = {check["text"]: check["cure"] for check in every if check["mark"] != "ok"}
    assert all(told.values()), "each has a cure"
    text = "\n".join(f"{key} → {cure}" for key, cure in told.items())
    for part in (
        f"chmod 700 {tmp_path / 'data'}",
        f"chmod go-rwx {tmp_path / 'data' / 'li.token'}",
        "the last token of li ends",
        "ops has a section and no valid token → ksrpc token create ops",
        "gateway.example (server.public_url) are refused",
        "nosuch.invalid has no address",
        f"ksrpc_not_installed is allowed and not installed → {sys.executable} -m pip install ksrpc_not_installed",
        "broken.py cannot be read as Python",
        "call.memory_mb",
        "cache.min_free_mb",
        "UNSAFE for ops: os",
        "TRACEBACK",
        "tokens and data cross the network as they are",
    ):
        assert part in text, part
    assert marks(found, "worker") == {"ok"}
    assert not any("0.0.0.0" in check["text"] for check in found["reach"]), "nobody can call that"
    assert secret not in json.dumps(every)


@pytest.mark.parametrize(
    ("text", "part"), [("[server\n", "line 1"), ("[srever]\n", "did you mean server?"), (None, "ksrpc init")]
)
def test_a_configuration_that_cannot_be_read_is_a_failure(tmp_path: Path, text: str | None, part: str) -> None:
    if text is not None:
        (tmp_path / "ksrpc.toml").write_text(text)
    found, is_well = examine(tmp_path)
    assert not is_well
    assert part in found["configuration"][0]["text"]
    assert "versions" in found
    assert "port" not in found


def test_a_store_that_is_none_and_a_folder_that_is_none_are_failures(tmp_path: Path) -> None:
    (tmp_path / "ksrpc.toml").write_text(CLOSED)
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data" / "store.sqlite3").write_bytes(b"not a database" * 100)
    (tmp_path / "data" / "store.sqlite3").chmod(0o600)
    found, _ = examine(tmp_path)
    assert marks(found, "stores") == {"fail", "ok"}
    assert found["worker"][0]["mark"] == "ok"
    (tmp_path / "data" / "store.sqlite3").unlink()
    (tmp_path / "data").rmdir()
    (tmp_path / "data").write_text("a file")
    found, _ = examine(tmp_path)
    assert "no folder" in found["data folder"][0]["text"]


def test_a_program_that_takes_the_port_and_says_nothing_does_not_hold_the_doctor(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0), backlog=8)) as silent:
        taken: list[socket.socket] = []
        keeper = threading.Thread(target=lambda: taken.append(silent.accept()[0]), daemon=True)
        keeper.start()
        (tmp_path / "ksrpc.toml").write_text(CLOSED.replace("port = 0", f"port = {silent.getsockname()[1]}"))
        found, _ = examine(tmp_path)
        assert marks(found, "port") == {"fail"}
        keeper.join(5)
        assert taken, "it was asked"
        taken[0].close()


def test_the_doctor_fits_a_terminal(closed: Path) -> None:
    screen = on_terminal(closed, "doctor", columns=80).screen
    assert widest(screen, closed) <= 80
    assert re.search(r"^warn  tokens +there is none", screen, re.MULTILINE)
    assert "→ ksrpc user add NAME" in screen
