"""Block patterns close the object under every name (B14), and always win."""

from __future__ import annotations

import pytest

from ksrpc.errors import ForbiddenError, NotFoundError
from ksrpc.expose import Resolver
from ksrpc.model import Rules
from tests.unit.expose.conftest import Builder

FILES = {
    "stall/__init__.py": """
import functools
from . import depth
from .depth import inside, Box, wrap
same = inside
part = functools.partial(inside)
cached = functools.lru_cache(inside)
class Bigger(Box): pass
class Record(dict):
    pass
make = Box.make
wrapped = wrap(inside)
def free(): return 1
""",
    "stall/depth.py": """
import functools
def inside(): return 1
def sibling(): return 2
class Box:
    @classmethod
    def make(cls): return 1
    @staticmethod
    def plain(): return 1
def wrap(function):
    @functools.wraps(function)
    def wrapper(): return function()
    return wrapper
""",
}


def refusal(build: Builder, block: str, path: str) -> str:
    """Return the rule by which a path is refused."""
    build(FILES)
    with pytest.raises(ForbiddenError) as caught:
        Resolver(Rules(allow=("stall",), block=(block,))).resolve(path)
    return caught.value.rule


@pytest.mark.parametrize("name", ["inside", "same", "part", "cached", "wrapped"])
def test_function_under_every_name(build: Builder, name: str) -> None:
    """What binds or wraps a function does not hide it."""
    assert refusal(build, "stall.depth.inside", f"stall.{name}") == "B14"


@pytest.mark.parametrize("name", ["Box.make", "Box.plain", "Bigger.make", "make"])
def test_class_and_its_subclasses(build: Builder, name: str) -> None:
    """A blocked class closes its methods and those of its subclasses."""
    rule = refusal(build, "stall.depth.Box", f"stall.{name}")
    assert rule == "B14"


@pytest.mark.parametrize("name", ["inside", "wrapped", "part"])
def test_module_and_its_code(build: Builder, name: str) -> None:
    """A blocked module closes the functions whose code lies in it."""
    assert refusal(build, "stall.depth", f"stall.{name}") == "B14"


def test_block_closes_by_text_first(build: Builder) -> None:
    """The blocked path itself is refused by gate A; what is not blocked stays open."""
    assert refusal(build, "stall.depth", "stall.depth.sibling") == "A2"
    resolver = Resolver(Rules(allow=("stall",), block=("stall.depth",)))
    assert resolver.resolve("stall.free").object() == 1


def test_block_on_the_whole_root_says_nothing() -> None:
    """A root that is blocked as a whole does not exist."""
    resolver = Resolver(Rules(allow=("stall", "math.pow"), block=("stall", "math")))
    for path in ("stall", "stall.free", "math.pow"):
        with pytest.raises(NotFoundError) as caught:
            resolver.resolve(path)
        assert str(caught.value) == NotFoundError.TEXT


@pytest.mark.parametrize(
    ("block", "path"),
    [("numpy.absolute", "numpy.abs"), ("numpy.abs", "numpy.absolute"), ("numpy.amax", "numpy.max")],
)
def test_alias_in_a_preset(block: str, path: str) -> None:
    """Listed aliases are known to gate A already."""
    with pytest.raises(ForbiddenError, match="A2"):
        Resolver(Rules(allow=("numpy",), block=(block,))).resolve(path)


def test_canonical_is_verified() -> None:
    """The canonical path leads to the identical object, and the alias is allowed wherever it is."""
    resolver = Resolver(Rules(allow=("numpy.abs",)))
    target = resolver.resolve("numpy.abs")
    assert target.canonical == "numpy.absolute"
    assert resolver.resolve(target.canonical).object is target.object
