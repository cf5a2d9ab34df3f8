"""The reader of pages finds blocks, marks and expected output."""

from __future__ import annotations

import pytest

from tests.docs.page import Block, expected_lines, missing_line, parse_blocks, parse_marks, strip_comments

PAGE = """
Text.

```python
x = 1
```

<!-- test: tokened, raises ValueError -->
```bash
false
```

- in a list
  <!-- test: skip (no network, by rule) -->
  ```console
  $ ksrpc --version
  1.0
  ```

````text
```python
not a block
```
````
"""


def test_blocks_are_found_with_language_line_and_marks() -> None:
    blocks = parse_blocks("a.md", PAGE)
    assert [(block.language, block.line, block.marks) for block in blocks] == [
        ("python", 4, {}),
        ("bash", 9, {"tokened": "", "raises": "ValueError"}),
        ("console", 15, {"skip": "no network, by rule"}),
        ("text", 20, {}),
    ]
    assert blocks[0].code == "x = 1\n"
    assert blocks[2].code == "$ ksrpc --version\n1.0\n"
    assert [block.is_runnable for block in blocks] == [True, True, True, False]


@pytest.mark.parametrize("text", ["skip", "skip ()", "raises", "file", "whatever", "tokened yes", ""])
def test_a_wrong_mark_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="test comment"):
        parse_marks(text)


def test_a_file_is_no_program() -> None:
    (block,) = parse_blocks("a.md", "<!-- test: file bars.py -->\n```python\nx = 1\n```\n")
    assert block.marks == {"file": "bars.py"}
    assert not block.is_runnable


def test_expected_output_of_python_and_console() -> None:
    assert expected_lines(Block("a", 1, "python", "print(8.0)  # → 8.0\nprint(1)\n")) == ["8.0"]
    assert expected_lines(Block("a", 1, "console", "$ echo 1\n1\n\n$ echo 2\n2\n")) == ["1", "2"]


@pytest.mark.parametrize(
    ("expected", "missing"),
    [([], None), (["a", "c"], None), (["c", "a"], "a"), (["port …"], None), (["port … open"], "port … open")],
)
def test_missing_line_is_told(expected: list[str], missing: str | None) -> None:
    assert missing_line(expected, "a\nport 17\nb\nc\na line\n" if expected != ["c", "a"] else "a\nc\n") == missing


def test_comments_do_not_count_when_translations_are_compared() -> None:
    assert strip_comments("# one\nx = 1  # two\n\ny = 2\n") == ["x = 1", "y = 2"]
