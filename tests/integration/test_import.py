"""An old config.py, taken over and served: what ran runs, what was refused is refused."""

from __future__ import annotations

import stat
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import ksrpc
from ksrpc.config import load_config
from ksrpc.errors import AddressError, AuthError, ForbiddenError, KsrpcError, NotFoundError, RefusedError
from tests.helpers import launch
from tests.helpers.server import GatewayProcess, clean_environment

SECRETS = ("REDIS_URL", "JQ_USERNAME", "JQ_PASSWORD", "TUSHARE_TOKEN", "EIKON_APP_KEY", "RQ_USERNAME", "RQ_PASSWORD")
OLD = '''"""
Switches of a server of the first generation.
"""
import os
import threading

ENABLE_SERVER = {enabled}
ENABLE_RELAY = True
HOST = '127.0.0.1'
PORT = 0
METHODS_CHECK = True
METHODS_ALLOW = {{
    'math': True,
    'statistics': {{
        'mean': True,
        'median': False,
    }},
    'demo': True,
    'ksrpc': {{'config': True}},
}}
METHODS_BLOCK = {{
    'math': {{
        'sqrt': False,
    }},
    'ksrpc': {{
        'config': False,
    }},
}}
IP_CHECK = True
IP_ALLOW = {{
    '127.0.0.0/8': True,  # this machine
}}
IP_BLOCK = {{
    {blocked!r}: False,
}}
AUTH_CHECK = True
AUTH_TOKENS = {{
    "old-word-of-john": "john",
    "old-word-of-susan": "susan",
}}
QUOTA_CHECK = True
QUOTA_MODULE = {{'demo': 1000}}
QUOTA_FUNC = {{'demo': {{'test': 500}}}}
QUOTA_MODULE_DEFAULT = 10000 * 10000
QUOTA_FUNC_DEFAULT = 10000 * 1000
CACHE_TYPE = 'fakeredis'
REDIS_URL = "hush-REDIS_URL"
JQ_USERNAME = 'hush-JQ_USERNAME'
JQ_PASSWORD = 'hush-JQ_PASSWORD'
TUSHARE_TOKEN = 'hush-TUSHARE_TOKEN'
EIKON_APP_KEY = 'hush-EIKON_APP_KEY'
RQ_USERNAME = 'hush-RQ_USERNAME'
RQ_PASSWORD = 'hush-RQ_PASSWORD'
WIND_ENABLE = False
pid = os.getpid()
print(f"{{pid}}:{{threading.get_ident()}}: Current config:", __file__)
'''


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return launch.run([sys.executable, "-m", "ksrpc", *arguments], cwd=folder, env=clean_environment())


def take_over(folder: Path, *, enabled: bool = True, blocked: str = "8.8.8.8/32") -> subprocess.CompletedProcess[str]:
    folder.mkdir(exist_ok=True)
    (folder / "config.py").write_text(OLD.format(enabled=enabled, blocked=blocked))
    done = run(folder, "config", "import", "config.py")
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("old")
    take_over(folder)
    with GatewayProcess(folder, None, arguments=["serve", "-c", "ksrpc.toml"]) as process:
        yield process


def call(server: GatewayProcess, path: str, *args: object, token: str | None = "old-word-of-john") -> object:
    with ksrpc.connect(server.url, token=token, timeout=60) as gw:
        return gw.call(path, *args)


def test_what_was_allowed_runs(server: GatewayProcess) -> None:
    assert call(server, "math.pow", 2, 3) == 8.0
    assert call(server, "statistics.mean", [1.0, 2.0]) == 1.5
    assert call(server, "demo.echo", 3, token="old-word-of-susan") == 3


@pytest.mark.parametrize("path", ["math.sqrt", "statistics.median", "ksrpc.config", "os.getpid", "statistics.stdev"])
def test_what_was_not_is_refused(server: GatewayProcess, path: str) -> None:
    with pytest.raises((ForbiddenError, NotFoundError)):
        call(server, path, 4)


@pytest.mark.parametrize("token", ["old-word-of-nobody", None, "secret-token-1"])
def test_wrong_tokens(server: GatewayProcess, token: str | None) -> None:
    with pytest.raises(AuthError):
        call(server, "math.pow", 2, 3, token=token)
    request = urllib.request.Request(f"{server.url}/v1/call/math.pi")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    assert caught.value.code == 401
    caught.value.close()


def test_an_old_token_over_every_transport(server: GatewayProcess) -> None:
    with ksrpc.connect(server.ws_url, token="old-word-of-john", timeout=60) as gw:
        assert gw.call("math.pow", 2, 3) == 8.0
    request = urllib.request.Request(
        f"{server.url}/v1/call/math.pi", headers={"Authorization": "Bearer old-word-of-john"}
    )
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200


def test_an_old_token_is_told_from_others_and_can_be_ended(tmp_path: Path) -> None:
    take_over(tmp_path)
    with GatewayProcess(tmp_path, None) as server:
        assert call(server, "math.pow", 2, 3) == 8.0
        listed = server.run("token", "ls").stdout
        (line,) = [line for line in listed.splitlines() if "john" in line]
        assert "imported" in line
        assert "old-word" not in listed
        assert server.run("token", "revoke", line.split()[0]).returncode == 0
        with ksrpc.connect(server.url, token="old-word-of-john", timeout=60) as gw:
            for _ in range(10_000):
                try:
                    gw.call("math.pow", 2, 3)
                except AuthError:
                    break
            else:
                pytest.fail("a revoked token is still taken")
        assert call(server, "math.pow", 2, 3, token="old-word-of-susan") == 8.0


def test_wrong_tokens_do_not_hold_up_others(server: GatewayProcess) -> None:
    """A hundred at once would take five seconds of a core; most are told to wait, and nobody else does."""

    def try_wrong(number: int) -> type[Exception] | None:
        try:
            call(server, "math.pow", 2, 3, token=f"wrong-word-{number}")
        except KsrpcError as error:
            return type(error)
        return None

    call(server, "math.pow", 2, 3)
    with ThreadPoolExecutor(8) as threads:
        tries = [threads.submit(try_wrong, number) for number in range(100)]
        while not all(one.done() for one in tries):
            assert call(server, "math.pow", 2, 3) == 8.0
    assert None not in {one.result() for one in tries}


def test_addresses_that_were_blocked_are(tmp_path: Path) -> None:
    take_over(tmp_path, blocked="127.0.0.0/8")
    with GatewayProcess(tmp_path, None) as server, pytest.raises(AddressError):
        call(server, "math.pow", 2, 3)


def test_a_server_that_was_off_is(tmp_path: Path) -> None:
    take_over(tmp_path, enabled=False)
    with GatewayProcess(tmp_path, None) as server, pytest.raises(RefusedError, match=r"call\.enabled"):
        call(server, "math.pow", 2, 3)


def test_what_is_written_and_what_is_printed(tmp_path: Path) -> None:
    done = take_over(tmp_path)
    for name in SECRETS:
        path = tmp_path / "secrets" / name
        assert path.read_text() == f"hush-{name}"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "ksrpc.toml").stat().st_mode) == 0o600
    written = (tmp_path / "ksrpc.toml").read_text()
    for text in (done.stdout, done.stderr, written, run(tmp_path, "config", "show", "--origin").stdout):
        assert "hush" not in text
        assert "old-word" not in text
    switches = [line.split()[0] for line in done.stdout.splitlines() if line and line.split()[0].isupper()]
    assert switches == [line.split()[0] for line in OLD.splitlines() if line.split(" =")[0].isupper()]
    assert "# true = serve calls" in written  # the comments of the template are there
    quota = load_config(tmp_path / "ksrpc.toml").quota
    assert {name: section.rows_per_day for name, section in quota.named.items()} == {"demo": 1000, "demo.test": 500}
    assert quota.default.function_rows_per_day == 10_000_000


def test_nothing_is_replaced_and_nothing_left_half_done(tmp_path: Path) -> None:
    take_over(tmp_path)
    before = (tmp_path / "ksrpc.toml").read_text()
    done = run(tmp_path, "config", "import", "config.py")
    assert (done.returncode, before) == (1, (tmp_path / "ksrpc.toml").read_text())
    assert "exists already" in done.stderr
    (tmp_path / "broken.py").write_text("PORT = f()\nJQ_PASSWORD = 'x'\n")
    done = run(tmp_path, "config", "import", "broken.py", "-o", "new/ksrpc.toml")
    assert (done.returncode, done.stderr) == (1, "Error: broken.py:1: PORT: a call is not executed here\n")
    assert not (tmp_path / "new").exists()
    done = run(tmp_path, "config", "import", "config.py", "-o", "again.toml")  # tokens and secrets are there already
    assert done.returncode == 0
    (tmp_path / "other.py").write_text("JQ_PASSWORD = 'another'\n")
    done = run(tmp_path, "config", "import", "other.py", "-o", "other.toml")
    assert "JQ_PASSWORD exists already and holds something else" in done.stderr
    assert not (tmp_path / "other.toml").exists()


@pytest.mark.parametrize(("size", "told"), [(0, ""), ((1 << 20) + 1, "over 1024 KiB"), (-1, "No such file")])
def test_sizes_of_the_old_file(tmp_path: Path, size: int, told: str) -> None:
    if size >= 0:
        (tmp_path / "config.py").write_bytes(b"#" * size)
    done = run(tmp_path, "config", "import", "config.py")
    assert told in done.stderr
    assert (tmp_path / "ksrpc.toml").exists() == (not told)


def test_the_second_generation(tmp_path: Path) -> None:
    (tmp_path / "config_server.py").write_text(
        'import os as _os\nPORT = 0\nHOST = "[::]"\nHOST = "127.0.0.1"\nPATH = "/api/v1"\n'
        'USER_CREDENTIALS = {"li": "hush"}\n'
        'IMPORT_RULES = {"ksrpc.server.demo": True, "statistics": True, "math": False, "*": True}\n'
        'CACHE_ENABLE = False\nCACHE_PATH = "cache"\nCACHE_TIMEOUT = {"*": 600}\nprint("__file__:", __file__)\n'
    )
    done = run(tmp_path, "config", "import", "config_server.py")
    assert done.returncode == 0, done.stderr
    assert "hush" not in done.stdout + (tmp_path / "ksrpc.toml").read_text()
    with GatewayProcess(tmp_path, None) as server:
        token = server.create_token("li")
        assert call(server, "statistics.mean", [1.0, 2.0], token=token) == 1.5
        with pytest.raises(NotFoundError):
            call(server, "math.pow", 2, 3, token=token)
