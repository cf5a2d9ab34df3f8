"""What an attack is: data, so that one test body sends all of them over every road."""

from __future__ import annotations

from typing import Any, NamedTuple

#: Classes of the policy's "Proof".
CLASSES = (
    "traversal", "dunder", "alias", "import", "gadget", "bytes", "auth", "smuggling", "browser", "bomb", "handle",
)  # fmt: skip


class Attack(NamedTuple):
    """Describe one call that must fail.

    Attributes:
        name: Its own among all attacks.
        kind: One of `CLASSES`.
        rows: Rows of the threat model that it belongs to, "" if none.
        path: What is called.
        answer: How it is refused: rules or codes of errors, with "|" between them; "B" stands for every rule of gate B.
    """

    name: str
    kind: str
    rows: str
    path: str
    answer: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}  # noqa: RUF012 - never changed

    def allows(self, answer: str) -> bool:
        """Tell whether a gateway that answers so has refused as it should."""
        return any(answer == part or (len(part) == 1 and answer[:1] == part) for part in self.answer.split("|"))


def table(kind: str, rows: str, text: str) -> list[Attack]:
    """Read attacks without arguments, one on a line: its name, what it calls, how it is refused."""
    return [Attack(name, kind, rows, path, answer) for name, path, answer in map(str.split, text.strip().splitlines())]
