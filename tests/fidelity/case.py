"""What a case of fidelity is: one value by name, and what becomes of it on each way.

Cases are made anew in every process, by whatever Python, numpy and pandas run there. A case is the same value
everywhere: it names its units and data types and leaves nothing to a library's defaults: these differ between versions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

#: Who takes a value as an argument: every function; only one whose rule says `arguments = "any"`; none. "sent" is of a
#: value that such a function takes and none may give, "never" of one that cannot travel at all.
Scope = Literal["request", "any", "result", "sent", "never"]


class Row(NamedTuple):
    """Stand for one row of the table in docs/reference/values.md.

    Attributes:
        what: First cell of the row.
        scope: Who takes it as an argument.
        makers: Name → what makes the value.
        stand_in: Gives what arrives in place of a value; None if the value itself does.
        argument: The same for a value that is sent as an argument.
        needs: What has to be installed, such as "pandas>=2 pyarrow".
        facts: Gives what is compared, of a value that does not arrive as an equal one.
        refusal: What the error says after the path, of a value that does not travel.
        paths: Name → the path to what does not travel, inside the value; of a name that is missing nothing is expected.
    """

    what: str
    scope: Scope
    makers: dict[str, Callable[[], Any]]
    stand_in: Callable[[Any], Any] | None = None
    argument: Callable[[Any], Any] | None = None
    needs: str = ""
    facts: Callable[[Any], Any] | None = None
    refusal: str = ""
    paths: Mapping[str, str] = MappingProxyType({})


class Case(NamedTuple):
    """Hold one value to be made."""

    name: str
    make: Callable[[], Any]
    row: Row

    @property
    def path(self) -> str:
        """Give the path to what does not travel, up to the reason; "" if nothing is expected of it."""
        path = self.row.paths.get(self.name.partition(": ")[2])
        return "" if path is None else f"{path}: "

    @property
    def needs(self) -> str:
        """Give what has to be installed to make it."""
        return self.row.needs

    def as_result(self) -> Any:
        """Make what arrives of it as a result."""
        value = self.make()
        return value if self.row.stand_in is None else self.row.stand_in(value)

    def as_argument(self) -> Any:
        """Make what arrives of it as an argument."""
        value = self.make()
        return value if self.row.argument is None else self.row.argument(value)


def name_cases(families: Iterable[tuple[str, list[Row]]]) -> dict[str, Case]:
    """Return the cases of all rows by name.

    Raises:
        ValueError: Two have the same name.
    """
    found: dict[str, Case] = {}
    for family, rows in families:
        for row in rows:
            for key, make in row.makers.items():
                name = f"{family}: {key}"
                if name in found:
                    raise ValueError(f"two cases are called {name!r}")
                found[name] = Case(name, make, row)
    return found


def lacking(needs: str) -> str:
    """Return the first thing that is needed and not there; "" if all are."""
    for need in needs.split():
        package, _, least = need.partition(">=")
        try:
            have = int(version(package).partition(".")[0])
        except PackageNotFoundError:
            return need
        if have < int(least or 0):
            return need
    return ""
