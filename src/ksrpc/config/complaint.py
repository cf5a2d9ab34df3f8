"""Say what is wrong with a configuration: file and line, or variable, then key and cure.

Source: docs/reference/config.md.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from ksrpc.config.environment import kind_of
from ksrpc.config.key import Location, find_line, join_key
from ksrpc.config.schema import Config, HandleSection, QuotaSection, QuotaTable


class Origins:
    """Know where each key of one configuration was set.

    Args:
        path: The file.
        text: What is in it.
        variables: Keys that the environment sets → variable.
        files: Keys that the folder of modules sets → file.
    """

    def __init__(
        self, path: Path, text: str, variables: Mapping[Location, str], files: Mapping[Location, Path]
    ) -> None:
        self._path = path
        self._text = text
        self._variables = variables
        self._files = files

    def find(self, location: Location) -> str:
        """Return variable, module file, or file and line of a key; "default" if it is set nowhere."""
        if location in self._variables:
            return self._variables[location]
        if location in self._files:
            file = self._files[location]
            return str(file.relative_to(self._path.parent) if file.is_relative_to(self._path.parent) else file)
        line = find_line(self._text, location)
        return f"{self._path.name}:{line}" if line else "default"

    def blame(self, location: Location) -> str:
        """Return what an error begins with: the variable, the module's file, or the configuration's path and line."""
        for length in range(len(location), 0, -1):
            found = self._variables.get(location[:length]) or self._files.get(location[:length])
            if found:
                return str(found)
        line = find_line(self._text, location)
        return f"{self._path}:{line}" if line else str(self._path)

    def explain(self, errors: ValidationError) -> str:
        """Write all errors, a line each."""
        return "\n".join(line for error in errors.errors() for line in self._explain(error))

    def _explain(self, error: Any) -> Iterator[str]:
        if error["type"] == "whole":
            for location, text in error["ctx"]["problems"]:
                yield f"{self.blame(location)}: {text}"
            return
        location = tuple(str(part) for part in error["loc"] if part != "[key]")
        key, where = join_key(location), self.blame(location)
        if error["type"] == "extra_forbidden":
            yield f"{where}: unknown key {key}{_suggest(location)}"
        else:
            yield f"{where}: {key}: {str(error['msg']).removeprefix('Value error, ')}"


def _suggest(location: Location) -> str:
    model: type[BaseModel] = Config
    for part in location[:-1]:
        field = model.model_fields.get(part)
        section = kind_of(field.annotation)[0] if field is not None else None
        model = section or (QuotaSection if model is QuotaTable else model)
    close = difflib.get_close_matches(location[-1], list(model.model_fields), n=1)
    if not close and model is HandleSection:
        return f"; the class's path below its module stands in quotes: {join_key(('.'.join(location[3:]),))}"
    return f"; did you mean {close[0]}?" if close else ""
