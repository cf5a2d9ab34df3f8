"""What stands in the folder `server` of the gateway: makes cases there, and looks at what arrives there."""

from __future__ import annotations

from typing import Any

from tests.fidelity.case import lacking
from tests.fidelity.cases import CASES, here
from tests.fidelity.outcome import difference


def lacks() -> dict[str, str]:
    """Return the cases that this environment cannot make, and what it lacks."""
    found = here()
    return {name: lacking(case.needs) for name, case in CASES.items() if name not in found}


def make(name: str) -> Any:
    """Return the value of a case."""
    return CASES[name].make()


def judge(name: str, value: Any) -> str:
    """Return how an argument differs from what should have arrived, "" if it does not."""
    case = CASES[name]
    return difference(case, value, case.as_argument())


def look(name: str, value: Any) -> tuple[str, Any]:
    """Return how an argument differs from what should have arrived, "" if it does not, and the argument."""
    return judge(name, value), value
