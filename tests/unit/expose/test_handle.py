"""What may be done with an object that is kept for a caller: what the administrator lists, judged on its class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ksrpc.errors import ArgumentError, ForbiddenError, KsrpcError, NotFoundError
from ksrpc.expose import ModuleSource, Resolver
from ksrpc.expose.handle import ENTER, EXIT, HandleBook, check_attribute
from ksrpc.model import HandleClass, Rules
from tests.unit.expose.conftest import Builder

OTHER = '''
"""A package that is not served."""
def foreign(self): return "foreign"
class Base:
    def inherited(self): return "inherited"
'''

STALL = '''
"""A package that is served."""
import contextlib, functools, os, subprocess
import other

class Account(other.Base):
    """An account."""
    kind = "cash"
    home = os.getcwd
    def __init__(self, name, password="hush"):
        self.name, self.password, self.token, self.path = name, password, "t", "/etc/passwd"
        self.left, self.raw = None, object()
    def balance(self, currency="CNY", *, digits=2):
        """Tell the balance."""
        return (self.name, currency, digits)
    def read(self, path): return path
    async def wait(self): return self.name
    def stream(self): yield 1
    @property
    def shown(self): return self.name.upper()
    @functools.cached_property
    def once(self): return [self.name]
    @staticmethod
    def plain(x): return x
    @classmethod
    def make(cls, x): return x
    run = subprocess.run
    taken = other.foreign
    def __call__(self): return "called"
    def __enter__(self): return self
    def __exit__(self, cls, error, tb):
        self.left = (cls.__name__ if cls else None, str(error) if error else "")
        return cls is ValueError
    def close(self): return "closed"

class Slotted:
    __slots__ = ("size", "hidden")
    def __init__(self, size): self.size = size

class Plain(contextlib.AbstractContextManager):
    def __exit__(self, *told): return None

class Later:
    async def __aenter__(self): return 5
    async def __aexit__(self, *told): return None

class Child(Account): pass
def function(): return 1
'''

ACCOUNT = HandleClass(
    "stall.Account",
    methods=("balance", "read", "wait", "stream", "plain", "make", "run", "taken", "inherited", "absent", "shown",
             "close", "kind"),
    attributes=("name", "kind", "password", "path", "raw", "home", "shown", "once", "nothing"),
    context=True,
)  # fmt: skip
#: A name that is both would be refused by the configuration; here it serves to ask for either.
METHODS_ONLY = HandleClass("stall.Account", methods=ACCOUNT.methods)


@pytest.fixture(autouse=True)
def stall(build: Builder) -> None:
    build({"other.py": OTHER, "stall.py": STALL})


def book(*classes: HandleClass, block: tuple[str, ...] = ()) -> tuple[HandleBook, Resolver]:
    rules = Rules(allow=("stall",), block=block, handles=tuple(listed.path for listed in classes))
    resolver = Resolver(rules)
    return HandleBook(resolver, classes), resolver


def account(resolver: Resolver, *args: Any) -> Any:
    return resolver.resolve("stall.Account").object(*args)


def use(known: HandleBook, held: object, name: str, *args: Any, **kwargs: Any) -> Any:
    member = known.resolve(held, name)
    args = (held, *args) if member.takes_self else args
    member.check(args, kwargs)
    found = member.target.object(*args, **kwargs)
    if member.is_attribute:
        check_attribute(member.target.path, found)
    return found


def test_a_class_that_is_not_listed_is_not_made() -> None:
    _, resolver = book()
    with pytest.raises(ForbiddenError, match="rule B3"):
        resolver.resolve("stall.Account")


def test_a_listed_class_is_made_and_its_arguments_pass_gate_c() -> None:
    _, resolver = book(ACCOUNT)
    target = resolver.resolve("stall.Account")
    target.call_check(("li",), {})
    with pytest.raises(ForbiddenError, match="rule C3"):
        target.call_check(("/etc/passwd",), {})


def test_being_listed_opens_the_class_and_nothing_below_it() -> None:
    _, resolver = book(ACCOUNT)
    for path in ("stall.Account.balance", "stall.Account.run", "stall.Child", "stall.Slotted"):
        with pytest.raises(ForbiddenError):
            resolver.resolve(path)


def test_only_exactly_a_listed_class_is_kept() -> None:
    known, resolver = book(ACCOUNT)
    held = account(resolver, "li")
    child = type("Child", (type(held),), {})("li")
    found = known.find(held)
    assert found is ACCOUNT
    assert known.find(child) is None
    assert known.find({"a": 1}) is None


def test_methods_are_called_as_functions_of_the_class() -> None:
    known, resolver = book(METHODS_ONLY)
    held = account(resolver, "li")
    held.balance = lambda *args: "the instance's own"
    assert use(known, held, "balance", "USD", digits=4) == ("li", "USD", 4)
    assert use(known, held, "plain", 5) == 5
    assert use(known, held, "make", 6) == 6
    assert list(use(known, held, "stream")) == [1]
    assert known.resolve(held, "wait").target.is_async


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("run", "B4"),
        ("taken", "B4"),
        ("inherited", "B4"),
        ("shown", "B7"),
        ("kind", "B7"),
        ("unlisted", "B7"),
        ("__init__", "B7"),
        ("__class__", "B7"),
        ("__dict__", "B7"),
        ("__call__", "B7"),
        ("token", "B7"),
        ("", "B7"),
        ("balance.__globals__", "B7"),
    ],
)
def test_what_is_not_a_listed_method_of_the_package_is_refused(name: str, rule: str) -> None:
    known, resolver = book(METHODS_ONLY)
    with pytest.raises(ForbiddenError, match=f"rule {rule}"):
        use(known, account(resolver, "li"), name)


def test_a_listed_method_that_is_not_there_says_so() -> None:
    known, resolver = book(METHODS_ONLY)
    with pytest.raises(NotFoundError, match=r"stall\.Account has no method 'absent'"):
        use(known, account(resolver, "li"), "absent")


def test_arguments_of_methods_pass_gate_c() -> None:
    known, resolver = book(METHODS_ONLY)
    held = account(resolver, "li")
    assert use(known, held, "read", "600000.SH") == "600000.SH"
    with pytest.raises(ForbiddenError, match="rule C2"):
        use(known, held, "read", "a b")
    with pytest.raises(ForbiddenError, match="rule C3"):
        use(known, held, "balance", "/etc/passwd")


def test_a_blocked_method_stays_blocked() -> None:
    known, resolver = book(METHODS_ONLY, block=("stall.Account.close",))
    held = account(resolver, "li")
    with pytest.raises(ForbiddenError, match="rule B14"):
        use(known, held, "close")
    assert use(known, held, "plain", 1) == 1


def test_a_blocked_class_cannot_be_kept() -> None:
    known, resolver = book(METHODS_ONLY, block=("stall.Account",))
    with pytest.raises(KsrpcError):
        resolver.resolve("stall.Account")
    assert known.find(object()) is None


def test_listed_attributes_are_read_as_data() -> None:
    known, resolver = book(ACCOUNT)
    held = account(resolver, "li")
    assert use(known, held, "name") == "li"
    assert use(known, held, "kind") == "cash"
    assert use(known, held, "shown") == "LI"
    assert use(known, held, "once") is use(known, held, "once")


@pytest.mark.parametrize(
    ("name", "rule"), [("password", "B12"), ("path", "B12"), ("raw", "B12"), ("home", "B12"), ("token", "B7")]
)
def test_secrets_places_and_objects_are_no_attributes(name: str, rule: str) -> None:
    known, resolver = book(ACCOUNT)
    with pytest.raises(ForbiddenError, match=f"rule {rule}"):
        use(known, account(resolver, "li"), name)


def test_an_attribute_takes_no_arguments_and_may_be_missing() -> None:
    known, resolver = book(ACCOUNT)
    held = account(resolver, "li")
    with pytest.raises(ArgumentError):
        use(known, held, "name", 1)
    with pytest.raises(AttributeError):
        use(known, held, "nothing")


def test_slots_are_read() -> None:
    known, resolver = book(HandleClass("stall.Slotted", attributes=("size", "hidden")))
    held = resolver.resolve("stall.Slotted").object(7)
    assert use(known, held, "size") == 7
    with pytest.raises(AttributeError):
        use(known, held, "hidden")


def test_with_needs_to_be_listed() -> None:
    known, resolver = book(METHODS_ONLY)
    held = account(resolver, "li")
    for step in (ENTER, EXIT):
        with pytest.raises(ForbiddenError, match="context = true"):
            use(known, held, step)


def test_a_block_is_entered_and_left_with_what_ended_it() -> None:
    known, resolver = book(ACCOUNT)
    held = account(resolver, "li")
    assert use(known, held, ENTER) == (True, None)
    assert use(known, held, EXIT) is False
    assert held.left == (None, "")
    assert use(known, held, EXIT, ["ValueError", "bad"]) is True
    assert held.left == ("ValueError", "bad")
    assert use(known, held, EXIT, ["KeyboardInterrupt", "stop"]) is False
    assert held.left == ("RuntimeError", "stop")
    use(known, held, EXIT, ["UnicodeDecodeError", "bad"])
    assert held.left == ("RuntimeError", "UnicodeDecodeError: bad")
    for told in ("text", ["os.system"], [1, 2], ["a", "b", "c"]):
        with pytest.raises(ArgumentError):
            use(known, held, EXIT, told)
    with pytest.raises(ArgumentError):
        use(known, held, ENTER, 1)


def test_the_default_way_to_enter_is_python_s_own() -> None:
    known, resolver = book(HandleClass("stall.Plain", context=True))
    held = resolver.resolve("stall.Plain").object()
    assert use(known, held, ENTER) == (True, None)


def test_an_asynchronous_block_is_awaited() -> None:
    known, resolver = book(HandleClass("stall.Later", context=True))
    held = resolver.resolve("stall.Later").object()
    assert known.resolve(held, ENTER).target.is_async


def test_the_description_names_what_may_be_used_and_shows_no_more() -> None:
    known, resolver = book(ACCOUNT)
    told = known.describe(account(resolver, "li"))
    assert (told["class"], told["doc"], told["context"]) == ("stall.Account", "An account.", True)
    assert told["members"]["balance"]["doc"] == "Tell the balance."
    assert [entry["name"] for entry in told["members"]["balance"]["signature"]] == ["currency", "digits"]
    assert told["members"]["name"] == {"kind": "value"}
    assert not {"run", "taken", "inherited", "password", "token"} & set(told["members"])


def test_a_class_that_cannot_be_kept_is_told_where_the_administrator_looks(capfd: pytest.CaptureFixture[str]) -> None:
    known, _ = book(HandleClass("stall.Missing"), HandleClass("stall.function"))
    assert known.find(object()) is None
    told = capfd.readouterr().err
    assert "stall.Missing is listed in handles, but cannot be kept" in told
    assert "stall.function" in told


def test_a_class_of_a_library_without_a_list_is_opened_by_being_listed() -> None:
    listed = HandleClass("sqlite3.Connection", methods=("execute", "commit"), attributes=("total_changes",))
    resolver = Resolver(Rules(allow=("sqlite3",), handles=("sqlite3.Connection",)))
    known = HandleBook(resolver, [listed])
    held = resolver.resolve("sqlite3.Connection").object(":memory:")
    try:
        assert use(known, held, "commit") is None
        with pytest.raises(ForbiddenError, match="rule C2"):
            use(known, held, "execute", "drop table t")
        assert use(known, held, "total_changes") == 0
        with pytest.raises(ForbiddenError, match="rule B7"):
            use(known, held, "backup")
        with pytest.raises(ForbiddenError, match="rule A3"):
            resolver.resolve("sqlite3.connect")
    finally:
        held.close()


def test_a_class_of_the_administrator_s_file(tmp_path: Path, build: Builder) -> None:
    build({})
    file = tmp_path / "mine.py"
    file.write_text("class Shop:\n    def price(self, item): return len(item)\n", "utf-8")
    listed = HandleClass("mine.Shop", methods=("price",))
    resolver = Resolver(Rules(allow=("mine",), handles=("mine.Shop",)), sources={"mine": ModuleSource(file)})
    known = HandleBook(resolver, [listed])
    held = resolver.resolve("mine.Shop").object()
    assert use(known, held, "price", "abc") == 3
