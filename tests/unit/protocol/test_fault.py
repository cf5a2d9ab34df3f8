"""Errors of our own as the meta of RAISE, and back."""

from __future__ import annotations

import pytest

from ksrpc import errors
from ksrpc.errors import BY_CODE, BusyError, DeadlineError, ForbiddenError, KsrpcError, LostError, QuotaError
from ksrpc.protocol.fault import pack_fault, parse_fault


@pytest.mark.parametrize("cls", [BY_CODE[code] for code in sorted(BY_CODE)])
def test_every_error_comes_back_as_itself(cls: type[KsrpcError]) -> None:
    sent = cls("some text")
    back = parse_fault(pack_fault(sent))
    assert type(back) is cls
    assert str(back) == str(sent)
    assert (back.maybe_ran, back.retryable) == (sent.maybe_ran, sent.retryable)


@pytest.mark.parametrize("maybe_ran", [True, False])
@pytest.mark.parametrize("cls", [LostError, DeadlineError, errors.CancelledError])
def test_whether_it_may_have_run_survives(cls: type[LostError], maybe_ran: bool) -> None:
    back = parse_fault(pack_fault(cls("gone", maybe_ran=maybe_ran)))
    assert back.maybe_ran is maybe_ran
    assert back.retryable is not maybe_ran


def test_gate_and_rule_survive() -> None:
    back = parse_fault(pack_fault(ForbiddenError("no", gate="C", rule="C4")))
    assert isinstance(back, ForbiddenError)
    assert (back.gate, back.rule) == ("C", "C4")


def test_the_quota_survives() -> None:
    sent = QuotaError("used up", scope="demo", limit_rows=5, used_rows=7, resets_in_s=60, retry_after_s=1)
    back = parse_fault(pack_fault(sent))
    assert isinstance(back, QuotaError)
    assert vars(back) == vars(sent)
    none = parse_fault(pack_fault(QuotaError("nothing", scope="demo", resets_in_s=60)))
    assert isinstance(none, QuotaError)
    assert (none.retry_after_s, none.resets_in_s) == (None, 60)


def test_a_quota_that_is_told_wrongly_is_not_believed() -> None:
    told = {"scope": 5, "limit_rows": "many", "used_rows": True, "resets_in_s": [], "retry_after_s": "soon"}
    back = parse_fault({"code": "quota", "text": "used up", **told})
    assert isinstance(back, QuotaError)
    assert vars(back) == vars(QuotaError("used up"))
    assert str(back) == "used up"


def test_foreign_errors_say_nothing_of_themselves() -> None:
    meta = pack_fault(ValueError("password 123 in /etc/secret"))
    assert meta == {"code": "internal", "text": "internal error; see the server's log", "maybe_ran": True}
    back = parse_fault(meta)
    assert type(back) is KsrpcError
    assert back.maybe_ran is True


def test_long_texts_are_cut() -> None:
    assert len(pack_fault(BusyError("x" * 10_000))["text"]) == 4000


@pytest.mark.parametrize(
    "meta",
    [{}, {"code": 5}, {"code": "of tomorrow", "text": "t"}, {"code": ["busy"]}, {"code": None, "maybe_ran": "no"}],
)
def test_codes_that_are_not_known_become_the_base_class(meta: dict[str, object]) -> None:
    assert type(parse_fault(meta)) is KsrpcError


def test_a_refusal_cannot_claim_that_it_ran() -> None:
    assert parse_fault({"code": "busy", "maybe_ran": True}).maybe_ran is False


@pytest.mark.parametrize("told", [None, "no", 0, True])
def test_a_loss_may_have_run_unless_it_is_denied(told: object) -> None:
    assert parse_fault({"code": "lost", "maybe_ran": told}).maybe_ran is True
