"""The administrator's classes of parameters: which holds, what the function gets, and what a wrong one does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ksrpc.errors import ArgumentError, ForbiddenError, NotFoundError, RefusedError
from ksrpc.expose import Resolver, Target
from ksrpc.expose.origin import ModuleSource
from ksrpc.expose.parameter import CLASSES
from ksrpc.model import PARAMETER_CLASSES, Reach, Rules
from tests.unit.expose.conftest import Builder

STALL = """
def read(path, encoding="utf-8"): return path
def read_all(*paths, mode=None): return paths
def save(name, path=None, /, **rest): return name
def fetch(url, path=None): return url
def bars(code, freq=None, comment=None): return code
def tell(): return 1
class Shop:
    pass
"""
Look = Callable[..., Target]


@pytest.fixture
def look(build: Builder, tmp_path: Path) -> Look:
    """Serve a vendor's functions whose parameters are classed."""
    build({"stall.py": STALL})
    shelf = tmp_path / "shelf"
    shelf.mkdir()

    def resolve(name: str, **classes: str) -> Target:
        told = {key.replace("__", ".").replace("any.", "*."): kind for key, kind in classes.items()}
        reach = Reach((str(shelf),), (), str(tmp_path / "scratch"), ("api.example.com",), told)
        return Resolver(Rules(allow=("stall",)), reaches={"stall": reach}).resolve(f"stall.{name}")

    return resolve


def test_every_class_has_a_check_and_every_check_a_class() -> None:
    assert {*CLASSES, "choice", "path:read", "path:write", "url"} == set(PARAMETER_CLASSES)


@pytest.mark.parametrize("key", ["read__path", "any__path", "path"])
def test_the_function_gets_the_path_resolved(look: Look, tmp_path: Path, key: str) -> None:
    target = look("read", **{key: "path:read"})
    found = str(tmp_path / "shelf" / "a.csv")
    assert target.call_check(("a.csv",), {}) == ((found,), {})
    assert target.call_check((), {"path": "./a.csv", "encoding": "gbk"}) == ((), {"path": found, "encoding": "gbk"})
    assert target.call_check((["a.csv"], "gbk"), {}) == (([found], "gbk"), {})
    assert target.call_check((None,), {}) == ((None,), {})
    for value in ("/etc/passwd", "../a", 3, True, 1.5):
        with pytest.raises(ForbiddenError):
            target.call_check((value,), {})
        with pytest.raises(ForbiddenError):
            target.call_check((), {"path": value})


def test_other_arguments_of_the_function_keep_their_classes(look: Look) -> None:
    target = look("fetch", fetch__url="url")
    assert target.call_check(("https://API.example.com",), {"path": "x.csv"})[0] == ("https://api.example.com/",)
    for path in ("a/b.csv", "/etc/passwd"):
        with pytest.raises(ForbiddenError):
            target.call_check(("https://api.example.com",), {"path": path})


def test_arguments_that_do_not_fit_never_reach_the_function(look: Look) -> None:
    target = look("read", read__path="path:read")
    for args, kwargs in ((("a", "b", "c"), {}), ((), {"file": "a"}), (("a",), {"path": "/etc/passwd"})):
        with pytest.raises(ArgumentError):
            target.call_check(args, kwargs)


def test_every_one_of_many_and_what_only_keywords_take(look: Look, tmp_path: Path) -> None:
    target = look("read_all", read_all__paths="path:read")
    shelf = tmp_path / "shelf"
    assert target.call_check(("a", "b"), {}) == ((str(shelf / "a"), str(shelf / "b")), {})
    with pytest.raises(ForbiddenError):
        target.call_check(("a", "/etc/passwd"), {})
    for number in (0, 3, True):  # would be an open descriptor
        with pytest.raises(ForbiddenError):
            target.call_check((number,), {})
    target = look("save", save__name="path:write", save__path="path:read", save__log="path:write")
    scratch = tmp_path / "scratch"
    args, kwargs = target.call_check(("a", "b"), {"path": "c", "log": "d"})
    assert args == (str(scratch / "a"), str(shelf / "b"))
    assert kwargs == {"path": str(shelf / "c"), "log": str(scratch / "d")}


def test_a_class_narrows_and_widens(look: Look) -> None:
    target = look("bars", bars__freq="choice:day|minute", bars__comment="text")
    target.call_check(("000001.SZ", "day", "see https://example.com"), {})
    with pytest.raises(ForbiddenError, match="none of day, minute"):
        target.call_check(("000001.SZ",), {"freq": "tick"})
    with pytest.raises(ForbiddenError):
        target.call_check(("https://example.com",), {})


def test_the_one_of_the_function_goes_before_the_one_of_all(look: Look) -> None:
    target = look("fetch", any__url="none", fetch__url="url", path="none")
    assert target.call_check(("https://api.example.com/",), {}) == (("https://api.example.com/",), {})
    with pytest.raises(ForbiddenError, match="cannot be set"):
        target.call_check(("https://api.example.com/", "000001.SZ"), {})
    assert look("tell", any__url="url").call_check((), {}) == ((), {}), "it has none of these"


def test_the_class_of_a_function_goes_before_its_preset_and_that_before_the_one_of_all() -> None:
    rules = Rules(allow=("json",))
    plain = Resolver(rules).resolve("json.loads")
    with pytest.raises(ForbiddenError):
        plain.call_check(("{}",), {"cls": "x"})
    for key, passes in (("*.cls", False), ("loads.cls", True)):
        target = Resolver(rules, reaches={"json": Reach(classes={key: "text"})}).resolve("json.loads")
        if passes:
            assert target.call_check(("{}",), {"cls": "x"}) == (("{}",), {"cls": "x"})
            continue
        with pytest.raises(ForbiddenError):
            target.call_check(("{}",), {"cls": "x"})


def test_a_class_opens_no_name_that_a_preset_keeps_closed() -> None:
    resolver = Resolver(Rules(allow=("json",)), reaches={"json": Reach(classes={"load.fp": "text"})})
    with pytest.raises(ForbiddenError):
        resolver.resolve("json.load")


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("read__pth", r"^\[module\.stall\.parameters\] 'read\.pth': the function has no such .* encoding, path$"),
        ("raed__path", r"^\[module\.stall\.parameters\] 'raed\.path': there is no such function$"),
        ("tell__path", "only none$"),
        ("Shop__path", "'Shop.path': .* rule B3"),
    ],
)
def test_what_is_misspelt_closes_the_module_and_says_so(look: Look, key: str, text: str) -> None:
    for name in ("read", "tell"):
        with pytest.raises(RefusedError, match=text):
            look(name, **{key: "path:read"})
    with pytest.raises(NotFoundError):
        look("nothing", any__nothing="text")


def test_methods_have_classes_too_and_the_object_is_left_in_its_place(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("class Shop:\n    def read(self, path): return path\n")
    reach = Reach((str(tmp_path),), classes={"Shop.read.path": "path:read"})
    rules = Rules(allow=("mine",), handles=("mine.Shop",))
    resolver = Resolver(rules, sources={"mine": ModuleSource(file)}, reaches={"mine": reach})
    cls = resolver.resolve("mine.Shop").object
    target, shop = resolver.resolve_member("mine.Shop.read", cls.read, cls), cls()
    found = str(tmp_path / "a")
    assert target.call_check((shop, "a"), {}) == ((shop, found), {})
    assert target.call_check((shop,), {"path": "a"}) == ((shop,), {"path": found})
    with pytest.raises(ForbiddenError):
        target.call_check((shop, "/etc/passwd"), {})
