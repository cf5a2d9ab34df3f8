"""The original's answer, around values and errors alike: status, datetime, func, args, kwargs, type, data.

Source: docs/reference/original.md "Envelope".
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from ksrpc.errors import KsrpcError
from ksrpc.gateway import View
from ksrpc.server.negotiation import ANY, choose_media_type
from ksrpc.server.problem import Problem, pack_problem

_log = logging.getLogger("ksrpc")
_JSON, _CSV = "application/json", "text/csv"
#: A table as pandas' own `DataFrame.from_dict(…, orient="tight")` takes it.
OPTIONS = {"orient": "tight"}


@dataclass(slots=True)
class Question:
    """Hold what the envelope repeats of a call; what could not be read stays empty.

    Attributes:
        zone: Name of the time zone in which `datetime` is told (server.time_zone).
    """

    zone: str
    func: str = ""
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)


def choose_view(fmt: str) -> str:
    """Return the media type to render for a `fmt`: with "csv" only a table becomes CSV, all else stays JSON.

    Raises:
        NotAcceptableError: It is neither "json" nor "csv".
    """
    media_type = choose_media_type(ANY, fmt)
    return ANY if media_type == _CSV else media_type


def is_csv(view: View) -> bool:
    """Tell whether a view is a table as CSV, which stands for itself over HTTP and as a text in a frame."""
    return view.media_type == _CSV


def pack_view(question: Question, view: View) -> dict[str, Any]:
    """Make the envelope of an answer."""
    data = msgspec.Raw(view.body) if view.media_type == _JSON else view.body.decode()
    return _pack(question, status=200, type_name=view.type_name, data=data)


def pack_failure(question: Question, error: Exception) -> tuple[Problem, dict[str, Any]]:
    """Make the envelope of an error, and the problem that has its status and headers."""
    if not isinstance(error, KsrpcError):
        _log.error("a call failed inside the gateway", exc_info=error)
        error = KsrpcError("internal error; see the server's log")
    problem = pack_problem(error)
    type_name = problem.fields.get("exception") or type(error).__name__
    fields = pack_problem_fields(question, problem, type_name)
    if "retry_after_s" in problem.fields:
        fields["retry_after_s"] = problem.fields["retry_after_s"]  # a frame has no headers
    return problem, fields


def pack_problem_fields(question: Question, problem: Problem, type_name: str) -> dict[str, Any]:
    """Make the envelope of a problem."""
    return _pack(question, status=problem.status, type_name=type_name, data=problem.fields["detail"])


def _pack(question: Question, *, status: int, type_name: str, data: Any) -> dict[str, Any]:
    return {
        "status": status,
        "datetime": datetime.now(ZoneInfo(question.zone)).isoformat(),
        "func": question.func,
        "args": question.args,
        "kwargs": question.kwargs,
        "type": type_name,
        "data": data,
    }
