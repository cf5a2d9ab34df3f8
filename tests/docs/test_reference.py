"""The reference pages say what the code does."""

from __future__ import annotations

import pytest

from ksrpc.errors import BY_CODE, KsrpcError, LocalError, LostError
from tests.style.rule import ROOT

PAGE = ROOT / "docs" / "reference" / "errors.md"


def documented() -> dict[str, list[str]]:
    """Read the table: class → its other cells."""
    rows = [line.strip("| ").split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines() if "| `" in line]
    return {row[0].strip("`"): row[1:] for row in rows}


def test_every_error_is_documented_and_no_other() -> None:
    assert set(documented()) == {cls.__name__ for cls in BY_CODE.values()}


@pytest.mark.parametrize("cls", BY_CODE.values(), ids=BY_CODE)
def test_documented_code_status_and_retry_are_those_of_the_class(cls: type[KsrpcError]) -> None:
    code, status, retry, meaning, cure = documented()[cls.__name__]
    has_status = not issubclass(cls, LocalError) or "status" in vars(cls)
    lost = issubclass(cls, LostError)
    assert code == f"`{cls.code}`"
    assert status == (str(cls.status) if has_status else "—")
    assert retry == ("if it did not run" if lost else "yes" if cls.retryable else "no")
    assert meaning
    assert cure


def test_a_lost_call_is_worth_a_retry_exactly_if_it_did_not_run() -> None:
    assert not LostError(maybe_ran=True).retryable
    assert LostError(maybe_ran=False).retryable
