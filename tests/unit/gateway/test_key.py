"""The key of a call: what belongs to it, what does not, and which calls have none."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ksrpc import wire
from ksrpc.config import Config
from ksrpc.errors import DecodeError
from ksrpc.expose import Resolver
from ksrpc.gateway.call import Arguments, Call
from ksrpc.gateway.describe import Registry, parse_descriptor
from ksrpc.gateway.key import KeyMaker, make_key
from ksrpc.gateway.run import Executors
from ksrpc.limits import MEMO_ENTRIES
from ksrpc.model import Descriptor, Kind, Parameter, Rules, User
from ksrpc.wire.canonical import encode_value


def describe(function: Callable[..., Any], **changes: Any) -> Descriptor:
    """Describe a function of this file as a worker does."""
    signature = tuple(
        Parameter(p.name, p.kind.name, *(("", "") if p.default is p.empty else (repr(p.default), "")), _key(p.default))
        for p in inspect.signature(function).parameters.values()
    )
    return dataclasses.replace(Descriptor("m.f", "m.f", "m", "function", signature), **changes)


def _key(default: Any) -> bytes:
    return b"" if default is inspect.Parameter.empty else encode_value(default) or b""


def key(descriptor: Descriptor, *args: Any, **kwargs: Any) -> bytes | None:
    """Make the key of a call with these arguments."""
    return make_key(descriptor, wire.pack_arguments(args, kwargs).join())


def daily(code: str, start: Any = None, *, fq: str = "pre", count: int = 5) -> None:
    """Have every kind of parameter that data functions have."""


def loose(first: Any, /, second: Any = 2, *rest: Any, **extra: Any) -> None:
    """Have every other kind."""


DAILY, LOOSE, UNKNOWN = describe(daily), describe(loose), describe(daily, signature=None)


def test_a_key_is_32_bytes_and_stays_the_same() -> None:
    made = key(DAILY, "000001")
    assert made is not None
    assert len(made) == 32
    assert made == key(DAILY, "000001") == key(dataclasses.replace(DAILY), "000001")
    assert made == KeyMaker().make_key(DAILY, memoryview(wire.pack_arguments(("000001",), {}).join()))


def test_keys_that_are_remembered_are_those_of_their_function_and_arguments() -> None:
    maker, others = KeyMaker(), [dataclasses.replace(DAILY, owner=f"m{number}") for number in range(3)]
    questions = [(one, wire.pack_arguments((text,), {}).join()) for one in others for text in ("1", "2", "x" * 2000)]
    made = [maker.make_key(one, data, entitlement=label) for one, data in questions for label in ("", "a")]
    assert len(set(made)) == len(made)
    assert made == [maker.make_key(one, data, entitlement=label) for one, data in questions for label in ("", "a")]
    assert made == [KeyMaker().make_key(one, data, entitlement=label) for one, data in questions for label in ("", "a")]


def test_more_questions_than_are_remembered() -> None:
    maker = KeyMaker()
    data = [wire.pack_arguments((number,), {}).join() for number in range(MEMO_ENTRIES + 100)]
    assert len({maker.make_key(DAILY, one) for one in data}) == len(data)


def test_the_same_call_in_other_words_has_the_same_key() -> None:
    made = key(DAILY, "1", None, fq="pre", count=5)
    assert made is not None
    ways: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        (("1",), {}),
        ((), {"code": "1"}),
        (("1",), {"start": None}),
        (("1", None), {"count": np.int64(5)}),
        ((), {"fq": "pre", "code": np.str_("1"), "start": None}),
        ((), {"start": None, "code": "1", "fq": "pre"}),
    ]
    for args, kwargs in ways:
        assert key(DAILY, *args, **kwargs) == made


def test_other_calls_have_other_keys() -> None:
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        (("1",), {}), ((1,), {}), ((1.0,), {}), ((True,), {}), ((None,), {}), ((["1"],), {}), ((("1",),), {}),
        (("1", "pre"), {}), (("1",), {"fq": "post"}), (("1",), {"count": 5.0}), (("1",), {"count": 6}),
        (("1", 5), {}), (("1",), {"start": ""}),
    ]  # fmt: skip
    made = [key(DAILY, *args, **kwargs) for args, kwargs in calls]
    assert None not in made
    assert len(set(made)) == len(calls)


def test_rest_and_extra_arguments() -> None:
    assert key(LOOSE, 1) == key(LOOSE, 1, 2) == key(LOOSE, 1, second=2) != key(LOOSE, 1, 2, 3)
    assert key(LOOSE, 1, 2, 3, 4) != key(LOOSE, 1, 2, (3, 4)) != key(LOOSE, 1, 2, [3, 4])
    assert key(LOOSE, 1, a=1, b=2) == key(LOOSE, 1, b=2, a=1) != key(LOOSE, 1, a=2, b=1)
    assert key(LOOSE, 1, first=1) not in (None, key(LOOSE, 1)), "a name that is positional only goes to the extras"


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((), {}), (("1", 2, 3), {}), (("1",), {"code": "1"}), (("1",), {"unknown": 1}), ((), {"start": 1})],
)
def test_what_does_not_bind_has_no_key(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        daily(*args, **kwargs)
    assert key(DAILY, *args, **kwargs) is None


def test_binding_is_pythons_own() -> None:
    values: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        (args, {**first, **second})
        for args in ((), (1,), (1, 2), (1, 2, 3))
        for first in ({}, {"first": 1}, {"second": 2}, {"code": 1})
        for second in ({}, {"start": 2}, {"count": 5}, {"z": 0})
    ]
    for function in (daily, loose):
        told: dict[str, set[bytes | None]] = {}
        for args, kwargs in values:
            try:
                function(*args, **kwargs)
            except TypeError:
                assert key(describe(function), *args, **kwargs) is None
                continue
            bound = inspect.signature(function).bind(*args, **kwargs)
            bound.apply_defaults()
            told.setdefault(repr(sorted(map(repr, _plain(bound)))), set()).add(key(describe(function), *args, **kwargs))
        assert all(len(made) == 1 and None not in made for made in told.values())
        assert len(set.union(*told.values())) == len(told) > 1


def _plain(bound: inspect.BoundArguments) -> Iterator[tuple[str, Any]]:
    for name, value in bound.arguments.items():
        yield name, sorted(value.items()) if type(value) is dict else value


def test_without_a_signature_arguments_count_as_they_are_given() -> None:
    assert key(UNKNOWN, "1", fq="pre", count=1) == key(UNKNOWN, "1", count=1, fq="pre")
    assert len({key(UNKNOWN, *a, **k) for a, k in [(("1",), {}), ((), {"code": "1"}), (("1", None), {})]}) == 3


def test_a_default_that_is_not_known_is_no_value() -> None:
    secret = describe(daily, signature=(Parameter("token", "POSITIONAL_OR_KEYWORD", "..."),))
    assert key(secret) is not None
    assert len({key(secret), key(secret, None), key(secret, ""), key(secret, b"")}) == 4


@pytest.mark.parametrize("field", ["canonical", "version", "owner"])
def test_what_is_called_is_part_of_the_key(field: str) -> None:
    assert key(DAILY, "1") != key(dataclasses.replace(DAILY, **{field: "other"}), "1")  # type: ignore[arg-type]


def test_path_and_generation_are_not() -> None:
    assert key(DAILY, "1") == key(dataclasses.replace(DAILY, path="m.alias", generation=7, doc="x"), "1")


def test_another_signature_makes_another_key() -> None:
    names = [dataclasses.replace(p, name=p.name + "2") for p in DAILY.signature or ()]
    assert key(DAILY, "1") != key(dataclasses.replace(DAILY, signature=tuple(names)), "1")


def test_an_entitlement_is_never_shared() -> None:
    data = wire.pack_arguments(("1",), {}).join()
    made = [make_key(DAILY, data, entitlement=label) for label in ("", "a", "b")]
    assert len({*made, None}) == 4
    assert make_key(DAILY, data, entitlement="a") == made[1]


def test_ignored_parameters_do_not_count() -> None:
    def made(descriptor: Descriptor, *names: str, args: Any = (), **kwargs: Any) -> bytes | None:
        return make_key(descriptor, wire.pack_arguments(args, kwargs).join(), ignored=frozenset(names))

    assert made(DAILY, "count", code="1") == made(DAILY, "count", code="1", count=9) != made(DAILY, code="1", count=9)
    assert made(DAILY, "count", code="1") != made(DAILY, "count", code="2")
    assert made(DAILY, "code", code="1") == made(DAILY, "code", args=("2",)) != made(DAILY, "start", code="1")
    assert made(DAILY, "code") is None, "ignored, but not given: that call fails"
    assert made(LOOSE, "timeout", first=1) is None
    assert made(LOOSE, "timeout", args=(1,), timeout=3) == made(LOOSE, args=(1,))
    assert made(UNKNOWN, "timeout", args=(1,), timeout=3) == made(UNKNOWN, args=(1,))


@pytest.mark.parametrize("kind", ["module", "value", "generator"])
def test_kinds_that_are_not_kept(kind: Kind) -> None:
    assert key(dataclasses.replace(DAILY, kind=kind), "1") is None


def test_kinds_that_are() -> None:
    for kind in ("function", "coroutine", "class"):
        assert key(describe(daily, kind=kind), "1") is not None
    assert key(dataclasses.replace(DAILY, is_keyed=False), "1") is None


def test_damaged_arguments_are_refused() -> None:
    with pytest.raises(DecodeError):
        make_key(DAILY, b"KSW1")


def test_large_arguments_never_share() -> None:
    random = np.random.default_rng(1)
    array, frame = random.random(5000), pd.DataFrame(random.random((1000, 4)), columns=list("abcd"))
    changed, other = array.copy(), frame.copy()
    changed[2500] += 1
    other["c"] = other["c"].where(other.index != 500, 7.0)
    assert len({key(LOOSE, value) for value in (array, changed, frame, other)}) == 4
    assert key(LOOSE, array) == key(LOOSE, array.copy())
    assert key(LOOSE, frame) == key(LOOSE, frame.copy())


def test_descriptors_that_are_gone_do_not_lend_their_id() -> None:
    maker, data = KeyMaker(), wire.pack_arguments((), {}).join()
    made = {maker.make_key(describe(daily, canonical=f"m.f{n}", signature=()), data) for n in range(MEMO_ENTRIES + 50)}
    assert len(made) == MEMO_ENTRIES + 50


MODULE = """
import functools

def plain(code, fields=("a", "b"), adjust=None, table={"x": [1, 2]}, token="s3cret", kind=str): pass

def passing(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        kwargs.setdefault("adjust", "post")
        return function(*args, **kwargs)
    return wrapper

wrapped = passing(plain)
cached = functools.lru_cache(plain)

class Client:
    def get(self, code): pass

client = Client()
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    """Make a resolver that may call everything of a module, without gates."""
    (tmp_path / "keyshop.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield Resolver(Rules(allow=("keyshop",), unsafe=("keyshop",)))
    sys.modules.pop("keyshop", None)


def travelled(shop: Resolver, path: str) -> Descriptor:
    """Describe a path as the gateway sees it."""
    return parse_descriptor(wire.pack(dataclasses.asdict(shop.describe(path))).join())


def test_defaults_as_the_worker_tells_them(shop: Resolver) -> None:
    plain = travelled(shop, "keyshop.plain")
    assert key(plain, "1") == key(plain, "1", ("a", "b"), None, {"x": [1, 2]}) != key(plain, "1", ["a", "b"])
    assert key(plain, "1") != key(plain, "1", token="s3cret"), "no digest of a secret leaves the worker"
    assert [p.default_key for p in plain.signature or () if p.name in ("code", "token", "kind")] == [b""] * 3
    cached = travelled(shop, "keyshop.cached")
    assert key(cached, "1") == key(cached, "1", adjust=None)


def test_a_wrapper_may_have_other_defaults_than_it_says(shop: Resolver) -> None:
    wrapped = travelled(shop, "keyshop.wrapped")
    assert key(wrapped, "1") != key(wrapped, "1", adjust=None)
    assert key(wrapped, "1") == key(wrapped, code="1")


def test_a_method_of_an_instance_has_no_key(shop: Resolver) -> None:
    assert not travelled(shop, "keyshop.client.get").is_keyed
    assert key(travelled(shop, "keyshop.client.get"), "1") is None
    assert travelled(shop, "keyshop.Client").is_keyed


def test_a_descriptor_with_another_default_key_is_refused(shop: Resolver) -> None:
    fields = dataclasses.asdict(shop.describe("keyshop.plain"))
    fields["signature"][0]["default_key"] = "text"
    with pytest.raises(DecodeError):
        parse_descriptor(wire.pack(fields).join())


def test_names_that_say_the_same_of_two_objects() -> None:
    """`__module__` and `__qualname__` are one for all that a careless decorator makes; paths are not."""
    resolver = Resolver(Rules(allow=("math", "operator")))
    paths = [f"math.{name}" for name in resolver.describe("math").members]
    found = [resolver.describe(path) for path in paths]
    made = [key(descriptor, 1.0) for descriptor in found if descriptor.kind == "function"]
    bound = [entry for entry in made if entry is not None]
    assert len(bound) > 20
    assert len(set(bound)) == len(bound)


def test_what_is_shown_of_a_descriptor_holds_no_default_keys(tmp_path: Path) -> None:
    (tmp_path / "stall.py").write_text("def f(code, fields=('a', 'b', 'c', 'd', 'e')): pass\n")
    config = Config.model_validate(
        {"module": {"stall": {"path": str(tmp_path / "stall.py")}}, "access": {"allow": ["stall"]}}
    )

    async def work() -> tuple[Descriptor, Descriptor | None, Descriptor | None]:
        executors = Executors(config)
        registry = Registry(executors, timeout_s=60)
        deadline = asyncio.get_running_loop().time() + 60
        call = Call(User("li", config.all_rules), "stall.f", Arguments(), deadline)
        try:
            assert registry.recall_keyed(call) is None
            return await registry.describe(call), registry.recall(call), registry.recall_keyed(call)
        finally:
            await executors.stop()

    shown, recalled, keyed = asyncio.run(asyncio.wait_for(work(), 60))
    assert shown is recalled
    assert keyed is not None
    assert not any(entry.default_key for entry in shown.signature or ())
    assert key(keyed, "1") == key(keyed, "1", ("a", "b", "c", "d", "e")) != key(shown, "1")
