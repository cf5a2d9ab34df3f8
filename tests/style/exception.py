"""Where a rule of `tests.style.rule` does not hold, and why. An entry that is not needed fails a test."""

from __future__ import annotations

#: (rule, file or file::name) → reason.
EXCEPTIONS: dict[tuple[str, str], str] = {
    ("sleeping", "tests/helpers/rough.py"): "is served, not run by a test: a library that takes its time",
    ("sleeping", "tests/helpers/vendor.py"): "is served, not run by a test: a library that takes its time",
}
