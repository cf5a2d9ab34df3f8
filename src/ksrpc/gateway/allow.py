"""Step 2: may this user call this path? A pure function of rules and text, before anything is imported or asked.

Source: docs/spec/policy.md "Gate A".
"""

from __future__ import annotations

from ksrpc.errors import RefusedError
from ksrpc.expose import Surface
from ksrpc.limits import MEMO_ENTRIES
from ksrpc.model import Rules, User


class _Memo:
    """Remember what one set of rules allowed. Holds the rules, so that their id stays theirs."""

    __slots__ = ("allowed", "rules", "surface")

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.surface = Surface(rules)
        self.allowed: dict[str, None] = {}


class Allowance:
    """Decide, and remember what was allowed. Refusals are decided anew each time: a flood of them keeps nothing."""

    def __init__(self) -> None:
        self._memos: dict[int, _Memo] = {}

    def check(self, user: User, path: str) -> None:
        """Let an allowed path pass.

        Raises:
            NotFoundError: Nothing of this root is open to the user; says the same for what does not exist.
            ForbiddenError: The root is open, the path is not; names gate and rule.
        """
        memo = self._memos.get(id(user.rules)) or self._memo(user)
        if path in memo.allowed:
            return
        memo.surface.check(path)
        if len(memo.allowed) >= MEMO_ENTRIES:
            del memo.allowed[next(iter(memo.allowed))]
        memo.allowed[path] = None

    def check_member(self, user: User, path: str) -> None:
        """Let a listed name of a listed class pass.

        Raises:
            NotFoundError: The class is not open to the user.
            ForbiddenError: A block pattern closes the name.
        """
        self._memo(user).surface.check_member(path)

    def allows(self, user: User, path: str) -> bool:
        """Tell whether `check` would let the path pass."""
        try:
            self.check(user, path)
        except RefusedError:
            return False
        return True

    def allows_member(self, user: User, path: str) -> bool:
        """Tell whether `check_member` would let the name pass."""
        try:
            self.check_member(user, path)
        except RefusedError:
            return False
        return True

    def _memo(self, user: User) -> _Memo:
        memo = self._memos.get(id(user.rules))
        if memo is None:
            memo = self._memos[id(user.rules)] = _Memo(user.rules)
        return memo
