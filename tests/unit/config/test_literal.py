"""Constants of a Python file that nobody trusts: read, never executed, and quickly."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest

from ksrpc.config.legacy import convert
from ksrpc.config.literal import read_assigned
from ksrpc.errors import ConfigError


def _value(text: str, name: str = "X") -> object:
    found = read_assigned(text.encode(), "config.py")[name]
    assert not found.reason, found.reason
    return found.value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("X = 10000 * 10000", 100_000_000),
        ("X = 2 ** 10 - 24", 1000),
        ("X = -7 // 2 + 7 % 4 + 1 / 2", -0.5),
        ("X = +5", 5),
        ("X = not True", False),
        ("X = 'a' 'b' + \"c\"", "abc"),
        ("X = 'ab' * 3", "ababab"),
        ("X = [1, *(2, 3)] + [4]", [1, 2, 3, 4]),
        ("X = {1, 2}", {1, 2}),
        ("Y = {'a': 1}\nX = {**Y, 'b': 2}", {"a": 1, "b": 2}),
        ("Y = 3\nX = Y * Y", 9),
        ("X = Y = 3", 3),
        ("X, Y = 1, 2", 1),
        ("X: int = 3", 3),
        ("X = 1\nX += 2", 3),
        ("X = 1\nX = 2", 2),
        ("X = None", None),
        ("X = '用户'", "用户"),
        ("X = 'a\\d'", "a\\d"),
    ],
)
def test_what_is_worked_out(text: str, value: object) -> None:
    assert _value(text) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("X = __import__('os').getpid()", "a call is not executed here"),
        ("X = f'{1}'", "an f-string is not executed here"),
        ("import os\nX = os.sep", "an attribute is not executed here"),
        ("X = 1 if True else 2", "a condition is not executed here"),
        ("X = [i for i in (1,)]", "this expression is not executed here"),
        ("X = lambda: 1", "this expression is not executed here"),
        ("X = Y", "Y has no value that can be read before it"),
        ("X = '%s' % 1", "these are not worked out together"),
        ("X = 1 << 2", "only + - * / // % ** are worked out"),
        ("X = 1 / 0", "it cannot be worked out: division by zero"),
        ("X = {[]: 1}", "it cannot be worked out: unhashable"),
        ("X = {}\nX['a'] = 1", "it is changed in a part"),
        ("X = {}\nX.update(a=1)", "it is changed by a call"),
        ("X = 1\nif True:\n    X = 2", "it is set under a condition"),
        ("X = 1\ntry:\n    from local import X\nexcept ImportError:\n    X = 3", "it is set under a condition"),
        ("X = 1\nfor X in (1, 2): pass", "it is set under a condition"),
        ("X = 1\nfrom local import X", "it is imported from elsewhere"),
        ("X = 1\ndef f():\n    global X\n    X = 2", "it is set under a condition, in a loop or a function"),
        ("X = 1\ndel X", "it is set under a condition"),
        ("X = (Y := 1)", "this expression is not executed here"),
    ],
)
def test_what_has_no_value(text: str, reason: str) -> None:
    assert read_assigned(text.encode(), "config.py")["X"].reason.startswith(reason)


def test_a_local_name_of_a_function_is_another() -> None:
    assert _value("X = 1\ndef f():\n    X = 2\n") == 1


LARGE = {
    "power": "X = 10 ** 10 ** 10",
    "power of a power": "X = 9 ** 99 ** 9",
    "negative power": "X = 2 ** -10 ** 9",
    "product": "Y = 10 ** 30\nX = Y * Y * Y * Y * Y * Y * Y * Y * Y",
    "digits": "X = " + "9" * 4000,
    "text": "X = 'a' * 10 ** 9",
    "doubled text": "X = 'a' * 60000\n" + "X = X + X\n" * 100,
    "list": "X = [0] * 10 ** 9",
    "nested list": "X = [0] * 9999\n" + "X = [X] * 9999\n" * 50,
    "shared dicts": "X = {'a': 1}\n" + "X = {'a': X, 'b': X}\n" * 100,
    "many texts": "".join(f"A{n} = 'a' * 60000\n" for n in range(20_000)) + "X = 'a' * 60000",
    "sum": "X = 1" + " + 1" * 100_000,
    "format": "X = '%1000000000d' % 1",
    "items": "X = {" + ", ".join(map(str, range(20_000))) + "}",
    "deep": "X = " + "[" * 150 + "]" * 150,
    "subscripts": "X = Y" + "[0]" * 200,
}


@pytest.mark.parametrize("text", LARGE.values(), ids=LARGE)
def test_what_is_too_large(text: str) -> None:
    began = time.monotonic()
    with pytest.raises(ConfigError) as caught:
        convert(text.replace("X", "PORT").encode(), "config.py")
    assert len(str(caught.value)) < 300
    assert time.monotonic() - began < 20


BROKEN = {
    "NUL": b"PORT = 1\0",
    "not UTF-8": b"PORT = '\xff\xfe'",
    "no Python": b"PORT = = 1",
    "digits": b"PORT = " + b"9" * 5000,
    "parentheses": b"PORT = " + b"(" * 100_000,
    "signs": b"PORT = " + b"-" * 900_000 + b"1",
    "attributes": b"PORT = a" + b".a" * 400_000,
    "conditions": b"PORT = " + b"1 if 1 else " * 60_000 + b"1",
    "calls": b"PORT = a" + b"()" * 400_000,
    "a strange codec": b"# -*- coding: utf-7 -*-\nPORT = 1\n",
    "no codec": b"# -*- coding: nothing -*-\nPORT = 1\n",
    "indentation": b"if 1:\nPORT = 1",
}


@pytest.mark.parametrize("source", BROKEN.values(), ids=BROKEN)
def test_what_is_no_python(source: bytes) -> None:
    with pytest.raises(ConfigError, match=r"^config\.py"):
        convert(source, "config.py")


def test_gbk_is_read() -> None:
    source = "# -*- coding: gbk -*-\nX = '用户'\n".encode("gbk")
    assert read_assigned(source, "config.py")["X"].value == "用户"


@pytest.mark.parametrize(
    "text",
    [
        "import os; os.system('touch {0}')",
        "PORT = __import__('os').system('touch {0}')",
        "PORT = [open('{0}', 'w') for _ in (1,)][0]",
        "class A:\n    open('{0}', 'w')\n",
        "def f(x=open('{0}', 'w')): pass\n",
        "@(lambda f: open('{0}', 'w'))\ndef f(): pass\n",
        "PORT: open('{0}', 'w') = 1",
        "METHODS_ALLOW = {{open('{0}', 'w'): True}}",
        "PORT = f\"{{open('{0}', 'w')}}\"",
        "print(open('{0}', 'w'))",
    ],
)
def test_nothing_is_executed(text: str, tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    with contextlib.suppress(ConfigError):
        convert(text.format(mark).encode(), "config.py")
    assert not mark.exists()
