"""The commands that call a gateway, as processes of their own: in pipes, on terminals, with hostile servers."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

import ksrpc
from ksrpc.errors import AuthError
from tests.helpers import launch
from tests.helpers.server import GatewayProcess, clean_environment
from tests.helpers.terminal import CTRL_C, Shown, run_on_terminal
from tests.integration.conftest import connection_to

CONFIG = """
[server]
port = 0
[call]
enabled = true
traceback = true
[access]
allow = ["demo", "math", "hostile"]
block = ["demo.blob"]
[user.narrow]
allow = ["math.pow"]
[user.li]
quota = { rows_per_day = 10_000 }
[module.hostile]
path = "hostile.py"
"""
HOSTILE = r'''
"""Steal \x1b]52;c;aGk=\x07 and \x1b[31mpaint [red]x[/red]."""
def f(day="\x1b[2J", *, n=1):
    """First \x1b]0;title\x07 line \u202e.

    More \x9b31m.
    """
    return n
def text():
    return "a\x1b[31mb\x9bc\nd"
def nested():
    return {"k": "a\x1b[31mb", "\u202e": 1}
def table():
    import pandas as pd
    return pd.DataFrame({"a\x1b[31m": ["b\x1b[31m[red]c[/red]"]})
def fail():
    raise ValueError("bad \x1b[31mnews")
def data():
    return b"\x00\x1b[31m"
'''
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]")
#: What we send ourselves to a terminal that is told to be a simple one.
BOLD = re.compile(r"\x1b\[[01]m")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("served")
    (folder / "hostile.py").write_text(HOSTILE, encoding="utf-8")
    with GatewayProcess(folder, CONFIG) as process:
        yield process


@pytest.fixture(scope="module")
def token(served: GatewayProcess) -> str:
    return served.create_token("zhang", "--days", "30")


class Client:
    """Run commands as one user with a configuration folder of their own."""

    def __init__(self, folder: Path, gateway: GatewayProcess, token: str) -> None:
        self.folder = folder
        self.url = gateway.url
        self.env = {**clean_environment(), "XDG_CONFIG_HOME": str(folder / "config"), "KSRPC_URL": gateway.url}
        self.env["KSRPC_TOKEN"] = token

    @property
    def profile(self) -> Path:
        return self.folder / "config" / "ksrpc" / "profile.toml"

    def without_environment(self) -> Client:
        """Rely on the profile from now on."""
        del self.env["KSRPC_URL"], self.env["KSRPC_TOKEN"]
        return self

    def run(self, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "ksrpc", *arguments]
        return launch.run(command, cwd=self.folder, env=self.env, typed=typed)

    def read(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def show(self, *arguments: str, typed: tuple[tuple[str, str], ...] = (), columns: int = 100) -> Shown:
        command = [sys.executable, "-m", "ksrpc", *arguments]
        return run_on_terminal(command, cwd=self.folder, env=self.env, typed=typed, columns=columns)


@pytest.fixture
def client(tmp_path: Path, served: GatewayProcess, token: str) -> Client:
    return Client(tmp_path, served, token)


# call


def test_arguments_arrive_with_their_types(client: Client) -> None:
    (client.folder / "rows.json").write_text("[1, 2]")
    told = client.read("call", "demo.echo", "text", ":=5", "code=000001", "n:=1.5", "rows:=@rows.json", "none:=null")
    assert json.loads(told) == [["text", 5], {"code": "000001", "n": 1.5, "rows": [1, 2], "none": None}]


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        (["math.pow", ":=2", ":=3"], "8.0\n"),
        (["math.pi"], "3.141592653589793\n"),
        (["demo.sync_say_hi", "name=中文"], '"Hi 中文, from a sync function"\n'),
        (["demo.sync_say_hi", "name=x", "--format", "text"], "Hi x, from a sync function\n"),
        (["demo.sync_say_hi", "--", "-5"], '"Hi -5, from a sync function"\n'),
        (["demo.echo", ":=null"], "null\n"),
        (["--main", "demo.div", ":=1", ":=4"], "0.25\n"),
    ],
)
def test_a_pipe_gets_json(client: Client, arguments: list[str], printed: str) -> None:
    assert client.read("call", *arguments) == printed


def test_a_table_in_a_pipe_is_the_csv_of_the_http_address(client: Client, served: GatewayProcess, token: str) -> None:
    request = urllib.request.Request(
        f"{served.url}/v1/call/demo.test", headers={"Authorization": f"Bearer {token}", "Accept": "text/csv"}
    )
    with urllib.request.urlopen(request) as response:
        assert client.read("call", "demo.test") == response.read().decode()


@pytest.mark.parametrize("name", ["t.parquet", "t.feather"])
def test_a_table_in_a_file_is_the_one_the_python_client_gets(
    name: str, client: Client, served: GatewayProcess, token: str
) -> None:
    assert client.read("call", "demo.test", "-o", name) == ""
    read = pd.read_parquet if name.endswith("parquet") else pd.read_feather
    with connection_to(served, "http", token=token) as connection:
        wanted = ksrpc.RemoteGateway(connection).call("demo.test")
    pd.testing.assert_frame_equal(read(client.folder / name), wanted, check_freq=False)


def test_an_error_leaves_no_file_and_the_old_one_alone(client: Client) -> None:
    (client.folder / "old.json").write_text("old")
    assert client.run("call", "demo.div", ":=1", ":=0", "-o", "old.json").returncode == 1
    assert client.run("call", "math.pi", "-o", "new.csv").returncode == 1
    assert (client.folder / "old.json").read_text() == "old"
    assert [entry.name for entry in client.folder.iterdir()] == ["old.json"]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["demo.div", ":=1", ":=0"], 1, "ZeroDivisionError: division by zero\n"),
        (["math.sqrt", ":=-1"], 1, "ValueError: "),
        (["os.getcwd"], 1, "Error: no such module here, or not for you"),
        (["demo.div", "a=1"], 1, "Error: "),
        (["demo.sleep", ":=20", "--timeout", "0.3"], 1, "Error: "),
        (["math.pi", "-o", "x.xlsx"], 2, "one of .csv .json"),
        (["math.pi", "-o", "x.pkl"], 2, "pickle is never written"),
        (["math.pi", "x:={"], 2, "argument 'x': this is not JSON"),
        (["math.pi", "-5"], 2, "No such option"),
        (["math.pi", "--timeout", "0"], 2, "--timeout"),
        (["math.pi", "--url", "http://127.0.0.1:9"], 1, "Error: no connection to 127.0.0.1:9"),
        (["math.pi", "--url", "ftp://x"], 1, "must begin with"),
        (["math.pi", "--token-file", "nowhere"], 1, "--token-file nowhere: No such file"),
    ],
)
def test_a_failure_is_told_in_a_line_with_its_status(
    client: Client, arguments: list[str], status: int, said: str
) -> None:
    done = client.run("call", *arguments)
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert status == 2 or done.stderr.count("\n") == 1


def test_the_servers_traceback_is_shown_when_asked_for(client: Client) -> None:
    lines = client.run("call", "demo.div", ":=1", ":=0", "--traceback").stderr.splitlines()
    assert lines[0].startswith("Traceback")
    assert lines[-1] == "ZeroDivisionError: division by zero"


def test_a_reader_that_goes_away_is_no_error_to_talk_about(client: Client) -> None:
    line = f"'{sys.executable}' -m ksrpc call demo.frame rows:=200000 | head -n 1"
    done = subprocess.run(["sh", "-c", line], cwd=client.folder, env=client.env, capture_output=True, check=False)
    assert done.stdout == b"c0,c1,c2,c3,c4,c5,c6,c7,c8,c9\n"
    assert done.stderr == b""


# on a terminal


def test_a_terminal_gets_a_table_with_its_shape(client: Client) -> None:
    shown = client.show("call", "demo.test")
    lines = shown.screen.splitlines()
    assert shown.status == 0
    assert "date        code       open  close     volume  halted" in shown.screen
    assert any(line.startswith("2024-01-02  600000.SH  6.63   6.65   27811000  False") for line in lines)
    assert lines[-1] == "5 rows × 5 columns"


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_a_wide_and_long_table_fits_the_terminal(client: Client, columns: int) -> None:
    shown = client.show("call", "demo.frame", "rows:=1000", "columns:=40", columns=columns)
    lines = [line for line in shown.screen.splitlines() if line and "demo.frame" not in line]
    assert all(len(line) <= columns for line in lines)
    assert lines[-1] == "1 000 rows × 40 columns"
    assert lines[0].split()[0] == "c0"
    assert lines[0].split()[-1] == "c39"
    assert len(lines) == 23


def test_other_values_are_shown_as_python_writes_them(client: Client) -> None:
    assert client.show("call", "demo.echo", 'v:={"a": [1, "x", null]}').screen == "{'v': {'a': [1, 'x', None]}}\n"
    assert client.show("call", "demo.sync_say_hi", "A").screen == "Hi A, from a sync function\n"


def test_bytes_do_not_go_to_a_terminal(client: Client) -> None:
    shown = client.show("call", "hostile.data")
    assert (shown.status, shown.screen) == (1, "Error: the answer is 6 bytes of data: keep it with -o FILE.bin\n")
    assert client.read("call", "hostile.data", "-o", "x.bin") == ""
    assert (client.folder / "x.bin").read_bytes() == b"\x00\x1b[31m"
    assert "use -o FILE" in client.show("call", "demo.test", "--format", "parquet").text


def test_a_long_call_shows_that_it_runs_and_ctrl_c_ends_it(client: Client) -> None:
    shown = client.show("call", "demo.sleep", ":=50", typed=(("demo.sleep", CTRL_C),))
    assert shown.status == 130
    assert shown.screen.splitlines()[-1].removeprefix("^C") == "interrupted"
    assert "Traceback" not in shown.text


def test_ctrl_c_leaves_no_file(client: Client) -> None:
    shown = client.show("call", "demo.sleep", ":=50", "-o", "x.json", typed=(("demo.sleep", CTRL_C),))
    assert shown.status == 130
    assert list(client.folder.iterdir()) == []


# hostile servers


@pytest.mark.parametrize(
    "arguments",
    [
        ["ls"],
        ["ls", "hostile"],
        ["ls", "--json"],
        ["describe", "hostile"],
        ["describe", "hostile.f"],
        ["describe", "hostile.f", "--json"],
        ["call", "hostile.text"],
        ["call", "hostile.text", "--format", "text"],
        ["call", "hostile.text", "--format", "json"],
        ["call", "hostile.nested"],
        ["call", "hostile.table"],
        ["call", "hostile.table", "--format", "csv"],
        ["call", "hostile.fail", "--traceback"],
    ],
    ids=" ".join,
)
def test_no_text_of_a_server_steers_the_terminal(client: Client, arguments: list[str]) -> None:
    client.env["TERM"] = "dumb"
    shown = BOLD.sub("", client.show(*arguments, columns=160).text)
    assert shown.strip()
    assert STEERING.search(shown) is None, shown


def test_markup_in_texts_is_only_text(client: Client) -> None:
    assert "[red]x[/red]" in client.show("ls", columns=160).screen
    assert "[red]c[/red]" in client.show("call", "hostile.table").screen


def test_a_pipe_gets_descriptions_cleaned_and_values_exact(client: Client) -> None:
    assert STEERING.search(client.read("describe", "hostile.f")) is None
    assert "First ]0;title line" in client.read("describe", "hostile.f")
    assert json.loads(client.read("call", "hostile.text")) == "a\x1b[31mb\x9bc\nd"
    assert json.loads(client.read("describe", "hostile.f", "--json"))["doc"].startswith("First \x1b]0;title")
    error = client.run("call", "hostile.fail").stderr
    assert error == "ValueError: bad [31mnews\n"


# ls, describe, me


def test_ls_gives_a_pipe_one_path_a_line(client: Client) -> None:
    assert client.read("ls").split() == ["demo", "hostile", "math"]
    paths = client.read("ls", "demo").split()
    assert "demo.div" in paths
    assert "demo.blob" not in paths, "it is blocked"
    assert client.read("ls", "demo.div") == "demo.div\n"


def test_ls_shows_a_terminal_what_each_is(client: Client) -> None:
    assert re.search(r"^demo +module +A module to try a server with", client.show("ls").screen, re.MULTILINE)
    shown = client.show("ls", "demo").screen
    assert re.search(r"^div\(a: float, b: float\) -> float +Divide, and raise", shown, re.MULTILINE)


def test_ls_and_describe_tell_programs_everything(client: Client) -> None:
    modules = {entry["path"]: entry for entry in json.loads(client.read("ls", "--json"))}
    assert modules["demo"]["kind"] == "module"
    members = {entry["path"]: entry for entry in json.loads(client.read("ls", "math", "--json"))}
    assert members["math.pi"]["kind"] == "value"
    assert json.loads(client.read("describe", "demo.div", "--json"))["signature"][0]["name"] == "a"


def test_describe_says_how_to_call(client: Client) -> None:
    assert client.read("describe", "demo.div").splitlines() == [
        "demo.div(a: float, b: float) -> float",
        "function of demo",
        "",
        "Divide, and raise ZeroDivisionError as Python does.",
    ]
    told = client.read("describe", "demo")
    assert "async_say_hi, async_sleep, count, div" in told
    assert "Error: no such module" in client.run("describe", "os").stderr


def test_me_says_who_and_what(client: Client, token: str, served: GatewayProcess) -> None:
    told = json.loads(client.read("me", "--json"))
    assert {key: told[key] for key in ("user", "token_id", "scopes", "allow", "block", "unsafe")} == {
        "user": "zhang",
        "token_id": token.split("_")[1],
        "scopes": ["call"],
        "allow": ["demo", "hostile", "math"],
        "block": ["demo.blob"],
        "unsafe": [],
    }
    assert told["expires_at"] > 0
    lines = dict(re.split(r"  +", line, maxsplit=1) for line in client.read("me").splitlines()[:8])
    assert (lines["user"], lines["allow"], lines["block"]) == ("zhang", "demo hostile math", "demo.blob")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", lines["expires at"])
    assert token not in client.run("me").stdout


def test_me_shows_what_is_used_of_the_quota(client: Client, served: GatewayProcess) -> None:
    client.env["KSRPC_TOKEN"] = served.create_token("li")
    assert client.read("call", "demo.test").count("\n") == 6
    assert re.search(
        r"^quota +used +limit +opens again\nrows in all +5 +10 000 +\d{4}-", client.read("me"), re.MULTILINE
    )


@pytest.mark.parametrize("transport", ["http", "websocket"])
def test_python_asks_the_same(transport: str, served: GatewayProcess, token: str) -> None:
    with connection_to(served, transport, token=token) as connection:
        gateway = ksrpc.RemoteGateway(connection)
        assert gateway.me()["user"] == "zhang"
        assert [entry["path"] for entry in gateway.modules()] == ["demo", "hostile", "math"]


def test_me_is_for_whoever_may_come_in(served: GatewayProcess, gateway: GatewayProcess) -> None:
    with connection_to(gateway, "http") as anonymous:
        told = anonymous.ask("/v1/me")
    assert (told["user"], told["token_id"], told["expires_at"]) == ("anonymous", "", None)
    with connection_to(served, "http") as nobody, pytest.raises(AuthError):
        nobody.ask("/v1/me")


def test_me_is_read_only_and_json_for_everybody(gateway: GatewayProcess) -> None:
    with urllib.request.urlopen(f"{gateway.url}/v1/me") as response:
        assert response.headers["Content-Type"] == "application/json"
        assert json.load(response)["user"] == "anonymous"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{gateway.url}/v1/me", data=b"{}")
    with caught.value as refused:
        assert refused.status == 405


# login


def test_login_asks_without_showing_and_keeps_what_works(client: Client, token: str, served: GatewayProcess) -> None:
    client.without_environment()
    shown = client.show("login", served.url, typed=(("token", f"{token}\r"),))
    assert shown.status == 0
    assert f"you are zhang at {served.url}" in shown.text
    assert token not in shown.text
    assert token[12:] not in shown.text
    assert token in client.profile.read_text()
    assert stat.S_IMODE(client.profile.stat().st_mode) == 0o600
    assert client.read("call", "math.pi") == "3.141592653589793\n"
    code = "import ksrpc; print(ksrpc.connect().me()['user'])"
    env = client.env
    assert subprocess.check_output([sys.executable, "-c", code], env=env, text=True) == "zhang\n"
    assert client.read("logout").startswith(f"forgot the token for {served.url}")
    assert token not in client.profile.read_text()
    assert "ksrpc login" in client.run("call", "math.pi").stderr


def test_login_reads_a_pipe(client: Client, token: str, served: GatewayProcess) -> None:
    done = client.without_environment().run("login", f"{served.url}/", typed=f"{token}\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert token not in done.stdout
    assert client.read("ls").split() == ["demo", "hostile", "math"]


@pytest.mark.parametrize("given", ["ksr_wrong", "", "söme"])
def test_a_token_that_does_not_work_is_not_kept(given: str, client: Client, served: GatewayProcess) -> None:
    done = client.without_environment().run("login", served.url, typed=given)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert not given or given not in done.stderr
    assert not client.profile.exists()


def test_login_says_what_goes_before_the_profile(client: Client, token: str, served: GatewayProcess) -> None:
    assert client.run("login", served.url).returncode == 1, "the token of the environment is not the one to try"
    done = client.run("login", served.url, typed=token)
    assert done.stderr.splitlines() == [
        "KSRPC_URL is set in this shell and goes before it",
        "KSRPC_TOKEN is set in this shell and goes before it",
    ]


def test_the_profiles_token_does_not_go_to_another_gateway(
    client: Client, token: str, served: GatewayProcess, gateway: GatewayProcess
) -> None:
    client.without_environment().run("login", served.url, typed=token)
    assert json.loads(client.read("me", "--json", "--url", gateway.url))["user"] == "anonymous"


def test_a_profile_that_others_can_read_is_refused(client: Client, token: str, served: GatewayProcess) -> None:
    client.without_environment().run("login", served.url, typed=token)
    client.profile.chmod(0o644)
    done = client.run("me")
    assert done.returncode == 1
    assert f"chmod 600 {client.profile}" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_token_comes_from_a_file_too(client: Client, token: str) -> None:
    client.env.pop("KSRPC_TOKEN")
    (client.folder / "t").write_text(f"{token}\n")
    assert json.loads(client.read("me", "--json", "--token-file", "t"))["user"] == "zhang"
    assert "a token is needed" in client.run("me").stderr


# completion


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("ksrpc desc", ["describe"]),
        ("ksrpc call dem", ["demo"]),
        ("ksrpc call demo.sy", ["demo.sync_say_hi"]),
        ("ksrpc describe math.pow", ["math.pow"]),
        ("ksrpc ls hos", ["hostile"]),
        ("ksrpc call --fr", ["--fresh"]),
        ("ksrpc call os.getc", []),
    ],
)
def test_bash_completes_commands_and_paths_of_the_server(client: Client, line: str, offered: list[str]) -> None:
    if shutil.which("bash") is None:
        pytest.skip("there is no bash here")
    programs = client.folder / "bin"
    programs.mkdir()
    (programs / "ksrpc").write_text(
        f"#!/bin/sh\nexec '{sys.executable}' -c 'from ksrpc.cli import main; main()' \"$@\"\n"
    )
    (programs / "ksrpc").chmod(0o755)
    script = (
        'eval "$(ksrpc completion bash)"; complete -p ksrpc >/dev/null || exit 9; COMP_WORDS=($LINE_TYPED); '
        'COMP_CWORD=$((${#COMP_WORDS[@]}-1)); _ksrpc_completion ksrpc; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    env = {**client.env, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "LINE_TYPED": line}
    done = subprocess.run(["bash", "-c", script], env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == offered


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "nonsense", ""])
def test_completion_is_silent_without_a_gateway(client: Client, url: str) -> None:
    client.env.update(KSRPC_URL=url, _KSRPC_COMPLETE="bash_complete", COMP_WORDS="ksrpc call de", COMP_CWORD="2")
    code = "from ksrpc.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], env=client.env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("shell", "place"),
    [
        ("bash", "data/bash-completion/completions/ksrpc"),
        ("zsh", "data/zsh/site-functions/_ksrpc"),
        ("fish", "config/fish/completions/ksrpc.fish"),
    ],
)
def test_completion_is_installed_where_the_shell_looks(client: Client, shell: str, place: str) -> None:
    client.env["XDG_DATA_HOME"] = str(client.folder / "data")
    assert str(client.folder / place) in client.read("completion", shell, "--install")
    script = (client.folder / place).read_text()
    assert "_KSRPC_COMPLETE" in script
    assert script.strip() == client.read("completion", shell).strip()
