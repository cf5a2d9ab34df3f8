"""Words of a command line as arguments of a call: `name=text`, `name:=JSON`, from files with `@`.

Source: docs/reference/cli.md "ksrpc call"; the request items of HTTPie, which these follow.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

import click

#: A name, if any; how the value is told; the value. What does not begin so is a positional text.
_WORD = re.compile(r"(?P<name>[^\W\d]\w*)?(?P<sign>:=|=)(?P<value>.*)", re.DOTALL)


def parse_words(words: Iterable[str]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Read arguments.

    Raises:
        click.UsageError: JSON that is none, a file that cannot be read, or a name that comes twice; the text names it.
    """
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for number, word in enumerate(words, 1):
        found = _WORD.fullmatch(word)
        if found is None:
            args.append(word)
            continue
        name = found["name"]
        label = f"argument {name!r}" if name else f"argument {number}"
        value = _read_value(found["value"], label, is_json=found["sign"] == ":=")
        if name is None:
            args.append(value)
        elif name in kwargs:
            raise click.UsageError(f"{label} is given twice")
        else:
            kwargs[name] = value
    return tuple(args), kwargs


def _read_value(value: str, label: str, *, is_json: bool) -> Any:
    text = _read_file(Path(value[1:]), label) if value.startswith("@") else value
    return _parse_json(text, label) if is_json else text


def _read_file(path: Path, label: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as exc:
        raise click.UsageError(f"{label}: {path} cannot be read: {exc.strerror}") from None
    except UnicodeDecodeError:
        raise click.UsageError(f"{label}: {path} is not text in UTF-8") from None


def _parse_json(text: str, label: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as exc:
        reason = getattr(exc, "msg", None) or str(exc)
        where = f" at character {exc.pos + 1}" if isinstance(exc, json.JSONDecodeError) else ""
        raise click.UsageError(f"{label}: this is not JSON: {reason}{where}; a text is given with = alone") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"JSON has no {name}")
