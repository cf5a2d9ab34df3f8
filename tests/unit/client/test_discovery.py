"""Looking at remote names asks the server little, waits briefly, and never fails."""

from __future__ import annotations

import copy
import functools
import inspect
import pickle
import pydoc
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ksrpc.client import RpcClient, discovery
from ksrpc.connections.base import Connection, Options
from ksrpc.connections.shell import Shell
from ksrpc.errors import ConnectError, KsrpcError, NotFoundError

POW = {
    "kind": "function",
    "doc": "Raise x to a power.\n\nMore.",
    "signature": [
        {"name": "x", "kind": "POSITIONAL_ONLY", "default": "", "annotation": "float"},
        {"name": "y", "kind": "POSITIONAL_OR_KEYWORD", "default": "2", "annotation": ""},
    ],
    "returns": "float",
    "generation": 1,
}
MATH = {"kind": "module", "doc": "Numbers.", "members": ["pow", "pi", "_no", "not a name"], "generation": 1}


class Speaker(Connection):
    """Describe what a dict holds; note every question."""

    def __init__(self, told: dict[str, Any]) -> None:
        super().__init__("fake://gateway")
        self.told = told
        self.asked: list[str] = []
        self.before: Callable[[], object] = lambda: None

    def call(self, path: str, args: tuple[Any, ...], kwargs: dict[str, Any], options: Options) -> Any:
        self.asked.append(f"call {path}")
        return path

    async def acall(self, path: str, args: tuple[Any, ...], kwargs: dict[str, Any], options: Options) -> Any:
        return self.call(path, args, kwargs, options)

    def describe(self, path: str) -> dict[str, Any]:
        self.asked.append(path)
        self.before()
        found = self.told.get(path, NotFoundError())
        if isinstance(found, KsrpcError):
            raise found
        return dict(found)

    async def adescribe(self, path: str) -> dict[str, Any]:
        return self.describe(path)

    def ask(self, target: str) -> dict[str, Any]:
        self.asked.append(target)
        module = target.removeprefix("/v1/describe/").removesuffix("?members=true")
        told = {path: told for path, told in self.told.items() if not isinstance(told, KsrpcError)}
        inside = {path: told for path, told in told.items() if path.rpartition(".")[0] == module}
        return {"described": {path.rpartition(".")[2]: told for path, told in inside.items()}}

    async def aask(self, target: str) -> dict[str, Any]:
        return self.ask(target)

    async def _aopen(self) -> Shell:
        raise AssertionError("it opens nothing itself")

    def close(self) -> None:
        pass


@pytest.fixture
def speaker() -> Speaker:
    return Speaker({"math": MATH, "math.pow": POW, "math.pi": {"kind": "value", "generation": 1}})


@pytest.fixture
def math(speaker: Speaker) -> RpcClient:
    return RpcClient("math", speaker)


def test_dir_lists_what_may_be_called(math: RpcClient, speaker: Speaker) -> None:
    names = dir(math)
    assert {"pow", "pi", "async_local", "cache_get", "__call__"} <= set(names)
    assert not {"_no", "not a name", "_connection", "_path"} & set(names)
    assert dir(math) == names
    assert speaker.asked == ["math"]


def test_a_function_shows_its_signature_and_documentation(math: RpcClient, speaker: Speaker) -> None:
    assert repr(math.pow) == "<remote math.pow at fake://gateway>"
    assert str(inspect.signature(math.pow)) == "(x: float, /, y=2) -> float"
    assert inspect.getdoc(math.pow) == "Raise x to a power.\n\nMore."
    assert repr(math.pow) == "<remote math.pow(x: float, /, y=2) -> float at fake://gateway>"
    page = pydoc.render_doc(math.pow, renderer=pydoc.plaintext)  # type: ignore[attr-defined]
    assert "pow = <remote math.pow(x: float, /, y=2) -> float" in page
    assert "    Raise x to a power." in page
    assert speaker.asked == ["math.pow"]
    assert str(inspect.signature(math.pi)) == "()"


def test_the_classes_keep_their_own_documentation() -> None:
    assert (RpcClient.__doc__ or "").startswith("Stand for a module")
    assert list(inspect.signature(RpcClient).parameters) == ["module", "connection", "async_local", "async_remote"]
    assert "Stand for a module" in pydoc.render_doc(RpcClient)


@pytest.mark.parametrize(
    "look",
    [
        repr,
        str,
        bool,
        callable,
        hash,
        copy.copy,
        copy.deepcopy,
        inspect.isfunction,
        inspect.iscoroutinefunction,
        lambda path: path.__name__,
        lambda path: path.below.below,
        lambda path: path == 1,
        lambda path: hasattr(path, "__len__"),
        lambda path: hasattr(path, "__wrapped__"),
        lambda path: getattr(path, "_ipython_canary_method_should_not_exist_", None),
        lambda path: getattr(path, "_repr_html_", None),
    ],
)
def test_looking_asks_nothing(look: Callable[[Any], object], math: RpcClient, speaker: Speaker) -> None:
    look(math.pow)
    look(math)
    assert speaker.asked == []


@pytest.mark.parametrize("use", [iter, len, list, pickle.dumps, lambda path: path + 1, lambda path: path[1]])
def test_what_makes_no_sense_fails_at_once(use: Callable[[Any], object], math: RpcClient, speaker: Speaker) -> None:
    with pytest.raises(TypeError):
        use(math.pow)
    assert speaker.asked == []


def test_a_copy_is_one_of_its_own(math: RpcClient) -> None:
    math.cache_get = False
    twin = copy.deepcopy(math)
    twin.cache_get = True
    assert (type(twin), math.cache_get, twin.cache_get) == (RpcClient, False, True)
    assert copy.copy(math.pow)() == "math.pow"


def test_wraps_takes_name_and_documentation(math: RpcClient) -> None:
    @functools.wraps(math.pow)
    def mine() -> None:
        pass

    assert (mine.__name__, mine.__doc__) == ("pow", "Raise x to a power.\n\nMore.")
    assert str(inspect.signature(mine)) == "(x: float, /, y=2) -> float"


def test_a_cell_shows_documentation(math: RpcClient) -> None:
    shown = math.pow._repr_mimebundle_()
    assert shown["text/plain"] == "<remote math.pow(x: float, /, y=2) -> float at fake://gateway>\nRaise x to a power."
    assert "<pre>Raise x to a power." in shown["text/html"]


@pytest.mark.parametrize("failure", [NotFoundError(), ConnectError("nobody there")])
def test_without_an_answer_there_is_what_is_here(failure: KsrpcError, math: RpcClient, speaker: Speaker) -> None:
    speaker.told = {"math": failure, "math.pow": failure}
    assert "cache_get" in dir(math)
    assert "pow" not in dir(math)
    assert str(failure) in str(math.pow.__doc__)
    assert str(inspect.signature(math.pow)).startswith("(*args")
    assert math.pow._repr_mimebundle_() == {"text/plain": repr(math.pow)}


def test_a_gateway_that_cannot_be_reached_is_not_asked_again_and_again(math: RpcClient, speaker: Speaker) -> None:
    speaker.told = dict.fromkeys(("math", "math.a", "math.b", "math.c"), ConnectError("nobody there"))
    for name in "abc":
        dir(math)
        inspect.signature(math[name])
    assert speaker.asked == ["math"]


@pytest.fixture
def hanging(speaker: Speaker) -> Iterator[threading.Event]:
    """Let the server say nothing until the event is set."""
    answer = threading.Event()
    speaker.before = answer.wait
    yield answer
    answer.set()


def test_nobody_waits_for_a_silent_gateway(math: RpcClient, speaker: Speaker, hanging: threading.Event) -> None:
    began = time.monotonic()
    for _ in range(20):
        dir(math)
        inspect.signature(math.pow)
        repr(math)
    assert discovery.PATIENCE_S <= time.monotonic() - began < 5 * discovery.PATIENCE_S
    assert speaker.asked == ["math"]
    hanging.set()
    ended = time.monotonic() + 60
    while "pow" not in dir(math):  # the answer that came late is used
        assert time.monotonic() < ended
    assert speaker.asked == ["math"]


def test_a_new_generation_ends_what_was_known(math: RpcClient, speaker: Speaker) -> None:
    dir(math)
    inspect.signature(math.pow)
    speaker.told = {"math": {**MATH, "members": ["exp"]}, "math.exp": {**POW, "generation": 2}}
    assert "pow" in dir(math)
    inspect.signature(math.exp)
    assert "exp" in dir(math)
    assert "pow" not in dir(math)


def test_whoever_looks_at_every_name_asks_once_for_all(speaker: Speaker) -> None:
    speaker.told = {"m": {**MATH, "members": [f"f{n}" for n in range(500)]}, **{f"m.f{n}": POW for n in range(500)}}
    module = RpcClient("m", speaker)
    for name in [name for name in dir(module) if name.startswith("f")]:
        assert inspect.signature(getattr(module, name)).parameters
    assert len(speaker.asked) < 10
    assert "/v1/describe/m?members=true" in speaker.asked


def test_threads_that_ask_at_once_share_the_answer(math: RpcClient, speaker: Speaker, hanging: threading.Event) -> None:
    found: list[list[str]] = []
    threads = [threading.Thread(target=lambda: found.append(dir(math))) for _ in range(8)]
    for thread in threads:
        thread.start()
    hanging.set()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all("pow" in names for names in found)
    assert speaker.asked.count("math") == 1
