"""What texts of an exception tell: no place of this machine, no secret, and everything else as it was."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from ksrpc.expose import Veil
from ksrpc.expose.veil import chain_of

FILE = Path("/never/heard of/bars.py")


@pytest.fixture
def veil() -> Iterator[Veil]:
    module = ModuleType("ksrpc_server.bars")
    vars(module).update(
        _API_KEY="k-123456", PASSWORDS={"a": ["p-123456"]}, TOKEN=b"t-123456", secret="abc", plain="plain!"
    )
    sys.modules[module.__name__] = module
    yield Veil({"bars": FILE, "absent": Path("absent.py")})
    del sys.modules[module.__name__]


@pytest.fixture
def cover(veil: Veil) -> Callable[[str], str]:
    return veil.over(ValueError())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"in {FILE}", "in <server>"),
        (f"({FILE!r})", "(PosixPath('<server>'))"),
        ("near /never/heard of/x.csv, see", "near <server>, see"),
        ("x/never/heard of/bars.py", "x<server>"),
        ("file:///never/heard%20of/bars.py", "<server>"),
        (f"'{sys.prefix}/lib/x.py', line 3", "'<server>', line 3"),
        (f"{os.path.expanduser('~')}/.netrc", "<server>"),
        (tempfile.gettempdir() + "/abc", "<server>"),
        ("/etc/passwd:3", "<server>"),
        ("file:///etc/passwd", "<server>"),
        ("[/proc/self/environ]", "[<server>]"),
        ("key k-123456!", "key <secret>!"),
        ("p-123456 t-123456", "<secret> <secret>"),
        (str(Path("absent.py").resolve()), "<server>"),
    ],
)
def test_what_is_covered(cover: Callable[[str], str], text: str, expected: str) -> None:
    assert cover(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "a/b", "1 / 2", "km/h", "http://host/etc/passwd", "https://host:80/home/x?y=/z", "a/etc/b", "/", "//",
     "/api/v1", "application/json", "plain!", "abc", "2024/01/02", "C:\\x", "and/or /", "../etc/passwd"],
)  # fmt: skip
def test_what_stays(cover: Callable[[str], str], text: str) -> None:
    assert cover(text) == text


def test_what_the_caller_sent_stays(veil: Veil) -> None:
    cover = veil.over(ValueError(), ["/etc/passwd", {"x": [b"/etc/hosts", "k-123456"]}])
    assert cover("/etc/passwd and /etc/hosts of /etc/fstab with k-123456") == (
        "/etc/passwd and /etc/hosts of <server> with k-123456"
    )


def test_files_that_the_error_names_are_covered_wherever_they_are(veil: Veil) -> None:
    missing = FileNotFoundError(2, "No such file", "/nowhere/at/all", None, "/nowhere/else")
    for error in (missing, _raised_from(missing), ExceptionGroup("g", [missing])):
        cover = veil.over(error)
        assert cover("not /nowhere/at/all -> /nowhere/else") == "not <server> -> <server>"
    assert veil.over(ImportError("x", path="/nowhere/x.py"))("from (/nowhere/x.py)") == "from (<server>)"
    assert veil.over(FileNotFoundError(2, "no", "rel.csv"))("no rel.csv") == "no rel.csv"
    assert veil.over(FileNotFoundError(2, "no", 7))("no 7") == "no 7"


def _raised_from(cause: Exception) -> Exception:
    error = ValueError("x")
    error.__cause__ = cause
    return error


def test_secrets_of_modules_that_the_error_came_through_are_covered() -> None:
    names = {"__name__": "helper", "ACCESS_TOKEN": "h-123456", "other": "o-123456"}
    exec("def f(): return {}['h-123456']", names)
    function: Callable[[], object] = names["f"]  # type: ignore[assignment]
    with pytest.raises(KeyError) as raised:
        function()
    assert Veil().over(raised.value)("h-123456 o-123456") == "<secret> o-123456"


def test_a_chain_is_followed_once() -> None:
    first, second = ValueError("1"), ValueError("2")
    first.__cause__, second.__context__ = second, first
    assert list(chain_of(first)) == [first, second]
    long = ValueError(0)
    for number in range(200):
        long, long.__context__ = ValueError(number), long
    assert len(list(chain_of(long))) == 64


def test_an_error_with_hostile_attributes_is_covered_too(veil: Veil) -> None:
    class RudeError(OSError):
        @property
        def path(self) -> str:
            raise RuntimeError("no")

    assert veil.over(RudeError(2, "x", "/nowhere/at"))("/nowhere/at") == "<server>"
