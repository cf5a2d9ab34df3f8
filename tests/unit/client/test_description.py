"""What a server says of a name is checked before anything here uses it."""

from __future__ import annotations

import inspect
import typing
from typing import Any

import pytest

from ksrpc.client.description import Description, check_name, parse_description, parse_members, parse_signature
from ksrpc.errors import DecodeError


def signature(*parameters: tuple[str, str, str, str], returns: str = "") -> inspect.Signature | None:
    told = [dict(zip(("name", "kind", "default", "annotation"), entry, strict=True)) for entry in parameters]
    return parse_signature({"kind": "function", "signature": told, "returns": returns})


def test_a_signature_is_that_of_the_library() -> None:
    def local(
        a: int, /, b: str = "x", *rest: float, k: bool | None = None, t: tuple[int, ...] = (1, 2), **more: Any
    ) -> int:
        return 0

    told = [
        ("a", "POSITIONAL_ONLY", "", "int"),
        ("b", "POSITIONAL_OR_KEYWORD", "'x'", "str"),
        ("rest", "VAR_POSITIONAL", "", "float"),
        ("k", "KEYWORD_ONLY", "None", "bool | None"),
        ("t", "KEYWORD_ONLY", "(1, 2)", "tuple[int, ...]"),
        ("more", "VAR_KEYWORD", "", "typing.Any"),
    ]
    found = signature(*told, returns="int")
    assert found is not None
    assert [(p.name, p.kind, p.default) for p in found.parameters.values()] == [
        (p.name, p.kind, p.default) for p in inspect.signature(local).parameters.values()
    ]
    assert found.parameters["k"].annotation == "bool | None"
    assert str(found) == (
        "(a: int, /, b: str = 'x', *rest: float, k: bool | None = None, t: tuple[int, ...] = (1, 2), "
        "**more: typing.Any) -> int"
    )
    assert found.bind(1, k=True).arguments == {"a": 1, "k": True}


@pytest.mark.parametrize("text", ["...", "nan", "<object>", "open('x')", "__import__('os').getcwd()", "[" * 150, "1 +"])
def test_a_default_that_is_no_literal_is_only_shown(text: str) -> None:
    found = signature(("a", "POSITIONAL_OR_KEYWORD", text, ""))
    assert found is not None
    assert str(found) == f"(a={text})"
    assert type(found.parameters["a"].default).__name__ == "_Written"


EVIL = [
    "__import__('os').system('true')",
    'List[\'__import__("os").system("true")\']',
    "(lambda: 0)()",
    "[x for x in ()]",
    "f'{1}'",
    "x := 1",
    "a if b else c",
]


@pytest.mark.parametrize("text", EVIL)
def test_no_annotation_can_be_evaluated_into_a_call(text: str) -> None:
    found = signature(("a", "POSITIONAL_OR_KEYWORD", "", text), returns=text)
    assert found is not None
    for annotation in (found.parameters["a"].annotation, found.return_annotation):
        assert not isinstance(annotation, str | typing.ForwardRef)
        assert repr(annotation) == text


@pytest.mark.parametrize(
    "text", ["Literal['pre', 'post']", "dict[str, list[int]]", "pd.DataFrame | None", "Callable[[int], str]"]
)
def test_an_everyday_annotation_is_a_text(text: str) -> None:
    found = signature(("a", "POSITIONAL_OR_KEYWORD", "", text))
    assert found is not None
    assert found.parameters["a"].annotation == text


@pytest.mark.parametrize(
    "told",
    [
        "(a, b)",
        [1],
        [{"name": "a"}],
        [{"name": "a", "kind": "NO_SUCH", "default": "", "annotation": ""}],
        [{"name": "not a name", "kind": "KEYWORD_ONLY", "default": "", "annotation": ""}],
        [{"name": 7, "kind": "KEYWORD_ONLY", "default": "", "annotation": ""}],
        [{"name": "a", "kind": "KEYWORD_ONLY", "default": "", "annotation": ""}] * 2,
        [{"name": f"a{n}", "kind": "KEYWORD_ONLY", "default": "", "annotation": ""} for n in range(300)],
    ],
)
def test_what_is_no_signature_is_none(told: object) -> None:
    assert parse_signature({"kind": "function", "signature": told, "returns": ""}) is None


@pytest.mark.parametrize(
    "name", ["_x", "__class__", "a b", "a.b", "", "1a", "class", "a\nb", "a" * 81, "ﬁ", 7, None, b"a"]
)
def test_only_public_names_become_attributes(name: object) -> None:
    assert not check_name(name)
    assert parse_members([name, "fine", "fine", "日线"]) == ("fine", "日线")


def test_members_are_bounded() -> None:
    assert len(parse_members([f"n{number}" for number in range(20_000)])) == 10_000
    assert parse_members("text") == ()
    assert parse_members(None) == ()
    assert parse_members({"b": {}, "a": {}}) == ("a", "b")


def test_texts_steer_no_terminal_and_are_no_markup() -> None:
    found = parse_description(
        "m.f", {"kind": "function", "doc": "\x1b]52;c;AAAA\x07\u202eDo <b>it</b>.\n\nMore.", "signature": None}
    )
    assert found.doc == "]52;c;AAAADo <b>it</b>.\n\nMore."
    assert found.summary == "]52;c;AAAADo <b>it</b>."
    assert "&lt;b&gt;it" in found.to_html()
    assert "<b>it" not in found.to_html()
    assert found.head == "m.f(…)"


@pytest.mark.parametrize("told", [None, [], "text", {}, {"kind": "evil"}, {"kind": ["function"]}])
def test_what_is_no_description_is_an_error(told: object) -> None:
    with pytest.raises(DecodeError, match=r"m\.f"):
        parse_description("m.f", told)


def test_fields_of_other_types_are_left_out() -> None:
    told = {"kind": "module", "doc": 1, "members": 2, "version": b"1", "generation": "x", "signature": 3}
    assert parse_description("m", told) == Description("m", "module", signature=inspect.Signature())
