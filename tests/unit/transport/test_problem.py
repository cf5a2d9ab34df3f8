"""What an answer that is not 200 means."""

from __future__ import annotations

import json

import pytest

from ksrpc.errors import (
    BY_CODE,
    AuthError,
    BusyError,
    ConnectError,
    DeadlineError,
    ForbiddenError,
    KsrpcError,
    LostError,
    TooLargeError,
)
from ksrpc.transport.problem import parse_problem


@pytest.mark.parametrize("code", sorted(BY_CODE))
def test_our_own_problem_becomes_our_own_error(code: str) -> None:
    error = parse_problem(400, json.dumps({"code": code, "detail": "why"}).encode())
    assert type(error) is BY_CODE[code]
    assert str(error) == "why"


def test_gate_rule_and_loss_are_read() -> None:
    error = parse_problem(403, b'{"code":"forbidden","detail":"no","gate":"B","rule":"B2"}')
    assert isinstance(error, ForbiddenError)
    assert (error.gate, error.rule) == ("B", "B2")
    assert parse_problem(502, b'{"code":"lost","detail":"no","maybe_ran":false}').maybe_ran is False


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"\xff", b'{"code":5}', b'{"code":"new"}'])
@pytest.mark.parametrize(
    ("status", "cls", "maybe_ran"),
    [
        (401, AuthError, False),
        (413, TooLargeError, False),
        (301, ConnectError, False),
        (400, ConnectError, True),
        (404, ConnectError, False),
        (200, ConnectError, False),
        (500, LostError, True),
        (502, LostError, True),
        (503, LostError, True),
        (504, DeadlineError, True),
    ],
)
def test_answers_of_somebody_else(status: int, cls: type[KsrpcError], maybe_ran: bool, body: bytes) -> None:
    error = parse_problem(status, body)
    assert type(error) is cls
    assert error.maybe_ran is maybe_ran
    assert str(status) in str(error)


def test_long_texts_are_cut() -> None:
    error = parse_problem(503, json.dumps({"code": "busy", "detail": "x" * 100_000}).encode())
    assert isinstance(error, BusyError)
    assert len(str(error)) == 4000
