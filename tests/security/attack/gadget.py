"""Attacks by argument: what is called is open, what it is given is not."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from decimal import Decimal
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any

from tests.security.attack.case import Attack

#: Name, what is called, its arguments by name, how it is refused.
BY_NAME: list[tuple[str, str, dict[str, Any], str]] = [
    ("file-url", "bank.fetch", {"url": "file:///etc/passwd"}, "C"),
    ("web-url", "bank.fetch", {"url": "http://169.254.169.254/latest"}, "C"),
    ("gopher-url", "bank.fetch", {"url": "gopher://localhost:6379/_FLUSHALL"}, "C"),
    ("url-without-scheme", "bank.fetch", {"url": "localhost:6379"}, "C"),
    ("path-of-passwords", "bank.fetch", {"path": "/etc/passwd"}, "C"),
    ("path-upwards", "bank.fetch", {"path": "../../etc/passwd"}, "C"),
    ("path-of-home", "bank.fetch", {"path": "~root/.ssh/id_rsa"}, "C"),
    ("path-of-windows", "bank.fetch", {"path": "C:\\Windows\\win.ini"}, "C"),
    ("path-of-share", "bank.fetch", {"path": "\\\\host\\share"}, "C"),
    ("path-by-variable", "bank.fetch", {"path": "$HOME"}, "C"),
    ("path-by-braces", "bank.fetch", {"name": "${KSRPC_TOKEN}"}, "C"),
    ("path-by-substitution", "bank.fetch", {"name": "$(id)"}, "C"),
    ("path-with-nul", "bank.fetch", {"path": "data\x00.csv"}, "C"),
    ("path-of-processes", "bank.fetch", {"name": "/proc/self/environ"}, "C"),
    ("path-deep-inside", "bank.fetch", {"name": [{"a": ("x", ["/etc/shadow"])}]}, "C"),
    ("path-as-a-key", "bank.fetch", {"name": {"/etc/shadow": 1}}, "C"),
    ("proxies", "bank.fetch", {"proxies": {"http": "http://evil.example"}}, "C"),
    ("engine-by-name", "bank.fetch", {"engine": "python"}, "C2"),
    ("backend-by-name", "bank.fetch", {"backend": "module://evil"}, "C"),
    ("callback-by-name", "bank.fetch", {"callback": "os.system"}, "C2"),
    ("statement-of-sql", "bank.fetch", {"query": "SELECT * FROM users; --"}, "C2"),
    ("expression", "bank.fetch", {"query": "__import__('os').system('id')"}, "C2"),
    ("query-that-evaluates", "pandas.DataFrame.query", {"expr": "@pd.eval('1')"}, "A|B|C"),
    ("method-by-name", "pandas.DataFrame.agg", {"func": "to_pickle"}, "A|B|C"),
    ("applied-by-name", "pandas.DataFrame.apply", {"func": "to_csv"}, "A|B|C"),
    ("transformed-by-name", "pandas.DataFrame.transform", {"func": "eval"}, "A|B|C"),
    ("dtype-that-is-a-statement", "numpy.zeros", {"shape": 3, "dtype": "__import__('os')"}, "C"),
    ("dtype-of-huge-items", "numpy.zeros", {"shape": 1, "dtype": "V2000000000"}, "C"),
    ("like-another", "numpy.zeros", {"shape": 3, "like": "x"}, "C"),
    ("hook-of-json", "json.loads", {"s": "{}", "object_hook": "print"}, "C"),
    ("class-of-json", "json.loads", {"s": "{}", "cls": "x"}, "C"),
    ("default-of-json", "json.dumps", {"obj": 1, "default": "str"}, "C"),
]
#: Places and addresses for parameters that take them: name, function and parameter, text.
NAMED = r"""
read-passwords open_file.file /etc/passwd
read-passwords-doubled open_file.file //etc/passwd
read-upwards open_file.file ../kept.txt
read-upwards-inside open_file.file x/../../kept.txt
read-upwards-encoded-by-width open_file.file ．．/kept.txt
read-upwards-two-dots-in-one open_file.file ‥/kept.txt
read-home open_file.file ~/.bashrc
read-home-of-root open_file.file ~root/.bashrc
read-variable open_file.file $HOME/a
read-braces open_file.file ${HOME}
read-nul open_file.file a.csv\0.txt
read-backslashes open_file.file ..\\kept.txt
read-drive open_file.file C:/Windows/win.ini
read-url open_file.file file:///etc/passwd
read-remote open_file.file http://evil.example/a.csv
read-chain open_file.file a::http://evil.example
read-link open_file.file out
read-link-above open_file.file above/kept.txt
read-own-source open_file.file above/bank/bank.py
read-store open_file.file above/data/store.sqlite3
read-environment open_file.file /proc/self/environ
read-descriptor open_file.file /proc/self/fd/0
read-devices open_file.file /dev/stdin
write-passwords keep.name /etc/passwd
write-upwards keep.name ../a
write-home keep.name ~/a
write-variable keep.name $TMPDIR/a
write-shelf keep.name /tmp/a
ask-file ask.url file:///etc/passwd
ask-gopher ask.url gopher://api.example.com:6379/_FLUSHALL
ask-nothing ask.url //api.example.com/
ask-user ask.url http://api.example.com@evil.test/
ask-password ask.url http://a:b@api.example.com/
ask-below-another ask.url http://api.example.com.evil.test/
ask-root-of-wildcard ask.url http://allowed.test/
ask-look-alike ask.url http://xallowed.test/
ask-other-port ask.url http://api.example.com:22/
ask-no-port ask.url http://api.example.com:/
ask-loopback ask.url http://127.0.0.1/
ask-loopback-mapped ask.url http://[::ffff:127.0.0.1]/
ask-loopback-number ask.url http://2130706433/
ask-loopback-octal ask.url http://0177.0.0.1/
ask-metadata ask.url http://169.254.169.254/latest
ask-unlisted-address ask.url http://93.184.216.34/
ask-backslash ask.url http://evil.test\\@api.example.com/
ask-wide-letters ask.url http://ａpi.example.com/
ask-wide-stop ask.url http://api。example.com/
ask-cyrillic ask.url http://аpi.example.com/
ask-two-stops ask.url http://api.example.com../
ask-return ask.url http://api.example.com/\rHost:evil.test
ask-neighbour ask.source http://10.2.0.1/
ask-mapped-neighbour ask.source http://[::ffff:10.2.0.1]/
ask-name ask.source http://api.example.com/
pick-another pick.word second
pick-in-capitals pick.word DAY
"""
BY_PLACE: list[tuple[str, str, tuple[Any, ...], str]] = [
    ("url-by-place", "bank.fetch", ("http://evil.example",), "C"),
    ("self-of-another-class", "datetime.date.isoformat", ("A" * 400,), "C4|B|A3"),
    ("self-that-is-a-text", "pandas.DataFrame.sum", ("text",), "C4|B|A3"),
    ("self-that-is-a-list", "datetime.datetime.timestamp", ([1, 2],), "C4|B|A3"),
    ("self-of-a-generator", "numpy.random.Generator.normal", ("A" * 400,), "A|B|C"),
    ("method-caller", "operator.methodcaller", ("system", "id"), "A|B|C"),
    ("attribute-getter", "operator.attrgetter", ("__class__.__mro__",), "A|B|C"),
    ("item-getter-on-a-module", "operator.itemgetter", ("os",), "A|B|C"),
    ("call-of-operator", "operator.call", (1,), "A|B|C"),
    ("expanded-variables", "os.path.expandvars", ("$KSRPC_TOKEN",), "A"),
    ("file-that-is-there", "os.path.exists", ("/etc/passwd",), "A"),
    ("place-that-is-real", "os.path.realpath", (".",), "A"),
]
BOMBS: list[tuple[str, str, tuple[Any, ...], str]] = [
    ("power-of-integers", "operator.pow", (7, 2**62), "A|C"),
    ("shift-of-integers", "operator.lshift", (1, 2**40), "A|C"),
    ("repeated-text", "operator.mul", ("x" * 1000, 2**40), "A|C"),
    ("repeated-list", "operator.mul", ([0], 2**40), "A|C"),
    ("factorial", "math.factorial", (10**6,), "A|C"),
    ("combinations", "math.comb", (10**6, 10**5), "A|C"),
    ("permutations", "math.perm", (10**6, 10**5), "A|C"),
    ("array-of-terabytes", "numpy.zeros", (2**40,), "C5"),
    ("array-of-many-axes", "numpy.ones", ([1000] * 9,), "C5"),
    ("identity-of-terabytes", "numpy.eye", (2**20,), "C5"),
    ("range-of-terabytes", "numpy.arange", (0, 1e15), "C5"),
    ("points-without-end", "numpy.linspace", (0, 1, 10**12), "C5"),
    ("step-of-nothing", "numpy.arange", (0, 1, 1e-300), "C5"),
    ("repeats-without-end", "numpy.repeat", ([1], 10**12), "C5|A"),
    ("tiles-without-end", "numpy.tile", ([1], 10**12), "C5|A"),
    ("dates-without-end", "pandas.date_range", ("1700-01-01", "2200-01-01", None, "ns"), "C5|A|C2"),
]
#: What JSON has no words for.
BINARY_VALUES: list[tuple[str, str, Any, str]] = [
    ("namespace", "gadget", SimpleNamespace(__class__="x", __wrapped__=1), "C1|decode"),
    ("path-of-the-library", "gadget", PurePosixPath("/etc/shadow"), "C|decode"),
    ("deque", "gadget", deque(["/etc/shadow"]), "C|decode"),
    ("ordered-dict", "gadget", OrderedDict(a="/etc/shadow"), "C|decode"),
    ("counter", "gadget", Counter(["/etc/shadow"]), "C|decode"),
    ("path-as-bytes", "gadget", b"/etc/shadow", "C"),
    ("path-in-a-set", "gadget", {"/etc/shadow", "a"}, "C"),
    ("path-in-an-array-of-text", "gadget", (b"http://evil.example",), "C"),
    ("wide-integer", "bomb", 10**5000, "C1|decode"),
    ("wide-integer-below-nothing", "bomb", -(2**70), "C1|decode"),
    ("wide-integer-deep-inside", "bomb", [1, {"a": (10**100,)}], "C1|decode"),
    ("wide-decimal", "bomb", Decimal("1e999999"), "C1|decode"),
]


def _named(line: str) -> Attack:
    name, function, text = line.split(" ")
    path, _, parameter = function.partition(".")
    return Attack(name, "gadget", "H2 H20", f"bank.{path}", "C2|C3", (), {parameter: text})


ATTACKS: list[Attack] = [
    *(Attack(name, "gadget", "H2 H20", path, answer, (), kwargs) for name, path, kwargs, answer in BY_NAME),
    *map(_named, NAMED.strip("\n").split("\n")),
    *(Attack(name, "gadget", "H9 H10", path, answer, args) for name, path, args, answer in BY_PLACE),
    *(Attack(name, "bomb", "H22", path, answer, args) for name, path, args, answer in BOMBS),
]
#: Not for JSON.
BINARY: list[Attack] = [
    Attack(name, kind, "H3 H22", "bank.fetch", answer, (), {"name": value})
    for name, kind, value, answer in BINARY_VALUES
]
