"""A secret that is handed to one module leaves by no way, and reaches no other."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

import ksrpc
from ksrpc.client import RemoteGateway
from ksrpc.errors import EncodeError
from tests.helpers.server import GatewayProcess

KEY = "c4n4ry/bird+and=more"
CONFIG = """
[server]
port = 0
[call]
enabled = true
traceback = true
[access]
anonymous = true
allow = ["quotes", "other"]
[module.quotes]
path = "quotes.py"
secrets = ["QUOTES_KEY", "NOT_THERE"]
[module.quotes.handles.Account]
methods = ["tell"]
attributes = ["name"]
[user.anonymous]
handles = true
[module.other]
path = "other.py"
"""
QUOTES = """
import base64, os
from urllib.parse import quote
import ksrpc

KEY = ksrpc.secret("QUOTES_KEY")

class Account:
    def __init__(self):
        self.name = KEY.reveal()
    def tell(self):
        return self.name

def plain(): return KEY.reveal()
def inside(): return {"a": [1, ("x " + KEY.reveal(),)]}
def as_key(): return {KEY.reveal(): 1}
def as_bytes(): return KEY.reveal().encode()
def quoted(): return "http://x/?k=" + quote(KEY.reveal(), safe="")
def encoded(): return base64.b64encode(KEY.reveal().encode()).decode()
def itself(): return KEY
def shown(): return f"{KEY} {KEY!r}"
def items():
    yield "first"
    yield KEY.reveal()
def fails(): raise ValueError("bad " + KEY.reveal(), {"key": KEY.reveal()})
def notes():
    error = KeyError(KEY)
    error.add_note("with " + quote(KEY.reveal(), safe=""))
    raise error from RuntimeError(KEY.reveal())
def of_os(): raise OSError(2, KEY.reveal(), "/x/" + KEY.reveal())
def echo(text): raise ValueError(text)
def account(): return Account()
def environment(): return sorted(os.environ)
def missing(): return ksrpc.secret("NOT_THERE")
def prints(end):
    print("key", KEY.reveal(), "and", quote(KEY.reveal(), safe=""))
    print("red: \\x1b[31m\\r2026-11-24 10:00:00,000 ERROR forged \\u202e", "x" * 100_000)
    print("y" * (8192 - 5) + KEY.reveal(), flush=True)
    os.write(2, b"\\xff raw " + KEY.reveal().encode() + b"\\n")
    print(end, flush=True)
"""
OTHER = """
import os, ksrpc
def asks(): return ksrpc.secret("QUOTES_KEY").reveal()
def environment(): return "QUOTES_KEY" in os.environ
"""
WAYS = ["plain", "inside", "as_key", "as_bytes", "quoted", "encoded", "itself", "shown", "items", "fails", "notes"]
WAYS += ["of_os", "environment"]
FORMS = [KEY, quote(KEY, safe=""), base64.b64encode(KEY.encode()).decode().rstrip("="), "c4n4ry", "bird"]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """Serve the module that has the key, and another one."""
    folder = tmp_path_factory.mktemp("secret")
    (folder / "quotes.py").write_text(QUOTES, "utf-8")
    (folder / "other.py").write_text(OTHER, "utf-8")
    with GatewayProcess(folder, CONFIG, arguments=("serve", "--worker-output"), env={"QUOTES_KEY": KEY}) as gateway:
        yield gateway


@pytest.fixture(scope="module", params=["http", "websocket"])
def client(served: GatewayProcess, request: pytest.FixtureRequest) -> Iterator[RemoteGateway]:
    """Ask over each transport."""
    with ksrpc.connect(served.url if request.param == "http" else served.ws_url) as client:
        client.describe("quotes")
        client.describe("other")
        yield client


def everything_told(error: BaseException) -> str:
    """Put all together that an error says."""
    told = [str(error), repr(error.args), repr(getattr(error, "__notes__", "")), repr(vars(error))]
    told += [everything_told(link) for link in (error.__cause__, error.__context__) if link is not None]
    return "\n".join(told)


@pytest.mark.parametrize("way", WAYS)
def test_it_leaves_by_no_way(client: RemoteGateway, way: str) -> None:
    """Whatever comes back, the key and its forms are not in it."""
    try:
        answer = client.call(f"quotes.{way}")
        told = repr(list(answer) if way == "items" else answer)
        assert way in ("shown", "environment"), told
    except AssertionError:
        raise
    except Exception as error:
        told = everything_told(error)
        assert "secret" in told or "cannot travel" in told
    assert [form for form in FORMS if form in told] == []
    assert client.call("other.environment") is False  # a stream that fails over HTTP takes its connection along


def test_a_caller_learns_nothing_by_sending_it(client: RemoteGateway) -> None:
    """What is sent back in an error is covered even if it was guessed: the guess is not confirmed by a difference."""
    with pytest.raises(ValueError, match=r"^nothing of it$"):
        client.call("quotes.echo", "nothing of it")


def test_a_kept_object_does_not_tell_it(client: RemoteGateway) -> None:
    """Neither an attribute nor a method."""
    account = client.call("quotes.account")
    for name in ("name", "tell"):
        try:
            told = repr(account.tell() if name == "tell" else account.name)
        except EncodeError as error:
            told = everything_told(error)
        assert "it holds a secret" in told
        assert [form for form in FORMS if form in told] == []
    del account
    assert client.call("other.environment") is False  # the request takes the good-bye along


def test_no_other_module_has_it(client: RemoteGateway) -> None:
    """Not by its name, not in the environment; and what is not set says how to set it."""
    with pytest.raises(Exception, match="no secret 'QUOTES_KEY'"):
        client.call("other.asks")
    assert client.call("other.environment") is False
    assert "QUOTES_KEY" not in client.call("quotes.environment")
    with pytest.raises(Exception, match=r"no secret 'NOT_THERE': list it in module\.NAME\.secrets"):
        client.call("quotes.missing")


def test_nothing_that_was_written_holds_it(served: GatewayProcess, client: RemoteGateway) -> None:
    """The configuration as shown, doctor, metrics, and every file of the gateway: audit, cache, tokens."""
    assert client.call("other.environment") is False
    shown = (("config", "show"), ("doctor",), ("audit", "ls"))
    texts = [served.run(*command).stdout for command in shown]
    assert "QUOTES_KEY" in texts[0]
    texts += [path.read_bytes().decode("latin-1") for path in served.folder.rglob("*") if path.is_file()]
    assert not any(form in text for text in texts for form in FORMS)


def test_it_may_stand_in_a_file(tmp_path: Path) -> None:
    """NAME_FILE names it."""
    (tmp_path / "key").write_text(f"{KEY}\n", "utf-8")
    (tmp_path / "quotes.py").write_text("import ksrpc\ndef size(): return len(ksrpc.secret('QUOTES_KEY').reveal())\n")
    config = CONFIG.partition("[module.quotes.handles")[0]
    with (
        GatewayProcess(tmp_path, config, env={"QUOTES_KEY_FILE": str(tmp_path / "key")}) as gateway,
        ksrpc.connect(gateway.url) as client,
    ):
        assert client.call("quotes.size") == len(KEY)


def test_it_is_not_in_what_is_printed(client: RemoteGateway, served: GatewayProcess) -> None:
    """With `--worker-output` a print is told by lines with the module's name, without the key, and steers nothing."""
    client.call("quotes.prints", "that is all")
    served.await_log("[quotes] that is all")
    lines = [line for line in served.log.splitlines() if line.startswith("[quotes] ")]
    assert "[quotes] key <secret> and <secret>" in lines
    assert "[quotes] \ufffd raw <secret>" in lines
    assert max(map(len, lines)) <= 8192 + len("[quotes] ")
    assert [form for form in FORMS if form in served.log] == []
    assert not [line for line in served.log.splitlines() if line.startswith("2026-11-24 10:00")]
    assert not {"\x1b", "\r", "\u202e"} & {*served.log}


def test_doctor_names_the_variable_that_is_not_set(served: GatewayProcess) -> None:
    """Neither the value of the one that is."""
    told = served.run("doctor").stdout
    assert "NOT_THERE, which module.quotes.secrets names, is not set here" in told
    assert "QUOTES_KEY, which" not in told
    assert [form for form in FORMS if form in told] == []
