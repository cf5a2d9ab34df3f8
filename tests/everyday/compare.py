"""Compare an answer with what the library itself gives, to the last bit."""

from __future__ import annotations

import re
from typing import Any

from ksrpc import wire
from tests.everyday.call import Call
from tests.integration.sameness import assert_same

#: They answer something else each time; type and shape are compared.
_FICKLE = re.compile(r"numpy\.random\.|\.(?:now|today|utcnow|sample)$")


def compare(call: Call, got: Any) -> None:
    """Call the library here and compare.

    Raises:
        AssertionError: They differ; the text says where.
    """
    expected = call.run()
    if _FICKLE.search(call.path):
        assert type(got) is type(expected)
        assert getattr(got, "shape", ()) == getattr(expected, "shape", ())
        return
    if isinstance(expected, tuple) and type(expected).__module__ == "datetime":  # its class stays there
        got, expected = tuple(got), tuple(expected)
    try:
        assert_same(got, expected)
    except AssertionError as exc:
        if wire.pack(got).join() != wire.pack(expected).join():  # NaN in a tuple of labels is not itself
            raise AssertionError(f"{call.path}{call.args}{call.kwargs}: {exc}") from None
