"""Every row of the decision table of gate B, accepted and refused."""

from __future__ import annotations

import pytest

from ksrpc.errors import ForbiddenError, NotFoundError
from ksrpc.expose import Resolver, Target
from ksrpc.model import Rules
from tests.unit.expose.conftest import Builder

OTHER = '''
"""A package that is not served."""
import functools
TABLE = [1, 2]
def foreign(): return "foreign"
class Foreign:
    @classmethod
    def make(cls): return "made"
    @staticmethod
    def plain(): return "plain"
def decorate(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs): return function(*args, **kwargs)
    return wrapper
'''

STALL = '''
"""A package that is served."""
import collections, contextlib, ctypes, datetime, functools, math, os, subprocess, sys, types
import numpy as np
import pandas as pd
import other
from other import Foreign, foreign
from os import environ, system
from sys import path as search_path, modules as loaded
from subprocess import run
from pandas import DataFrame
from . import depth
RAN = []

NUMBER, TEXT, ROWS = 3, "text", {"a": [1, (2, None)], "b": {3, 4}}
FRAME = pd.DataFrame({"a": [1]})
MIXED = {"a": [1, object()]}
HOME = ["/srv/data"]
api_token = "xyz"
loop = []
loop.append(loop)
class Dict(dict): pass
SUBCLASS = Dict(a=1)
environment = os.environ
proxy = types.MappingProxyType({"a": 1})

def own(x, y=2): return x + y
async def waits(): return 1
def gives(): yield 1
async def gives_async(): yield 1
spoofed = os.system
def pretend(): return os.getcwd()
pretend.__module__ = "os"
forged = types.FunctionType(own.__code__, {"__name__": "stall"})
@functools.wraps(os.path.join)
def wraps_foreign(*args): return args
@functools.lru_cache
def cached(x): return x
cached_foreign = functools.lru_cache(foreign)
wrapped = other.decorate(own)
@contextlib.contextmanager
def context(): yield 1
@functools.singledispatch
def dispatched(x): return x
part = functools.partial(own, 1)
part_foreign = functools.partial(foreign)
part_object = functools.partial(own, object())
part_secret = functools.partial(own, token="x")
part_method = functools.partial([].append)

class Record(collections.namedtuple("Record", "a b")): pass
class Service:
    limit = 5
    @classmethod
    def make(cls): return cls.__name__
    @staticmethod
    def plain(): return "plain"
    foreign = staticmethod(foreign)
    def method(self): return 1
    @property
    def live(self): RAN.append("property"); return 1
    slot = property(lambda self: RAN.append("slot"))
service = Service()
bound = service.method
bound_class = Service.make
foreign_make = Foreign.make
now = datetime.datetime.now
join = str.join
bare_class_method = classmethod(own)
cached_object = functools.lru_cache(Service)
Service.twice = staticmethod(staticmethod(own))
listed = [].append
class Failure(Exception): pass
class Callable:
    def __call__(self): return 1
    def __getattr__(self, name): RAN.append(name); return self
instance = Callable()
class Meta(type):
    def __getattr__(cls, name): RAN.append(name); return own
    @property
    def magic(cls): RAN.append("magic"); return own
    @property
    def __module__(cls): RAN.append("module"); return "stall"
class Magic(metaclass=Meta): pass
class Descriptor:
    def __get__(self, *args): RAN.append("descriptor"); return own
class Holder:
    described = Descriptor()
class Lying(Foreign):
    pass
Lying.__module__ = "stall"
Lying.__qualname__ = "Service"
np_add = np.add
own_ufunc = np.frompyfunc(own, 2, 1)
Foreign_spoofed = type("Foreign_spoofed", (), {"__module__": "nowhere", "make": classmethod(lambda cls: 1)})
class Nameless: pass
Nameless.__module__ = None
builtin = len
libc = ctypes.CDLL(None)
printf = libc.printf
def __getattr__(name): RAN.append(name); return own
'''

FILES = {
    "other/__init__.py": OTHER,
    "stall/__init__.py": STALL,
    "stall/depth.py": "def inside(): return 'inside'\n",
    "stall/_private.py": "def inside(): return 1\n",
    "stall/utils/__init__.py": "def inside(): return 1\n",
    "stall/unlisted.py": "import stall; stall.RAN.append('unlisted')\n",
}


@pytest.fixture
def resolver(build: Builder) -> Resolver:
    """Serve `stall`."""
    build(FILES)
    return Resolver(Rules(allow=("stall",)))


ACCEPTED = {
    "NUMBER": "value",
    "TEXT": "value",
    "ROWS": "value",
    "FRAME": "value",
    "depth": "module",
    "depth.inside": "function",
    "own": "function",
    "waits": "coroutine",
    "gives": "generator",
    "gives_async": "async_generator",
    "pretend": "function",
    "cached": "function",
    "context": "function",
    "dispatched": "function",
    "part": "function",
    "Record": "class",
    "Service.limit": "value",
    "Service.make": "function",
    "Service.plain": "function",
    "bound_class": "function",
}

REFUSED = {
    # B1: modules under another name
    "os": "B1",
    "os.system": "B1",
    "other": "B1",
    "other.foreign": "B1",
    "np": "B1",
    "ctypes": "B1",
    # B2: steps through anything but modules and owned classes
    "service.method": "B2",
    "instance.anything": "B2",
    "own.x": "B2",
    "TEXT.join": "B2",
    "Foreign.make": "B2",
    "DataFrame.eval": "B2",
    "Lying.make": "B2",
    "Foreign_spoofed.make": "B2",
    "Nameless.x": "B2",
    "Service.live": "B2",
    "Service.slot": "B2",
    # B3: classes
    "Service": "B3",
    "Failure": "B3",
    "Foreign": "B3",
    "DataFrame": "B3",
    # B4, B5, B6
    "foreign": "B4",
    "run": "B4",
    "wrapped": "B4",
    "wraps_foreign": "B4",
    "system": "B5",
    "spoofed": "B5",
    "builtin": "B5",
    # B7, B8
    "foreign_make": "B6",
    "now": "B6",
    "Service.method": "B7",
    "join": "B7",
    "bound": "B8",
    "listed": "B8",
    # B9
    "instance": "B9",
    "np_add": "B9",
    "own_ufunc": "B9",
    "printf": "B9",
    # B10, B11
    "part_foreign": "B4",
    "part_object": "B10",
    "part_secret": "B10",
    "part_method": "B8",
    "cached_foreign": "B4",
    "bare_class_method": "B11",
    "cached_object": "B11",
    "Service.twice": "B11",
    "forged": "B13",
    "Service.foreign": "B4",
    # B12
    "MIXED": "B12",
    "HOME": "B12",
    "api_token": "B12",
    "SUBCLASS": "B12",
    "environment": "B12",
    "environ": "B12",
    "proxy": "B12",
    "search_path": "B12",
    "loaded": "B12",
    "loop": "B12",
    "service": "B12",
    "libc": "B12",
    "Holder.described": "B12",
}


@pytest.mark.parametrize(("name", "kind"), ACCEPTED.items())
def test_accepts(resolver: Resolver, name: str, kind: str) -> None:
    """Take what the package owns and what is data."""
    target = resolver.resolve(f"stall.{name}")
    assert target.kind == kind
    assert target.owner == "stall"
    assert target.canonical == target.path == f"stall.{name}"


@pytest.mark.parametrize(("name", "rule"), REFUSED.items())
def test_refuses(resolver: Resolver, name: str, rule: str) -> None:
    """Refuse by the row that the object falls under; nothing of the object runs meanwhile."""
    with pytest.raises(ForbiddenError) as caught:
        resolver.resolve(f"stall.{name}")
    assert (caught.value.gate, caught.value.rule) == ("B", rule)
    assert_nothing_ran()


@pytest.mark.parametrize("name", ["nothing", "Magic.magic", "Magic.anything", "depth.nothing", "unlisted"])
def test_computed_names_do_not_exist(resolver: Resolver, name: str) -> None:
    """Names that only `__getattr__`, a metaclass or an import would make are not there."""
    with pytest.raises((NotFoundError, ForbiddenError)):
        resolver.resolve(f"stall.{name}")
    assert_nothing_ran()


def assert_nothing_ran() -> None:
    """Check the list that every trap of the package writes to."""
    import stall  # type: ignore[import-not-found]

    assert stall.RAN == []


def test_unlisted_submodule_is_not_imported(resolver: Resolver) -> None:
    """A4: a step into a sub-module that no list names."""
    with pytest.raises(ForbiddenError, match="A4"):
        resolver.resolve("stall.unlisted.anything")
    assert_nothing_ran()


def test_listed_submodule_is_imported(build: Builder) -> None:
    """A4: the pattern names it literally."""
    build({**FILES, "stall/unlisted.py": "def inside(): return 1\n"})
    resolver = Resolver(Rules(allow=("stall.unlisted",)))
    assert resolver.resolve("stall.unlisted.inside").object() == 1
    with pytest.raises(NotFoundError):
        resolver.resolve("stall.own")


def test_calls_the_judged_object(resolver: Resolver) -> None:
    """Rebinding the name later changes nothing for who resolved it, before or after."""
    first = resolver.resolve("stall.own")
    import stall

    stall.own = stall.system
    assert resolver.resolve("stall.own") is first
    assert first.object(1) == 3


def test_bound_results(resolver: Resolver) -> None:
    """Class methods are bound to the class that was named."""
    made: Target = resolver.resolve("stall.Service.make")
    assert made.object() == "Service"
    assert resolver.resolve("stall.part").object() == 3


def test_lazy_module_is_refused(build: Builder) -> None:
    """A package that put an instance, or a module of a subclass, in its own place."""
    text = "import sys, types\nclass Lazy(types.ModuleType):\n    def __getattr__(self, name): return len\n"
    build({"stall.py": text + "sys.modules[__name__].__class__ = Lazy\n"})
    with pytest.raises(ForbiddenError, match="B1"):
        Resolver(Rules(allow=("stall",))).resolve("stall.anything")


def test_module_with_a_false_name_is_refused(build: Builder) -> None:
    """`__name__` must be the path that was asked for."""
    build({"stall.py": "__name__ = 'os'\ndef own(): return 1\n"})
    with pytest.raises(ForbiddenError, match="B1"):
        Resolver(Rules(allow=("stall",))).resolve("stall.own")
